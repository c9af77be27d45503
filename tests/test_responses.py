"""Responses: a model answers in a thread, and what it says becomes a message."""

import pytest

from support.answering import begin_talk, ended, open_place, texts
from support.scripted_model import DONE, finish, reasoning

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


async def test_a_response_answers_what_was_said(ada, model):
    thread = await ada.create_thread()

    response = await ada.respond(thread, input="hello", metadata={"a": 1})

    [said, answer] = (await ada.list_messages(thread)).data
    assert response.status == 200
    assert response.completedAt >= response.createdAt >= thread.createdAt
    assert response.body == {
        "id": response.id,
        "object": "response",
        "createdAt": response.createdAt,
        "completedAt": response.completedAt,
        "threadId": thread.id,
        "organizationId": "ORG_ACME",
        "userId": "uid_ada",
        "assistantId": None,
        "model": "scripted",
        "status": "completed",
        "finishReason": "stop",
        "inputMessageIds": [said["id"]],
        "messageId": answer["id"],
        "outputText": "Hello world",
        "usage": {"inputTokens": 10, "outputTokens": 2, "totalTokens": 12, "estimated": False},
        "error": None,
        "metadata": {"a": 1},
    }
    assert (await ada.get_response(thread, response)).body == response.body


async def test_the_answer_is_a_message_of_the_thread(ada, model):
    thread = await ada.create_thread(messages=HELLO)

    response = await ada.respond(thread)

    answer = await ada.get_message(thread, response.messageId)
    assert answer.body == {
        "id": response.messageId,
        "object": "thread.message",
        "createdAt": answer.createdAt,
        "updatedAt": answer.updatedAt,
        "threadId": thread.id,
        "seq": 2,
        "parentId": (await ada.list_messages(thread)).ids[0],
        "externalId": None,
        "role": "assistant",
        "content": [{"type": "text", "text": "Hello world"}],
        "status": "completed",
        "userId": "uid_ada",
        "assistantId": None,
        "responseId": response.id,
        "toolCalls": None,
        "toolCallId": None,
        "payloadFormat": None,
        "metadata": {},
    }


async def test_input_and_answer_are_counted_and_numbered(ada, model):
    thread = await ada.create_thread(messages=HELLO)

    await ada.respond(thread)
    await ada.respond(thread, input=[*HELLO, {"role": "user", "content": "again"}])

    messages = (await ada.list_messages(thread)).data
    now = await ada.get(thread)
    assert [(message["seq"], message["role"]) for message in messages] == [
        (1, "user"), (2, "assistant"), (3, "user"), (4, "user"), (5, "assistant"),
    ]  # fmt: skip
    assert now.messageCount == 5
    assert now.lastMessageAt == messages[-1]["createdAt"]


async def test_a_thread_is_streaming_while_a_response_runs_and_inactive_afterwards(place, model):
    owner = await place.people.owner()
    idle = await owner.create_thread()
    talk = await begin_talk(owner, model)

    during = await owner.get(talk.thread)
    filtered = [(await owner.list_threads(status=status)).ids for status in ("streaming", "inactive")]
    await talk.ended(owner)
    after = await owner.get(talk.thread)

    assert (during["status"], during.messageCount) == ("streaming", 2)
    assert filtered == [[talk.thread.id], [idle.id]]
    assert (after["status"], after.messageCount) == ("inactive", 2)
    assert (await owner.list_threads(status="streaming")).ids == []


async def test_claim_and_end_move_the_revision_and_never_the_time_backwards(ada, model):
    thread = await ada.create_thread()
    talk = await begin_talk(ada, model, thread=thread)

    during = await ada.get(thread)
    same = await ada.get(thread)
    await talk.ended(ada)
    after = await ada.get(thread)

    tags = [int(answer.etag.strip('"')) for answer in (thread, during, after)]
    assert tags[0] < tags[1] < tags[2]
    assert same.etag == during.etag
    assert thread.updatedAt <= during.updatedAt <= after.updatedAt


async def test_what_is_said_so_far_is_shown_everywhere(ada, model):
    talk = await begin_talk(ada, model)

    response = await ada.get_response(talk.thread, talk)
    message = await ada.get_message(talk.thread, response.messageId)
    listed = (await ada.list_messages(talk.thread)).data[-1]
    [running] = (await ada.list_responses(talk.thread)).data
    await talk.ended(ada)

    assert (response["status"], response.outputText, response.completedAt) == ("in_progress", "Hel", None)
    assert (message["status"], texts([message.body])) == ("in_progress", ["Hel"])
    assert (listed, running) == (message.body, response.body)


async def test_a_background_response_is_answered_at_once_and_goes_on(ada, model):
    talk = await begin_talk(ada, model, said="")

    done = await talk.ended(ada)

    assert (talk.response.status, talk.response["status"]) == (202, "in_progress")
    assert (talk.response.outputText, talk.response.completedAt) == ("", None)
    assert talk.response.messageId == done.messageId
    assert (done["status"], done.outputText) == ("completed", "lo")


@pytest.mark.parametrize("counts", [None, (7, 5)])
async def test_usage_is_the_models_own_or_estimated(ada, model, counts):
    model.answer("12345678", counts=counts)
    thread = await ada.create_thread()

    response = await ada.respond(thread, input="1234", instructions="12345")

    # A message counts as its bytes / 4, rounded up, + 4.
    expected = (7, 5, 12, False) if counts else ((2 + 4) + (1 + 4), 2 + 4, 17, True)
    assert tuple(response.usage.values()) == expected


async def test_reasoning_is_no_part_of_the_text(ada, model):
    model.script = [reasoning("Hmm."), "Yes", finish(), DONE]
    thread = await ada.create_thread()

    response = await ada.respond(thread, input="sure?")

    assert response.outputText == "Yes"
    assert texts((await ada.list_messages(thread)).data) == ["sure?", "Yes"]


@pytest.mark.parametrize("text", ["é", "👩‍👩‍👧", "a\u0301", "a\u2028b", "\U0010ffff", " \t\n x ", '"\\'])
async def test_any_text_comes_back_as_the_model_sent_it(ada, model, text):
    model.answer(text, text)
    thread = await ada.create_thread()

    response = await ada.respond(thread, input=text)

    assert response.outputText == text * 2
    assert texts((await ada.list_messages(thread)).data) == [text, text * 2]
    assert model.calls[-1].body["messages"] == [{"role": "user", "content": text}]


async def test_what_no_text_may_hold_is_replaced_on_arrival(ada, model):
    call = rb'{"index": 0, "id": "x", "function": {"name": "f", "arguments": "\"\u0000\""}}'
    delta = rb'{"content": "a\u0000b", "tool_calls": [' + call + b"]}"
    model.script = [b'data: {"choices": [{"delta": ' + delta + b"}]}\n\n", finish(), DONE]
    thread = await ada.create_thread()

    response = await ada.respond(thread, input="hi")

    message = await ada.get_message(thread, response.messageId)
    assert (response["status"], response.outputText) == ("completed", "a\ufffdb")
    assert message.toolCalls[0]["function"]["arguments"] == '"\ufffd"'


@pytest.mark.parametrize("last", ["user", "tool"])
async def test_input_may_be_left_out_when_the_last_message_waits_for_an_answer(ada, model, last):
    thread = await ada.create_thread(messages=[*HELLO, {"role": last, "content": "x"}])

    response = await ada.respond(thread)

    assert (response.status, response.inputMessageIds) == (200, [])


async def test_lists_of_responses_have_pages_in_both_orders(ada, model):
    thread = await ada.create_thread()
    made = [(await ada.respond(thread, input=str(number))).id for number in range(5)]
    path = f"/v1/threads/{thread.id}/responses"

    ascending = [item["id"] for item in await ada.walk(path, order="asc", limit=2)]
    descending = [item["id"] for item in await ada.walk(path, order="desc", limit=1)]
    middle = await ada.list_responses(thread, order="asc", after=made[1], limit=2)
    before = await ada.list_responses(thread, order="asc", before=made[3], limit=2)

    assert (ascending, descending) == (made, made[::-1])
    assert (middle.ids, middle.hasMore, before.ids, before.hasMore) == (made[2:4], True, made[1:3], True)
    assert (await ada.list_responses(thread)).ids in (made, made[::-1])


async def test_a_list_of_responses_refuses_what_is_no_position_and_is_empty_without_any(ada, model):
    thread = await ada.create_thread()

    empty = await ada.list_responses(thread)
    refused = [
        await ada.list_responses(thread, after=position)
        for position in ("c_nonsense!", "nonsense", "msg_01h455vb4pex5vsknk084sn02q", "resp_SHORT")
    ]
    unknown = await ada.list_responses("thread_unknown")

    assert (empty.data, empty.hasMore, empty.nextCursor) == ([], False, None)
    assert {(each.status, each.code, each.param) for each in refused} == {(400, "invalid_cursor", "after")}
    assert (unknown.status, unknown.code) == (404, "thread_not_found")


async def test_deleting_the_answer_empties_the_response(ada, model):
    thread = await ada.create_thread()
    response = await ada.respond(thread, input="hello")

    await ada.delete_message(thread, response.messageId)

    emptied = await ada.get_response(thread, response)
    assert emptied.body == {**response.body, "messageId": None, "outputText": ""}
    assert (await ada.get(thread)).messageCount == 1


async def test_deleting_all_messages_empties_all_responses(ada, model):
    thread = await ada.create_thread()
    for text in ("one", "two"):
        await ada.respond(thread, input=text)

    await ada.delete_messages(thread)

    found = (await ada.list_responses(thread)).data
    assert [(each["messageId"], each["outputText"]) for each in found] == [(None, "")] * 2
    again = await ada.respond(thread, input="three")
    assert (await ada.get_message(thread, again.messageId)).seq == 6
    assert texts(model.calls[-1].body["messages"] and (await ada.list_messages(thread)).data) == [
        "three",
        "Hello world",
    ]
    assert model.calls[-1].body["messages"] == [{"role": "user", "content": "three"}]


async def test_an_edited_answer_is_what_the_response_shows_and_the_model_gets(ada, model):
    thread = await ada.create_thread()
    response = await ada.respond(thread, input="hello")

    await ada.update_message(thread, response.messageId, content="corrected")
    await ada.respond(thread, input="go on")

    assert (await ada.get_response(thread, response)).outputText == "corrected"
    assert model.calls[-1].body["messages"][1] == {"role": "assistant", "content": "corrected"}


async def test_a_response_is_found_in_its_thread_only(ada, model):
    thread, other = await ada.create_thread(), await ada.create_thread()
    response = await ada.respond(thread, input="hello")

    elsewhere = [await ada.get_response(other, response), await ada.cancel(other, response)]
    unknown = await ada.get_response(thread, "resp_01h455vb4pex5vsknk084sn02q")

    assert [(answer.status, answer.code) for answer in [*elsewhere, unknown]] == [(404, "response_not_found")] * 3


async def test_a_model_that_is_asked_twice_at_once_answers_two_threads(ada, model):
    talks = [await begin_talk(ada, model, said=text, then="!") for text in ("one", "two")]

    done = [await talk.ended(ada) for talk in talks]

    assert [response.outputText for response in done] == ["one!", "two!"]
    for talk, response in zip(talks, done, strict=True):
        assert (await ended(ada, talk.thread, talk)).messageId == response.messageId
