"""Answers that come before their request's body is read: they arrive, whatever the client goes on to send."""

import asyncio
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

import httpx
import pytest

from support.people import People
from threadkeep.server.transport.protocol import UNWANTED_BYTES_MAX

LIMIT_BYTES = 4 * 1024 * 1024
LARGE = b"{" + b" " * 3_000_000 + b"}"
TOO_LARGE = b"{" + b" " * (LIMIT_BYTES - 1) + b"}"
JSON = {"Content-Type": "application/json"}
PATIENCE_S = 60

# Nothing here reaches the database in a way of its own, so one kind is enough.
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True, scope="session")


@pytest.fixture(scope="module")
async def sent(people):
    """What is refused early: method, path, headers, body, and the status that must arrive."""
    owner = await people.owner()
    key = {"X-API-Key": owner.key}
    return {
        401: ("POST", "/v1/threads", JSON, LARGE),
        404: ("POST", "/v1/nothing", {**JSON, **key}, LARGE),
        405: ("PUT", "/v1/threads", {**JSON, **key}, LARGE),
        413: ("POST", "/v1/assistants", {**JSON, **key}, TOO_LARGE),
        415: ("POST", "/v1/threads", {"Content-Type": "text/plain", **key}, LARGE),
    }


def by_urllib(url, method, headers, body):
    """Python's own, which sends all of its body before it reads, and `Connection: close`."""
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code


def by_httpx(url, method, headers, body):
    with httpx.Client(trust_env=False, timeout=PATIENCE_S) as client:
        return client.request(method, url, headers={**headers, "Connection": "close"}, content=body).status_code


def by_httpx_in_chunks(url, method, headers, body):
    """Without a length: only what is read tells that it is too much."""
    pieces = (body[start : start + 65_536] for start in range(0, len(body), 65_536))
    with httpx.Client(trust_env=False, timeout=PATIENCE_S) as client:
        return client.request(method, url, headers={**headers, "Connection": "close"}, content=pieces).status_code


def by_curl(url, method, headers, body, *options):
    lines = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", method, *lines, *options]
    finished = subprocess.run(
        [*command, "--data-binary", "@-", url], input=body, capture_output=True, timeout=PATIENCE_S, check=False
    )
    return int(finished.stdout) if finished.returncode == 0 else f"curl ended with {finished.returncode}"


def by_curl_1_0(url, method, headers, body):
    return by_curl(url, method, headers, body, "--http1.0", "-H", "Expect:")


def by_curl_that_asks_first(url, method, headers, body):
    return by_curl(url, method, headers, body, "-H", "Expect: 100-continue", "-H", "Connection: close")


CLIENTS = [by_urllib, by_httpx, by_httpx_in_chunks, by_curl, by_curl_1_0, by_curl_that_asks_first]


@pytest.mark.parametrize("send", CLIENTS, ids=lambda send: send.__name__)
@pytest.mark.parametrize("status", [401, 404, 405, 413, 415])
async def test_an_answer_to_a_body_that_nobody_reads_arrives(server, sent, status, send):
    if "curl" in send.__name__ and shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    method, path, headers, body = sent[status]

    arrived = [await asyncio.to_thread(send, server.url + path, method, headers, body) for _ in range(3)]

    assert arrived == [status] * 3


async def test_a_body_of_exactly_the_limit_is_taken(server, sent):
    method, path, headers, _ = sent[413]
    body = b"{" + b" " * (LIMIT_BYTES - 2) + b"}"

    assert await asyncio.to_thread(by_urllib, server.url + path, method, headers, body) == 201


async def test_a_rate_that_is_used_up_is_told_to_whoever_sends_much(start_server, zygote):
    server = await start_server(THREADKEEP_RATE_KEY_PER_MINUTE="1")
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
        owner = await People(server, client, zygote).owner()
    headers = {**JSON, "X-API-Key": owner.key}

    arrived = [await asyncio.to_thread(by_urllib, f"{server.url}/v1/threads", "POST", headers, LARGE) for _ in range(5)]

    # The minute may end among them, which begins the count anew.
    assert arrived.count(429) >= 3
    assert set(arrived) <= {201, 429}


HEAD = "POST /v1/threads HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def sent_until_cut(server, head, data, between_s=0.0):
    """Send for as long as it goes; return what was answered, how many bytes went, and whether it was cut off."""
    deadline_s = time.monotonic() + PATIENCE_S
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(65_536)
        sent_bytes = 0
        try:
            while time.monotonic() < deadline_s:
                sent_bytes += connection.send(data)
                time.sleep(between_s)
        except OSError:
            return answer, sent_bytes, True
        return answer, sent_bytes, False


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
async def test_whoever_sends_for_ever_is_cut_after_so_many_bytes(server, connection):
    head = f"{HEAD}Connection: {connection}\r\nContent-Length: 99999999999\r\n\r\n"

    answer, sent_bytes, _ = await asyncio.to_thread(sent_until_cut, server, head, b" " * 1_000_000)

    assert answer.startswith(b"HTTP/1.1 401 ")
    # What lies in the system's buffers on both sides comes on top.
    assert UNWANTED_BYTES_MAX <= sent_bytes < UNWANTED_BYTES_MAX + 32 * 1024 * 1024


async def test_whoever_sends_a_little_for_ever_is_cut_after_so_many_seconds(server):
    head = f"{HEAD}Connection: close\r\nContent-Length: 99999999999\r\n\r\n"

    answer, sent_bytes, is_cut = await asyncio.to_thread(sent_until_cut, server, head, b" ", 0.05)

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert is_cut
    assert 2 < sent_bytes < UNWANTED_BYTES_MAX


async def test_the_end_of_the_answer_is_told_before_the_body_has_come(server):
    """The half that the server writes ends with the answer, so nobody waits for more."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as connection:
        connection.sendall(f"{HEAD}Connection: close\r\nContent-Length: 9\r\n\r\n".encode())
        answer = b""
        while received := await asyncio.to_thread(connection.recv, 65_536):
            answer += received
        # Had the connection ended with all that it can, the first of these would be answered with a reset.
        connection.sendall(b"1234")
        await asyncio.sleep(0.1)
        connection.sendall(b"56789")

    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_a_client_that_asked_whether_to_send_its_body_and_was_refused_is_not_misunderstood(server):
    """It may send the body or not; only a connection that ends leaves no doubt where the next request begins."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as connection:
        connection.sendall(f"{HEAD}Expect: 100-continue\r\nContent-Length: 60\r\n\r\n".encode())
        answer = b""
        while received := await asyncio.to_thread(connection.recv, 65_536):
            answer += received

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in answer.lower()
