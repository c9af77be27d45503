"""The real server met by raw connections: long headers, long addresses, and callers who never finish."""

import asyncio

import pytest

from support.ending import in_the_end

KIB = 1024

# Nothing here reaches the database in a way of its own, so one kind is enough.
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True, scope="session")


async def speak(server, data, *, within_s=60):
    """Send raw bytes and return everything that comes back until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    received = b""
    try:
        writer.write(data)
        async with asyncio.timeout(within_s):
            while piece := await reader.read(65_536):
                received += piece
    except ConnectionError:
        pass  # What came before the reset counts.
    finally:
        writer.close()
    return received


def get(path, *headers):
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""]).encode("latin-1")


def status(answer):
    return int(answer.split(b" ", 2)[1])


async def test_a_header_of_32_kib_is_the_longest(server):
    accepted = await speak(server, get("/healthz", f"X-Long: {'x' * 31 * KIB}"))
    refused = await speak(server, get("/healthz", f"X-Long: {'x' * 33 * KIB}"))
    in_many = await speak(server, get("/healthz", *(f"X-{number}: {'x' * 100}" for number in range(400))))

    assert status(accepted) == 200
    assert (status(refused), status(in_many)) == (431, 431)
    for answer in (refused, in_many):
        assert b"headers_too_large" in answer
        assert b"application/json" in answer
        assert b"x-request-id" in answer.lower()


async def test_an_address_that_is_too_long_is_refused(server):
    refused = await speak(server, get(f"/v1/threads?titleContains={'x' * 40 * KIB}"))

    assert status(refused) == 414
    assert b"uri_too_long" in refused
    assert b"application/json" in refused


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /v1/threads HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/threads HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/threads HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nBad Header: x\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_refused_and_the_server_goes_on(server, data):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(data)
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 60)
    writer.close()

    assert answer == b"" or status(answer) in (400, 401, 408)
    assert status(await speak(server, get("/healthz"))) == 200


@pytest.fixture
async def impatient(start_server):
    return await start_server(THREADKEEP_HEADER_READ_S="1", THREADKEEP_BODY_READ_S="1")


async def test_a_caller_who_never_finishes_is_disconnected(impatient, server, people):
    begun = {
        "half a header": b"GET /v1/threads HTTP/1.1\r\nHost: x\r\nX-Half: ",
        "half a second request": get("/healthz").replace(b"Connection: close\r\n", b"") + b"GET /v1/thr",
        "half a body": b"POST /v1/threads HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\n\r\n{",
    }

    elsewhere = asyncio.create_task(speak(server, begun["half a header"]))
    async with in_the_end():
        answers = await asyncio.gather(*(speak(impatient, data) for data in begun.values()))
        has_more_patience = not elsewhere.done()
        await elsewhere

    assert has_more_patience
    for name, answer in zip(begun, answers, strict=True):
        assert b" 500 " not in answer.split(b"\r\n")[0], (name, answer)
    assert status(answers[1]) == 200


async def test_a_header_that_trickles_in_is_cut_off_too(impatient):
    """A byte now and then must not keep a connection open for ever."""
    reader, writer = await asyncio.open_connection("127.0.0.1", impatient.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
    closed = asyncio.create_task(reader.read())

    async with in_the_end():
        while not closed.done():
            try:
                writer.write(b"x")
                await writer.drain()
            except ConnectionError:
                break
            await asyncio.wait([closed], timeout=0.2)
        await asyncio.wait([closed])

    writer.close()
    assert closed.exception() is not None or b" 200 " not in closed.result()


async def test_a_kept_connection_serves_many_requests(ada):
    answers = [await ada.list_threads(limit=1) for _ in range(5)]

    assert [answer.status for answer in answers] == [200] * 5
