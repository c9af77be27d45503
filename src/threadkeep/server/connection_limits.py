"""Limits on all connections of a process together: their number, and the bytes that clients leave unread."""

from collections import Counter
from itertools import takewhile
from typing import Protocol

from threadkeep import clock

# A key of a request's ASGI scope: the person it is answered for. Missing for a program that speaks for many.
HOLDER = "threadkeep.holder"


class LimitedConnection(Protocol):
    """What the limits need of a connection."""

    @property
    def unread_bytes(self) -> int: ...

    @property
    def holder(self) -> object: ...

    def give_way(self) -> None: ...

    def drop(self) -> None: ...


class ConnectionLimits:
    """Limits all connections together: each within its own limits, many could still use up all files and memory."""

    def __init__(self, connections_max: int, unread_bytes_max: int) -> None:
        self._connections_max = connections_max
        self._unread_bytes_max = unread_bytes_max
        # All, the oldest first.
        self._present: dict[LimitedConnection, None] = {}
        # Those without a request, with the monotonic second since when, and those whose client leaves an answer unread;
        # the longest in that state first.
        self._waiting: dict[LimitedConnection, float] = {}
        self._unread: dict[LimitedConnection, None] = {}

    def join(self, connection: LimitedConnection) -> None:
        """Add a connection. Beyond the limit, close the one that has been idle for longest.

        If no other is idle, drop a connection that `_greedy` finds; if there is none, close the new one.
        """
        self._present[connection] = None
        self._waiting[connection] = clock.monotonic_s()
        if len(self._present) > self._connections_max:
            oldest = next(iter(self._waiting))
            greedy = self._greedy() if oldest is connection else None
            self.leave(greedy or oldest)
            if greedy is None:
                oldest.give_way()
            else:
                greedy.drop()

    def _greedy(self) -> LimitedConnection | None:
        """Return the one with the longest unread answer, else the newest of a person with over 1/4 of the limit."""
        if self._unread:
            return next(iter(self._unread))
        counts = Counter(each.holder for each in self._present)
        del counts[None]
        [(holder, count)] = counts.most_common(1) or [(None, 0)]
        if count <= self._connections_max // 4:
            return None
        return next(each for each in reversed(self._present) if each.holder == holder)

    def leave(self, connection: LimitedConnection) -> None:
        self._present.pop(connection, None)
        self._waiting.pop(connection, None)
        self._unread.pop(connection, None)

    def begin(self, connection: LimitedConnection) -> None:
        """Note that a request is being answered on it, so that it is not closed as idle."""
        self._waiting.pop(connection, None)

    def wait(self, connection: LimitedConnection) -> None:
        """Note that its request was answered: it is idle."""
        if connection in self._present:
            self._waiting[connection] = clock.monotonic_s()

    def close_idle(self, idle_s: float) -> None:
        """Close those that have been idle for `idle_s`."""
        until_s = clock.monotonic_s() - idle_s
        for connection in [each for each, since_s in takewhile(lambda one: one[1] <= until_s, self._waiting.items())]:
            self.leave(connection)
            connection.give_way()

    def pause(self, connection: LimitedConnection) -> None:
        """Note that its client reads too slowly. If too much is unread in total, drop those unread for longest."""
        self._unread[connection] = None
        unread_bytes = sum(each.unread_bytes for each in self._unread)
        while unread_bytes > self._unread_bytes_max and len(self._unread) > 1:
            slowest = next(iter(self._unread))
            unread_bytes -= slowest.unread_bytes
            self.leave(slowest)
            slowest.drop()

    def resume(self, connection: LimitedConnection) -> None:
        self._unread.pop(connection, None)


class ByteBudget:
    """Limits the bytes of all request bodies that are being received or decoded."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_left = bytes_max

    def take(self, size_bytes: int) -> bool:
        """Take bytes from the budget; return whether it had enough. They must be given back in either case."""
        self.bytes_left -= size_bytes
        return self.bytes_left >= 0

    def give(self, size_bytes: int) -> None:
        self.bytes_left += size_bytes
