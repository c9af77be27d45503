"""AG-UI over this service's threads: what a client sends, and the events that it reads, on the wire."""

import asyncio
from itertools import groupby

import msgspec
import pytest

from support.answering import begin_talk, open_place, texts
from support.scripted_model import DONE, Head, finish, reasoning, tool_call
from support.waiting import eventually

PATH = "/ag-ui"


@pytest.fixture(scope="module")
async def place(new_database, zygote):
    async with open_place(new_database, zygote) as place:
        yield place


@pytest.fixture
def model(place):
    return place.fresh_model()


@pytest.fixture
async def ada(place):
    return await place.people.owner()


def user(id, content):
    return {"id": id, "role": "user", "content": content}


def body_of(chat, *messages, **more):
    return {"threadId": chat, "runId": "run-1", "messages": list(messages), "state": {}, "context": [],
            "forwardedProps": {}, "tools": [], **more}  # fmt: skip


async def post(who, path, body):
    return await who.request("POST", path, body)


async def run(who, chat, *messages, path=PATH, **more):
    """Run, and return the events."""
    answer = await post(who, path, body_of(chat, *messages, **more))
    assert answer.status == 200, answer
    assert answer.headers["content-type"].startswith("text/event-stream")
    return events_in(answer.text)


def events_in(text):
    frames = [each for each in text.split("\n\n") if each and not each.startswith(":")]
    assert all(each.startswith("data: ") for each in frames)
    return [msgspec.json.decode(each.removeprefix("data: ")) for each in frames]


def types(events):
    """Return the types of the events; how often a text comes in pieces is up to the server."""
    return [kind for kind, _ in groupby(each["type"] for each in events)]


def said(events):
    return "".join(each["delta"] for each in events if each["type"] == "TEXT_MESSAGE_CONTENT")


async def test_a_conversation_begins_goes_on_and_is_a_thread(ada, model):
    model.answer("Hello!")
    events = await run(ada, "chat 1", user("m1", "hi"))

    assert types(events) == ["RUN_STARTED", "MESSAGES_SNAPSHOT", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT",
                             "TEXT_MESSAGE_END", "RUN_FINISHED"]  # fmt: skip
    assert events[0] == {"type": "RUN_STARTED", "threadId": "chat 1", "runId": "run-1"}
    assert events[1]["messages"] == [user("m1", "hi")]
    assert said(events) == "Hello!"
    answer = {"id": events[2]["messageId"], "role": "assistant", "content": "Hello!"}

    await run(ada, "chat 1", user("m1", "hi"), answer, user("m2", "and now?"))

    [thread] = (await ada.list_threads(externalId="chat 1")).data
    assert texts((await ada.list_messages(thread)).data) == ["hi", "Hello!", "and now?", "Hello!"]
    assert [each["content"] for each in model.calls[-1].body["messages"]] == ["hi", "Hello!", "and now?"]


async def test_without_anything_new_the_thread_is_shown(ada, model):
    assert types(await run(ada, "not there")) == ["RUN_STARTED", "MESSAGES_SNAPSHOT", "RUN_FINISHED"]
    assert (await ada.list_threads()).data == []
    thread = await ada.create_thread(
        messages=[{"role": "user", "content": [{"type": "text", "text": "see"},
                                               {"type": "image", "url": "https://example.org/a.png"}]},
                  {"role": "assistant", "content": "", "toolCalls": [
                      {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
                  {"role": "tool", "content": "42", "toolCallId": "c1"}]
    )  # fmt: skip
    ids = (await ada.list_messages(thread)).ids

    [_, snapshot, _] = await run(ada, thread["id"])

    assert snapshot["messages"] == [
        {"id": ids[0], "role": "user", "content": [
            {"type": "text", "text": "see"},
            {"type": "image", "source": {"type": "url", "value": "https://example.org/a.png"}}]},
        {"id": ids[1], "role": "assistant", "toolCalls": [
            {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
        {"id": ids[2], "role": "tool", "content": "42", "toolCallId": "c1"},
    ]  # fmt: skip
    assert model.calls == []


async def test_the_same_request_again_stores_nothing_and_shows_the_answer(ada, model):
    first = await run(ada, "again", user("m1", "hi"))
    again = await run(ada, "again", user("m1", "hi"))

    assert types(again) == ["RUN_STARTED", "MESSAGES_SNAPSHOT", "RUN_FINISHED"]
    assert [each["content"] for each in again[1]["messages"]] == ["hi", said(first)]
    assert len(model.calls) == 1


async def test_two_of_the_same_request_at_once_are_one(ada, model):
    go = asyncio.Event()
    model.script = ["Hel", go, "lo", finish(), DONE]
    runs = [asyncio.create_task(run(ada, "twice", user("m1", "hi"))) for _ in range(4)]
    await model.called(1)
    await asyncio.sleep(0.2)
    go.set()

    for events in await asyncio.gather(*runs):
        assert said(events) in ("Hello", "") or types(events)[-1] == "RUN_FINISHED"
    [thread] = (await ada.list_threads(externalId="twice")).data
    assert texts((await ada.list_messages(thread)).data) == ["hi", "Hello"]
    assert len(model.calls) == 1


async def test_a_reload_in_mid_answer_follows_it(ada, model):
    thread = await ada.create_thread(externalId="long")
    talk = await begin_talk(ada, model, "Hel", "lo", thread=thread)
    following = asyncio.create_task(run(ada, "long"))
    await asyncio.sleep(0.1)
    await talk.ended(ada)

    events = await following

    assert [each["content"] for each in events[1]["messages"]] == ["hi"]
    assert said(events) == "Hello"
    assert types(events)[-1] == "RUN_FINISHED"


async def test_a_new_message_while_one_is_answered_is_refused(ada, model):
    thread = await ada.create_thread(externalId="busy")
    talk = await begin_talk(ada, model, thread=thread)

    refused = await post(ada, PATH, body_of("busy", user("new", "me too")))

    assert (refused.status, refused.code) == (409, "thread_busy")
    await talk.ended(ada)
    assert texts((await ada.list_messages(thread)).data) == ["hi", "Hello"]


async def test_an_edit_branches_and_keeps_what_was_there(ada, model):
    await run(ada, "edit", user("m1", "helo"))

    events = await run(ada, "edit", user("m1b", "hello"))
    assert [each["id"] for each in events[1]["messages"]] == ["m1", events[1]["messages"][1]["id"], "m1b"]

    first = events[1]["messages"][:2]
    events = await run(ada, "edit", first[0], user("m3", "another"))
    assert [each["id"] for each in events[1]["messages"]] == ["m1", "m3"]
    [thread] = (await ada.list_threads(externalId="edit")).data
    assert thread["messageCount"] == 6


async def test_tools_of_the_front_end_are_called_and_answered(ada, model):
    model.script = [reasoning("Let me "), reasoning("see"), tool_call(0, "call_1", "look", '{"at":'),
                    tool_call(0, None, None, "1}"), finish("tool_calls"), DONE]  # fmt: skip
    tools = [{"name": "look", "description": "Looks.", "parameters": {"type": "object", "properties": {}}}]
    events = await run(ada, "tools", user("m1", "look"), tools=tools)

    assert types(events) == [
        "RUN_STARTED", "MESSAGES_SNAPSHOT", "REASONING_START", "REASONING_MESSAGE_START", "REASONING_MESSAGE_CONTENT",
        "REASONING_MESSAGE_END", "REASONING_END", "TOOL_CALL_START", "TOOL_CALL_ARGS",
        "TOOL_CALL_END", "RUN_FINISHED",
    ]  # fmt: skip
    [start] = [each for each in events if each["type"] == "TOOL_CALL_START"]
    assert (start["toolCallId"], start["toolCallName"]) == ("call_1", "look")
    assert model.calls[-1].body["tools"][0]["function"]["name"] == "look"
    calls = [{"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at":1}'}}]
    answer = {"id": start["parentMessageId"], "role": "assistant", "toolCalls": calls}
    thought = {"id": "r", "role": "reasoning", "content": "Let me see"}
    model.answer("It is 42.")

    events = await run(
        ada, "tools", user("m1", "look"), thought, answer,
        {"id": "t1", "role": "tool", "toolCallId": "call_1", "content": "42"}, tools=tools,
    )  # fmt: skip

    assert said(events) == "It is 42."
    assert [each["role"] for each in model.calls[-1].body["messages"]] == ["user", "assistant", "tool"]


async def test_a_cancelled_and_a_failed_answer_end_so(ada, model):
    thread = await ada.create_thread(externalId="ends")
    talk = await begin_talk(ada, model, thread=thread)
    following = asyncio.create_task(run(ada, "ends"))
    await asyncio.sleep(0.1)
    await ada.cancel(thread, talk.response)
    talk.go.set()
    assert (await following)[-1]["outcome"] == {"type": "cancelled"}

    model.reset()
    model.script = [Head(400, {"content-length": "0"})]
    events = await run(ada, "fails", user("m1", "hi"))
    assert types(events)[-1] == "RUN_ERROR"
    assert events[-1]["message"]
    assert events[-1]["code"]


async def test_what_is_wrong_is_refused_and_changes_nothing(ada, model):
    for body, status, param in (
        (body_of("x", user("m1", "hi"), resume=[{"interruptId": "i"}]), 400, "resume"),
        (body_of("x", user("m1", "")), 400, "messages[0].content"),
        (body_of("x", {"id": "m", "role": "user", "content": [{"type": "video"}]}), 400, None),
        (body_of("x", user("m1", "hi"), tools=[{"name": "no good name!"}]), 400, None),
        (body_of("thread_unknown", user("m1", "hi")), 404, None),
    ):
        refused = await post(ada, PATH, body)
        assert refused.status == status, refused
        assert param is None or refused.param == param
    assert (await ada.list_threads()).data == []
    assert model.calls == []


async def test_locked_and_archived_threads_are_shown_and_take_nothing(ada, model):
    for state in ("locked", "archived"):
        thread = await ada.create_thread(externalId=state, messages=[{"role": "user", "content": "hi"}])
        await (ada.lock(thread) if state == "locked" else ada.archive(thread))
        assert types(await run(ada, state))[-1] == "RUN_FINISHED"
        refused = await post(ada, PATH, body_of(state, user("new", "hi")))
        assert (refused.status, refused.code) == (409, f"thread_{state}")


async def test_two_users_may_have_a_chat_of_one_name(place, ada, model):
    ben, cleo = await place.people.member(ada), await place.people.owner()
    for who in (ada, ben, cleo):
        await run(who, "main", user("m1", "hi"))
    for who in (ada, ben, cleo):
        assert len((await who.list_threads(externalId="main")).data) >= 1
    assert len(model.calls) == 3


async def test_a_conversation_of_many_messages_is_brought_along(ada, model):
    messages = [user(f"m{n}", f"word {n}") for n in range(150)]
    events = await run(ada, "many", *messages)
    assert len(events[1]["messages"]) == 150
    assert len((await run(ada, "many", *messages))[1]["messages"]) == 151


async def test_an_assistant_in_the_path_answers(ada, model):
    assistant = await ada.create_assistant(model="scripted", instructions="Be brief.")
    await run(ada, "brief", user("m1", "hi"), path=f"{PATH}/{assistant['id']}")
    assert model.calls[-1].body["messages"][0]["content"] == "Be brief."
    refused = await post(ada, f"{PATH}/asst_unknown", body_of("brief 2", user("m1", "hi")))
    assert refused.status == 404
    await eventually(lambda: ada.list_threads(), lambda page: len(page.data) == 1, 5)


async def test_a_body_may_be_larger_than_natively_but_not_beyond_its_own_limit(ada, model):
    image = {"type": "image", "source": {"type": "data", "value": "A" * 6 * 2**20, "mimeType": "image/png"}}
    events = await run(ada, "pictures", user("m1", [image]))
    assert events[1]["messages"][0]["content"] == [image]

    refused = await post(ada, PATH, body_of("more", user("m1", "A" * 33 * 2**20)))
    assert (refused.status, refused.code) == (413, "too_large")
    assert len((await ada.list_threads()).data) == 1
