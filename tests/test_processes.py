"""Processes: several on one PostgreSQL, one on SQLite; killed ones lose nothing that was answered."""

import asyncio
import signal
import subprocess

import httpx
import pytest

from conftest import connect
from support.cast import Caller
from support.people import People
from support.server import Server
from support.waiting import eventually

pytestmark = pytest.mark.prove

KILLS = 10


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True, scope="session")
async def test_a_second_server_on_sqlite_is_refused_with_a_clear_sentence(server):
    second = Server(server.database, name="second")

    second.spawn()
    status = await asyncio.to_thread(second.process.wait, 60)

    assert status not in (0, -signal.SIGKILL)
    assert "Traceback" not in second.log_text()
    assert len(second.log_text().strip()) > 20
    async with connect(server) as client:
        assert (await client.get("/readyz")).status_code == 200


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True, scope="session")
async def test_several_processes_on_postgresql_behave_as_one(start_server, zygote):
    one = await start_server()
    two = await start_server(one.database)
    async with connect(one) as first_client, connect(two) as second_client:
        people = People(one, first_client, zygote)
        owner = await people.owner()
        elsewhere = Caller(second_client, organization=owner.organization, user=owner.user, key=owner.key)
        thread = await owner.create_thread()

        await numbers_are_given_once(owner, elsewhere, thread)
        await a_retry_elsewhere_is_a_retry(owner, elsewhere, thread)
        await a_revoked_key_is_refused_everywhere(owner, elsewhere)


async def numbers_are_given_once(owner, elsewhere, thread):
    answers = await asyncio.gather(*(who.post_message(thread) for _ in range(100) for who in (owner, elsewhere)))

    assert sorted(answer.seq for answer in answers) == list(range(1, 201))
    assert (await elsewhere.get(thread)).messageCount == 200


async def a_retry_elsewhere_is_a_retry(owner, elsewhere, thread):
    for number in range(5):
        senders = [who.retrying(f"across-{number}") for who in (owner, elsewhere)] * 4
        answers = await asyncio.gather(*(who.post_message(thread, "once") for who in senders))
        assert {answer.status for answer in answers} == {201}
        assert len({answer.id for answer in answers}) == 1
    assert (await owner.get(thread)).messageCount == 205


async def a_revoked_key_is_refused_everywhere(owner, elsewhere):
    created = await owner.create_key(userId="uid_bot", role="member")
    bots = [owner.with_key(created.key), elsewhere.with_key(created.key)]
    for bot in bots:
        assert (await bot.list_threads()).status == 200
    await owner.delete_key(created)
    for bot in bots:
        await eventually(bot.list_threads, lambda answer: answer.status == 401, within_s=10)


async def test_an_answered_write_survives_kill_9(start_server, zygote):
    server = await start_server()
    async with connect(server) as client:
        owner = await People(server, client, zygote).owner()
    thread_id = ""
    answered: set[str] = set()

    for kill in range(KILLS):
        async with connect(server) as client:
            who = Caller(client, organization=owner.organization, user=owner.user, key=owner.key)
            thread_id = thread_id or (await who.create_thread()).id
            kept = await who.walk(f"/v1/threads/{thread_id}/messages", limit=100)
            assert answered <= {message["id"] for message in kept}
            assert (await who.get(thread_id)).messageCount == len(kept)
            seqs = [message["seq"] for message in kept]
            assert seqs == sorted(set(seqs))

            enough = len(answered) + 20 + kill
            writers = [asyncio.create_task(write_until_cut(who, thread_id, answered)) for _ in range(8)]
            await grown(answered, enough)
            server.kill()
            await asyncio.gather(*writers)
        await server.start()

    async with connect(server) as client:
        who = Caller(client, organization=owner.organization, user=owner.user, key=owner.key)
        kept = await who.walk(f"/v1/threads/{thread_id}/messages", limit=100)
        assert answered <= {message["id"] for message in kept}
        assert (await who.get(thread_id)).messageCount == len(kept)


async def grown(answered, size):
    """Wait until so many writes were answered."""

    async def count():
        return len(answered)

    await eventually(count, lambda count: count >= size, within_s=60)


async def write_until_cut(who, thread_id, answered):
    while True:
        try:
            message = await who.post_message(thread_id)
        except httpx.TransportError:
            return
        assert message.status == 201, message
        answered.add(message.id)


async def test_a_retry_after_kill_9_does_the_work_once(start_server, zygote):
    """Senders whose answers were cut off try again with their keys; every piece of work is there exactly once."""
    server = await start_server()
    async with connect(server) as client:
        owner = await People(server, client, zygote).owner()
        thread = await owner.create_thread()
        first = asyncio.Event()

        async def send(number):
            for _ in range(2):
                try:
                    answer = await owner.retrying(f"work-{number}").post_message(thread.id, str(number))
                except httpx.TransportError:
                    return None
                first.set()
                assert answer.status == 201
            return answer

        senders = [asyncio.create_task(send(number)) for number in range(100)]
        await first.wait()
        server.kill()
        await asyncio.gather(*senders)
    await server.start()

    async with connect(server) as client:
        who = Caller(client, organization=owner.organization, user=owner.user, key=owner.key)
        for number in range(100):
            assert (await who.retrying(f"work-{number}").post_message(thread.id, str(number))).status == 201
        listed = await who.list_messages(thread, limit=100)
        assert sorted(int(message["content"][0]["text"]) for message in listed.data) == list(range(100))
        assert (await who.get(thread)).messageCount == 100


async def test_sigterm_ends_the_server_with_status_0_and_loses_nothing(start_server, zygote):
    server = await start_server()
    async with connect(server) as client:
        owner = await People(server, client, zygote).owner()
        thread = await owner.create_thread()
        answered: set[str] = set()
        writers = [asyncio.create_task(write_until_refused(owner, thread.id, answered)) for _ in range(4)]
        await grown(answered, 20)

        status = await asyncio.to_thread(server.stop)
        await asyncio.gather(*writers)
    await server.start()

    assert status == 0
    assert "Traceback" not in server.log_text()
    async with connect(server) as client:
        who = Caller(client, organization=owner.organization, user=owner.user, key=owner.key)
        kept = await who.walk(f"/v1/threads/{thread.id}/messages", limit=100)
        assert answered <= {message["id"] for message in kept}


async def write_until_refused(who, thread_id, answered):
    while True:
        try:
            message = await who.post_message(thread_id)
        except httpx.TransportError:
            return
        if message.status != 201:
            assert message.status == 503, message
            return
        answered.add(message.id)


async def test_a_port_that_is_taken_is_refused_with_a_clear_sentence(server, new_database):
    second = Server(await new_database(), name="second")
    second.port = server.port

    second.spawn()
    try:
        status = await asyncio.to_thread(second.process.wait, 60)
    except subprocess.TimeoutExpired:
        second.kill()
        raise

    assert status != 0
    assert "Traceback" not in second.log_text()
