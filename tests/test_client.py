"""The client against a server: what it gives, page by page, and what it raises."""

import asyncio
import pickle
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

import threadkeep
from support.either_client import KINDS, client_of
from threadkeep import errors
from threadkeep.client import Message, Page
from threadkeep.contract.messages import MessageCreate, TextPart


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def adas(kind, server, ada) -> AsyncIterator[Any]:
    """A client for Ada, of each kind."""
    async with client_of(kind, server.url, ada) as client:
        yield client


async def test_a_thread_comes_as_it_is_and_changes_field_by_field(adas):
    thread = await adas.threads.create(title="Hello", metadata={"category": "support", "tags": ["a", 1, True]})

    changed = await adas.threads.update(thread.id, title=None, metadata={"category": None, "priority": 2})
    untouched = await adas.threads.update(thread.id)

    assert (thread.title, thread.metadata) == ("Hello", {"category": "support", "tags": ["a", 1, True]})
    assert (changed.title, changed.metadata) == (None, {"tags": ["a", 1, True], "priority": 2})
    assert untouched == changed
    assert (await adas.threads.update(thread.id, metadata=None)).metadata == {}


async def test_a_thread_goes_through_its_states(adas):
    thread = await adas.threads.create()

    states = [
        (await act(thread.id)).state
        for act in (adas.threads.lock, adas.threads.unlock, adas.threads.archive, adas.threads.unarchive)
    ]
    deleted = await adas.threads.delete(thread.id)

    assert states == ["locked", "open", "archived", "open"]
    assert (deleted.id, deleted.object, deleted.deleted) == (thread.id, "thread.deleted", True)


async def test_messages_are_added_read_changed_and_deleted(adas):
    thread = await adas.threads.create(messages=[{"role": "user", "content": "one"}])
    two = await adas.threads.messages.create(thread.id, role="assistant", content=[TextPart("two")])
    more = await adas.threads.messages.create_many(
        thread.id, [MessageCreate("user", "three"), {"role": "user", "content": "four", "metadata": {"n": 4}}]
    )

    changed = await adas.threads.messages.update(thread.id, two.id, content="zwei")
    await adas.threads.messages.delete(thread.id, more[0].id)

    assert changed.text == "zwei"
    assert await adas.threads.messages.retrieve(thread.id, two.id) == changed
    assert [each.text async for each in adas.threads.messages.list(thread.id)] == ["one", "zwei", "four"]
    assert [each.text async for each in adas.threads.messages.list(thread.id, role="assistant")] == ["zwei"]
    assert (await adas.threads.messages.delete_all(thread.id)).deleted == 3


async def test_a_thread_is_found_by_an_id_of_ones_own_or_created(adas, people):
    own, other = (adas.with_options(user_id=people.new_user()) for _ in range(2))
    payload = {"format": "x", "data": "y"}

    assert await own.threads.find("ticket 1") is None
    first, again, *_ = await asyncio.gather(
        *(own.threads.find_or_create("ticket 1", title="Once", payload=payload) for _ in range(8))
    )
    archived = await own.threads.archive(first.id)
    found = await own.threads.find("ticket 1", include=["payload"])
    others = await other.threads.find_or_create("ticket 1")

    assert (first.id, first.title, first.external_id) == (again.id, "Once", "ticket 1")
    assert (found.id, found.state, found.payload.data) == (archived.id, "archived", "y")
    assert others.id != first.id


async def test_many_messages_are_added_in_as_few_calls_as_their_limits_allow(adas):
    thread = await adas.threads.create()
    messages = [{"role": "user", "content": str(number)} for number in range(250)]
    large = [{"role": "user", "payload": {"format": "x", "data": str(number) * 900_000}} for number in range(8)]

    added = await adas.threads.messages.create_many(thread.id, messages)
    more = await adas.threads.messages.create_many(thread.id, large, idempotency_key=f"key {thread.id}")
    again = await adas.threads.messages.create_many(thread.id, large, idempotency_key=f"key {thread.id}")
    newest = await adas.threads.messages.newest(thread.id, 150)

    assert [each.text for each in added] == [str(number) for number in range(250)]
    assert [each.id for each in more] == [each.id for each in again]
    assert [each.seq for each in newest] == list(range(109, 259))
    assert await adas.threads.messages.newest(thread.id, 0) == ()
    assert len(await adas.threads.messages.newest(thread.id, 1000)) == 258


async def test_several_calls_stop_when_somebody_else_changes_the_thread_between_them(adas):
    thread = await adas.threads.create()
    read = await adas.threads.retrieve(thread.id)
    messages = [{"role": "user", "content": str(number)} for number in range(150)]

    added = await adas.threads.messages.create_many(thread.id, messages, if_match=read.etag, thread={"title": "t"})
    with pytest.raises(threadkeep.PreconditionFailed):
        await adas.threads.messages.create_many(thread.id, messages, if_match=read.etag, replaces="all")
    replaced = await adas.threads.messages.create_many(thread.id, messages, if_match=added.thread_etag, replaces="all")

    assert len(added) == len(replaced) == 150
    assert (await adas.threads.retrieve(thread.id)).message_count == 150


async def test_tool_calls_and_files_come_back_as_they_were_given(adas):
    thread = await adas.threads.create()
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"in": "Rome"}'}}
    asked = await adas.threads.messages.create(thread.id, role="assistant", tool_calls=[call])
    told = await adas.threads.messages.create(
        thread.id, role="tool", tool_call_id="call_1", content=[{"type": "text", "text": "Sunny."}]
    )
    shown = await adas.threads.messages.create(
        thread.id, role="user", content=[{"type": "file", "url": "https://files/x", "mimeType": "text/plain"}]
    )

    assert asked.tool_calls[0].function.arguments == '{"in": "Rome"}'
    assert (told.tool_call_id, told.text) == ("call_1", "Sunny.")
    assert shown.content[0].mime_type == "text/plain"


async def test_a_token_is_made_for_a_user_whose_client_uses_it(adas, ada, kind, server, people):
    user = people.new_user()

    made = await adas.tokens.create(user_id=user, expires_in=60)
    async with client_of(kind, server.url, token=made.token) as client:
        thread = await client.threads.create(visible_in_ui=False)
    await adas.organizations.members.delete(ada.organization, user)

    assert (made.user_id, made.organization_id, thread.user_id) == (user, "ORG_ACME", user)
    async with client_of(kind, server.url, token=made.token) as client:
        with pytest.raises(errors.InvalidCredentials):
            await client.threads.retrieve(thread.id)
    with pytest.raises(errors.InsufficientPermissions):
        await adas.with_options(user_id=user).tokens.create(user_id=user)


async def test_a_list_is_walked_through_all_its_pages(adas, people):
    user = people.new_user()
    other = adas.with_options(user_id=user)
    made = [(await other.threads.create(title=f"{n}")).id for n in range(7)]

    walked = [thread.id async for thread in other.threads.list(limit=3, order="asc")]
    back = [thread.id async for thread in other.threads.list(limit=3, order="asc", before=made[5])]
    page = await other.threads.list(limit=3, order="asc", include_total=True).page()
    rest = await other.threads.list(limit=100, order="asc", after=page.next_cursor).page()

    assert walked == made
    assert sorted(back) == sorted(made[:5])
    assert [each.id for each in page.data] == made[:3]
    assert (page.has_more, page.total, page.first_id) == (True, 7, made[0])
    assert [each.id for each in rest.data] == made[3:]
    assert rest.has_more is False
    assert [len(each.data) async for each in other.threads.list(limit=3).pages()] == [3, 3, 1]


async def test_a_list_asks_nothing_before_it_is_read(kind):
    client = client_of(kind, "http://127.0.0.1:9", api_key="k", retries_max=0)

    threads = client.threads.list()

    with pytest.raises(threadkeep.ConnectionFailed):
        await threads.page()
    await client.aclose()


async def test_threads_are_found_by_what_they_are(adas, people):
    other = adas.with_options(user_id=people.new_user())
    both = await other.threads.create(metadata={"category": "support", "tags": ["red", "blue"], "urgent": True})
    one = await other.threads.create(metadata={"category": "support", "tags": ["red"], "level": 1.5})
    await other.threads.archive(one.id)

    async def found(**filters: Any) -> list[str]:
        return [thread.id async for thread in other.threads.list(**filters)]

    assert await found(metadata={"category": "support"}) == [both.id]
    assert await found(metadata={"category": "support"}, state="all") == [one.id, both.id]
    assert await found(metadata={"tags": ["red", "blue"]}, state="all") == [both.id]
    assert await found(metadata={"urgent": True}, state="all") == [both.id]
    assert await found(metadata={"level": 1.5}, state="all") == [one.id]
    assert await found(metadata={"tags": "a&b=ü"}, state="all") == []
    assert [thread.id async for thread in other.threads.list_own(state="archived")] == [one.id]


async def test_assistants_are_made_listed_changed_and_deleted(kind, server, fresh_owner):
    async with client_of(kind, server.url, fresh_owner) as client:
        made = await client.assistants.create(
            name="Guide", instructions="Be brief.", temperature=0.5, stop="END", response_format={"type": "text"}
        )
        changed = await client.assistants.update(made.id, instructions=None, tool_choice="none")

        assert (made.temperature, made.stop, made.response_format.type) == (0.5, ["END"], "text")
        assert (changed.name, changed.instructions, changed.tool_choice) == ("Guide", None, "none")
        assert [each.id async for each in client.assistants.list()] == [made.id]
        assert await client.assistants.retrieve(made.id) == changed
        assert (await client.assistants.delete(made.id)).object == "assistant.deleted"
        with pytest.raises(errors.AssistantNotFound):
            await client.assistants.retrieve(made.id)
        chosen = await client.assistants.create(id="asst_chosen", description="Guides.", parallel_tool_calls=False)
        assert (chosen.id, chosen.name, chosen.description) == ("asst_chosen", None, "Guides.")
        with pytest.raises(errors.AssistantExists):
            await client.assistants.create(id="asst_chosen")


async def test_models_are_listed(kind, server, fresh_owner):
    async with client_of(kind, server.url, fresh_owner) as client:
        page = await client.models.list().page()

        assert [(each.id, each.object, each.is_default) for each in page.data] == [("echo", "model", True)]
        assert [each.id async for each in client.models.list(order="desc", limit=1)] == ["echo"]


async def test_an_organization_is_managed(kind, server, fresh_owner, people):
    own = fresh_owner.organization
    async with client_of(kind, server.url, fresh_owner) as client:
        renamed = await client.organizations.update(own, name="Acme & Söhne")
        member = await client.organizations.members.put(own, people.new_user(), role="member")
        key = await client.organizations.keys.create(own, user_id=member.user_id, role="member", name="laptop")
        listed = [each.user_id async for each in client.organizations.members.list(own)]
        keys = [each.id async for each in client.organizations.keys.list(own)]
        async with client_of(kind, server.url, api_key=key.key) as members:
            who = await members.user.retrieve()
        await client.organizations.keys.delete(own, key.id)
        removed = await client.organizations.members.delete(own, member.user_id, threads="delete")
        usage = await client.organizations.usage(own, group_by="model")

        assert await client.organizations.retrieve(own) == renamed
        assert (who.id, who.organizations[0].name) == (member.user_id, "Acme & Söhne")
        assert sorted(listed) == sorted([fresh_owner.user, member.user_id])
        assert key.id in keys
        assert (removed.user_id, removed.threads_deleted) == (member.user_id, 0)
        assert (usage.data, usage.from_ < usage.to) == ([], True)
        assert (await client.organizations.delete(own)).id == own


async def test_a_name_is_generated_and_streamed(adas):
    thread = await adas.threads.create(messages=[{"role": "user", "content": "How do I repot an orchid?"}])

    generated = await adas.threads.generate_name(thread.id)
    stream = adas.threads.stream_name(thread.id, messages=[{"role": "user", "content": "Repairing a bicycle tyre"}])
    pieces = [piece async for piece in stream]

    assert (await adas.threads.retrieve(thread.id)).title == stream.generated.name
    assert generated.success
    assert "".join(pieces) == stream.generated.name


async def test_the_context_of_the_next_response_is_shown(adas):
    thread = await adas.threads.create(messages=[{"role": "user", "content": "Hello"}])

    context = await adas.threads.context(thread.id, context_mode="full")

    assert (context.context_mode, context.messages[0].content[0].text) == ("full", "Hello")


async def test_a_change_with_the_tag_of_what_was_read_is_refused_after_another_change(adas):
    read = await adas.threads.create()
    await adas.threads.update(read.id, title="somebody else's")

    with pytest.raises(errors.PreconditionFailed):
        await adas.threads.update(read.id, title="mine", if_match=read.etag)
    newer = await adas.threads.retrieve(read.id)
    assert (await adas.threads.update(read.id, title="mine", if_match=newer.etag)).title == "mine"
    assert (await adas.threads.list(limit=1).page()).data[0].etag is None


async def test_an_error_has_its_class_and_says_code_message_and_request(adas):
    thread = await adas.threads.create()
    await adas.threads.lock(thread.id)

    with pytest.raises(threadkeep.ThreadLocked) as raised:
        await adas.threads.messages.create(thread.id, role="user", content="hi")

    error = raised.value
    assert (error.status, error.type, error.code) == (409, "conflict_error", "thread_locked")
    assert str(error) == f"thread_locked: {error.message} (request {error.request_id})"
    assert isinstance(error, threadkeep.Conflict | threadkeep.ApiError | threadkeep.ThreadkeepError)
    with pytest.raises(threadkeep.InvalidRequest) as invalid:
        await adas.threads.create(title="x" * 201)
    assert invalid.value.param == "title"


async def test_a_colleagues_thread_is_not_found(kind, server, ada, ben):
    async with client_of(kind, server.url, ada) as owner, client_of(kind, server.url, ben) as member:
        thread = await owner.threads.create()

        with pytest.raises(threadkeep.ThreadNotFound):
            await member.threads.retrieve(thread.id)


async def test_a_person_may_hide_a_thread_and_a_key_may_not(kind, server, ada):
    async with client_of(kind, server.url, ada.with_token()) as person, client_of(kind, server.url, ada) as key:
        thread = await person.threads.create(visible_in_ui=False)

        assert thread.visible_in_ui is False
        with pytest.raises(errors.BearerTokenRequired):
            await key.threads.update(thread.id, visible_in_ui=True)


async def test_fields_of_a_newer_server_are_ignored_wherever_they_are(adas):
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    parts = [{"type": "text", "text": "a"}, {"type": "image", "url": "https://u"}, {"type": "file", "url": "https://u"}]
    thread = await adas.threads.create(
        messages=[{"role": "user", "content": parts}, {"role": "assistant", "tool_calls": [call]}]
    )
    assistant = await adas.assistants.create(
        name=thread.id, tools=[tool], tool_choice={"type": "function", "function": {"name": "f"}},
        response_format={"type": "json_schema", "json_schema": {"name": "x"}},
    )  # fmt: skip
    messages = await adas.threads.messages.list(thread.id).page()
    context = await adas.threads.context(thread.id)
    response = await adas.threads.responses.create(thread.id, input="hi")

    for each in (thread, assistant, *messages.data, context, response):
        grown = msgspec.json.encode(grow(msgspec.to_builtins(each)))
        assert msgspec.json.decode(grown, type=type(each)) == each
    page = msgspec.json.encode(grow(msgspec.to_builtins(messages)))
    assert msgspec.json.decode(page, type=Page[Message]) == messages


def grow(value: Any, name: str = "") -> Any:
    """Return an answer with a field more in every object that the API describes."""
    if isinstance(value, list):
        return [grow(each, name) for each in value]
    if not isinstance(value, dict) or name in ("metadata", "parameters", "json_schema"):
        return value
    return {**{key: grow(each, key) for key, each in value.items()}, "newField": {"deeper": 1}}


async def test_errors_survive_being_sent_to_another_process(adas):
    failed = threadkeep.ConnectionFailed("No.", "req_1", outcome_is_unknown=False)
    with pytest.raises(threadkeep.ThreadNotFound) as refused:
        await adas.threads.retrieve("thread_none")

    for error in (failed, refused.value):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
