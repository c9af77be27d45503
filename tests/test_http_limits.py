"""The server's own HTTP protocol against raw sockets: sizes, times, ambiguous requests, clients that do not read."""

import ast
import asyncio
import hashlib
import inspect
import json
import logging
import socket
import textwrap
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from threadkeep.server.transport.protocol import HEADER_BYTES_MAX, TARGET_BYTES_MAX, LimitedHttpProtocol
from threadkeep.server.transport.server import config_of
from threadkeep.settings import Settings

LARGE_BYTES = 16 * 1024 * 1024
PATIENCE_S = 15.0
SECONDS = {"/slow": 0.1, "/slower": 0.8}

Answer = tuple[int, dict[str, str], bytes]


class Impatient(LimitedHttpProtocol):
    """The same limits, with times that a test can wait for."""

    PIPELINED_REQUESTS_MAX = 3
    HEADER_READ_S = 0.5
    WRITE_STALL_S = 0.5


class ServerInThread:
    """A uvicorn server with one protocol class and a small application that tells what it was asked."""

    def __init__(self, protocol: type[HttpToolsProtocol]) -> None:
        self.paths: list[str] = []
        self.ended: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.uvicorn = uvicorn.Server(self.config(protocol))
        self.thread = threading.Thread(target=self.uvicorn.run, args=([self.listener],))
        self.thread.start()

    def config(self, protocol: type[HttpToolsProtocol]) -> uvicorn.Config:
        return uvicorn.Config(
            self.application,
            http=protocol,
            loop="uvloop",
            interface="asgi3",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        self.paths.append(path)
        if path == "/stream":
            await self.stream(receive, send)
            return
        asked = {"method": scope["method"], "path": path, "headers": [name.decode() for name, _ in scope["headers"]]}
        if path != "/early":
            body = await read_body(receive)
            asked |= {"body": body[:99].decode(), "bytes": len(body)}
        await asyncio.sleep(SECONDS.get(path, 0))
        content = b"x" * LARGE_BYTES if path == "/large" else json.dumps(asked).encode()
        await send(answer_start((b"content-length", b"%d" % len(content))))
        await send({"type": "http.response.body", "body": content})

    async def stream(self, receive: Any, send: Any) -> None:
        await send(answer_start())
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        self.ended.append("stream")

    def connect(self) -> socket.socket:
        return socket.create_connection(self.listener.getsockname(), timeout=PATIENCE_S)

    def stop(self) -> None:
        self.uvicorn.should_exit = True
        self.thread.join()


class Configured(ServerInThread):
    """The same, with all that the service tells uvicorn."""

    def config(self, protocol: type[HttpToolsProtocol]) -> uvicorn.Config:
        return config_of(self, Settings())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.application(scope, receive, send)

    def handler_of(self, scope: Any) -> tuple[None, bool]:
        return None, False

    def set_ready(self, is_ready: bool) -> None: ...


def answer_start(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": 200, "headers": list(headers)}


async def read_body(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


@pytest.fixture(scope="module")
def service() -> Iterator[ServerInThread]:
    service = ServerInThread(LimitedHttpProtocol)
    yield service
    service.stop()


@pytest.fixture(scope="module")
def impatient() -> Iterator[ServerInThread]:
    service = ServerInThread(Impatient)
    yield service
    service.stop()


def get(path: str = "/", *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", *headers, "", ""]).encode()


def padded(size_bytes: int) -> bytes:
    """Return a request whose header has exactly that size."""
    request = get("/", "X-Pad: ")
    return request.replace(b"X-Pad: ", b"X-Pad: " + b"p" * (size_bytes - len(request)))


def read_answer(connection: socket.socket) -> Answer | None:
    """Read one answer, byte by byte so that the next one stays; None when the connection ends instead."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        received = connection.recv(1)
        if not received:
            assert not head, "the connection ended inside an answer"
            return None
        head += received
    status_line, *lines = head.decode().split("\r\n")[:-2]
    headers = dict(line.split(": ", 1) for line in lines)
    body = b""
    while len(body) < int(headers.get("content-length", "0")):
        received = connection.recv(int(headers["content-length"]) - len(body))
        assert received, "the connection ended inside a body"
        body += received
    return int(status_line.split()[1]), headers, body


def read_all(connection: socket.socket) -> list[Answer]:
    """Read answers until the server closes; a reset or a server that keeps the connection fails the test."""
    return list(iter(lambda: read_answer(connection), None))


def ask(service: ServerInThread, *parts: bytes) -> Answer:
    with service.connect() as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(0.02 if len(parts) < 9 else 0)
        answer = read_answer(connection)
    assert answer is not None
    return answer


def status_and_code(answer: Answer) -> tuple[int, str]:
    return answer[0], json.loads(answer[2])["error"]["code"]


def has_ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(99) == b""
    except TimeoutError:
        return False
    except ConnectionError:  # A byte met the closed end.
        return True


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# Sizes


def test_a_header_of_32_kib_is_served_and_one_byte_more_is_431(service: ServerInThread) -> None:
    served = ask(service, padded(HEADER_BYTES_MAX))
    refused = ask(service, padded(HEADER_BYTES_MAX + 1))

    assert served[0] == 200
    assert status_and_code(refused) == (431, "headers_too_large")


def test_the_size_of_a_header_does_not_depend_on_the_pieces_in_which_it_comes(service: ServerInThread) -> None:
    def in_pieces(request: bytes) -> list[bytes]:
        return [request[start : start + 1000] for start in range(0, len(request), 1000)]

    served = ask(service, *in_pieces(padded(HEADER_BYTES_MAX)))
    refused = ask(service, *in_pieces(padded(HEADER_BYTES_MAX + 1)))

    assert served[0] == 200
    assert status_and_code(refused) == (431, "headers_too_large")


def test_a_large_body_behind_a_large_header_is_served(service: ServerInThread) -> None:
    body = b"b" * 1_000_000
    request = get("/", f"Content-Length: {len(body)}", "X-Pad: " + "p" * 30_000, method="POST")

    answer = ask(service, request + body)

    assert json.loads(answer[2])["bytes"] == len(body)


def test_a_target_of_8_kib_is_served_and_one_byte_more_is_414(service: ServerInThread) -> None:
    served = ask(service, get("/" + "t" * (TARGET_BYTES_MAX - 1)))
    refused = ask(service, get("/" + "t" * TARGET_BYTES_MAX))
    endless = ask(service, b"GET /" + b"t" * 100_000)

    assert served[0] == 200
    assert status_and_code(refused) == status_and_code(endless) == (414, "uri_too_long")


def test_a_refusal_has_the_one_shape_of_errors_and_echoes_nothing(service: ServerInThread) -> None:
    status, headers, body = ask(service, b"SECRET /SECRET SECRET\r\n\r\n")
    error = json.loads(body)["error"]

    assert (status, set(json.loads(body))) == (400, {"error"})
    assert set(error) == {"message", "type", "code", "param", "requestId"}
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", "invalid_parameter", None)
    assert (headers["content-type"], headers["connection"]) == ("application/json", "close")
    assert headers["x-request-id"] == error["requestId"]
    assert b"SECRET" not in body


def test_a_client_that_sends_on_after_its_refusal_still_reads_the_answer(service: ServerInThread) -> None:
    with service.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX-Endless: ")
        for _ in range(100):
            connection.sendall(b"e" * 10_000)
        answers = read_all(connection)

    assert [status_and_code(answer) for answer in answers] == [(431, "headers_too_large")]


# Requests that could be read in two ways


CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(("count", "status"), [(10_000, 200), (10_001, 400)])
def test_a_body_has_only_so_many_tiny_chunks(service: ServerInThread, count: int, status: int) -> None:
    with service.connect() as connection:
        connection.sendall(CHUNKED + b"\r\n" + b"1\r\na\r\n" * count + b"0\r\n\r\n")
        answer = read_answer(connection)

    assert answer is not None
    assert answer[0] == status


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc",
        CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
        CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        CHUNKED.replace(b"chunked", b"gzip, chunked") + b"\r\n0\r\n\r\n",
        CHUNKED.replace(b"chunked", b"identity") + b"\r\nabc",
        CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n0\r\n\r\n",
        CHUNKED + b"\r\n0x1\r\na\r\n0\r\n\r\n",
        CHUNKED + b"\r\n1\na\n0\n\n",
    ],
)
def test_what_is_malformed_or_ambiguous_is_400_and_the_connection_ends(
    service: ServerInThread, request_bytes: bytes
) -> None:
    with service.connect() as connection:
        connection.sendall(request_bytes)
        answers = read_all(connection)

    assert [status_and_code(answer) for answer in answers] == [(400, "invalid_parameter")]


@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
def test_an_upgrade_is_a_plain_request_with_its_body_and_the_next_request_follows(
    service: ServerInThread, protocol: str
) -> None:
    upgrade = ["Connection: Upgrade, HTTP2-Settings", f"Upgrade: {protocol}", "HTTP2-Settings: AAM"]
    with service.connect() as connection:
        connection.sendall(get("/first", *upgrade, "Content-Length: 3", method="POST") + b"abc" + get("/second"))
        answers = [read_answer(connection), read_answer(connection)]

    first, second = [json.loads(answer[2]) for answer in answers if answer]
    assert (first["method"], first["path"], first["body"]) == ("POST", "/first", "abc")
    assert (second["method"], second["path"], second["body"]) == ("GET", "/second", "")


def test_the_body_of_an_upgrade_that_comes_later_is_not_read_as_a_request(service: ServerInThread) -> None:
    smuggled = get("/smuggled")
    headers = ["Connection: upgrade", "Upgrade: websocket", f"Content-Length: {len(smuggled)}"]

    answer = ask(service, get("/outer", *headers, method="POST"), smuggled)

    assert json.loads(answer[2])["body"] == smuggled.decode()
    assert "/smuggled" not in service.paths


def test_trailers_do_not_become_headers(service: ServerInThread) -> None:
    answer = ask(service, CHUNKED + b"\r\n1\r\na\r\n0\r\nAuthorization: x\r\n\r\n")

    assert json.loads(answer[2])["headers"] == ["host", "transfer-encoding"]


@pytest.mark.parametrize("trailer", [b"T: v\r\n", b"v"])
def test_trailers_are_bounded_like_headers(service: ServerInThread, trailer: bytes) -> None:
    answer = ask(service, CHUNKED + b"\r\n1\r\na\r\n0\r\nT: v" + b"\r\n" * (trailer != b"v") + trailer * 70_000)

    assert status_and_code(answer) == (431, "headers_too_large")


def test_what_follows_connection_close_is_ignored(service: ServerInThread) -> None:
    with service.connect() as connection:
        connection.sendall(get("/last", "Connection: close") + get("/ignored") + b"\x00")
        answers = read_all(connection)

    assert [json.loads(answer[2])["path"] for answer in answers] == ["/last"]
    assert "/ignored" not in service.paths


# Pipelining


def test_a_bad_request_is_refused_after_the_answers_before_it(service: ServerInThread) -> None:
    with service.connect() as connection:
        connection.sendall(get("/slow") + get("/next") + b"\x00\x00\r\n\r\n")
        slow, following, refused = read_all(connection)

    assert [json.loads(answer[2])["path"] for answer in (slow, following)] == ["/slow", "/next"]
    assert status_and_code(refused) == (400, "invalid_parameter")


def test_a_bad_body_is_refused_after_the_answers_before_it(service: ServerInThread) -> None:
    with service.connect() as connection:
        connection.sendall(get("/slow") + CHUNKED.replace(b" / ", b" /broken ") + b"\r\nnot-a-size\r\n")
        slow, refused = read_all(connection)

    assert json.loads(slow[2])["path"] == "/slow"
    assert status_and_code(refused) == (400, "invalid_parameter")
    assert "/broken" not in service.paths


def test_a_request_whose_target_cannot_be_read_leaves_the_answers_before_it_alone(service: ServerInThread) -> None:
    with service.connect() as connection:
        connection.sendall(get("/slow") + get("/next") + get("a:80"))
        answers = read_all(connection)

    assert [answer[0] for answer in answers] == [200, 200, 400]


def test_only_so_many_requests_may_wait_for_their_answers(impatient: ServerInThread) -> None:
    with impatient.connect() as connection:
        connection.sendall(get("/slow") + get("/waiting") * 1000)
        answers = read_all(connection)

    assert [answer[0] for answer in answers] == [200] * (1 + Impatient.PIPELINED_REQUESTS_MAX) + [400]


def test_an_application_learns_of_the_disconnect_though_another_request_waits(service: ServerInThread) -> None:
    service.ended.clear()
    with service.connect() as connection:
        connection.sendall(get("/stream"))
        assert connection.recv(999)
        connection.sendall(get("/never"))
        time.sleep(0.02)

    wait_until(lambda: service.ended == ["stream"])
    assert "/never" not in service.paths


# Times


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"\r\n"])
def test_a_header_that_does_not_come_in_time_ends_the_connection(impatient: ServerInThread, sent: bytes) -> None:
    with impatient.connect() as connection:
        connection.sendall(sent)

        assert connection.recv(99) == b""


def test_a_byte_now_and_then_does_not_prolong_the_time_for_a_header(impatient: ServerInThread) -> None:
    with impatient.connect() as connection:
        connection.sendall(get())
        read_answer(connection)
        connection.settimeout(0.05)
        connection.sendall(b"GET /")
        deadline = time.monotonic() + PATIENCE_S
        while not has_ended(connection):
            assert time.monotonic() < deadline
            connection.sendall(b"e")


def test_a_body_may_take_longer_than_a_header(impatient: ServerInThread) -> None:
    with impatient.connect() as connection:
        connection.sendall(get("/", "Content-Length: 2", method="POST"))
        time.sleep(Impatient.HEADER_READ_S * 0.6)
        connection.sendall(b"a")
        time.sleep(Impatient.HEADER_READ_S * 0.6)
        connection.sendall(b"b")
        answer = read_answer(connection)

    assert answer is not None
    assert json.loads(answer[2])["body"] == "ab"


def test_a_body_whose_request_was_answered_already_may_not_last_for_ever(impatient: ServerInThread) -> None:
    with impatient.connect() as connection:
        connection.sendall(get("/early", "Content-Length: 1000", method="POST"))
        answer = read_answer(connection)
        connection.sendall(b"a")

        assert answer is not None
        assert answer[0] == 200
        assert connection.recv(99) == b""


def test_half_a_header_behind_a_running_answer_does_not_cut_the_answer(impatient: ServerInThread) -> None:
    with impatient.connect() as connection:
        connection.sendall(get("/slower"))
        time.sleep(0.02)
        connection.sendall(b"GET / HT")
        answers = read_all(connection)

    assert [json.loads(answer[2])["path"] for answer in answers] == ["/slower"]


# Clients that ask for nothing more


def test_an_idle_connection_is_closed_after_a_while_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threadkeep.server.transport.server.KEEP_ALIVE_S", 0.2)
    service = Configured(LimitedHttpProtocol)
    try:
        with service.connect() as idle, service.connect() as busy:
            idle.sendall(get())
            busy.sendall(get("/stream"))

            assert [answer[0] for answer in read_all(idle)] == [200]
            time.sleep(SECONDS["/slower"])
            assert service.ended == []
    finally:
        service.stop()


# Clients that do not read


@pytest.mark.parametrize("header", ["Connection: keep-alive", "Connection: close"])
def test_a_client_that_does_not_read_its_answer_is_dropped(impatient: ServerInThread, header: str) -> None:
    with impatient.connect() as connection:
        connection.sendall(get("/large", header))
        wait_until(lambda: len(impatient.uvicorn.server_state.connections) > 0)

        wait_until(lambda: not impatient.uvicorn.server_state.connections)


def test_a_client_that_reads_slowly_is_kept(impatient: ServerInThread) -> None:
    with impatient.connect() as connection:
        connection.sendall(get("/large"))
        received_bytes = 0
        while received_bytes < LARGE_BYTES:
            received = connection.recv(1024 * 1024)
            assert received, "dropped"
            received_bytes += len(received)
            time.sleep(0.03)


# What of uvicorn the protocol leans on

REPLACED = {
    "data_received": "8583b7d501b5b5dd",
    "on_header": "fa663d220912eefa",
    "on_message_complete": "4ce97e51d988d172",
    "on_response_complete": "3b835da51ff0d85f",
    "_should_upgrade": "3fde089b4def4efb",
}


@pytest.mark.parametrize("name", REPLACED)
def test_uvicorn_has_not_changed_a_method_that_the_protocol_replaces(name: str) -> None:
    source = textwrap.dedent(inspect.getsource(getattr(HttpToolsProtocol, name)))
    digest = hashlib.sha256(ast.unparse(ast.parse(source)).encode()).hexdigest()[:16]

    assert digest == REPLACED[name], f"uvicorn {uvicorn.__version__} has another {name}: compare it with protocol.py"


def test_uvicorn_still_has_what_the_protocol_extends_and_reads() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None: ...

    loop = asyncio.new_event_loop()
    config = uvicorn.Config(application, ws="none", lifespan="off", log_config=None)
    plain = HttpToolsProtocol(config, ServerState(), {}, loop)
    loop.close()
    methods = "connection_made connection_lost on_headers_complete on_body pause_writing"
    methods += " resume_writing timeout_keep_alive_handler _unset_keepalive_if_required"
    state = "parser scope headers cycle pipeline flow transport timeout_keep_alive_task expect_100_continue"
    cycle = inspect.getsource(RequestResponseCycle.__init__)

    assert [name for name in methods.split() if not callable(getattr(plain, name, None))] == []
    assert [name for name in state.split() if not hasattr(plain, name)] == []
    assert plain.server_state.default_headers == []
    for name in ("disconnected", "message_event", "more_body", "response_started", "response_complete"):
        assert f"self.{name} = " in cycle, f"a cycle of uvicorn {uvicorn.__version__} has no {name}"


def test_a_refusal_is_logged_with_its_request_id(service: ServerInThread, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "uvicorn.error"):
        refused = ask(service, b"\x00")

    assert json.loads(refused[2])["error"]["requestId"] in caplog.text
