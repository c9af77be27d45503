"""Many callers together: limits on all connections, on all large bodies and on all unread answers of a process."""

import asyncio
import socket

import pytest

from conftest import connect as http_client
from support.people import People
from support.waiting import SOON_S

LONG = "x" * 200_000
CONNECTIONS = 8

# Nothing here reaches the database in a way of its own, so one kind is enough.
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True, scope="session")


def request(who, method, path, *headers):
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"X-API-Key: {who.key}", *headers, "", ""]
    return "\r\n".join(lines).encode()


async def ask(reader, writer, data):
    writer.write(data)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SOON_S)
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    await reader.readexactly(length)
    return int(head.split(b" ")[1])


async def has_ended(reader):
    try:
        return await asyncio.wait_for(reader.read(1), 0.5) == b""
    except TimeoutError:
        return False


@pytest.fixture
async def small(start_server):
    return await start_server(THREADKEEP_CONNECTIONS_MAX=str(CONNECTIONS), THREADKEEP_TRANSFER_BYTES_MAX="6000000")


@pytest.fixture
async def eve(small, zygote):
    async with http_client(small) as client:
        yield await People(small, client, zygote).owner()


@pytest.fixture
async def connect(small):
    """Open raw connections, which end with the test."""
    writers = []

    async def connect(*, reads_slowly=False):
        connection = socket.socket()
        if reads_slowly:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", small.port))
        reader, writer = await asyncio.open_connection(sock=connection, limit=1024 if reads_slowly else 65_536)
        writers.append(writer)
        return reader, writer

    yield connect
    for writer in writers:
        writer.transport.abort()
    await asyncio.sleep(0)


async def test_beyond_the_limit_of_connections_the_one_idle_for_longest_gives_way(connect, eve):
    health = request(eve, "GET", "/healthz")
    kept = [await connect() for _ in range(CONNECTIONS)]
    for each in [*kept, kept[0]]:
        assert await ask(*each, health) == 200

    newcomer = await connect()
    answered = await ask(*newcomer, health)

    assert answered == 200
    assert [await has_ended(reader) for reader, _ in kept] == [False, True] + [False] * (CONNECTIONS - 2)


async def test_a_request_that_is_being_answered_does_not_give_way(connect, eve):
    begun = [await connect() for _ in range(CONNECTIONS)]
    for _, writer in begun:
        writer.write(request(eve, "POST", "/v1/threads", "Content-Type: application/json", "Content-Length: 2") + b"{")
    await asyncio.sleep(0.2)

    newcomer, _ = await connect()

    assert await has_ended(newcomer)
    for reader, writer in begun:
        assert await ask(reader, writer, b"}") == 201


async def test_large_bodies_have_only_so_much_room_together(connect, eve):
    def begin(size_bytes):
        head = request(eve, "POST", "/v1/threads", "Content-Type: application/json", f"Content-Length: {size_bytes}")
        return head + b"{" + b" " * (size_bytes - 2)

    first, second = await connect(), await connect()
    first[1].write(begin(4_000_000))
    await first[1].drain()
    await asyncio.sleep(0.2)

    refused = await ask(*second, begin(4_000_000) + b"}")
    taken = await ask(*first, b"}")
    after = await ask(*await connect(), begin(4_000_000) + b"}")

    assert (refused, taken, after) == (503, 201, 201)


async def test_when_too_much_lies_unread_the_slowest_reader_is_dropped(connect, eve):
    thread = await eve.create_thread(messages=[{"role": "user", "content": LONG}] * 20)
    page = request(eve, "GET", f"/v1/threads/{thread.id}/messages?limit=100")
    readers = []
    for _ in range(CONNECTIONS - 2):
        readers.append(await connect(reads_slowly=True))
        readers[-1][1].write(page)
        await readers[-1][0].readuntil(b"\r\n\r\n")

    # Some of each lies with the system, but its rest keeps all of it in memory: two are more than may lie here.
    *earlier, last = [await read_all(reader) for reader, _ in readers]

    assert max(earlier) < 4_000_000 <= last


async def read_all(reader):
    """Return how many bytes came, until there was a page or the end."""
    size = 0
    try:
        while size < 4_000_000 and (piece := await asyncio.wait_for(reader.read(65_536), SOON_S)):
            size += len(piece)
    except ConnectionError:
        pass
    return size
