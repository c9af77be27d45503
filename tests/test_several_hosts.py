"""A URL that names several PostgreSQL hosts: whichever takes writes is found, also behind one that is silent."""

import asyncio
import socket
from contextlib import closing, suppress

import asyncpg
import pytest

from support.ports import free_port
from support.postgres import connected
from support.server import Database, Server
from threadkeep.database.hosts import HEAD_START_S, Hosts
from threadkeep.database.postgres_url import read_url
from threadkeep.settings import SettingError

PATIENCE_S = 4.0


@pytest.fixture
def silent():
    """A machine that stands still: connections come to be, and nobody says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.setblocking(False)
        yield listener


def calls_of(listener):
    """Count those who have connected since the last time."""
    count = 0
    with suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            count += 1
    return count


def port_of(listener):
    return listener.getsockname()[1]


def with_first(port, url):
    return url.replace("@", f"@127.0.0.1:{port},")


async def test_a_silent_host_does_not_keep_a_server_from_the_next(postgres, silent, tmp_path):
    database = Database("postgres", with_first(port_of(silent), await postgres.create_database()), tmp_path)
    server = await Server(database).start()

    assert server.stop() == 0


async def test_the_host_that_was_connected_to_is_asked_first_from_then_on(postgres, silent):
    hosts = Hosts(with_first(port_of(silent), postgres.url("postgres")))

    await (await hosts.connect(PATIENCE_S, {})).close()
    first = calls_of(silent)
    await (await hosts.connect(PATIENCE_S, {})).close()

    assert (first > 0, calls_of(silent)) == (True, 0)


async def test_a_slow_host_behind_a_silent_one_has_more_than_its_share_of_the_time(postgres, silent, monkeypatch):
    monkeypatch.setattr("threadkeep.database.hosts.HEAD_START_S", 0.1)
    slow_s = PATIENCE_S * 0.6

    async def pass_on(reader, writer):
        await asyncio.sleep(slow_s)
        further, there = await asyncio.open_connection("127.0.0.1", postgres.port)
        await asyncio.gather(pipe(reader, there), pipe(further, writer))

    async with await asyncio.start_server(pass_on, "127.0.0.1", 0) as slow:
        url = postgres.url("postgres").replace(str(postgres.port), str(slow.sockets[0].getsockname()[1]))

        connection = await Hosts(with_first(port_of(silent), url)).connect(PATIENCE_S, {})

        assert await connection.fetchval("select 1") == 1
        await connection.close()


async def pipe(reader, writer):
    while data := await reader.read(65_536):
        writer.write(data)
    writer.close()


async def test_hosts_that_are_all_silent_are_given_up_in_time_and_left(silent):
    hosts = Hosts(with_first(port_of(silent), f"postgresql://me@127.0.0.1:{port_of(silent)}/name"))

    with pytest.raises(TimeoutError):
        await hosts.connect(2 * HEAD_START_S, {})


async def test_whoever_gives_up_waiting_leaves_no_connection_behind(silent):
    waiting = asyncio.ensure_future(
        Hosts(with_first(port_of(silent), f"postgresql://me@127.0.0.1:{port_of(silent)}/name")).connect(PATIENCE_S, {})
    )
    silent.setblocking(True)
    accepted, _ = await asyncio.to_thread(silent.accept)
    silent.setblocking(False)

    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    with closing(accepted):
        accepted.settimeout(PATIENCE_S)
        # Whatever it had said by then; then its end, or this would raise TimeoutError.
        await asyncio.to_thread(lambda: b"".join(iter(lambda: accepted.recv(4096), b"")))


async def test_a_host_that_takes_no_writes_is_passed_over(postgres):
    await postgres.create_database()
    reader, writer = postgres.url(f"threadkeep_{postgres.database_count}"), postgres.url("postgres")
    name = reader.rpartition("/")[2]
    async with connected(writer) as connection:
        await connection.execute(f"alter database {name} set default_transaction_read_only = on")

    with pytest.raises(asyncpg.InternalClientError):
        await Hosts(with_first(free_port(), reader)).connect(PATIENCE_S, {})


@pytest.mark.parametrize(
    ("url", "each"),
    [
        ("postgresql://a/name", ["postgresql://a/name"]),
        ("postgresql:///name?host=/run/pg", ["postgresql:/name?host=%2Frun%2Fpg"]),
        ("postgresql:///name?host=a,b&port=1,2", ["postgresql:/name?host=a&port=1", "postgresql:/name?host=b&port=2"]),
        ("postgresql:///name?host=a,b&port=1", ["postgresql:/name?host=a&port=1", "postgresql:/name?host=b&port=1"]),
        ("postgresql://a:1,b:2/name?user=y", ["postgresql://a:1/name?user=y", "postgresql://b:2/name?user=y"]),
        ("postgres://me:p,w@a,[::1]:2?user=y", ["postgres://me:p,w@a?user=y", "postgres://me:p,w@[::1]:2?user=y"]),
    ],
)
def test_a_url_is_split_into_one_for_each_host(url, each):
    assert list(read_url(url).urls) == each


@pytest.mark.parametrize("url", ["postgresql://me:hush@127.0.0.1:port/name", "postgresql://me:hush@[::1/name"])
def test_what_is_no_address_is_refused_in_a_sentence_without_its_password(url):
    with pytest.raises(SettingError, match="THREADKEEP_DATABASE_URL is no address") as refused:
        Hosts(url)

    assert "hush" not in str(refused.value)
