"""Starting: a signal ends a server that still waits, workers share one first run, and none outlives its parent."""

import asyncio
import signal
import socket

import pytest

from support.postgres import connected
from support.server import Server
from support.waiting import eventually

MIGRATION_LOCK = 0x7468726B
STARTED_S = 60
ENDED_S = 15
WAITING = "select count(*) from pg_locks where locktype = 'advisory' and objid = $1 and not granted"

pytestmark = pytest.mark.parametrize("database_kind", ["postgres"], indirect=True, scope="session")


@pytest.fixture
async def server_of_two(new_database):
    """A server with two workers on an empty database; every process of it is gone when the test ends."""
    server = Server(await new_database())
    yield server
    if server.process is not None:
        server.stop()


@pytest.mark.prove
@pytest.mark.parametrize("arguments", [(), ("--workers", "2")])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_a_server_that_waits_for_another_ones_migration(new_database, number, arguments):
    server = Server(await new_database())
    async with connected(server.database.url) as connection:
        await connection.execute("select pg_advisory_lock($1)", MIGRATION_LOCK)
        server.spawn(*arguments)
        try:
            await eventually(lambda: connection.fetchval(WAITING, MIGRATION_LOCK), lambda count: count == 1, STARTED_S)

            server.process.send_signal(number)
            status = await asyncio.to_thread(server.process.wait, ENDED_S)
        finally:
            server.kill()

    assert status == 0
    assert "Traceback" not in server.log_text()


async def test_two_workers_on_an_empty_database_create_one_organization(server_of_two):
    server_of_two.spawn("--workers", "2")
    await server_of_two.wait_until_ready()

    async with connected(server_of_two.database.url) as connection:
        counts = [await connection.fetchval(f"select count(*) from {name}") for name in ("organizations", "api_keys")]

    assert counts == [1, 1]
    assert server_of_two.stop() == 0


@pytest.mark.prove
async def test_workers_end_when_their_parent_is_killed(server_of_two):
    server_of_two.spawn("--workers", "2")
    await server_of_two.wait_until_ready()

    server_of_two.kill()

    await eventually(lambda: is_free(server_of_two.port), bool, within_s=ENDED_S)


async def is_free(port):
    """Return whether nobody holds the port any more."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
