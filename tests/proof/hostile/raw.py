"""Raw requests that are no good HTTP, and some that only nearly are; and what comes back, answer by answer.

`ECHO` stands in all of them where an answer might repeat it; `SMUGGLED` in requests that must never be done.
"""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import httptools

ECHO = "echo-canary<'\"&>"
SMUGGLED = "smuggled"
READ_S = 20


@dataclass
class Reply:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Replies:
    """Takes the bytes of a connection apart. What is no HTTP ends with an httptools.HttpParserError."""

    def __init__(self) -> None:
        self.all: list[Reply] = []
        self._parser = httptools.HttpResponseParser(self)
        self._reply = Reply()

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._reply = Reply()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._reply.headers[name.decode().lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._reply.status = self._parser.get_status_code()
        self.all.append(self._reply)

    def on_body(self, data: bytes) -> None:
        self._reply.body += data


async def speak(port: int, data: bytes) -> list[Reply]:
    """Send these bytes and nothing more, and return the answers until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    replies = Replies()
    try:
        async with asyncio.timeout(READ_S):
            writer.write(data)
            if writer.can_write_eof():
                writer.write_eof()
            while piece := await reader.read(65_536):
                replies.feed(piece)
    except ConnectionError:
        pass  # What came before the reset counts.
    finally:
        writer.transport.abort()
    return replies.all


def request(method: str, target: str, *headers: str, body: bytes = b"", version: str = "HTTP/1.1") -> bytes:
    lines = [f"{method} {target} {version}", "Host: x", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def post(key: str, body: bytes, *headers: str, target: str = "/v1/threads") -> bytes:
    named = {header.partition(":")[0].lower() for header in headers}
    length = [] if named & {"content-length", "transfer-encoding"} else [f"Content-Length: {len(body)}"]
    kind = [] if "content-type" in named else ["Content-Type: application/json"]
    return request("POST", target, f"X-API-Key: {key}", *kind, *length, *headers, body=body)


def corpus(key: str) -> dict[str, bytes]:
    """Return hostile requests by what is wrong with them."""
    found = {**lines(key), **lengths(key), **chunks(key), **targets(key), **heads(key), **methods(key)}
    good = post(key, b"{}")
    found |= {
        "pipelined, good and bad": good + b"NONSENSE " + ECHO.encode() + b"\r\n\r\n" + good,
        "sixty pipelined": request("GET", f"/v1/threads/{ECHO[:4]}", f"X-API-Key: {key}") * 60,
        "a thousand pipelined": request("GET", "/v1/threads", f"X-API-Key: {key}") * 1_000,
        "a body behind a GET": request("GET", "/v1/threads", f"X-API-Key: {key}", "Content-Length: 2") + b"{}" + good,
        "an upgrade": request("GET", "/v1/threads", "Upgrade: websocket", "Connection: upgrade", f"X-API-Key: {key}"),
        "HTTP/2 at once": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + ECHO.encode(),
        "TLS": bytes.fromhex("1603010200010001fc0303") + ECHO.encode(),
        "nothing": b"",
        "line ends alone": b"\r\n" * 200,
        "zeros": b"\0" * 4_000,
    }
    return found


def lines(key: str) -> dict[str, bytes]:
    head = f"\r\nHost: x\r\nX-API-Key: {key}\r\n\r\n"
    texts = [
        f"GET {ECHO}", f"GET /v1/threads HTTP/1.1 {ECHO}", "GET  /v1/threads HTTP/1.1", "GET\t/v1/threads\tHTTP/1.1",
        "GET /v1/threads HTTP/1.9", "GET /v1/threads HTTP/0.9", "GET /v1/threads HTTP/11.1", "GET /v1/threads http/1.1",
        " GET /v1/threads HTTP/1.1", "GET v1/threads HTTP/1.1", "GET HTTP/1.1", "GET / / HTTP/1.1",
        f"GET http://{ECHO[:4]}@x/v1/threads HTTP/1.1", "GET //v1/threads HTTP/1.1", "OPTIONS * HTTP/1.1",
        "CONNECT x:1 HTTP/1.1", "GET http://x:99999/v1/threads HTTP/1.1", "GET /v1/thre\0ads HTTP/1.1",
        "GET /v1/threads#a HTTP/1.1", "GET ?a HTTP/1.1", f"{'G' * 40_000} / HTTP/1.1", "GET /v1/threads\rHTTP/1.1",
    ]  # fmt: skip
    return {f"line {text[:40]!r}": (text + head).encode("latin-1") for text in texts}


def lengths(key: str) -> dict[str, bytes]:
    inner = post(key, b'{"title": "smuggled"}')
    values = ["-1", "+2", " 2", "2 ", "0x2", "2, 2", "2,3", "1e1", "", "2.0", "9" * 30, "18446744073709551618", "²"]
    found = {f"length {value!r}": post(key, b"{}", f"Content-Length: {value}") for value in values if value != "²"}
    for name, headers in {
        "two lengths": ("Content-Length: 2", f"Content-Length: {2 + len(inner)}"),
        "length and chunks": (f"Content-Length: {len(inner) + 5}", "Transfer-Encoding: chunked"),
        "chunks and length": ("Transfer-Encoding: chunked", "Content-Length: 2"),
        "chunked with a tab": ("Transfer-Encoding:\tchunked", "Content-Length: 2"),
        "chunked before the colon": ("Transfer-Encoding : chunked", "Content-Length: 2"),
        "chunked on a folded line": ("Transfer-Encoding:\r\n chunked", "Content-Length: 2"),
        "xchunked": ("Transfer-Encoding: xchunked", "Content-Length: 2"),
        "chunked, identity": ("Transfer-Encoding: chunked, identity", "Content-Length: 2"),
        "chunked twice": ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        "a name with a NUL": ("Content-Length\0: 2",),
        "a bare line feed": ("X: a\nContent-Length: 0",),
    }.items():
        body = (b"0\r\n\r\n" if "Transfer-Encoding" in headers[0] + headers[-1] else b"{}") + inner
        found[name] = post(key, body, *headers)
    return found


def chunks(key: str) -> dict[str, bytes]:
    bodies = {
        "no size": b"\r\n{}\r\n0\r\n\r\n", "not a size": f"{ECHO}\r\n{{}}\r\n".encode(),
        "minus": b"-2\r\n{}\r\n0\r\n\r\n",
        "0x": b"0x2\r\n{}\r\n0\r\n\r\n", "too large": b"ffffffffffffffff1\r\n{}", "cut off": b"5\r\n{",
        "without its end": b"2\r\n{}0\r\n\r\n", "extension": b"2;" + b"a" * 50_000 + b"\r\n{}\r\n0\r\n\r\n",
        "trailers": b"2\r\n{}\r\n0\r\nX-API-Key: " + ECHO.encode() + b"\r\nContent-Length: 5\r\n\r\n",
        "bytes alone": b"".join(b"1\r\n%c\r\n" % each for each in b'{"title": "x"}') + b"0\r\n\r\n",
        "line feeds": b"2\n{}\n0\n\n", "empty": b"0\r\n\r\n",
    }  # fmt: skip
    return {f"chunks: {name}": post(key, body, "Transfer-Encoding: chunked") for name, body in bodies.items()}


def targets(key: str) -> dict[str, bytes]:
    paths = [
        "/v1/threads/%", "/v1/threads/%zz", "/v1/threads/%00", "/v1/threads/%c0%af", "/v1/threads/%e0%80%af",
        "/v1/threads/%f4%90%80%80", "/v1/threads/%ed%a0%80", "/v1/threads/%ff%fe", "/v1/threads/%2e%2e/%2e%2e",
        "/v1/threads/../../healthz", "/v1/threads/..%2f..", "/v1/threads/;a=b", "/v1/threads/\xe9\xe8", "/v1//threads",
        "/v1/threads//", "/v1/threads/%252e", "/v1/%74hreads", "/v1/threads/thread_%C3%A9", "/v1", "/v1/", "/%",
        "/\\..\\",
        f"/v1/threads/{'a' * 7_000}", f"/v1/{'a/' * 3_000}", "/v1/threads?%", "/v1/threads?after=%ff", "/v1/threads?=",
        "/v1/threads?&&&=&", "/v1/threads?limit=%00", "/v1/threads?limit=1&limit=2", "/v1/threads?" + "a&" * 3_000,
        "/v1/threads?metadata.=x", "/v1/threads?metadata." + "k" * 65 + "=x", "/v1/threads?titleContains=%ed%a0%80",
        "/v1/threads?limit=%D9%A1", "/v1/threads?limit=1_0", "/v1/threads?limit=" + "9" * 400, "/docs/..%2f..%2fetc",
        "/docs/%00", "/static/%2e%2e%2f%2e%2e%2fetc/passwd", "/openapi.json/x", "/metrics?x=%zz",
    ]  # fmt: skip
    return {f"target {path[:40]!r}": request("GET", path, f"X-API-Key: {key}") for path in paths}


def heads(key: str) -> dict[str, bytes]:
    bad = ["\xff\xfe", ECHO, "a" * 9_000, "\x0b", "é".encode().decode("latin-1"), "", ",", '"', "W/", "*", "9" * 400]
    names = ["X-User-Id", "Idempotency-Key", "If-Match", "Last-Event-ID", "X-Request-Id", "Accept", "Authorization",
             "api-key", "Content-Type", "Content-Encoding", "Origin", "Expect", "Host", "Cookie", "Range",
             "X-Forwarded-For", "Connection", "Transfer-Encoding", "TE"]  # fmt: skip
    found = {f"{name}: {value[:20]!r}": post(key, b"{}", f"{name}: {value}") for name in names for value in bad}
    found |= {
        "no host": f"GET /v1/threads HTTP/1.1\r\nX-API-Key: {key}\r\n\r\n".encode(),
        "two hosts": request("GET", "/v1/threads", "Host: y", f"X-API-Key: {key}"),
        "two keys": request("GET", "/v1/threads", f"X-API-Key: {key}", f"X-API-Key: {ECHO}"),
        "two users": request("GET", "/v1/threads", f"X-API-Key: {key}", "X-User-Id: a", "X-User-Id: b"),
        "a blank in a name": request("GET", "/v1/threads", f"{ECHO[:4]} x: a"),
        "no colon": request("GET", "/v1/threads", ECHO),
        "no name": request("GET", "/v1/threads", f": {ECHO}"),
        "many": request("GET", "/v1/threads", *(f"X-{number}: a" for number in range(3_000))),
        "gzip": post(key, b"\x1f\x8b\x08\0\0\0\0\0", "Content-Encoding: gzip"),
        "br, gzip": post(key, b"{}", "Content-Encoding: br, gzip, identity"),
    }
    return found


def methods(key: str) -> dict[str, bytes]:
    names = ["TRACE", "PROPFIND", "PATCH", "PUT", "DELETE", "OPTIONS", "MERGE", "get", "G\0T", "FOO", "SOURCE", "QUERY"]
    return {f"method {name!r}": request(name, "/v1/threads", f"X-API-Key: {key}") for name in names}


def mutated(good: bytes, source: random.Random) -> bytes:
    """Return a good request with a few bytes of it spoilt."""
    data = bytearray(good)
    for _ in range(source.randint(1, 6)):
        at = source.randrange(len(data))
        piece = source.choice(
            [b"\r", b"\n", b"\0", b"\xff", b" ", b":", b"%", b",", b"\r\n\r\n", bytes([source.randrange(256)])]
        )
        match source.randrange(4):
            case 0:
                data[at : at + 1] = piece
            case 1:
                data[at:at] = piece * source.choice([1, 1, 1, 50])
            case 2:
                del data[at : at + source.randint(1, 8)]
            case _:
                data[at:at] = data[max(0, at - 20) : at]
        data = data or bytearray(b"\n")
    return bytes(data)


def fuzz(good: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    source = random.Random(seed)
    for _ in range(count):
        yield mutated(source.choice(good), source)
