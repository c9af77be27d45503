"""An HTTP client that costs a tenth of httpx's time, for proofs that send ten thousands of requests.

It has of `httpx.AsyncClient` what `Caller` uses, so a caller with this client has all the calls of the API:

    async with quick_callers(ada, servers) as [here, there]:
        await here.create_thread()
"""

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httptools
import httpx

from support.cast import Caller
from support.server import Server

REQUEST_S = 60


@dataclass(frozen=True)
class _Url:
    path: str


@dataclass(frozen=True)
class _Request:
    method: str
    url: _Url


class Reply:
    """What `Answer` reads of a response. Names of headers are in lower case."""

    def __init__(self, method: str, path: str, status: int, headers: dict[str, str], content: bytes) -> None:
        self.request = _Request(method, _Url(path))
        self.status_code = status
        self.headers = headers
        self.content = content

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")

    def json(self) -> Any:
        return json.loads(self.content)


class QuickClient:
    """Connections to one server on loopback: as many as there are requests at a time, each one used again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[_Connection] = []
        self._head = f"host: 127.0.0.1:{port}\r\n"

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Any = None,
        content: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Raise an httpx.TransportError when there is no whole answer, as httpx does."""
        target = f"{path}?{urlencode(params)}" if params else path
        body = content.encode() if isinstance(content, str) else content or b""
        lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        head = f"{method} {target} HTTP/1.1\r\n{self._head}{lines}content-length: {len(body)}\r\n\r\n"
        connection = await self._take()
        try:
            async with asyncio.timeout(REQUEST_S):
                status, received, answer = await connection.exchange(head.encode() + body)
        except TimeoutError:
            raise httpx.ReadTimeout(f"{method} {path} was not answered within {REQUEST_S} s") from None
        finally:
            if connection.is_idle:
                self._idle.append(connection)
            else:
                connection.close()
        return Reply(method, path, status, received, answer)

    async def aclose(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _take(self) -> "_Connection":
        while self._idle:
            connection = self._idle.pop()
            if connection.is_idle:
                return connection
        try:
            _, made = await asyncio.get_running_loop().create_connection(_Connection, "127.0.0.1", self._port)
        except OSError as error:
            raise httpx.ConnectError(str(error)) from None
        return made


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[tuple[int, dict[str, str], bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    @property
    def is_idle(self) -> bool:
        return self._transport is not None and self._answer is None

    async def exchange(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
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
            self._answer.set_exception(httpx.ReadError(str(error or "The connection was closed before the answer.")))

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
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._answer is None or self._answer.done():
            return
        self._answer.set_result((self._parser.get_status_code(), self._headers, bytes(self._body)))
        if self._parser.should_keep_alive():
            self._answer = None


def quickly(who: Caller, client: QuickClient) -> Caller:
    """Return the same caller, who now uses this client."""
    other = copy.copy(who)
    other.client = client  # type: ignore[assignment]
    return other


@asynccontextmanager
async def quick_callers(who: Caller, servers: Sequence[Server]) -> AsyncIterator[list[Caller]]:
    """Give the same caller once for each server, until the end of the block."""
    clients = [QuickClient(server.port) for server in servers]
    try:
        yield [quickly(who, client) for client in clients]
    finally:
        for client in clients:
            await client.aclose()
