"""What speaks HTTP for the tests: httpx, with a short way for the calls of the API that costs a tenth of its time.

The tests send some ten thousands of requests, the proofs many more. `Caller` takes the short way; whatever else a test
asks of the client, such as a stream, is httpx's.
"""

import asyncio
import json
import re
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httptools
import httpx

REQUEST_S = 60
CONNECTIONS_MAX = 200
# Of other paths httpx makes what goes over the wire.
PLAIN_PATH = re.compile(r"/(?!.*/\.)[A-Za-z0-9_/.~:@-]*")
WITH_BODY = ("POST", "PUT", "PATCH")
GZIP_OR_ZLIB = zlib.MAX_WBITS + 32
CLOSED = "The connection was closed before the answer."

RawHeaders = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class _Url:
    path: str


@dataclass(frozen=True)
class _Request:
    method: str
    url: _Url


class Reply:
    """What `Answer` reads of a response."""

    def __init__(self, request: _Request, status: int, raw_headers: RawHeaders, content: bytes) -> None:
        self.request = request
        self.status_code = status
        self.raw_headers = raw_headers
        self.content = content

    @cached_property
    def headers(self) -> httpx.Headers:
        return httpx.Headers(self.raw_headers)

    @property
    def url(self) -> _Url:
        return self.request.url

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")

    def json(self) -> Any:
        return json.loads(self.content)


def text_of(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


class QuickClient(httpx.AsyncClient):
    """As many connections to one server on loopback as there are calls at a time, each one used again.

    With `kept_max` of 0, each call has a connection of its own. It neither proxies nor follows redirects, whatever the
    machine's settings say.
    """

    def __init__(self, url: str, request_s: float = REQUEST_S, kept_max: int = CONNECTIONS_MAX) -> None:
        limits = httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=kept_max)
        super().__init__(base_url=url, timeout=request_s, trust_env=False, limits=limits)
        self._request_s = request_s
        self._kept_max = kept_max
        self._idle: list[_Connection] = []
        self._free = asyncio.Semaphore(CONNECTIONS_MAX)
        self._sent_always = {
            "host": f"{self.base_url.host}:{self.base_url.port}",
            "accept": "*/*",
            "accept-encoding": "gzip, deflate",
            "user-agent": "the-tests",
        }

    async def call(
        self, method: str, path: str, *, params: Any, content: str | bytes | None, headers: dict[str, Any]
    ) -> Reply | httpx.Response:
        """Send what httpx would send. Raise an httpx.TransportError when there is no whole answer, as httpx does."""
        if method == "HEAD" or not PLAIN_PATH.fullmatch(path) or not isinstance(content, str | bytes | None):
            return await self.request(method, path, params=params, content=content, headers=headers)
        target = f"{path}?{httpx.QueryParams(params)}" if params else path
        body = content.encode() if isinstance(content, str) else content or b""
        sent = self._sent_always | {name.lower(): value for name, value in headers.items()}
        if body or method in WITH_BODY:
            sent.setdefault("content-length", str(len(body)))
        lines = "".join(f"{name}: {text_of(value)}\r\n" for name, value in sent.items())
        async with self._free:
            answer = await self._exchange(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body)
        return Reply(_Request(method, _Url(path)), *answer)

    async def _exchange(self, data: bytes) -> tuple[int, RawHeaders, bytes]:
        try:
            async with asyncio.timeout(self._request_s):
                connection = await self._take()
                try:
                    return await connection.exchange(data)
                finally:
                    self._give_back(connection)
        except TimeoutError:
            raise httpx.ReadTimeout(f"no answer within {self._request_s} s") from None

    async def _take(self) -> "_Connection":
        while self._idle:
            connection = self._idle.pop()
            if connection.is_idle:
                return connection
        host, port = self.base_url.host, self.base_url.port
        try:
            _, made = await asyncio.get_running_loop().create_connection(_Connection, host, port)
        except TimeoutError:
            raise
        except OSError as error:
            raise httpx.ConnectError(str(error)) from None
        return made

    def _give_back(self, connection: "_Connection") -> None:
        if connection.is_idle and len(self._idle) < self._kept_max:
            self._idle.append(connection)
        else:
            connection.close()

    async def aclose(self) -> None:
        self._close_idle()
        await super().aclose()

    async def __aexit__(self, *given: Any) -> None:
        self._close_idle()
        await super().__aexit__(*given)

    def _close_idle(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[tuple[int, RawHeaders, bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    @property
    def is_idle(self) -> bool:
        return self._transport is not None and self._answer is None

    async def exchange(self, data: bytes) -> tuple[int, RawHeaders, bytes]:
        if self._transport is None:
            raise httpx.ReadError(CLOSED)
        self._answer = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._headers: RawHeaders = []
        self._body = bytearray()
        self._transport.write(data)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(httpx.ReadError(str(error or CLOSED)))

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not self._answer.done():
                self._answer.set_exception(httpx.RemoteProtocolError(str(error)))

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._answer is None or self._answer.done():
            return
        if self._parser.get_status_code() < 200:  # The answer itself comes behind it.
            self._headers.clear()
            return
        content = bytes(self._body)
        if content and any(name.lower() == b"content-encoding" for name, _ in self._headers):
            content = zlib.decompress(content, GZIP_OR_ZLIB)
        self._answer.set_result((self._parser.get_status_code(), self._headers, content))
        if self._parser.should_keep_alive():
            self._answer = None
