"""Answers through faults: a server that is killed, or stopped, while models talk and readers read."""

import asyncio
import os
import signal

import httpx
import pytest

from conftest import connect
from support.answering import check_all_ended
from support.cast import Caller
from support.people import People
from support.scripted_model import DONE, STALL, ScriptedModel, finish
from support.server import run_threadkeep
from support.streams import (
    COMPLETED,
    CREATED,
    FAILED,
    TEXT,
    Stream,
    check_whole,
    events_path,
    responses_path,
)
from support.waiting import eventually

pytestmark = pytest.mark.prove

KILLS = 3
SETTLED_S = 20
DRAIN_S = 3
LONG_DRAIN_S = 5
STREAMS = 5
WAITING = 3
READERS = 50
IDLE_READERS = 10


@pytest.fixture
async def model():
    model = await ScriptedModel.start()
    yield model
    await model.stop()


@pytest.fixture
def start(start_server, model, zygote):
    """Start a server with the model behind it; return it and somebody who calls it."""

    async def start(**settings):
        server = await start_server(**model.settings, **settings)
        async with connect(server) as client:
            owner = await People(server, client, zygote).owner()
        return server, owner

    return start


def at(server, owner, client):
    return Caller(client, organization=owner.organization, user=owner.user, key=owner.key)


async def check_promises(server):
    """All has ended, and what is stored holds what was promised."""
    await check_all_ended(server.database)
    verified = await asyncio.to_thread(run_threadkeep, "verify", database=server.database)
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.mark.parametrize("deltas", [1, 2, 9])
async def test_what_a_reader_saw_survives_kill_9(start, model, deltas):
    server, owner = await start(THREADKEEP_LEASE_S="2")
    model.script = [*(each for number in range(100) for each in (f"word{number} ", 0.05)), STALL]
    async with connect(server) as client:
        ada = at(server, owner, client)
        thread = await ada.create_thread()
        async with await Stream.post(ada, responses_path(thread), input="hello") as stream:
            response_id = (await stream.until(CREATED)).response_id
            for _ in range(deltas):
                await stream.until(TEXT)
            server.kill()
            # Whatever came before the connection broke counts as seen.
            await stream.rest()
    assert not stream.events[-1].is_terminal
    await server.start()

    async with connect(server) as client:
        ada = at(server, owner, client)
        response = await settled(ada, server, thread, response_id)
        [_, message] = (await ada.list_messages(thread)).data
        async with await Stream.follow(ada, thread, response_id, stream.last_id) as again:
            rest = await again.rest()
        model.answer("again")
        after = await ada.respond(thread, input="and now?")

    check_whole(stream.events + rest)
    assert (response["status"], response.error["code"]) == ("failed", "interrupted")
    assert response.outputText.startswith(stream.text)
    assert response.outputText == message["content"][0]["text"] == stream.text + again.text
    assert (message["status"], message["id"]) == ("incomplete", response.messageId)
    assert (after["status"], after.outputText, len(model.calls)) == ("completed", "again", 2)
    await check_promises(server)


async def settled(who, server, thread, response_id):
    """On SQLite whoever was left is settled before the server is ready; on PostgreSQL when its lease is over."""
    if server.kind == "sqlite":
        response = await who.get_response(thread, response_id)
        assert response["status"] == "failed"
        return response
    return await eventually(
        lambda: who.get_response(thread, response_id), lambda it: it["status"] != "in_progress", SETTLED_S
    )


async def test_a_server_that_was_frozen_beyond_the_lease_ends_the_answer(start, model):
    server, owner = await start(THREADKEEP_LEASE_S="1")
    model.script = [*(each for number in range(200) for each in (f"word{number} ", 0.05)), STALL]
    async with connect(server) as client:
        ada = at(server, owner, client)
        thread = await ada.create_thread()
        async with await Stream.post(ada, responses_path(thread), input="hello") as stream:
            created = await stream.until(CREATED)
            await stream.until(TEXT)
            os.kill(server.process.pid, signal.SIGSTOP)
            await asyncio.sleep(2)
            os.kill(server.process.pid, signal.SIGCONT)
            events = await stream.rest(SETTLED_S)
        response = await ada.get_response(thread, created.response_id)
        again = await ada.respond(thread, input="hello", background=True)
        await ada.cancel(thread, again)

    check_whole(events)
    assert (events[-1].type, events[-1].data["response"]["error"]["code"]) == (FAILED, "interrupted")
    assert (stream.text, again.status) == (response.outputText, 202)
    await check_promises(server)


async def test_sigterm_gives_answers_their_time_and_ends_the_rest_in_order(start, model):
    server, owner = await start(THREADKEEP_DRAIN_S=str(DRAIN_S))
    go = asyncio.Event()
    model.when("short", "Hel", go, "lo", finish(), DONE)
    model.when("long", *(each for _ in range(1000) for each in ("word ", 0.02)), STALL)
    async with connect(server) as client:
        ada = at(server, owner, client)
        said = ["short" if number % 2 else "long" for number in range(STREAMS)]
        streams = [await Stream.post(ada, "/v1/responses", thread={}, input=each) for each in said]
        waiting = [asyncio.create_task(ada.respond_new(thread={}, input=each)) for each in ("short", "long", "long")]
        await asyncio.gather(*(stream.until(TEXT) for stream in streams))
        await model.called(STREAMS + len(waiting))

        reading = [asyncio.create_task(stream.rest()) for stream in streams]
        stopping = asyncio.create_task(asyncio.to_thread(server.stop))
        refusals = await refused(ada)
        go.set()
        status = await stopping
        events = await asyncio.gather(*reading)
        answers = await asyncio.gather(*waiting)
        for stream in streams:
            stream.cut()

    assert status == 0
    assert refusals <= {503, None}
    for asked, stream, found in zip(said, streams, events, strict=True):
        check_whole(found)
        assert stream.is_complete
        response = found[-1].data["response"]
        assert response["outputText"] == stream.text
        check_end(asked, response)
    for asked, answer in zip(("short", "long", "long"), answers, strict=True):
        assert answer.status == 200
        check_end(asked, answer.body)
    await server.start()
    async with connect(server) as client:
        ada = at(server, owner, client)
        for found in events:
            ended = found[-1].data["response"]
            assert (await ada.get_response(ended["threadId"], ended)).body == ended
            assert (await ada.get(ended["threadId"]))["status"] == "inactive"
    await check_promises(server)


def check_end(asked, response):
    if asked == "short":
        assert (response["status"], response["outputText"], response["error"]) == ("completed", "Hello", None)
    else:
        assert (response["status"], response["error"]["code"]) == ("failed", "interrupted")
        assert response["outputText"].startswith("word ")


async def refused(who):
    """Ask for responses until they are refused, and some more; return how."""
    found = []
    while len(found) < 5:
        await asyncio.sleep(0.02)
        try:
            answer = await who.request("POST", "/v1/threads", {"title": "still served?"})
            begun = await who.request("POST", responses_path(answer), {"input": "late"})
        except httpx.TransportError:
            found.append(None)
            continue
        # The signal may take a moment to arrive; once it has, nothing begins any more.
        assert begun.status == 503 or not found, begun
        if begun.status == 503:
            found.append(begun.status)
    return set(found)


async def test_sigterm_is_not_held_up_by_readers_who_do_not_read_and_reaches_all_who_do(start, model):
    server, owner = await start(THREADKEEP_DRAIN_S=str(LONG_DRAIN_S))
    # Readers who come last have much before them when the server stops.
    model.script = [*["\x01" * 1000] * 250, *(each for _ in range(1000) for each in ("word ", 0.02)), STALL]
    async with connect(server) as client:
        ada = at(server, owner, client)
        thread = await ada.create_thread()
        async with await Stream.post(ada, responses_path(thread), input="hello") as stream:
            created = await stream.until(CREATED)
            while "word" not in stream.text:
                await stream.more()
            readers = [await Stream.follow(ada, thread, created.response_id) for _ in range(READERS)]
            idle = [
                await Stream.follow(ada, thread, created.response_id, receive_bytes=4096) for _ in range(IDLE_READERS)
            ]
            # Somebody who follows nothing and holds a connection all the same.
            silent = await Stream.open(ada, "GET", events_path(thread, created.response_id))
            reading = [asyncio.create_task(each.rest()) for each in (stream, *readers)]
            status = await asyncio.to_thread(server.stop)
            ends = await asyncio.gather(*reading)
            for each in [*readers, *idle, silent]:
                each.cut()

    assert status == 0
    for events in ends:
        check_whole(events)
        assert events[-1].type == FAILED


async def test_sigterm_right_at_the_claims_leaves_nothing_half_done(start, model):
    server, owner = await start(THREADKEEP_DRAIN_S="1")
    model.script = ["Hel", STALL]
    async with connect(server) as client:
        ada = at(server, owner, client)
        asking = [asyncio.create_task(answer_or_none(ada, number)) for number in range(40)]
        await model.called(1)
        status = await asyncio.to_thread(server.stop)
        answers = [each for each in await asyncio.gather(*asking) if each is not None]

    assert status == 0
    assert {answer.status for answer in answers} <= {200, 503}
    begun = [answer.body for answer in answers if answer.status == 200]
    assert begun
    assert {(each["status"], each["error"]["code"]) for each in begun} == {("failed", "interrupted")}
    # Nothing waits for a lease to run out: whoever was begun was ended too.
    await check_all_ended(server.database)
    await server.start()
    await check_promises(server)


async def answer_or_none(who, number):
    await asyncio.sleep(number * 0.005)
    try:
        return await who.respond_new(thread={}, input=f"hello {number}")
    except httpx.TransportError:
        return None


async def test_a_completed_answer_is_completed_after_kill_9(start, model):
    server, owner = await start()
    model.answer("Hello", " world")
    for number in range(KILLS):
        async with connect(server) as client:
            ada = at(server, owner, client)
            async with await Stream.post(ada, "/v1/responses", thread={}, input=f"hello {number}") as stream:
                ended = await stream.until(COMPLETED)
                server.kill()
            await server.start()
            response = ended.data["response"]
            assert (await ada.get_response(response["threadId"], response)).body == response
            assert (await ada.get(response["threadId"]))["status"] == "inactive"
