"""Retries of responses: with one `Idempotency-Key` the model is asked once, and everybody gets the same response."""

import asyncio
import itertools

import pytest

from support.answering import begin_talk, change_stored, ended, open_place
from support.scripted_model import CLOSE, DONE, finish
from support.waiting import SOON_S

numbers = itertools.count()


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
def key():
    return f"key-{next(numbers)}"


def is_replay_of(again, first):
    return (again.status, again.body, again.headers.get("idempotent-replayed")) == (first.status, first.body, "true")


async def test_a_repeated_request_gets_the_response_and_asks_no_model(ada, model, key):
    thread = await ada.create_thread()

    first = await ada.retrying(key).respond(thread, input="hello")
    again = await ada.retrying(key).respond(thread, input="hello")

    assert is_replay_of(again, first)
    assert "idempotent-replayed" not in first.headers
    assert (len(model.calls), (await ada.get(thread)).messageCount) == (1, 2)


async def test_a_repeated_request_for_a_new_thread_makes_one_thread(place, model, key):
    owner = (await place.people.owner()).retrying(key)
    body = {"thread": {"title": "once", "messages": [{"role": "user", "content": "hi"}]}}

    first = await owner.respond_new(**body)
    again = await owner.respond_new(**body)

    assert is_replay_of(again, first)
    assert (len(model.calls), (await owner.list_threads()).ids) == (1, [first.threadId])


async def test_a_retry_while_the_response_runs_waits_for_its_end(ada, model, key):
    thread = await ada.create_thread()
    go = asyncio.Event()
    model.script = ["Hel", go, "lo", finish(), DONE]
    senders = [asyncio.create_task(ada.retrying(key).respond(thread, input="hi"))]
    await model.called()
    senders += [asyncio.create_task(ada.retrying(key).respond(thread, input="hi")) for _ in range(3)]
    done, _ = await asyncio.wait(senders, timeout=0.3)
    assert not done
    go.set()

    first, *others = await asyncio.wait_for(asyncio.gather(*senders), SOON_S)

    assert (first["status"], first.outputText) == ("completed", "Hello")
    assert all(is_replay_of(other, first) for other in others)
    assert len(model.calls) == 1


async def test_eight_senders_at_once_begin_one_response(ada, model):
    thread = await ada.create_thread()

    for turn in range(5):
        who = ada.retrying(f"key-{next(numbers)}")
        answers = await asyncio.gather(*(who.respond(thread, input=f"{turn}") for _ in range(8)))

        assert {answer.id for answer in answers} == {answers[0].id}
        assert [answer.status for answer in answers] == [200] * 8
        assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert (len(model.calls), (await ada.get(thread)).messageCount) == (5, 10)


async def test_eight_senders_at_once_begin_one_new_thread(place, model, key):
    owner = (await place.people.owner()).retrying(key)

    answers = await asyncio.gather(*(owner.respond_new(thread={}, input="hi") for _ in range(8)))

    assert {(answer.status, answer.id) for answer in answers} == {(200, answers[0].id)}
    assert (len(model.calls), len((await owner.list_threads()).data)) == (1, 1)


async def test_a_retry_in_the_background_is_answered_at_once_with_how_it_stands(ada, model, key):
    who = ada.retrying(key)
    talk = await begin_talk(who, model)

    during = await who.respond(talk.thread, input="hi", background=True)
    await talk.ended(ada)
    after = await who.respond(talk.thread, input="hi", background=True)

    assert [(answer.status, answer["status"], answer.outputText) for answer in (during, after)] == [
        (202, "in_progress", "Hel"),
        (202, "completed", "Hello"),
    ]
    assert (during.id, after.id, len(model.calls)) == (talk.id, talk.id, 1)


async def test_the_same_key_with_another_body_is_refused(ada, model, key):
    thread = await ada.create_thread()
    await ada.retrying(key).respond(thread, input="hello")

    refused = await ada.retrying(key).respond(thread, input="other")

    assert (refused.status, refused.code) == (422, "key_reused")
    assert (len(model.calls), (await ada.get(thread)).messageCount) == (1, 2)


async def test_a_failed_response_is_what_a_retry_gets(ada, model, key):
    thread = await ada.create_thread()
    model.script = ["Hel", CLOSE]
    first = await ada.retrying(key).respond(thread, input="hello")
    model.answer("better")

    again = await ada.retrying(key).respond(thread, input="hello")

    assert first["status"] == "failed"
    assert is_replay_of(again, first)
    assert len(model.calls) == 1


async def test_a_refusal_is_not_stored(ada, model, key):
    talk = await begin_talk(ada, model)
    refused = await ada.retrying(key).respond(talk.thread, input="more")
    await talk.ended(ada)
    model.answer("now")

    answered = await ada.retrying(key).respond(talk.thread, input="more")

    assert (refused.status, refused.code) == (409, "thread_busy")
    assert (answered.status, answered.outputText) == (200, "now")
    assert "idempotent-replayed" not in answered.headers


async def test_a_retry_wins_over_what_would_be_refused_now(ada, model, key):
    thread = await ada.create_thread()
    first = await ada.retrying(key).respond(thread, input="hello")
    await ada.archive(thread)

    assert is_replay_of(await ada.retrying(key).respond(thread, input="hello"), first)


async def test_an_interruption_that_is_retried_interrupts_once(ada, model, key):
    talk = await begin_talk(ada, model)
    model.answer("new")
    body = {"input": "stop", "whenBusy": "interrupt"}

    first = await ada.retrying(key).respond(talk.thread, **body)
    other = await begin_talk(ada, model, thread=talk.thread, input="go on")
    again = await ada.retrying(key).respond(talk.thread, **body)

    assert is_replay_of(again, first)
    assert (await other.ended(ada))["status"] == "completed"


@pytest.mark.parametrize("new", [False, True])
async def test_a_retry_after_the_threads_deletion_is_404_and_repeats_nothing(ada, model, key, new):
    thread = await ada.create_thread(id=f"thread_{key}-{new}")
    who = ada.retrying(key)

    async def ask():
        return await (who.respond_new(thread=thread.id, input="hi") if new else who.respond(thread, input="hi"))

    await ask()
    await ada.delete(thread)

    gone = await ask()
    await ada.create_thread(id=thread.id)
    reborn = await ask()

    assert [(answer.status, answer.code) for answer in (gone, reborn)] == [(404, "thread_not_found")] * 2
    assert (len(model.calls), (await ada.get(thread)).messageCount) == (1, 0)


async def test_a_retry_after_the_threads_deletion_makes_no_new_thread(place, model, key):
    owner = await place.people.owner()
    first = await owner.retrying(key).respond_new(thread={}, input="hi")
    await owner.delete(first.threadId)

    again = await owner.retrying(key).respond_new(thread={}, input="hi")

    assert (again.status, again.code) == (404, "thread_not_found")
    assert (len(model.calls), (await owner.list_threads()).data) == (1, [])


async def test_a_retry_after_the_answers_deletion_shows_it_no_more(ada, model, key):
    thread = await ada.create_thread()
    first = await ada.retrying(key).respond(thread, input="hello")
    await ada.delete_message(thread, first.messageId)

    again = await ada.retrying(key).respond(thread, input="hello")

    assert again.status in (200, 404)
    assert "Hello world" not in again.text
    assert len(model.calls) == 1


async def test_a_key_belongs_to_user_organization_and_path(place, ada, model, key):
    thread, other = await ada.create_thread(), await ada.create_thread()

    answers = [
        await ada.retrying(key).respond(thread, input="hi"),
        await ada.retrying(key).respond(other, input="hi"),
        await ada.retrying(key).respond_new(thread=thread.id, input="hi"),
        await ada.with_token().retrying(key).respond(thread, input="hi", metadata=None),
        await ada.as_user("uid_else").retrying(key).respond_new(thread={}, input="hi"),
        await place.cast.cleo.retrying(key).respond_new(thread={}, input="hi"),
    ]

    # The person and her key are one user; the body of the fourth differs.
    assert [answer.status for answer in answers] == [200, 200, 200, 422, 200, 200]
    assert len({answer.id for answer in answers if answer.status == 200}) == len(model.calls) == 5


async def test_a_key_whose_24_hours_are_over_begins_anew(place, ada, model, key):
    thread = await ada.create_thread()
    first = await ada.retrying(key).respond(thread, input="hi")
    await change_stored(place.server.database, f"update idempotency set expires_ms = 1 where key = '{key}'")

    second = await ada.retrying(key).respond(thread, input="hi")

    assert (second.status, second.id != first.id, len(model.calls)) == (200, True, 2)


async def test_a_cancellation_may_be_retried(ada, model, key):
    talk = await begin_talk(ada, model)
    path = f"/v1/threads/{talk.thread.id}/responses/{talk.id}/cancel"

    first = await ada.retrying(key).request("POST", path)
    again = await ada.retrying(key).request("POST", path)

    assert first["status"] == "cancelled"
    assert is_replay_of(again, first)


async def test_a_sender_whose_answer_is_lost_finds_it_again(ada, model, key):
    thread = await ada.create_thread()
    go = asyncio.Event()
    model.script = [go, "done", finish(), DONE]
    lost = asyncio.create_task(ada.retrying(key).respond(thread, input="hi"))
    await model.called()
    lost.cancel()
    await asyncio.gather(lost, return_exceptions=True)
    go.set()

    found = await ada.retrying(key).respond(thread, input="hi")

    assert (found["status"], found.outputText, len(model.calls)) == ("completed", "done", 1)
    assert (await ended(ada, thread, found)).body == found.body
