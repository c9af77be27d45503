"""Streams among several processes on one PostgreSQL: any of them serves any reader, and each may die at any moment."""

import asyncio
import os
import random
import signal
from dataclasses import dataclass

import psutil
import pytest

from conftest import connect
from support.answering import check_all_ended
from support.cast import Caller
from support.people import People
from support.scripted_model import DONE, STALL, ScriptedModel, finish, reasoning
from support.server import Server, run_threadkeep
from support.stored import stored_in
from support.streams import (
    CANCELLED,
    COMPLETED,
    CREATED,
    FAILED,
    TEXT,
    Stream,
    check_whole,
    responses_path,
    stream_path,
    text_of,
)
from support.waiting import SOON_S, eventually

pytestmark = pytest.mark.parametrize("database_kind", ["postgres"], indirect=True, scope="session")

# What is promised for the default lease; these tests shorten it.
SETTLED_S = 20
REVOKED_S = 10
LEASE_S = "2"
STREAMS = 5
READERS = 12
WORKED = 6
WORDS = [f"w{number}·" for number in range(200)]


@dataclass
class Office:
    """Two processes; `here` and `there` are the same owner who calls the one or the other."""

    one: Server
    two: Server
    here: Caller
    there: Caller
    people: People
    model: ScriptedModel


@pytest.fixture
async def office(start_server, zygote):
    model = await ScriptedModel.start()
    settings = {**model.settings, "THREADKEEP_LEASE_S": LEASE_S}
    one = await start_server(**settings)
    two = await start_server(one.database, **settings)
    async with connect(one) as first, connect(two) as second:
        people = People(one, first, zygote)
        here = await people.owner()
        there = Caller(second, organization=here.organization, user=here.user, key=here.key, token=here.token)
        yield Office(one, two, here, there, people, model)
    await check_all_ended(one.database)
    await model.stop()
    verified = await asyncio.to_thread(run_threadkeep, "verify", database=one.database)
    assert verified.returncode == 0, verified.stdout + verified.stderr


async def test_readers_in_another_process_get_the_same_events(office):
    go = asyncio.Event()
    office.model.script = [reasoning("Hm."), "Hel", go, "lo", finish(), DONE]
    thread = await office.here.create_thread()

    async with await Stream.post(office.here, responses_path(thread), input="hello") as one:
        created = await one.until(CREATED)
        await one.until(TEXT)
        async with (
            await Stream.follow(office.there, thread, created.response_id) as two,
            await Stream.open(office.there, "GET", stream_path(thread)) as three,
        ):
            await asyncio.gather(two.until(TEXT, SOON_S), three.until(TEXT, SOON_S))
            go.set()
            events = await asyncio.gather(*(each.rest(SOON_S) for each in (one, two, three)))

    check_whole(events[0])
    assert events[0] == events[1] == events[2]
    assert (one.text, (await office.there.request("GET", stream_path(thread))).status) == ("Hello", 204)


@pytest.mark.parametrize("how", ["cancel", "lock", "delete"])
async def test_another_process_ends_a_response_for_all_its_readers(office, how):
    office.model.script = ["Hel", STALL]
    thread = await office.here.create_thread()

    async with await Stream.post(office.here, responses_path(thread), input="hello") as one:
        created = await one.until(CREATED)
        await one.until(TEXT)
        async with await Stream.follow(office.there, thread, created.response_id) as two:
            await two.until(TEXT, SOON_S)
            if how == "cancel":
                assert (await office.there.cancel(thread, created.response_id))["status"] == "cancelled"
            else:
                assert (await getattr(office.there, how)(thread)).status == 200
            mine, others = await asyncio.gather(one.rest(SOON_S), two.rest(SOON_S))

    check_whole(mine)
    assert (mine[-1].type, [each.id for each in others]) == (CANCELLED, [each.id for each in mine])
    await asyncio.wait_for(office.model.calls[0].gone.wait(), SOON_S)


async def test_a_retry_in_another_process_gets_the_one_answer(office):
    go = asyncio.Event()
    office.model.script = ["Hel", go, "lo", finish(), DONE]
    thread = await office.here.create_thread()
    here, there = office.here.retrying("once"), office.there.retrying("once")

    first = asyncio.create_task(here.respond(thread, input="hello"))
    await office.model.called()
    second = asyncio.create_task(there.respond(thread, input="hello"))
    streaming = there.retrying("once-more")
    third = await streaming.respond(thread, input="other")
    await asyncio.sleep(0.2)
    go.set()
    answers = await asyncio.gather(first, second)

    assert third.code == "thread_busy"
    assert [(answer.status, answer.outputText) for answer in answers] == [(200, "Hello")] * 2
    assert answers[0].body == answers[1].body
    assert [answer.headers.get("idempotent-replayed") for answer in answers] == [None, "true"]
    assert len(office.model.calls) == 1


@pytest.mark.prove
async def test_a_killed_process_ends_its_answers_for_readers_elsewhere(office):
    office.model.script = ["Hel", STALL]
    threads = await asyncio.gather(*(office.here.create_thread() for _ in range(STREAMS)))
    own = [await Stream.post(office.here, responses_path(thread), input="hello") for thread in threads]
    created = [await stream.until(CREATED) for stream in own]
    await asyncio.gather(*(stream.until(TEXT) for stream in own))
    elsewhere = [
        await Stream.follow(office.there, thread, event.response_id)
        for thread, event in zip(threads, created, strict=True)
    ]
    waiting = asyncio.create_task(office.there.retrying("again").respond(threads[0], input="x", whenBusy="reject"))
    assert (await waiting).code == "thread_busy"

    office.one.kill()
    ends = await asyncio.gather(*(stream.rest(SETTLED_S) for stream in elsewhere))

    for thread, events in zip(threads, ends, strict=True):
        check_whole(events)
        response = events[-1].data["response"]
        assert (events[-1].type, response["error"]["code"]) == (FAILED, "interrupted")
        assert response["outputText"] == text_of(events) == "Hel"
        assert (await office.there.get(thread))["status"] == "inactive"
        assert (await office.there.get_message(thread, response["messageId"]))["status"] == "incomplete"
    assert len(office.model.calls) == STREAMS
    office.model.answer("again")
    assert (await office.there.respond(threads[0], input="go on")).outputText == "again"
    for stream in [*own, *elsewhere]:
        stream.cut()


async def test_sigterm_of_one_process_ends_its_answers_for_readers_in_another(start_server, zygote):
    model = await ScriptedModel.start()
    model.when("stays", "Hel", STALL)
    model.when("ends", "Hel", 1.5, "lo", finish(), DONE)
    one = await start_server(**model.settings, THREADKEEP_DRAIN_S="2")
    two = await start_server(one.database, **model.settings)
    async with connect(one) as first, connect(two) as second:
        here = await People(one, first, zygote).owner()
        there = Caller(second, organization=here.organization, user=here.user, key=here.key)
        begun = [await here.respond_new(thread={}, input=said, background=True) for said in ("stays", "ends")]
        begun.append(await there.respond_new(thread={}, input="stays", background=True))
        readers = [await Stream.follow(there, each.threadId, each) for each in begun]
        # Its own answer goes on elsewhere: whoever reads it here comes back to another process.
        readers.append(await Stream.follow(here, begun[2].threadId, begun[2]))
        await asyncio.gather(*(stream.until(TEXT) for stream in readers))

        status = await asyncio.to_thread(one.stop)
        stays, ends, cut = [await readers[number].rest(SOON_S) for number in (0, 1, 3)]
        await there.cancel(begun[2].threadId, begun[2])
        other = await readers[2].rest(SOON_S)
    await model.stop()
    for stream in readers:
        stream.cut()

    for events in (stays, ends, other):
        check_whole(events)
    assert (status, [events[-1].type for events in (stays, ends, other)]) == (0, [FAILED, COMPLETED, CANCELLED])
    assert [event.type for event in cut] == [CREATED, TEXT]


@pytest.mark.prove
async def test_with_the_default_lease_a_killed_process_is_noticed_within_20_seconds(start_server, zygote):
    model = await ScriptedModel.start()
    model.script = ["Hel", STALL]
    one = await start_server(**model.settings)
    two = await start_server(one.database, **model.settings)
    async with connect(one) as first, connect(two) as second:
        here = await People(one, first, zygote).owner()
        there = Caller(second, organization=here.organization, user=here.user, key=here.key)
        thread = await here.create_thread()
        response = await here.respond(thread, input="hello", background=True)
        async with await Stream.follow(there, thread, response) as stream:
            await stream.until(TEXT)
            one.kill()
            events = await stream.rest(SETTLED_S)
        assert (await there.get(thread))["status"] == "inactive"
    await model.stop()

    check_whole(events)
    assert events[-1].data["response"]["error"]["code"] == "interrupted"


@pytest.mark.prove
async def test_a_process_that_was_frozen_beyond_its_lease_writes_nothing(office):
    go = asyncio.Event()
    office.model.script = ["Hel", go, *["late "] * 200, finish(), DONE]
    thread = await office.here.create_thread()
    own = await Stream.post(office.here, responses_path(thread), input="hello")
    created = await own.until(CREATED)
    await own.until(TEXT)
    async with await Stream.follow(office.there, thread, created.response_id) as stream:
        os.kill(office.one.process.pid, signal.SIGSTOP)
        try:
            # What the model says waits for the process, which reads it first of all when it wakes.
            go.set()
            elsewhere = await stream.rest(SETTLED_S)
            office.model.script = ["new", STALL]
            second = await office.there.respond(thread, input="go on", background=True)
            await eventually(
                lambda: office.there.get_response(thread, second), lambda it: it.outputText == "new", SOON_S
            )
            async with stored_in(office.two.database) as stored:
                before = await rows_of(stored, created.response_id)
        finally:
            os.kill(office.one.process.pid, signal.SIGCONT)
        mine = await own.rest(SOON_S)
        await office.here.request("GET", f"/v1/threads/{thread.id}")
        async with stored_in(office.two.database) as stored:
            assert await rows_of(stored, created.response_id) == before
    running = await office.there.get_response(thread, second)
    await office.there.cancel(thread, second)
    own.cut()

    check_whole(mine)
    assert mine == elsewhere
    assert (mine[-1].type, mine[-1].data["response"]["error"]["code"]) == (FAILED, "interrupted")
    assert (text_of(mine), running["status"], running.outputText) == ("Hel", "in_progress", "new")


async def rows_of(stored, response_id):
    """Return all that is stored of a response."""
    statements = [
        "select * from response_events order by 1, 2, 3",
        f"select * from responses where id = '{response_id}'",
        f"select * from messages where response_id = '{response_id}'",
    ]
    return [await stored.rows(sql) for sql in statements]


async def test_a_revoked_key_loses_its_streams_in_every_process(office):
    key = await office.here.create_key(userId="uid_bot", role="admin")
    office.model.script = ["Hel", STALL]
    thread = await office.here.create_thread()
    response = await office.here.respond(thread, input="hello", background=True)
    cut = [await Stream.follow(who.with_key(key.key), thread, response) for who in (office.here, office.there)]
    kept = [await Stream.follow(who, thread, response) for who in (office.here, office.there)]
    await asyncio.gather(*(stream.until(TEXT) for stream in [*cut, *kept]))

    await office.there.delete_key(key)
    ends = await asyncio.gather(*(stream.rest(REVOKED_S) for stream in cut))
    await office.there.cancel(thread, response)

    assert [event.is_terminal for events in ends for event in events] == [False] * sum(map(len, ends))
    for stream in kept:
        check_whole(await stream.rest(SOON_S))
    for stream in [*cut, *kept]:
        stream.cut()


@pytest.mark.prove
@pytest.mark.parametrize("is_killed", [False, True], ids=["all live", "one is killed"])
async def test_readers_that_come_back_to_any_process_get_every_word_once(office, is_killed):
    office.model.script = [*(each for word in WORDS for each in (word, 0.01)), finish(), DONE]
    thread = await office.here.create_thread()
    response = await office.here.respond(thread, input="hello", background=True)
    readers = [
        asyncio.create_task(wander(office, thread, response, random.Random(number))) for number in range(READERS)
    ]
    if is_killed:
        await asyncio.sleep(1)
        office.one.kill()

    whole, *others = await asyncio.gather(*readers)

    check_whole(whole)
    assert all(events == whole for events in others)
    ended = await office.there.get_response(thread, response)
    assert text_of(whole) == ended.outputText
    if is_killed:
        assert "".join(WORDS).startswith(ended.outputText)
        assert (whole[-1].type, ended.error["code"]) == (FAILED, "interrupted")
    else:
        assert (whole[-1].type, ended.outputText) == (COMPLETED, "".join(WORDS))


@pytest.mark.prove
async def test_the_workers_of_one_server_serve_each_others_streams_and_one_may_die(start_server, zygote):
    model = await ScriptedModel.start()
    model.script = [*(each for word in WORDS for each in (word, 0.01)), finish(), DONE]
    server = await start_server(**model.settings, THREADKEEP_LEASE_S=LEASE_S)
    server.stop()
    server.spawn("--workers", "2")
    await server.wait_until_ready()
    async with connect(server) as client:
        people = People(server, client, zygote)
        owner = await people.owner()
        office = Office(server, server, owner, owner, people, model)
        # Connections of their own: each goes to either worker.
        own = [await Stream.post(owner, "/v1/responses", thread={}, input="hello") for _ in range(WORKED)]
        begun = [(await stream.until(CREATED)).data["response"] for stream in own]
        readers = [
            asyncio.create_task(wander(office, response["threadId"], response["id"], random.Random(number)))
            for response in begun
            for number in range(3)
        ]
        await asyncio.gather(*(stream.until(TEXT) for stream in own))
        children = psutil.Process(server.process.pid).children()
        os.kill(next(each.pid for each in children if "spawn_main" in " ".join(each.cmdline())), signal.SIGKILL)
        ends = await asyncio.gather(*readers)
        answers = [await owner.get_response(each["threadId"], each["id"]) for each in begun]
    await model.stop()
    for stream in own:
        stream.cut()

    for number, answer in enumerate(answers):
        mine = ends[3 * number : 3 * number + 3]
        check_whole(mine[0])
        assert mine[0] == mine[1] == mine[2]
        assert text_of(mine[0]) == answer.outputText
        assert answer["status"] == "completed" or answer.error["code"] == "interrupted"
    assert len(model.calls) == WORKED
    verified = await asyncio.to_thread(run_threadkeep, "verify", database=server.database)
    assert verified.returncode == 0, verified.stdout + verified.stderr


async def wander(office, thread, response, chooser):
    """Follow a response from one process to the other, cut at random bytes, until its terminal event; return all."""
    events = []
    while not events or not events[-1].is_terminal:
        who = chooser.choice([office.here, office.there])
        try:
            stream = await Stream.follow(who, thread, response, events[-1].id if events else None)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        assert stream.status == 200
        await stream.read_bytes(chooser.randint(1, 3000))
        stream.cut()
        events += stream.events
    return events
