"""Threads and messages through OpenAI's own client: they are the threads and messages of this service."""

import asyncio

import openai
import pytest
from openai.pagination import AsyncCursorPage
from openai.types.beta import Thread

from support.openai_client import PATH, all_of, client_of, refusal

# Its methods for assistants say that OpenAI has them no more.
pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")


@pytest.fixture
async def openai_client(ada):
    async with client_of(ada) as client:
        yield client


@pytest.fixture
def threads(openai_client):
    return openai_client.beta.threads


async def test_a_thread_is_made_with_messages_and_read_by_both(ada, threads):
    made = await threads.create(
        messages=[
            {"role": "user", "content": "hello", "metadata": {"from": "mail"}},
            {"role": "assistant", "content": [{"type": "text", "text": "good day"}]},
        ],
        metadata={"topic": "greeting"},
        extra_body={"title": "Greetings"},
    )

    native = await ada.get(made.id)
    assert (native.title, native.metadata, native.messageCount) == ("Greetings", {"topic": "greeting"}, 2)
    read = await threads.retrieve(made.id)
    assert read == made
    assert (made.object, made.created_at, made.metadata) == ("thread", native.createdAt, {"topic": "greeting"})
    assert (made.title, made.status, made.state) == ("Greetings", "inactive", "open")
    messages = (await threads.messages.list(made.id)).data
    assert [each.content[0].text.value for each in messages] == ["good day", "hello"]
    assert messages[1].metadata == {"from": "mail"}


async def test_a_native_thread_reads_the_same_here(ada, threads):
    made = await ada.create_thread(
        title="Bill", metadata={"n": 2, "ok": True, "tags": ["a", "b"]}, messages=[{"role": "user", "content": "hi"}]
    )

    read = await threads.retrieve(made.id)

    assert read.metadata == {"n": "2", "ok": "true", "tags": '["a","b"]'}
    assert read.title == "Bill"


async def test_an_update_merges_and_a_write_back_loses_no_type(ada, threads):
    made = await ada.create_thread(metadata={"n": 2, "ok": True, "word": "x"})

    read = await threads.retrieve(made.id)
    written = await threads.update(made.id, metadata={**read.metadata, "new": "1"})

    assert written.metadata == {"n": "2", "ok": "true", "word": "x", "new": "1"}
    assert (await ada.get(made.id)).metadata == {"n": 2, "ok": True, "word": "x", "new": "1"}
    cleared = await threads.update(made.id, metadata=None)
    assert cleared.metadata == {}


async def test_metadata_that_is_no_string_is_refused(threads):
    error = await refusal(openai.BadRequestError, threads.create(metadata={"n": 2}))

    assert (error.status_code, error.code) == (400, "invalid_field")


async def test_a_deleted_thread_is_gone_for_both(ada, threads):
    made = await threads.create()

    deleted = await threads.delete(made.id)

    assert (deleted.id, deleted.object, deleted.deleted) == (made.id, "thread.deleted", True)
    assert (await ada.get(made.id)).status == 404
    error = await refusal(openai.NotFoundError, threads.retrieve(made.id))
    assert error.message.find("No thread found") >= 0
    assert error.code == "thread_not_found"


async def test_files_are_refused_and_nothing_of_the_call_is_stored(ada, threads):
    made = await threads.create(tool_resources={"code_interpreter": {"file_ids": []}})
    for call, param in [
        (threads.create(tool_resources={"file_search": {"vector_store_ids": ["vs_1"]}}), "tool_resources"),
        (threads.messages.create(made.id, role="user", content="hi", attachments=[{"file_id": "f"}]), "attachments"),
        (
            threads.messages.create(
                made.id, role="user", content=[{"type": "image_file", "image_file": {"file_id": "f"}}]
            ),
            "content[0].type",
        ),
    ]:
        error = await refusal(openai.BadRequestError, call)
        assert (error.code, error.param) == ("unsupported_value", param)

    assert (await ada.get(made.id)).messageCount == 0


async def test_messages_are_written_read_changed_and_deleted(ada, threads):
    made = await threads.create()
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}

    message = await threads.messages.create(
        made.id, role="user", content=[{"type": "text", "text": "see"}, image], metadata={"n": "1"}
    )

    assert message.content[0].text.annotations == []
    assert message.content[1].image_url.url == "https://example.com/a.png"
    assert (message.status, message.assistant_id, message.run_id, message.attachments) == ("completed", None, None, [])
    assert message.completed_at is not None
    changed = await threads.messages.update(message.id, thread_id=made.id, metadata={"n": None, "m": "2"})
    assert changed.metadata == {"m": "2"}
    assert await threads.messages.retrieve(message.id, thread_id=made.id) == changed
    deleted = await threads.messages.delete(message.id, thread_id=made.id)
    assert (deleted.object, deleted.deleted) == ("thread.message.deleted", True)
    error = await refusal(openai.NotFoundError, threads.messages.retrieve(message.id, thread_id=made.id))
    assert error.message.find("No message found") >= 0


async def test_blank_content_is_refused(threads):
    made = await threads.create()

    error = await refusal(openai.BadRequestError, threads.messages.create(made.id, role="user", content="  "))

    assert (error.code, error.param) == ("invalid_field", "content")


async def test_the_list_leaves_out_what_only_models_and_tools_say(ada, threads):
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    made = await ada.create_thread(
        messages=[
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "look"},
            {"role": "assistant", "toolCalls": [call]},
            {"role": "tool", "toolCallId": "call_1", "content": "found"},
            {"role": "assistant", "content": "there", "toolCalls": [{**call, "id": "call_2"}]},
        ]
    )

    listed = await all_of(threads.messages.list(made.id, limit=1, order="asc"))

    assert [each.content[0].text.value for each in listed] == ["look", "there"]


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_the_pager_goes_through_250_messages_both_ways(ada, threads, order):
    made = await ada.create_thread()
    texts = [f"m{n}" for n in range(250)]
    for start in range(0, 250, 100):
        await ada.post_messages(
            made,
            [{"role": "system" if n.endswith("7") else "user", "content": n} for n in texts[start : start + 100]],
        )
    expected = [n for n in texts if not n.endswith("7")]

    listed = await all_of(threads.messages.list(made.id, order=order, limit=20))

    assert [each.content[0].text.value for each in listed] == (expected if order == "asc" else expected[::-1])
    middle = listed[100]
    page = await threads.messages.list(made.id, order=order, limit=7, before=middle.id)
    assert [each.id for each in page.data] == [each.id for each in listed[93:100]]
    assert page.has_more
    assert (page.first_id, page.last_id) == (listed[93].id, listed[99].id)


async def test_the_pager_goes_through_threads(ada):
    user = ada.as_user("uid_pager")
    async with client_of(user) as client:
        made = [(await client.beta.threads.create(metadata={"n": str(n % 2)})).id for n in range(25)]
        pages = client.get_api_list(
            "/threads", page=AsyncCursorPage[Thread], model=Thread, options={"params": {"limit": 10}}
        )

        assert [each.id for each in await all_of(pages)] == made[::-1]
        response = await ada.request(
            "GET", f"{PATH}/threads", params={"metadata[n]": "1", "limit": 100}, headers={"x-user-id": "uid_pager"}
        )
        assert response.ids == made[1::2][::-1]
        assert (response.has_more, response.first_id) == (False, response.ids[0])


async def test_states_that_were_set_natively_hold_here_and_are_not_tried_again(ada, threads):
    made = await ada.create_thread()
    await ada.lock(made)

    began = asyncio.get_running_loop().time()
    error = await refusal(openai.ConflictError, threads.messages.create(made.id, role="user", content="hi"))

    assert error.code == "thread_locked"
    assert error.response.headers["x-should-retry"] == "false"
    assert asyncio.get_running_loop().time() - began < 0.4
    assert (await threads.update(made.id, metadata={"a": "b"})).metadata == {"a": "b"}
    assert (await threads.retrieve(made.id)).state == "locked"


async def test_a_user_who_is_acted_for_sees_only_his_own(ada, ben):
    async with client_of(ada.as_user("uid_x")) as mine, client_of(ada.as_user("uid_y")) as other:
        made = await mine.beta.threads.create()

        assert (await mine.beta.threads.retrieve(made.id)).id == made.id
        await refusal(openai.NotFoundError, other.beta.threads.retrieve(made.id))


async def test_a_user_token_opens_it_as_well(ben):
    async with client_of(ben.with_token()) as client:
        made = await client.beta.threads.create()

        assert (await client.beta.threads.retrieve(made.id)).id == made.id


async def test_a_retry_with_a_key_gets_the_same_and_is_empty_once_it_is_deleted(ada, threads):
    headers = {"Idempotency-Key": "one"}

    first = await threads.create(messages=[{"role": "user", "content": "secret"}], extra_headers=headers)
    second = await threads.create(messages=[{"role": "user", "content": "secret"}], extra_headers=headers)

    assert first.id == second.id
    await threads.delete(first.id)
    await refusal(
        openai.NotFoundError,
        threads.create(messages=[{"role": "user", "content": "secret"}], extra_headers=headers),
    )


async def test_unknown_fields_and_values_are_named(threads):
    error = await refusal(openai.BadRequestError, threads.create(extra_body={"colour": "red"}))
    assert (error.code, error.param) == ("unknown_field", "colour")

    error = await refusal(openai.BadRequestError, threads.messages.list("thread_x", limit=101))
    assert (error.code, error.param) == ("invalid_parameter", "limit")


async def test_what_the_client_sends_besides_is_ignored(ada):
    thread = await ada.create_thread()

    answer = await ada.request(
        "POST",
        f"{PATH}/threads/{thread.id}",
        content="",
        params={"include[]": ["a", "b"]},
        headers={"openai-organization": "ORG_OTHER", "openai-project": "p", "openai-beta": "assistants=v2"},
    )

    assert (answer.status, answer["id"]) == (200, thread.id)


@pytest.mark.parametrize("path", ["files", "vector_stores", "chat/completions", "beta/agents"])
async def test_what_is_not_there_is_said(ada, path):
    answer = await ada.request("GET", f"{PATH}/{path}")

    assert (answer.status, answer.code) == (404, "not_found")
    assert ("no files" in answer.message) == (path in ("files", "vector_stores"))


async def test_assistants_are_made_listed_changed_and_deleted(ada, openai_client):
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    assistants = openai_client.beta.assistants

    made = await assistants.create(
        model="echo", name="Math Tutor", instructions="Be brief.", tools=[tool], metadata={"a": "b"}, temperature=0.5
    )

    assert (made.object, made.model, made.name, made.instructions) == ("assistant", "echo", "Math Tutor", "Be brief.")
    assert (made.tools[0].function.name, made.temperature, made.top_p) == ("look", 0.5, None)
    assert (made.response_format, made.metadata) == ("auto", {"a": "b"})
    twin = await assistants.create(model="echo", name="Math Tutor")
    assert (await ada.get_assistant(made.id)).name == "Math Tutor"
    assert [each.id for each in (await assistants.list(limit=2)).data] == [twin.id, made.id]
    changed = await assistants.update(made.id, name=None, tools=[], response_format={"type": "json_object"})
    assert (changed.name, changed.tools, changed.response_format.type) == (None, [], "json_object")
    assert await assistants.retrieve(made.id) == changed
    assert (await assistants.delete(made.id)).deleted
    error = await refusal(openai.NotFoundError, assistants.retrieve(made.id))
    assert error.message.find("No assistant found") >= 0


async def test_an_assistant_keeps_the_id_that_a_program_has_in_its_settings(openai_client):
    made = await openai_client.beta.assistants.create(model="echo", extra_body={"id": "asst_from_elsewhere"})

    assert made.id == "asst_from_elsewhere"


@pytest.mark.parametrize("kind", ["file_search", "code_interpreter"])
async def test_an_assistant_with_tools_that_are_not_there_is_refused(openai_client, kind):
    error = await refusal(
        openai.BadRequestError, openai_client.beta.assistants.create(model="echo", tools=[{"type": kind}])
    )

    assert (error.code, error.param) == ("unsupported_value", "tools[0].type")


async def test_members_do_not_write_assistants(ben):
    async with client_of(ben) as client:
        error = await refusal(openai.PermissionDeniedError, client.beta.assistants.create(model="echo"))

    assert error.code == "insufficient_permissions"


async def test_models_are_listed_and_read(openai_client):
    names = [each.id for each in (await openai_client.models.list()).data]

    assert names == ["echo"]
    assert (await openai_client.models.retrieve("echo")).owned_by == "threadkeep"
    await refusal(openai.NotFoundError, openai_client.models.retrieve("gpt-4o"))


async def test_who_has_no_credential_is_told(ada):
    async with openai.AsyncOpenAI(base_url=f"{ada.client.base_url}{PATH}", api_key="tk_wrong") as client:
        error = await refusal(openai.AuthenticationError, client.beta.threads.create())

    assert error.code == "invalid_credentials"
    assert error.request_id == error.response.headers["x-request-id"]


async def test_the_document_is_served_and_valid(ada):
    from openapi_spec_validator import validate

    answer = await ada.client.get(f"{PATH}/openapi.json")

    validate(answer.json())
    assert f"{PATH}/threads/{{threadId}}/messages" in answer.json()["paths"]
