"""The AI SDK's chats over HTTP: what `useChat` sends, and what it gets."""

import asyncio
import json
from itertools import groupby

import pytest

from support.answering import open_place
from support.scripted_model import DONE, Head, answer_of, finish, reasoning, text, tool_call, usage

CHAT = "/ai-sdk/chat"
TEXT = ["text-start", "text-delta", "text-end"]
CALL = ["tool-input-start", "tool-input-delta"]

CALLS = [
    reasoning("hm"), text("I "), text("look"),
    tool_call(0, "call_1", "look", ""), tool_call(0, None, None, '{"n":'), tool_call(0, None, None, " 1}"),
    tool_call(1, "call_2", "look", "{}"),
    finish("tool_calls"), usage(10, 4), DONE,
]  # fmt: skip


@pytest.fixture(scope="module")
async def place(new_database, zygote):
    async with open_place(new_database, zygote) as place:
        yield place


@pytest.fixture
def ada(place):
    return place.cast.ada


@pytest.fixture
def model(place):
    return place.fresh_model()


@pytest.fixture
def chat_id(request):
    return f"chat {request.node.name}"


def said(id, words, role="user"):
    return {"id": id, "role": role, "parts": [{"type": "text", "text": words}]}


def frames_in(answer):
    """Return the frames of a stream, which ends as it must."""
    assert answer.status == 200, answer
    *frames, last = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line.startswith("data: ")]
    assert last == "[DONE]"
    return [json.loads(each) for each in frames]


def kinds(frames):
    """Return the types of frames; of several deltas that follow each other, one: they may come as one."""
    return [type for type, _ in groupby(each["type"] for each in frames)]


def text_in(frames):
    return "".join(each["delta"] for each in frames if each["type"] == "text-delta")


def text_of(message):
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


async def thread_of(who, chat_id):
    [thread] = (await who.list_threads(externalId=chat_id)).data
    return thread


async def turn(who, chat_id, *messages, **more):
    answer = await who.request("POST", CHAT, {"id": chat_id, "messages": list(messages), **more})
    assert answer.headers["x-vercel-ai-ui-message-stream"] == "v1", answer
    return frames_in(answer)


async def messages_of(who, chat_id, **query):
    return await who.request("GET", f"{CHAT}/{chat_id}/messages", params=query)


async def test_a_first_turn_makes_the_thread_and_streams_the_answer(ada, model, chat_id):
    frames = await turn(ada, chat_id, said("u1", "Hello?"))

    assert kinds(frames) == ["start", "start-step", *TEXT, "finish-step", "finish"]
    assert text_in(frames) == "Hello world"
    assert frames[-1] == {"type": "finish", "finishReason": "stop"}
    [thread] = (await ada.list_threads(externalId=chat_id)).data
    question, answer = (await ada.list_messages(thread)).data
    assert (question["externalId"], answer["id"]) == ("u1", frames[0]["messageId"])
    shown = await messages_of(ada, chat_id)
    assert shown.body == {
        "id": chat_id,
        "messages": [
            said("u1", "Hello?"),
            {
                "id": answer["id"],
                "role": "assistant",
                "parts": [{"type": "step-start"}, {"type": "text", "text": "Hello world", "state": "done"}],
            },
        ],
        "hasMore": False,
        "responseId": None,
    }


async def test_a_later_turn_adds_its_last_message_alone(ada, model, chat_id):
    first = await turn(ada, chat_id, said("u1", "One"))
    await turn(
        ada, chat_id, said("u1", "One, but changed"), said(first[0]["messageId"], "?", "assistant"), said("u2", "Two")
    )
    await ada.request("POST", CHAT, {"id": chat_id, "message": said("u3", "Three")})

    shown = (await messages_of(ada, chat_id)).messages
    assert [(each["id"], text_of(each)) for each in shown if each["role"] == "user"] == [
        ("u1", "One"), ("u2", "Two"), ("u3", "Three"),
    ]  # fmt: skip
    assert [each["role"] for each in shown] == ["user", "assistant"] * 3


async def test_what_was_said_before_an_empty_chat_is_stored_too(ada, model, chat_id):
    await turn(ada, chat_id, said("s", "Be brief.", "system"), said("g", "Welcome!", "assistant"), said("u", "Hi"))

    shown = (await messages_of(ada, chat_id)).messages
    assert [(each["role"], each["id"]) for each in shown][:3] == [("system", "s"), ("assistant", "g"), ("user", "u")]
    assert [each["content"] for each in model.calls[0].body["messages"]] == ["Be brief.", "Welcome!", "Hi"]


async def test_regenerate_keeps_the_old_answer_as_a_branch(ada, model, chat_id):
    first = await turn(ada, chat_id, said("u1", "One"))
    second = await turn(ada, chat_id, said("u1", "One"), trigger="regenerate-message", messageId=first[0]["messageId"])

    assert [each["id"] for each in (await messages_of(ada, chat_id)).messages] == ["u1", second[0]["messageId"]]
    thread = await thread_of(ada, chat_id)
    assert len((await ada.list_messages(thread)).data) == 3


async def test_an_edit_stands_for_the_first_message_and_is_found_by_its_id(ada, model, chat_id):
    await turn(ada, chat_id, said("u0", "Zero"))
    await turn(ada, chat_id, said("u1", "One"))
    for words in ("Uno", "Eins"):
        await turn(ada, chat_id, said("u1", words), messageId="u1")

    thread = await thread_of(ada, chat_id)
    stored = [each for each in (await ada.list_messages(thread)).data if each["role"] == "user"]
    assert [each["externalId"] for each in stored] == ["u0", "u1", "u1~2", "u1~3"]
    assert len({each["parentId"] for each in stored[1:]}) == 1
    shown = (await messages_of(ada, chat_id)).messages
    assert [(each["id"], text_of(each)) for each in shown[::2]] == [("u0", "Zero"), ("u1", "Eins")]
    again = await turn(ada, chat_id, said("u1", "Eins"), messageId="u1")
    assert again[0]["messageId"] == shown[-1]["id"]


async def test_an_edit_of_the_first_message_begins_the_chat_anew(ada, model, chat_id):
    await turn(ada, chat_id, said("u1", "One"))
    await turn(ada, chat_id, said("u1", "Uno"), messageId="u1")

    assert [text_of(each) for each in (await messages_of(ada, chat_id)).messages] == ["Uno", "Hello world"]


async def test_a_message_behind_an_earlier_one_begins_a_branch(ada, model, chat_id):
    first = await turn(ada, chat_id, said("u1", "One"))
    before = said(first[0]["messageId"], "Hello world", "assistant")
    await turn(ada, chat_id, said("u1", "One"), before, said("u2", "Two"))
    await turn(ada, chat_id, said("u1", "One"), before, said("u3", "Another"))

    shown = (await messages_of(ada, chat_id)).messages
    assert [each["id"] for each in shown if each["role"] == "user"] == ["u1", "u3"]


async def test_the_same_request_again_follows_the_answer_that_it_began(ada, model, chat_id):
    go = asyncio.Event()
    model.script = ["Hel", go, "lo", *answer_of()]
    lost = asyncio.create_task(turn(ada, chat_id, said("u1", "One")))
    await model.called()
    again = asyncio.create_task(turn(ada, chat_id, said("u1", "One")))
    await asyncio.sleep(0.1)
    go.set()

    assert text_in(await lost) == text_in(await again) == "Hello"
    assert (await lost)[0] == (await again)[0]
    ended = await turn(ada, chat_id, said("u1", "One"))
    assert (text_in(ended), ended[-1]["type"], len(model.calls)) == ("Hello", "finish", 1)


async def test_a_message_whose_answer_failed_is_told_so_again(ada, model, chat_id):
    model.script = [Head(status=400)]
    failed = await turn(ada, chat_id, said("u1", "One"))

    again = await turn(ada, chat_id, said("u1", "One"))

    assert (again[-1], len(model.calls)) == (failed[-1], 1)
    assert failed[-1]["type"] == "error"


async def test_a_stored_message_without_an_answer_is_refused(ada, chat_id):
    thread = await ada.create_thread(
        externalId=chat_id, messages=[{"role": "user", "content": "hi", "externalId": "u1"}]
    )

    refused = await ada.request("POST", CHAT, {"id": thread.id, "message": said("u1", "hi")})

    assert (refused.status, refused.headers["x-error-code"]) == (409, "message_stored")


async def test_calls_are_told_and_their_results_go_on_in_the_same_message(ada, model, chat_id):
    model.script = CALLS
    first = await turn(ada, chat_id, said("u1", "Look"), tools={"look": {"description": "Looks.", "parameters": {}}})
    assert kinds(first) == [
        "start", "start-step", "reasoning-start", "reasoning-delta", "reasoning-end", *TEXT,
        *CALL, *CALL, "tool-input-available", "finish-step", "finish",
    ]  # fmt: skip
    assert [each["input"] for each in first if each["type"] == "tool-input-available"] == [{"n": 1}, {}]
    assert first[-1]["finishReason"] == "tool-calls"
    assert model.calls[0].body["tools"][0]["function"]["name"] == "look"
    head = first[0]["messageId"]
    waiting = (await messages_of(ada, chat_id)).messages[-1]
    assert [part.get("state") for part in waiting["parts"]] == [None, "done", "input-available", "input-available"]
    model.answer("Both.")
    done = {**waiting, "parts": [*waiting["parts"][:2], *(solved(part) for part in waiting["parts"][2:])]}
    second = await turn(ada, chat_id, said("u1", "Look"), done)

    assert (second[0]["messageId"], text_in(second)) == (head, "Both.")
    told = model.calls[1].body["messages"]
    assert [each["content"] for each in told if each["role"] == "tool"] == ['{"found":[1]}', "It broke."]
    shown = (await messages_of(ada, chat_id)).messages[-1]
    step = [{"type": "step-start"}, {"type": "text", "text": "Both.", "state": "done"}]
    assert (shown["id"], shown["parts"]) == (head, [*done["parts"], *step])
    again = await turn(ada, chat_id, said("u1", "Look"), done)
    assert (again[0]["messageId"], text_in(again), len(model.calls)) == (head, "Both.", 2)


def solved(part):
    if part["toolCallId"] == "call_1":
        return {**part, "state": "output-available", "output": {"found": [1]}}
    return {**part, "state": "output-error", "errorText": "It broke."}


async def test_an_approval_is_refused(ada, model, chat_id):
    model.script = CALLS
    first = await turn(ada, chat_id, said("u1", "Look"))
    part = {"type": "tool-look", "toolCallId": "call_1", "state": "approval-responded", "input": {}}
    last = {"id": first[0]["messageId"], "role": "assistant", "parts": [part]}

    refused = await ada.request("POST", CHAT, {"id": chat_id, "messages": [last]})

    assert (refused.status, refused.headers["x-error-code"]) == (400, "invalid_field")
    assert refused.text.startswith("Approvals")
    nothing_new = await ada.request("POST", CHAT, {"id": chat_id, "messages": [{**last, "parts": []}]})
    assert nothing_new.status == 400


async def test_a_running_answer_is_followed_from_its_start(ada, model, chat_id):
    go = asyncio.Event()
    model.script = ["Hel", go, "lo", *answer_of()]
    begun = asyncio.create_task(turn(ada, chat_id, said("u1", "One")))
    await model.called()
    assert [each["id"] for each in (await messages_of(ada, chat_id)).messages] == ["u1"]
    followed = asyncio.create_task(ada.request("GET", f"{CHAT}/{chat_id}/stream"))
    await asyncio.sleep(0.1)
    go.set()

    assert kinds(frames_in(await followed)) == kinds(await begun)
    assert text_in(frames_in(await followed)) == "Hello"
    assert (await ada.request("GET", f"{CHAT}/{chat_id}/stream")).status == 204


async def test_an_answer_that_ends_before_a_page_follows_it_is_not_missed(ada, model, chat_id):
    go = asyncio.Event()
    model.script = ["Hel", go, "lo", *answer_of()]
    begun = asyncio.create_task(turn(ada, chat_id, said("u1", "One")))
    await model.called()
    # The page is loaded now, and asks for the stream when the answer has ended.
    loaded = await messages_of(ada, chat_id)
    go.set()
    frames = await begun
    stream = f"{CHAT}/{chat_id}/stream"

    followed = frames_in(await ada.request("GET", stream, params={"responseId": loaded.responseId}))
    later = await messages_of(ada, chat_id)

    assert [each["id"] for each in loaded.messages] == ["u1"]
    assert (kinds(followed), text_in(followed), followed[0]) == (kinds(frames), "Hello", frames[0])
    assert (later.responseId, [each["id"] for each in later.messages]) == (None, ["u1", frames[0]["messageId"]])
    await turn(ada, chat_id, said("u2", "Two"))
    for gone in (loaded.responseId, "resp_none"):
        assert (await ada.request("GET", stream, params={"responseId": gone})).status == 204


async def test_what_goes_on_is_followed_with_all_of_its_message(ada, model, chat_id):
    model.script = CALLS
    first = await turn(ada, chat_id, said("u1", "Look"))
    waiting = (await messages_of(ada, chat_id)).messages[-1]
    done = {**waiting, "parts": [solved(part) if "toolCallId" in part else part for part in waiting["parts"]]}
    go = asyncio.Event()
    model.script = ["Bo", go, "th.", *answer_of()]
    begun = asyncio.create_task(turn(ada, chat_id, done))
    await model.called(2)
    followed = asyncio.create_task(ada.request("GET", f"{CHAT}/{chat_id}/stream"))
    await asyncio.sleep(0.1)
    go.set()

    frames = frames_in(await followed)
    assert kinds(frames) == [
        "start", "start-step", *TEXT, "tool-input-available", "tool-output-available", "tool-input-available",
        "tool-output-error", "finish-step", "start-step", *TEXT, "finish-step", "finish",
    ]  # fmt: skip
    assert frames[0]["messageId"] == first[0]["messageId"] == (await begun)[0]["messageId"]
    assert text_in(frames) == "I lookBoth."


async def test_nothing_to_follow_is_no_error_and_nobody_follows_anothers(place, ada, model, chat_id):
    assert (await ada.request("GET", f"{CHAT}/{chat_id}/stream")).status == 204
    go = asyncio.Event()
    model.script = ["Hel", go, "lo", *answer_of()]
    begun = asyncio.create_task(turn(ada, chat_id, said("u1", "One")))
    await model.called()
    thread = await thread_of(ada, chat_id)
    for who in (place.cast.ben, place.cast.cleo):
        for id in (chat_id, thread["id"]):
            assert (await who.request("GET", f"{CHAT}/{id}/stream")).status == 204
            assert (await who.request("POST", f"{CHAT}/{id}/stop")).status == 404
            assert (await who.request("GET", f"{CHAT}/{id}/messages")).status == 404
    go.set()
    await begun
    await turn(place.cast.ben, chat_id, said("u1", "Mine"))
    assert (await messages_of(place.cast.ben, chat_id)).messages[0]["id"] == "u1"


async def test_stop_ends_the_answer_and_keeps_what_was_said(ada, model, chat_id):
    model.script = ["Hel", asyncio.Event()]
    begun = asyncio.create_task(turn(ada, chat_id, said("u1", "One")))
    await model.called()
    busy = await ada.request("POST", CHAT, {"id": chat_id, "message": said("u2", "Two")})
    assert (busy.status, busy.headers["x-error-code"]) == (409, "thread_busy")
    stopped = await ada.request("POST", f"{CHAT}/{chat_id}/stop", {"whatever": 1})

    assert (stopped.status, stopped.body) == (200, {"success": True})
    assert kinds(await begun)[-1] == "abort"
    assert (await ada.request("POST", f"{CHAT}/{chat_id}/stop")).body == {"success": True}


async def test_a_stop_that_is_sent_again_with_its_key_does_its_work_once(ada, model, chat_id):
    await turn(ada, chat_id, said("u1", "One"))
    keyed = ada.with_headers({"idempotency-key": chat_id})

    first, again = [await keyed.request("POST", f"{CHAT}/{chat_id}/stop", {}) for _ in range(2)]

    assert first.body == again.body == {"success": True}
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"


async def test_an_answer_that_fails_ends_with_a_sentence(ada, model, chat_id):
    model.script = [Head(status=400)]
    frames = await turn(ada, chat_id, said("u1", "One"))

    assert kinds(frames)[-1] == "error"
    assert frames[-1]["errorText"].endswith(".")


async def test_errors_are_a_sentence_with_a_code(ada, chat_id):
    refused = await ada.request("POST", CHAT, {"id": "thread_nowhere", "message": said("u1", "One")})

    assert (refused.status, refused.headers["x-error-code"]) == (404, "thread_not_found")
    assert refused.headers["content-type"] == "text/plain; charset=utf-8"
    assert refused.text == "There is no such thread, or you may not see it."
    for body, code in [
        ({"id": chat_id}, "invalid_field"),
        ({"id": chat_id, "messages": [{"id": "u", "role": "user", "parts": [{"type": "text"}]}]}, "invalid_field"),
        ({"id": chat_id, "messages": [said("u\n", "hi")]}, "invalid_field"),
        ({"id": chat_id, "messages": [said("u", " ")]}, "invalid_field"),
        ({"id": chat_id, "messages": [said("u", "hi")], "tools": {"a b": {}}}, "invalid_field"),
        ({"id": chat_id, "messages": [said("u", "hi")], "tools": {"a": 3}}, "invalid_field"),
    ]:
        refused = await ada.request("POST", CHAT, body)
        assert (refused.status, refused.headers["x-error-code"]) == (400, code), body
    assert (await ada.list_threads(externalId=chat_id)).data == []


async def test_a_message_comes_back_as_it_was_sent(ada, model, chat_id):
    parts = [
        {"type": "text", "text": "See", "providerMetadata": {"a": {"b": 1}}},
        {"type": "file", "mediaType": "image/png", "filename": "a.png", "url": "data:image/png;base64,iVBORw=="},
        {"type": "data-pin", "data": {"x": 1}},
    ]
    await turn(ada, chat_id, {"id": "u1", "role": "user", "parts": parts, "metadata": {"at": 3}, "more": 1})

    assert (await messages_of(ada, chat_id)).messages[0] == {
        "id": "u1", "role": "user", "parts": parts, "metadata": {"at": 3},
    }  # fmt: skip
    thread = await thread_of(ada, chat_id)
    stored = (await ada.list_messages(thread)).data[0]
    assert (stored["payloadFormat"], [each["type"] for each in stored["content"]]) == ("ai-sdk/v6", ["text", "image"])


async def test_pages_of_messages_lead_back_to_the_first(ada, model, chat_id):
    model.script = CALLS
    for n in range(3):
        await turn(ada, chat_id, said(f"u{n}", "Look"))

    newest = await messages_of(ada, chat_id, limit=4)
    assert ([each["role"] for each in newest.messages], newest.hasMore) == (["user", "assistant"] * 2, True)
    oldest = await messages_of(ada, chat_id, limit=4, before=newest.messages[0]["id"])
    assert (oldest.messages[0]["id"], oldest.hasMore) == ("u0", False)
    refused = await messages_of(ada, chat_id, before="nobody")
    assert (refused.status, refused.headers["x-error-code"]) == (404, "message_not_found")


async def test_two_first_turns_at_once_begin_one_answer(ada, model, chat_id):
    both = await asyncio.gather(*(turn(ada, chat_id, said("u1", "One")) for _ in range(2)))

    assert both[0][0] == both[1][0]
    assert len(model.calls) == 1


async def test_a_chat_of_a_native_thread_shows_it(ada, model):
    thread = await ada.create_thread(messages=[{"role": "user", "content": "hi"}])
    asked = said((await messages_of(ada, thread.id)).messages[0]["id"], "hi")
    frames = await turn(ada, thread.id, asked, trigger="regenerate-message")

    assert [each["id"] for each in (await messages_of(ada, thread.id)).messages] == [
        asked["id"],
        frames[0]["messageId"],
    ]
