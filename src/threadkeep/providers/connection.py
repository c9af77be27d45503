"""HTTP/1.1 to a model's server: one connection, and the pool of idle ones.

Only what calling a model needs: no redirects, proxies, cookies or compression. `docs/decisions/0016` says why no
library is used.
"""

import asyncio
import os
import ssl
from collections.abc import Callable
from typing import cast

import httptools
import httpx

from threadkeep.providers import Arrived

# Limit for received bytes that are no part of a body: heads, chunk sizes, trailers.
OVERHEAD_BYTES_MAX = 64 * 1024
# With more unread bytes than this, reading from the socket is paused.
WAITING_BYTES_MAX = 256 * 1024
# Common servers close an idle connection after 5 s. A request that meets the closing fails and may not be sent again:
# so we close earlier.
IDLE_S = 3.0
# How long the rest of a body may take once we need no more of it; beyond that the connection is closed.
REST_S = 1.0
# The most that is taken from a held connection at once. With so much waiting, nothing is held: a server that sends a
# whole answer in a moment is not made to take seconds.
HELD_BYTES_MAX = 64 * 1024


class Broken(Exception):
    """The server closed or reset the connection, or does not speak HTTP."""


class TooLate(Exception):
    """The server sent nothing until the deadline."""


class ProviderConnection(asyncio.Protocol):
    """One connection; `exchange` begins a request on it, `status` and `headers` are its answer's."""

    transport: asyncio.Transport

    def __init__(self, on_idle: Callable[["ProviderConnection"], None]) -> None:
        self._on_idle = on_idle
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self.is_closed = False
        self._begin()

    def _begin(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._waiting_bytes = 0
        self._overhead_bytes = 0
        # Decides whether the body that has come is read now or, when `take` is called, later; None: now.
        self.arrived: Arrived | None = None
        self._is_paused = False
        self._is_unwanted = False
        self._is_idle = False
        self._has_head = False
        self._keeps_alive = False
        self._is_complete = False

    # --- for the caller

    def exchange(self, request: bytes) -> None:
        """Send a whole request."""
        self._begin()
        self._stop_timer()
        self.transport.write(request)

    async def head(self, deadline: float) -> None:
        """Wait for `status` and `headers`, until `deadline` in the loop's time. Raises Broken, TooLate."""
        while not self._has_head:
            await self._wait(deadline)

    async def read(self, deadline: float) -> bytes:
        """Return the next bytes of the body; empty at its end. Raises Broken, TooLate."""
        while not self._body:
            if self._is_complete:
                return b""
            await self._wait(deadline)
        body = self._body
        data = body[0] if len(body) == 1 else b"".join(body)
        body.clear()
        self._waiting_bytes = 0
        return data

    def release(self) -> None:
        """Let the connection be used again, once the rest of this answer has come."""
        if self.is_closed:
            return
        self._resume()
        if self._is_complete:
            self._rest()
            return
        self._is_unwanted = True
        self._body.clear()
        self._waiting_bytes = 0
        self._start_timer(self._loop.time() + REST_S)

    def close(self) -> None:
        """Close at once, in the middle of an answer too: the server then stops generating."""
        self.is_closed = True
        self._stop_timer()
        self.transport.abort()

    def take(self) -> None:
        """Wake the reader that `arrived` has let wait, for all that has come by now."""
        if self._is_paused and self._descriptor is not None and not self.transport.is_closing():
            self._take_held(self._descriptor)
        self._wake()

    def _take_held(self, descriptor: int) -> None:
        """Take what the system holds, straight from it: the loop's way costs twice as much."""
        try:
            data = os.read(descriptor, HELD_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError:
            self._break()
            return
        if data:
            self.data_received(data)
        else:
            self._resume()  # The loop sees the end as well, and reports it as usual.

    def _pause(self) -> None:
        if not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()

    def _resume(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self.transport.resume_reading()

    # --- time

    async def _wait(self, deadline: float) -> None:
        if self.is_closed:
            raise Broken
        self._resume()
        self._deadline = deadline
        # One timer serves many waits: when it fires, it checks the latest deadline.
        if self._timer is None or self._timer.when() > deadline:
            self._start_timer(deadline)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _start_timer(self, when: float) -> None:
        self._stop_timer()
        self._deadline = when
        self._timer = self._loop.call_at(when, self._on_time)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_time(self) -> None:
        self._timer = None
        if self._waiter is None:
            if self._is_unwanted or self._is_complete:
                self.close()
        elif self._body:
            self._wake()
        elif self._loop.time() < self._deadline:
            self._start_timer(self._deadline)
        elif not self._waiter.done():
            self._waiter.set_exception(TooLate())

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        # With TLS, only the transport can read.
        is_plain = transport.get_extra_info("sslcontext") is None
        self._descriptor: int | None = transport.get_extra_info("socket").fileno() if is_plain else None

    def data_received(self, data: bytes) -> None:
        if self._is_idle:
            self.close()  # Bytes without a request: they would be taken for the next request's answer.
        if self.is_closed:
            return
        self._overhead_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._break()
            return
        if self._overhead_bytes > OVERHEAD_BYTES_MAX:
            self._break()
        elif self._waiting_bytes > WAITING_BYTES_MAX:
            self._pause()
        may_wait = 0 < self._waiting_bytes < HELD_BYTES_MAX and not self._is_complete and not self.is_closed
        if not may_wait or self.arrived is None or self.arrived(self.take):
            self._wake()
        elif self._descriptor is not None:
            self._pause()

    def eof_received(self) -> bool:
        if self._is_idle:
            self.close()  # Now: until asyncio has closed it, it could be taken for a request.
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        # A body without a length ends when the connection is closed.
        is_open_ended = b"content-length" not in self.headers and b"transfer-encoding" not in self.headers
        if exc is None and not self.is_closed and self._has_head and is_open_ended:
            self._is_complete = True
        self.is_closed = True
        self._stop_timer()
        self._wake()

    def _break(self) -> None:
        self.close()
        self._wake()

    # --- what the parser calls

    def on_message_begin(self) -> None:
        if self._has_head:
            self.close()  # A second answer to one request: close, but keep the first one readable.

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._has_head:
            self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            self.headers.clear()  # 100 Continue and the like: the answer's own head follows.
            return
        self.status = status
        self._has_head = True
        self._keeps_alive = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        if self._is_unwanted:
            return
        self._overhead_bytes = 0
        self._body.append(body)
        self._waiting_bytes += len(body)

    def on_message_complete(self) -> None:
        if not self._has_head:
            return
        self._is_complete = True
        if self._is_unwanted:
            self._rest()

    def _rest(self) -> None:
        if not self._keeps_alive:
            self.close()
            return
        self._is_unwanted = False
        self._is_idle = True
        self._start_timer(self._loop.time() + IDLE_S)
        self._on_idle(self)


class ProviderConnections:
    """Connections to one address: the idle ones are used again, newest first."""

    def __init__(self, url: httpx.URL) -> None:
        self._host = url.raw_host.decode("ascii")
        self._port = url.port or {"http": 80, "https": 443}[url.scheme]
        # As in httpx: certifi's certificates, or those in SSL_CERT_FILE and SSL_CERT_DIR.
        self._ssl: ssl.SSLContext | None = httpx.create_ssl_context() if url.scheme == "https" else None
        self._idle: list[ProviderConnection] = []
        self._is_closed = False

    async def take(self, connect_s: float) -> ProviderConnection:
        """Return an idle connection or a new one. Raises OSError, which includes TimeoutError."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed:
                return connection
        async with asyncio.timeout(connect_s):
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: ProviderConnection(self._keep), self._host, self._port, ssl=self._ssl
            )
        return connection

    def close(self) -> None:
        """Close the idle connections; those in use close when they are given back."""
        self._is_closed = True
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def _keep(self, connection: ProviderConnection) -> None:
        if self._is_closed:
            connection.close()
            return
        # The oldest come first: those that were closed while idle are dropped from there, so that the list stays short.
        while self._idle and self._idle[0].is_closed:
            del self._idle[0]
        self._idle.append(connection)
