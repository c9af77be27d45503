"""Sessions that turn read-only, as those of a former primary do: dropped at once, told by /readyz, and left behind."""

import asyncio

import pytest

from conftest import connect
from support.people import People
from support.postgres import connected
from support.waiting import eventually

SETTLED_S = 5
POOL_SIZE = 4
WRITABLE = "alter database {name} reset default_transaction_read_only"
READ_ONLY = "alter database {name} set default_transaction_read_only = on"

pytestmark = pytest.mark.parametrize("database_kind", ["postgres"], indirect=True, scope="session")


@pytest.fixture
async def place(new_database, start_server, zygote):
    database = await new_database()
    server = await start_server(database, THREADKEEP_POOL_SIZE=str(POOL_SIZE))
    async with connect(server) as client:
        yield server, await People(server, client, zygote).owner()


async def change(url, statement):
    async with connected(url.rpartition("/")[0] + "/postgres") as connection:
        await connection.execute(statement.format(name=url.rpartition("/")[2]))


async def demote_all(url):
    """Let every open session of the server be read-only from now on, as a reload or a demotion does."""
    await change(url, READ_ONLY)
    async with connected(url.rpartition("/")[0] + "/postgres") as connection:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", url.rpartition("/")[2]
        )


async def ready_with(caller, status):
    """Wait until readiness is answered so: for a second it is answered by memory."""
    return await eventually(lambda: caller.request("GET", "/readyz"), lambda answer: answer.status == status, SETTLED_S)


async def test_writes_go_on_at_once_when_the_server_takes_writes_again(place):
    server, owner = place
    thread = await owner.create_thread()
    await demote_all(server.database.url)
    await eventually(lambda: owner.get(thread), lambda answer: answer.status == 200, SETTLED_S)

    refused = [await owner.post_message(thread), await owner.create_thread()]
    unready = await ready_with(owner, 503)
    read = await owner.get(thread)
    await change(server.database.url, WRITABLE)
    written = [await owner.post_message(thread), await owner.create_thread()]
    ready = await ready_with(owner, 200)

    assert [(each.status, each.code) for each in refused] == [(503, "unavailable")] * 2
    assert (unready.status, read.status) == (503, 200)
    assert [each.status for each in written] == [201, 201]
    assert ready.status == 200
    assert (await owner.get(thread)).messageCount == 1
    assert "Traceback" not in server.log_text()


async def test_none_of_the_sessions_that_are_read_only_refuses_a_write_afterwards(place):
    server, owner = place
    thread = await owner.create_thread()
    await demote_all(server.database.url)
    # All connections of the process are open, and all of them are read-only.
    await eventually(lambda: owner.get(thread), lambda answer: answer.status == 200, SETTLED_S)
    await asyncio.gather(*[owner.list_messages(thread) for _ in range(8 * POOL_SIZE)])
    await change(server.database.url, WRITABLE)

    answers = await asyncio.gather(*[owner.create_thread() for _ in range(8 * POOL_SIZE)])

    assert {each.status for each in answers} == {201}


async def test_readiness_finds_read_only_sessions_that_only_readers_use(place):
    server, owner = place
    await demote_all(server.database.url)
    await ready_with(owner, 503)

    await change(server.database.url, WRITABLE)

    await ready_with(owner, 200)
