"""What front ends are shown when events are gone, and when a message comes to one thread through two doors."""

import asyncio
import json
import re
import time

import pytest

from support.answering import change_stored, open_place, texts
from support.scripted_model import STALL, answer_of
from support.stored import stored_in
from support.streams import RESET, TEXT, Stream
from support.waiting import SOON_S, SWEPT_S, eventually
from test_ag_ui import run, said, user
from test_ai_sdk import frames_in, kinds, messages_of, text_in, text_of, thread_of, turn
from test_ai_sdk import said as ui
from threadkeep.server.dialects.ag_ui.stream import Run, RunTelling
from threadkeep.server.dialects.ai_sdk.streams import RELOAD, AnswerStream

GONE = "update responses set events_until_ms = 1 where events_until_ms is not null"
LEFT = "select 1 from responses where events_until_ms is not null"


@pytest.fixture(scope="module")
async def place(new_database, zygote):
    async with open_place(new_database, zygote, THREADKEEP_AUTO_NAME="false") as place:
        yield place


@pytest.fixture
def model(place):
    return place.fresh_model()


@pytest.fixture
async def ada(place):
    return await place.people.owner()


async def test_an_answer_whose_events_are_gone_is_told_whole(place, ada, model):
    first = await turn(ada, "chat", ui("u1", "One"))
    await change_stored(place.server.database, GONE)
    async with stored_in(place.server.database) as stored:
        await eventually(lambda: stored.rows(LEFT), lambda rows: rows == [], SWEPT_S)

    again = await turn(ada, "chat", ui("u1", "One"))

    assert (again[0], text_in(again), kinds(again)) == (first[0], "Hello world", kinds(first))
    assert len(model.calls) == 1


@pytest.mark.parametrize("left", ["Hello world", "Hel", ""])
async def test_a_reset_in_mid_answer_goes_on_where_it_can_and_else_asks_for_a_reload(ada, model, left):
    thread = await ada.create_thread()
    async with await Stream.post(ada, f"/v1/threads/{thread.id}/responses", input="hi") as stream:
        created, *_, completed = await stream.rest()
    so_far = {**created.data, "response": {**created.data["response"], "outputText": left}, "message": None}
    events = [created, (2, TEXT, {"delta": "Hel"}), (3, TEXT, {"delta": "lo "}), (4, RESET, so_far), completed]
    telling = AnswerStream(None, ())

    told = b"".join(
        telling.translate(created.response_id, n, type, json.dumps(data).encode())
        for n, type, data in (each if isinstance(each, tuple) else (each.n, each.type, each.data) for each in events)
    )

    [*frames, last] = [each.removeprefix("data: ") for each in told.decode().strip().split("\n\n")]
    frames = [json.loads(each) for each in frames]
    assert last == "[DONE]"
    if left.startswith("Hello "):
        assert (text_in(frames), kinds(frames)[-1]) == ("Hello world", "finish")
    else:
        assert kinds(frames)[-3:] == ["text-delta", "text-end", "error"]
        assert frames[-1]["errorText"] == RELOAD


async def test_whoever_comes_as_the_thread_is_deleted_is_told_a_beginning_and_the_end(ada, model):
    thread = await ada.create_thread()
    async with await Stream.post(ada, f"/v1/threads/{thread.id}/responses", input="hi") as stream:
        end = (await stream.rest())[-1]
    data = json.dumps(end.data).encode()

    by_ai_sdk = AnswerStream(None, ()).translate(end.response_id, 1, end.type, data).decode()
    by_ag_ui = RunTelling(Run("chat", "run", [])).translate(end.response_id, 1, end.type, data).decode()

    assert re.findall('"type":"([^"]*)"', by_ai_sdk) == ["start", "start-step", "finish-step", "finish"]
    assert re.findall('"type":"([^"]*)"', by_ag_ui) == ["RUN_STARTED", "MESSAGES_SNAPSHOT", "RUN_FINISHED"]


async def copy(who, thread, text, id):
    """What assistant-ui's cloud is sent beside a turn."""
    body = {"parent_id": None, "format": "ai-sdk/v6", "content": ui(id, text), "external_id": id}
    return await who.request("POST", f"/assistant-ui/v1/threads/{thread.id}/messages", body)


async def test_a_copy_before_the_turn_leaves_one_message_which_is_answered_when_asked(ada, model):
    thread = await ada.create_thread()
    kept = await copy(ada, thread, "One", "u1")

    refused = await ada.request("POST", "/ai-sdk/chat", {"id": thread.id, "message": ui("u1", "One")})
    told = await turn(ada, thread.id, ui("u1", "One"), trigger="regenerate-message")
    again = await copy(ada, thread, "One", "u1")

    assert (kept.status, refused.status, refused.headers["x-error-code"]) == (200, 409, "message_stored")
    assert (text_in(told), again.message_id) == ("Hello world", kept.message_id)
    assert texts((await ada.list_messages(thread)).data) == ["One", "Hello world"]


async def test_a_turn_and_its_copies_at_once_store_nothing_twice(ada, model):
    model.script = lambda call: answer_of("said ", call.last_user_text)
    for number in range(8):
        thread = await ada.create_thread()
        sent = {"id": thread.id, "message": ui("u1", "One")}
        told, *kept = await asyncio.gather(
            ada.request("POST", "/ai-sdk/chat", sent), *(copy(ada, thread, "One", "u1") for _ in range(3))
        )
        if told.status == 409:
            told = await ada.request("POST", "/ai-sdk/chat", {**sent, "trigger": "regenerate-message"})

        assert text_in(frames_in(told)) == "said One", number
        assert {each.status for each in kept} == {200}
        assert texts((await ada.list_messages(thread)).data) == ["One", "said One"]
        shown = (await messages_of(ada, thread.id)).messages
        assert [each["id"] for each in shown] == ["u1", frames_in(told)[0]["messageId"]]


async def test_a_chat_that_ag_ui_began_goes_on_in_the_ai_sdk_and_back(ada, model):
    first = said(await run(ada, "both", user("u1", "One")))
    again = await ada.request("POST", "/ai-sdk/chat", {"id": "both", "message": ui("u1", "One")})
    await turn(ada, "both", ui("u2", "Two"))
    shown = (await run(ada, "both", user("u1", "One"), user("u2", "Two")))[1]["messages"]

    assert first == text_in(frames_in(again))
    assert [each["role"] for each in shown] == ["user", "assistant"] * 2
    assert texts((await ada.list_messages(await thread_of(ada, "both"))).data)[::2] == ["One", "Two"]
    assert len(model.calls) == 2


async def test_what_a_dead_worker_said_is_shown_before_anybody_has_noticed(place, ada, model):
    thread = await ada.create_thread()
    model.script = ["Hel", STALL]
    asking = asyncio.create_task(turn(ada, thread.id, ui("u1", "One")))
    await eventually(lambda: messages_natively(ada, thread), lambda found: texts(found) == ["One", "Hel"], SOON_S)
    assert [text_of(each) for each in (await messages_of(ada, thread.id)).messages] == ["One"]

    # It has run out, and the response does not yet count as left.
    just_now = int(time.time() * 1000) - 50
    await change_stored(place.server.database, f"update threads set lease_until = {just_now} where id = '{thread.id}'")
    shown = (await messages_of(ada, thread.id)).messages
    snapshot = (await run(ada, thread.id))[1]["messages"]

    assert [text_of(each) for each in shown] == ["One", "Hel"]
    assert [each["content"] for each in snapshot] == ["One", "Hel"]
    assert kinds(await asking)[-1] == "error"


async def messages_natively(who, thread):
    return (await who.list_messages(thread)).data
