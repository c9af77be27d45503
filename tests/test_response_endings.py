"""How responses end: completed, failed, cancelled; what stays of them, and what they cost."""

import asyncio
import json

import pytest

from support.answering import begin_talk, ended, open_place, texts
from support.scripted_model import (
    CLOSE,
    DONE,
    RESET,
    STALL,
    Head,
    Raw,
    answer_of,
    chunk,
    finish,
    tool_call,
)
from support.waiting import SOON_S

CHARACTERS_MAX = 1000
PLAIN = {"content-type": "application/json", "connection": "close"}


@pytest.fixture(scope="module")
async def place(new_database, zygote):
    settings = {
        "THREADKEEP_MODEL_IDLE_S": "1.5",
        "THREADKEEP_MODEL_FIRST_BYTE_S": "3",
        "THREADKEEP_ANSWER_CHARACTERS_MAX": str(CHARACTERS_MAX),
    }
    async with open_place(new_database, zygote, **settings) as place:
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


def refusal(status, code=None):
    return [Head(status, PLAIN), json.dumps({"error": {"message": "no", "code": code}}).encode()]


# Failures


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (refusal(500), "model_unavailable"),
        (refusal(401), "model_unavailable"),
        (refusal(429), "model_unavailable"),
        ([Raw(b"")], "model_unavailable"),
        ([Head(), b"data: <html>\n\n"], "model_unavailable"),
        ([], "model_unavailable"),
        (refusal(400), "model_refused"),
        ([finish("content_filter")], "model_refused"),
        (refusal(400, "context_length_exceeded"), "context_too_long"),
    ],
)
async def test_a_failure_is_the_responses_own_and_the_thread_goes_on(ada, model, script, code):
    thread = await ada.create_thread()
    model.script = script

    failed = await ada.respond(thread, input="hello")
    model.answer("fine")
    again = await ada.respond(thread)

    assert (failed.status, failed["status"], failed.error["code"]) == (200, "failed", code)
    assert len(failed.error["message"]) > 10
    assert failed.completedAt is not None
    assert (failed.messageId, failed.outputText) == (None, "")
    assert (again.status, again["status"], again.outputText) == (200, "completed", "fine")
    assert (await ada.get(thread))["status"] == "inactive"


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        ([CLOSE], "model_unavailable"),
        ([RESET], "model_unavailable"),
        ([DONE], "model_unavailable"),
        ([chunk() | {"error": {"message": "sk-secret"}}], "model_unavailable"),
        ([finish("content_filter")], "model_refused"),
        ([STALL], "model_timeout"),
        (["y" * CHARACTERS_MAX, finish(), DONE], "answer_too_long"),
    ],
)
async def test_what_was_said_before_a_failure_is_kept_as_incomplete(ada, model, rest, code):
    model.script = ["Once upon", 0.1, *rest]
    thread = await ada.create_thread()

    failed = await ada.respond(thread, input="tell")

    message = await ada.get_message(thread, failed.messageId)
    assert (failed.status, failed["status"], failed.error["code"]) == (200, "failed", code)
    assert failed.outputText.startswith("Once upon")
    assert (message["status"], texts([message.body])) == ("incomplete", [failed.outputText])
    assert (failed.usage["outputTokens"] > 0, failed.usage["estimated"]) == (True, True)
    assert (await ada.get(thread)).messageCount == 2
    assert "secret" not in failed.text


async def test_a_model_that_says_nothing_in_time_fails(ada, model):
    model.script = [STALL]
    thread = await ada.create_thread()

    failed = await ada.respond(thread, input="hello")

    assert (failed["status"], failed.error["code"], failed.messageId) == ("failed", "model_timeout", None)
    await asyncio.wait_for(model.calls[0].gone.wait(), SOON_S)


async def test_an_answer_of_the_longest_length_is_no_failure(ada, model):
    model.answer("é" * CHARACTERS_MAX)
    thread = await ada.create_thread()

    response = await ada.respond(thread, input="long")

    assert (response["status"], response.outputText) == ("completed", "é" * CHARACTERS_MAX)


async def test_what_does_not_fit_the_context_fails_without_asking_the_model(ada, model):
    thread = await ada.create_thread()

    failed = await ada.respond(thread, input="x" * 100, contextTokens=10)

    assert (failed.status, failed["status"], failed.error["code"]) == (200, "failed", "context_too_long")
    assert (failed.messageId, failed.usage["totalTokens"], model.calls) == (None, 0, [])
    assert texts((await ada.list_messages(thread)).data) == ["x" * 100]


@pytest.mark.parametrize("script", [answer_of(), answer_of("")])
async def test_an_answer_with_nothing_in_it_leaves_no_message(ada, model, script):
    model.script = script
    thread = await ada.create_thread()

    response = await ada.respond(thread, input="hello")

    assert (response["status"], response.messageId, response.outputText) == ("completed", None, "")
    assert response.usage == {"inputTokens": 10, "outputTokens": 2, "totalTokens": 12, "estimated": False}
    now = await ada.get(thread)
    [message] = (await ada.list_messages(thread)).data
    assert (now.messageCount, now.lastMessageAt, message["seq"]) == (1, message["createdAt"], 1)
    assert (await ada.post_message(thread, "next")).seq == 3


async def test_calls_with_unfinished_arguments_are_dropped_when_an_answer_is_cut_off(ada, model):
    model.script = [tool_call(0, "a", "f", "{}"), tool_call(1, "b", "f", '{"x'), CLOSE]
    thread = await ada.create_thread()

    failed = await ada.respond(thread, input="hello")

    message = await ada.get_message(thread, failed.messageId)
    assert (failed["status"], message["status"], message.content) == ("failed", "incomplete", [])
    assert [call["id"] for call in message.toolCalls] == ["a"]


async def test_a_cut_off_call_alone_leaves_no_message(ada, model):
    model.script = [tool_call(0, "b", "f", '{"x'), CLOSE]
    thread = await ada.create_thread()

    failed = await ada.respond(thread, input="hello")

    assert (failed["status"], failed.messageId, (await ada.get(thread)).messageCount) == ("failed", None, 1)


# Cancelling


async def test_cancelling_keeps_what_was_said_and_frees_the_thread(ada, model):
    talk = await begin_talk(ada, model)

    cancelled = await ada.cancel(talk.thread, talk)
    written = await ada.post_message(talk.thread, "next")

    message = await ada.get_message(talk.thread, cancelled.messageId)
    assert (cancelled.status, cancelled["status"], cancelled.outputText, cancelled.error) == (
        200, "cancelled", "Hel", None,
    )  # fmt: skip
    assert (message["status"], texts([message.body]), written.seq) == ("incomplete", ["Hel"], 3)
    assert cancelled.usage["estimated"] is True
    await asyncio.wait_for(model.calls[-1].gone.wait(), SOON_S)


async def test_cancelling_again_changes_nothing(ada, model):
    talk = await begin_talk(ada, model)
    first = await ada.cancel(talk.thread, talk)
    thread = await ada.get(talk.thread)

    again = await ada.cancel(talk.thread, talk)

    assert (again.status, again.body) == (200, first.body)
    assert (await ada.get(talk.thread)).etag == thread.etag


@pytest.mark.parametrize("script", [answer_of("done"), [CLOSE]])
async def test_cancelling_what_has_ended_changes_nothing(ada, model, script):
    model.script = script
    thread = await ada.create_thread()
    response = await ada.respond(thread, input="hello")

    cancelled = await ada.cancel(thread, response)

    assert (cancelled.status, cancelled.body) == (200, response.body)


async def test_cancelling_before_a_word_leaves_no_message(ada, model):
    talk = await begin_talk(ada, model, said="")

    cancelled = await ada.cancel(talk.thread, talk)

    assert (cancelled["status"], cancelled.messageId) == ("cancelled", None)
    assert (await ada.get(talk.thread)).messageCount == 1


async def test_cancelling_an_old_response_leaves_the_running_one_alone(ada, model):
    thread = await ada.create_thread()
    old = await ada.respond(thread, input="hello")
    talk = await begin_talk(ada, model, thread=thread)

    await ada.cancel(thread, old)

    assert (await talk.ended(ada))["status"] == "completed"


async def test_only_who_sees_the_thread_cancels(place, ada, model):
    talk = await begin_talk(ada, model)

    refused = [await who.cancel(talk.thread, talk) for who in (place.cast.ben, place.cast.cleo)]
    done = await talk.ended(ada)

    assert [(answer.status, answer.code) for answer in refused] == [(404, "thread_not_found")] * 2
    assert done["status"] == "completed"


async def test_whoever_waits_is_told_of_the_cancellation(ada, model):
    thread = await ada.create_thread()
    model.script = ["Hel", asyncio.Event()]
    waiting = asyncio.create_task(ada.respond(thread, input="hi"))
    await model.called()
    [running] = (await ada.list_responses(thread)).ids

    await ada.cancel(thread, running)
    told = await asyncio.wait_for(waiting, SOON_S)

    assert (told.status, told["status"], told.id) == (200, "cancelled", running)


async def test_a_client_that_goes_away_cancels_nothing(ada, model):
    thread = await ada.create_thread()
    go = asyncio.Event()
    model.script = ["Hel", go, "lo", finish(), DONE]
    waiting = asyncio.create_task(ada.respond(thread, input="hi"))
    await model.called()
    [running] = (await ada.list_responses(thread)).ids

    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    go.set()

    assert (await ended(ada, thread, running)).outputText == "Hello"


# Lock, archive, delete


@pytest.mark.parametrize(("action", "code"), [("lock", "thread_locked"), ("archive", "thread_archived")])
async def test_locking_or_archiving_wins_at_once_and_keeps_what_was_said(ada, model, action, code):
    talk = await begin_talk(ada, model)

    frozen = await ada.act(talk.thread, action)
    messages = (await ada.list_messages(talk.thread)).data
    refused = await ada.respond(talk.thread, input="more", whenBusy="interrupt")
    talk.go.set()
    model.answer("elsewhere")
    await ada.respond_new(thread={}, input="hi")  # Its end is stored behind what the frozen one says last.
    response = await ada.get_response(talk.thread, talk)

    assert (frozen.status, frozen["status"], frozen.messageCount) == (200, "inactive", 2)
    assert (refused.status, refused.code) == (409, code)
    assert (response["status"], response.outputText) == ("cancelled", "Hel")
    assert [message["status"] for message in messages] == ["completed", "incomplete"]
    assert ((await ada.list_messages(talk.thread)).data, (await ada.get(talk.thread)).etag) == (messages, frozen.etag)


async def test_deleting_the_thread_ends_the_response_and_whoever_waits_is_told(ada, model):
    thread = await ada.create_thread(id="thread_doomed")
    model.script = ["Hel", asyncio.Event()]
    waiting = asyncio.create_task(ada.respond(thread, input="hi"))
    await model.called()
    [running] = (await ada.list_responses(thread)).ids

    deleted = await ada.delete(thread)
    reborn = await ada.create_thread(id="thread_doomed")
    told = await asyncio.wait_for(waiting, SOON_S)

    assert (deleted.status, reborn.messageCount) == (200, 0)
    assert (told.status, told.id, told["status"], told.error["code"]) == (200, running, "cancelled", "thread_deleted")
    assert (await ada.get_response(thread, running)).code == "response_not_found"
    assert (await ada.list_responses(thread)).data == []
    await asyncio.wait_for(model.calls[-1].gone.wait(), SOON_S)


async def test_erasing_a_user_ends_their_responses(place, model):
    owner = await place.people.owner()
    member = await place.people.member(owner)
    talk = await begin_talk(member, model)

    erased = await owner.delete_member(member.user, threads="delete")

    assert (erased.status, erased.threadsDeleted) == (200, 1)
    assert (await owner.get_response(talk.thread, talk)).code == "thread_not_found"
    await asyncio.wait_for(model.calls[-1].gone.wait(), SOON_S)


async def test_the_thread_may_be_renamed_and_labelled_while_it_talks(ada, model):
    talk = await begin_talk(ada, model)

    renamed = await ada.update(talk.thread, title="other", metadata={"a": 1})
    hidden = await ada.with_token().update(talk.thread, visibleInUi=False)
    done = await talk.ended(ada)

    now = await ada.get(talk.thread)
    assert (renamed.status, hidden.status, renamed["status"]) == (200, 200, "streaming")
    assert (now.title, now.metadata, now.visibleInUi, done.outputText) == ("other", {"a": 1}, False, "Hello")
