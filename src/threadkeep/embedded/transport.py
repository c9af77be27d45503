"""Carries requests to a service on an event loop in this process, and its answers back part by part."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias, TypeVar
from urllib.parse import unquote

import httpx

T = TypeVar("T")

# Any: what the service takes is ASGI's, plain dictionaries and callables.
Application: TypeAlias = Callable[[dict[str, Any], Callable[[], Any], Callable[[dict[str, Any]], Any]], Awaitable[None]]

# How many parts of an answer may wait for its reader.
PARTS_MAX = 64


class Bridge:
    """Connects any thread with the event loop of a service. Must be created on that loop."""

    def __init__(self, application: Application, on_close: Callable[[], None]) -> None:
        self._application = application
        self._on_close = on_close
        self._loop = asyncio.get_running_loop()
        self._process = os.getpid()
        # Held while work is passed to the loop: none may be passed after the loop has ended.
        self._lock = threading.Lock()
        self._has_ended = False
        self.is_closing = False
        self.exchanges: set[asyncio.Task[None]] = set()

    @property
    def is_foreign(self) -> bool:
        """Whether this is another process, forked from the one that has the loop."""
        return os.getpid() != self._process

    def exchange(self, request: httpx.Request) -> "Exchange":
        """Return an exchange for a request whose body was read. Raises RuntimeError after a fork or a close."""
        if self.is_foreign:
            raise RuntimeError("This client was opened before the process was forked: use it in the parent alone.")
        if self.is_closing:
            raise RuntimeError("Cannot send a request, as the client has been closed.")
        return Exchange(self, request)

    def start(self, exchange: "Exchange") -> None:
        task = asyncio.ensure_future(exchange.run(self._application))
        self.exchanges.add(task)
        task.add_done_callback(self.exchanges.discard)

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run `work` on the loop. Raises httpx.ReadError if the loop has ended."""
        with self._lock:
            if not self._has_ended:
                return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        raise httpx.ReadError("the service was closed")

    def end(self) -> None:
        """Accept no more work: the loop is about to end."""
        with self._lock:
            self._has_ended = True

    def close(self) -> None:
        """Let the service end, and wait for it."""
        if not self.is_foreign:
            self.is_closing = True
            self._on_close()


class Arrived(NamedTuple):
    """A part of an answer's body that has arrived, and whether it is the last one."""

    data: bytes
    is_last: bool


class Head(NamedTuple):
    """An answer's status and headers, with the part of its body that has arrived already: usually all of it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    arrived: Arrived


class Exchange:
    """One request and its answer, between the caller's thread and the service's loop."""

    def __init__(self, bridge: Bridge, request: httpx.Request) -> None:
        path, _, query = request.url.raw_path.partition(b"?")
        self._bridge = bridge
        self._silence_s: float | None = request.extensions.get("timeout", {}).get("read")
        self._body = request.content
        self._has_sent_body = False
        self._scope = {
            "type": "http",
            "method": request.method,
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "query_string": query,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
        }

    def begin(self) -> Future[Head]:
        """Hand the request to the service. The future raises TimeoutError."""
        return self._bridge.submit(self._begin())

    def more(self) -> Future[Arrived]:
        """Wait for more of the body. The future raises TimeoutError."""
        return self._bridge.submit(self._more())

    def leave(self) -> None:
        """Tell the service that nobody reads this answer any further."""
        with suppress(httpx.ReadError):
            self._bridge.submit(self._leave())

    async def _begin(self) -> Head:
        self._head: asyncio.Future[tuple[int, list[tuple[bytes, bytes]]]] = asyncio.get_running_loop().create_future()
        # None marks the end.
        self._parts: asyncio.Queue[bytes | None] = asyncio.Queue(PARTS_MAX)
        self._gone = asyncio.Event()
        self._has_sent_end = False
        self._bridge.start(self)
        try:
            status, headers = await asyncio.wait_for(self._head, self._silence_s)
        except TimeoutError:
            await self._leave()
            raise
        return Head(status, headers, self._arrived([]))

    async def _more(self) -> Arrived:
        return self._arrived([await asyncio.wait_for(self._parts.get(), self._silence_s)])

    def _arrived(self, parts: list[bytes | None]) -> Arrived:
        while not self._parts.empty():
            parts.append(self._parts.get_nowait())
        return Arrived(b"".join(part for part in parts if part is not None), None in parts)

    async def _leave(self) -> None:
        self._gone.set()
        self._arrived([])

    async def run(self, application: Application) -> None:
        try:
            await application(self._scope, self._receive, self._send)
        finally:
            if not self._head.done():
                self._head.cancel()
            await self._send({"type": "http.response.body", "body": b""})

    async def _receive(self) -> dict[str, Any]:
        if not self._has_sent_body:
            self._has_sent_body = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if self._gone.is_set() or self._has_sent_end:
            return
        if message["type"] == "http.response.start":
            # The caller wakes only after this step of the loop: parts that follow at once arrive with the head.
            self._head.set_result((message["status"], message["headers"]))
            return
        if message["body"]:
            await self._parts.put(message["body"])
        if not message.get("more_body"):
            self._has_sent_end = True
            await self._parts.put(None)


class InProcessTransport(httpx.BaseTransport):
    """For httpx.Client."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        exchange = self._bridge.exchange(request)
        try:
            head = exchange.begin().result()
        except (TimeoutError, CancelledError) as error:
            raise httpx_error(error) from None
        except KeyboardInterrupt:
            exchange.leave()
            raise
        return httpx.Response(head.status, headers=head.headers, stream=Parts(exchange, head.arrived))

    def close(self) -> None:
        self._bridge.close()


class Parts(httpx.SyncByteStream):
    """The body of an answer."""

    def __init__(self, exchange: Exchange, arrived: Arrived) -> None:
        self._exchange = exchange
        self._arrived = arrived

    def __iter__(self) -> Iterator[bytes]:
        if self._arrived.data:
            yield self._arrived.data
        try:
            while not self._arrived.is_last:
                self._arrived = self._exchange.more().result()
                yield self._arrived.data
        except (TimeoutError, CancelledError) as error:
            raise httpx_error(error) from None

    def close(self) -> None:
        if not self._arrived.is_last:
            self._exchange.leave()


class AsyncInProcessTransport(httpx.AsyncBaseTransport):
    """For httpx.AsyncClient, on a loop of the caller's own."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        exchange = self._bridge.exchange(request)
        try:
            head = await asyncio.wrap_future(exchange.begin())
        except TimeoutError as error:
            raise httpx_error(error) from None
        except asyncio.CancelledError:
            exchange.leave()
            raise
        return httpx.Response(head.status, headers=head.headers, stream=AsyncParts(exchange, head.arrived))

    async def aclose(self) -> None:
        await asyncio.to_thread(self._bridge.close)


class AsyncParts(httpx.AsyncByteStream):
    """The body of an answer."""

    def __init__(self, exchange: Exchange, arrived: Arrived) -> None:
        self._exchange = exchange
        self._arrived = arrived

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._arrived.data:
            yield self._arrived.data
        try:
            while not self._arrived.is_last:
                self._arrived = await asyncio.wrap_future(self._exchange.more())
                yield self._arrived.data
        except TimeoutError as error:
            raise httpx_error(error) from None

    async def aclose(self) -> None:
        if not self._arrived.is_last:
            self._exchange.leave()


def httpx_error(error: Exception) -> httpx.TransportError:
    if isinstance(error, TimeoutError):
        return httpx.ReadTimeout("the service did not answer in time")
    return httpx.ReadError("the service was closed")
