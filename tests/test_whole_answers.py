"""Answers that the API gives as a whole, and what becomes of those that fail when they have begun already."""

from collections.abc import Iterator
from typing import Any

import pytest

from test_http_limits import ServerInThread, ask, get, read_answer
from threadkeep.server.transport.protocol import LimitedHttpProtocol

LENGTH = [(b"content-length", b"2")]


async def answer(scope: Any, receive: Any, send: Any) -> Any:
    """What the tests ask for by the path, as `Pipeline.answer` would give it."""
    if scope["path"] == "/whole":
        return 200, LENGTH, b"{}"
    if scope["path"] == "/empty":
        return 204, [], b""
    if scope["path"].startswith("/begun"):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    if scope["path"] == "/begun-and-raised":
        raise OSError("not foreseen")
    return (500, LENGTH, b"{}") if scope["path"] == "/begun-and-failed" else None


class Direct(LimitedHttpProtocol):
    HANDLER_OF = staticmethod(lambda scope: (answer, scope["method"] == "GET"))
    __slots__ = ()


@pytest.fixture(scope="module")
def service() -> Iterator[ServerInThread]:
    service = ServerInThread(Direct)
    yield service
    service.stop()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_answer_is_sent_and_the_connection_goes_on(service, method):
    with service.connect() as connection:
        for path, status, body in (("/whole", 200, b"{}"), ("/empty", 204, b""), ("/whole", 200, b"{}")):
            connection.sendall(get(path, "Content-Length: 0", method=method))
            got = read_answer(connection)
            assert (got[0], got[2]) == (status, body)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/begun-and-failed", "/begun-and-raised", "/begun-and-left"])
def test_one_that_fails_after_it_has_begun_ends_its_connection_and_says_nothing_more(service, path, method):
    with service.connect() as connection:
        connection.sendall(get(path, "Content-Length: 0", method=method))
        received = b"".join(iter(lambda: connection.recv(65536), b""))

    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.endswith(b"\r\n\r\n5\r\nbegun\r\n")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_one_that_was_forgotten_is_an_error(service, method):
    assert ask(service, get("/nothing", "Content-Length: 0", method=method))[0] == 500
