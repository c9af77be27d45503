"""A TCP proxy on loopback that cuts connections where it is told, to the byte.

    proxy = await CuttingProxy.start(server.port, cuts=[Cut(answer_bytes=700), Cut(request_bytes=10), DROP])
    AsyncClient(proxy.url, …)

Each connection takes the next cut; when there are none left, connections are left alone.
"""

import asyncio
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

READ_BYTES = 16 * 1024


@dataclass(frozen=True)
class Cut:
    """Ends a connection when so many bytes of the request, or of the answer, went through; by a reset, or in order."""

    answer_bytes: int | None = None
    request_bytes: int | None = None
    by_reset: bool = True


# The request is done, and its answer never arrives.
DROP = Cut(answer_bytes=0)


class CuttingProxy:
    """Stands before a server. `connections_count` is how many were made, `cuts_count` how many were cut."""

    def __init__(self, port: int, cuts: Iterable[Cut | None]) -> None:
        self._upstream_port = port
        self._cuts = iter(cuts)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.connections_count = 0
        self.cuts_count = 0

    @classmethod
    async def start(cls, port: int, cuts: Iterable[Cut | None] = ()) -> "CuttingProxy":
        proxy = cls(port, cuts)
        proxy._server = await asyncio.start_server(proxy._accept, "127.0.0.1", 0)
        proxy.port = proxy._server.sockets[0].getsockname()[1]
        return proxy

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def cut_next(self, *cuts: Cut | None) -> None:
        """Let the next connections take these cuts, and end those that there are: the next call makes a new one."""
        self._cuts = iter(cuts)
        await self._end_all()

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._end_all()

    async def _end_all(self) -> None:
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*self._tasks)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        await self.stop()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        self.connections_count += 1
        cut = next(self._cuts, None) or Cut()
        try:
            upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        except OSError:  # The server is down: so is the proxy.
            end(writer, by_reset=True)
            self._writers.discard(writer)
            return
        ways = [
            asyncio.create_task(self._pass(reader, upstream, cut.request_bytes)),
            asyncio.create_task(self._pass(upstream_reader, writer, cut.answer_bytes)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if any(way.done() and way.result() for way in ways):
                self.cuts_count += 1
                end(writer, by_reset=cut.by_reset)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for each in (writer, upstream):
                each.close()
            self._writers.discard(writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None) -> bool:
        """Pass bytes on until the end, or the cut; return whether it was the cut."""
        passed = 0
        with suppress(ConnectionError):
            while data := await reader.read(READ_BYTES):
                if limit is not None and passed + len(data) > limit:
                    writer.write(data[: limit - passed])
                    await writer.drain()
                    return True
                passed += len(data)
                writer.write(data)
                await writer.drain()
        return False


def end(writer: asyncio.StreamWriter, *, by_reset: bool) -> None:
    """End a connection in order, or as a crash does: closing with a linger of 0 seconds sends a reset."""
    if by_reset:
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        writer.transport.abort()
    else:
        writer.close()
