"""A pool of PostgreSQL connections: the one used last is lent first, with nothing sent to it between two loans.

asyncpg's own pool does more for each loan (tasks for its time-out and its release, a proxy, a reset query): measured
here, a read through it costs about 50 % more CPU. A reset is not needed: our statements leave no session state.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

# Any: asyncpg has no types.
Connect = Callable[[], Awaitable[Any]]


class ConnectionPool:
    """At most `size` connections. Lending and giving back is all on one event loop."""

    def __init__(self, connect: Connect, size: int, wait_s: float) -> None:
        self._connect = connect
        self._size = size
        self._wait_s = wait_s
        self._idle: list[Any] = []
        self._lent: set[Any] = set()
        # Lent connections that are closed, not lent again, when they come back.
        self._worn: set[Any] = set()
        self._count = 0
        # Each waiting caller gets a connection, or None when there is room to open one.
        self._waiting: deque[asyncio.Future[Any]] = deque()

    async def take(self) -> Any:
        """Lend a connection. Raises TimeoutError when none becomes free in time, OSError when none can be opened."""
        while (connection := self.take_idle()) is None:
            # Nothing: there may be room to open one now.
            opened = await (self._open() if self._count < self._size else self._wait())
            if opened is not None:
                self._lent.add(opened)
                return opened
        return connection

    def take_idle(self) -> Any:
        """Lend a connection that is idle, or return None."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                self._lent.add(connection)
                return connection
            self._count -= 1
        return None

    def give(self, connection: Any) -> None:
        """Take a connection back; a closed one makes room for another."""
        self._lent.discard(connection)
        if connection in self._worn:
            self._worn.discard(connection)
            connection.terminate()
        if connection.is_closed():
            self._count -= 1
            self._hand_on(None)
        elif not self._hand_on(connection):
            self._idle.append(connection)

    def close_idle(self) -> None:
        """Close the idle connections at once, without waiting for the server; that makes room for new ones."""
        for connection in self._idle:
            connection.terminate()
        self._count -= len(self._idle)
        self._idle.clear()

    def renew(self) -> None:
        """Replace all connections: idle ones are closed now, lent ones when they come back."""
        self._worn |= self._lent
        self.close_idle()

    async def close(self) -> None:
        """Close all connections, at the end; what still runs on one is cut off."""
        for connection in self._lent:
            connection.terminate()
        for connection in self._idle:
            await connection.close()
        self._idle.clear()

    async def _open(self) -> Any:
        self._count += 1
        try:
            return await self._connect()
        except BaseException:  # A cancellation too: the room must be given back. Raised again.
            self._count -= 1
            self._hand_on(None)
            raise

    async def _wait(self) -> Any:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting.append(future)
        timer = loop.call_later(self._wait_s, give_up, future)
        try:
            return await future
        except asyncio.CancelledError:
            # A connection was handed over just before the cancellation: it must not be lost.
            if future.done() and not future.cancelled() and future.exception() is None:
                self._pass_back(future.result())
            raise
        finally:
            timer.cancel()

    def _pass_back(self, connection: Any) -> None:
        if connection is None:
            self._hand_on(None)
        else:
            self.give(connection)

    def _hand_on(self, connection: Any) -> bool:
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(connection)
                return True
        return False


def give_up(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())
