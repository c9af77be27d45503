"""What a request for a response may say: input, thread, assistant, and what it replaces."""

import pytest

from support.answering import begin_talk, open_place, texts

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
async def place(new_database, zygote):
    async with open_place(new_database, zygote) as place:
        yield place


@pytest.fixture
def server(place):
    return place.server


@pytest.fixture
def ada(place, server):
    return place.cast.ada


@pytest.fixture
def model(place):
    return place.fresh_model()


@pytest.fixture
async def helper(place, ada):
    """An assistant that fixes its temperature and leaves the rest open."""
    return await ada.create_assistant(name=place.people.new_user(), temperature=0.5, stop=["END"])


async def unchanged(who, thread):
    """A refused request leaves the thread as it was, and begins nothing."""
    now = await who.get(thread)
    return (now.body, now.etag) == (thread.body, thread.etag) and (await who.list_responses(thread)).data == []


# Input


async def test_an_empty_thread_needs_input(ada, model):
    thread = await ada.create_thread()

    refused = await ada.respond(thread)

    assert (refused.status, refused.code) == (400, "thread_empty")
    assert await unchanged(ada, thread)


@pytest.mark.parametrize("last", ["assistant", "system"])
async def test_an_answer_needs_somebody_who_asked(ada, model, last):
    thread = await ada.create_thread(messages=[*HELLO, {"role": last, "content": "done"}])

    refused = await ada.respond(thread)

    assert (refused.status, refused.code, refused.param) == (400, "invalid_field", "input")
    assert await unchanged(ada, thread)


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"input": ""}, "invalid_field", "input"),
        ({"input": " \n\t"}, "invalid_field", "input"),
        ({"input": []}, "invalid_field", "input"),
        ({"input": HELLO * 101}, "invalid_field", "input"),
        ({"input": [*HELLO, {"role": "user", "content": " "}]}, "invalid_field", "input[1].content"),
        ({"input": [{"role": "user", "content": "a", "toolCallId": "x"}]}, "invalid_field", "input[0].toolCallId"),
        ({"input": [{"role": "user", "content": "a", "seq": 1}]}, "invalid_field", "input[0].seq"),
        ({"input": "a" * (256 * 1024 + 1)}, "invalid_field", "input"),
        ({"input": 7}, "invalid_field", "input"),
        ({"input": "a\0"}, "invalid_string", "input"),
        ({"input": "hi", "temperature": 2.1}, "invalid_field", "temperature"),
        ({"input": "hi", "topP": -0.1}, "invalid_field", "topP"),
        ({"input": "hi", "stop": ["a"] * 5}, "invalid_field", "stop"),
        ({"input": "hi", "maxOutputTokens": 0}, "invalid_field", "maxOutputTokens"),
        ({"input": "hi", "whenBusy": "enqueue"}, "invalid_field", "whenBusy"),
        ({"input": "hi", "contextMode": "some"}, "invalid_field", "contextMode"),
        ({"input": "hi", "contextMessages": 0}, "invalid_field", "contextMessages"),
        ({"input": "hi", "parallelToolCalls": "yes"}, "invalid_field", "parallelToolCalls"),
        ({"input": "hi", "reasoningEffort": "very hard"}, "invalid_field", "reasoningEffort"),
        ({"input": "hi", "responseFormat": {"type": "json_schema"}}, "invalid_field", "responseFormat"),
        ({"input": "hi", "toolChoice": "required"}, "invalid_field", "toolChoice"),
        ({"input": "hi", "model": "unknown"}, "invalid_field", "model"),
        ({"input": "hi", "metadata": {"k" * 65: 1}}, "metadata_key_too_long", None),
        ({"input": "hi", "metadata": {"k": "v" * 513}}, "metadata_value_too_long", None),
        ({"input": "hi", "metadata": {str(n): 1 for n in range(17)}}, "metadata_too_many", None),
        ({"input": "hi", "messages": HELLO}, "unknown_field", "messages"),
        ({"input": "hi", "replaces": "msg_01h455vb4pex5vsknk084sn02q"}, "invalid_field", "replaces"),
    ],
)
async def test_what_cannot_be_is_refused_and_changes_nothing(ada, model, body, code, param):
    thread = await ada.create_thread(messages=HELLO)

    refused = await ada.respond(thread, **body)

    assert (refused.status, refused.code) == (400, code), refused
    assert param is None or refused.param.startswith(param), refused
    assert await unchanged(ada, thread)
    assert model.calls == []


async def test_limits_are_reached_before_they_are_exceeded(ada, model):
    thread = await ada.create_thread()

    many = await ada.respond(thread, input=HELLO * 100, contextMode="full")
    long = await ada.respond(thread, input="é" * (256 * 1024), contextMode="full")
    rich = await ada.respond(thread, input="hi", temperature=2, topP=0, stop=["a"] * 4, metadata={"k" * 64: "v" * 512})

    assert [each["status"] for each in (many, long, rich)] == ["completed"] * 3
    assert len(many.inputMessageIds) == 100
    assert rich.metadata == {"k" * 64: "v" * 512}


# Threads that the request names or describes


async def test_a_response_may_name_its_thread(ada, model):
    thread = await ada.create_thread(messages=HELLO)

    response = await ada.respond_new(thread=thread.id)

    assert (response.status, response.threadId, response.outputText) == (200, thread.id, "Hello world")


async def test_a_response_may_describe_a_new_thread(place, ada, helper, model):
    chosen = f"thread_{place.people.new_user()}"
    described = {
        "id": chosen,
        "title": "Trip",
        "metadata": {"category": "travel"},
        "messages": HELLO,
        "assistantId": helper.id,
        "organizationId": "ORG_ACME",
        "userId": "uid_ben",
    }

    response = await ada.respond_new(thread=described, input="and now?")

    thread = await ada.get(chosen)
    shown = ("title", "metadata", "assistantId", "organizationId", "userId")
    assert {name: thread[name] for name in shown} == {name: described[name] for name in shown}
    assert (thread.messageCount, response.threadId, response.assistantId) == (3, chosen, helper.id)
    assert (response.userId, (await place.cast.ben.get(chosen)).status) == ("uid_ada", 200)
    assert texts((await ada.list_messages(chosen)).data) == ["hello", "and now?", "Hello world"]


async def test_a_new_threads_own_messages_may_be_the_question(ada, model):
    answered = await ada.respond_new(thread={"messages": HELLO})
    refused = await ada.respond_new(thread={})

    assert answered.outputText == "Hello world"
    assert (refused.status, refused.code) == (400, "thread_empty")


@pytest.mark.parametrize(
    ("thread", "status", "code", "param"),
    [
        ("thread_unknown", 404, "thread_not_found", None),
        ("nonsense", 400, "invalid_field", "thread"),
        (None, 400, "invalid_field", "thread"),
        ({"title": "x" * 201}, 400, "invalid_field", "thread.title"),
        ({"id": "other"}, 400, "invalid_field", "thread.id"),
        ({"id": "thread_taken"}, 409, "thread_exists", "thread.id"),
        ({"messages": [{"role": "user", "content": " "}]}, 400, "invalid_field", "thread.messages[0].content"),
        ({"messages": HELLO * 101}, 400, "invalid_field", "thread.messages"),
        ({"assistantId": "asst_unknown"}, 404, "assistant_not_found", "thread.assistantId"),
        ({"visibleInUi": False}, 403, "bearer_token_required", "thread.visibleInUi"),
        ({"organizationId": "ORG_OTHER"}, 403, "organization_access_denied", None),
        ({"metadata": {"k" * 65: 1}}, 400, "metadata_key_too_long", None),
        ({"status": "inactive"}, 400, "invalid_field", "thread.status"),
        ({"titel": "x"}, 400, "unknown_field", "thread.titel"),
    ],
)
async def test_a_thread_that_cannot_be_is_refused_and_none_is_made(place, model, thread, status, code, param):
    owner = await place.people.owner()
    await owner.create_thread(id="thread_taken")

    refused = await owner.respond_new(thread=thread, input="hi")

    assert (refused.status, refused.code) == (status, code), refused
    assert param is None or refused.param == param, refused
    assert (await owner.list_threads()).ids == ["thread_taken"]
    assert model.calls == []


async def test_organizations_named_in_two_places_must_agree(ada, model):
    agreed = await ada.respond_new(thread={"organizationId": "ORG_ACME"}, organizationId="ORG_ACME", input="hi")
    refused = await ada.respond_new(thread={"organizationId": "ORG_OTHER"}, organizationId="ORG_ACME", input="hi")

    assert agreed.status == 200
    assert (refused.status, refused.param) == (400, "organizationId")


async def test_a_member_creates_no_thread_for_somebody_else_by_asking(place, model):
    refused = await place.cast.ben.respond_new(thread={"userId": "uid_ada"}, input="hi")

    assert (refused.status, refused.code) == (403, "insufficient_permissions")


# Assistants


async def test_settings_that_the_assistant_leaves_open_may_be_given(ada, helper, model):
    thread = await ada.create_thread(assistantId=helper.id)

    response = await ada.respond(thread, input="hi", topP=0.1, temperature=0.5, stop="END", assistantId=helper.id)

    assert (response.status, model.calls[0].body["top_p"], model.calls[0].body["temperature"]) == (200, 0.1, 0.5)


@pytest.mark.parametrize("change", [{"temperature": 0.6}, {"stop": ["OTHER"]}, {"temperature": 0}])
async def test_settings_that_the_assistant_fixes_cannot_be_changed(ada, helper, model, change):
    thread = await ada.create_thread(assistantId=helper.id, messages=HELLO)

    refused = await ada.respond(thread, **change)

    assert (refused.status, refused.code, refused.param) == (409, "assistant_bound", next(iter(change)))
    assert await unchanged(ada, thread)


async def test_a_bound_thread_takes_no_other_assistant(place, ada, helper, model):
    other = await ada.create_assistant(name=place.people.new_user())
    thread = await ada.create_thread(assistantId=helper.id, messages=HELLO)

    refused = await ada.respond(thread, assistantId=other.id)

    assert (refused.status, refused.code, refused.param) == (409, "assistant_bound", "assistantId")
    assert await unchanged(ada, thread)


async def test_an_assistant_of_one_request_binds_nothing(ada, helper, model):
    thread = await ada.create_thread(messages=HELLO)

    first = await ada.respond(thread, assistantId=helper.id)
    second = await ada.respond(thread, input="and without", temperature=1)
    unknown = await ada.respond(thread, input="hi", assistantId="asst_01h455vb4pex5vsknk084sn02q")

    assert (first.assistantId, second.assistantId) == (helper.id, None)
    assert (await ada.get(thread)).assistantId is None
    assert (unknown.status, unknown.code, unknown.param) == (404, "assistant_not_found", "assistantId")


async def test_a_deleted_assistant_answers_no_more_until_another_is_set(ada, helper, model):
    thread = await ada.create_thread(assistantId=helper.id, messages=HELLO)
    await ada.delete_assistant(helper)

    refused = await ada.respond(thread)
    context = await ada.context(thread)
    await ada.update(thread, assistantId=None)
    answered = await ada.respond(thread)

    assert (refused.status, refused.code) == (409, "assistant_deleted")
    assert "assistantId" in refused.message
    assert (context.status, context.code) == (409, "assistant_deleted")
    assert answered.status == 200


async def test_a_thread_without_assistant_may_get_one_while_a_response_runs(ada, helper, model):
    talk = await begin_talk(ada, model)

    bound = await ada.update(talk.thread, assistantId=helper.id)
    done = await talk.ended(ada)

    assert (bound.status, done["status"], done.assistantId) == (200, "completed", None)


# Replaces


async def test_an_answer_is_replaced_by_another(ada, model):
    thread = await ada.create_thread()
    first = await ada.respond(thread, input="hello")
    model.answer("Better")

    second = await ada.respond(thread, replaces=first.messageId)

    messages = (await ada.list_messages(thread)).data
    assert (texts(messages), [message["seq"] for message in messages]) == (["hello", "Better"], [1, 3])
    assert model.calls[-1].body["messages"] == [{"role": "user", "content": "hello"}]
    assert (second.inputMessageIds, (await ada.get(thread)).messageCount) == ([], 2)
    assert (await ada.get_response(thread, first)).messageId is None
    assert (await ada.get_message(thread, first.messageId)).code == "message_not_found"


async def test_an_answer_is_replaced_and_asked_anew(ada, model):
    thread = await ada.create_thread()
    first = await ada.respond(thread, input="hello")

    second = await ada.respond(thread, replaces=first.messageId, input="shorter")

    assert second.status == 200
    assert texts((await ada.list_messages(thread)).data) == ["hello", "shorter", "Hello world"]


async def test_an_answer_that_was_written_by_hand_is_replaced_too(ada, model):
    thread = await ada.create_thread(messages=[*HELLO, {"role": "assistant", "content": "by hand"}])
    [_, by_hand] = (await ada.list_messages(thread)).ids

    response = await ada.respond(thread, replaces=by_hand)

    assert response.status == 200
    assert texts((await ada.list_messages(thread)).data) == ["hello", "Hello world"]


@pytest.mark.parametrize("newest", ["user", "assistant"])
async def test_only_the_newest_message_and_an_assistants_is_replaced(ada, model, newest):
    thread = await ada.create_thread()
    first = await ada.respond(thread, input="hello")
    last = await ada.post_message(thread, "newest", role=newest)
    elsewhere = await ada.respond_new(thread={}, input="hello")
    before = (await ada.list_messages(thread)).data
    wrong = [first.messageId, before[0]["id"], elsewhere.messageId, "", "x", "msg_' or 1=1"]

    for message in wrong if newest == "assistant" else [*wrong, last.id]:
        refused = await ada.respond(thread, replaces=message, input="again")
        assert (refused.status, refused.code, refused.param) == (400, "invalid_field", "replaces"), message
    assert (await ada.list_messages(thread)).data == before
    assert (await ada.get_response(thread, first)).outputText == "Hello world"


async def test_replacing_without_a_question_changes_nothing(ada, model):
    thread = await ada.create_thread(messages=[{"role": "assistant", "content": "Welcome!"}])
    [welcome] = (await ada.list_messages(thread)).ids

    refused = await ada.respond(thread, replaces=welcome)

    assert (refused.status, refused.code) == (400, "thread_empty")
    assert await unchanged(ada, thread)
    assert (await ada.get_message(thread, welcome)).status == 200
