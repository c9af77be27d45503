"""Limits on all connections of a process together: how many they are, and how much their clients leave unread."""

from collections import Counter
from typing import Protocol

# In the scope of a request: the person for whom it is answered. A program that speaks for many is nobody's.
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
    """A limit for each connection alone would let many of them take all files and all memory of the process."""

    def __init__(self, connections_max: int, unread_bytes_max: int) -> None:
        self._connections_max = connections_max
        self._unread_bytes_max = unread_bytes_max
        # All, the oldest first.
        self._present: dict[LimitedConnection, None] = {}
        # Those that have no request, and those whose answers lie unread; whichever has been so for longest comes first.
        self._waiting: dict[LimitedConnection, None] = {}
        self._unread: dict[LimitedConnection, None] = {}

    def join(self, connection: LimitedConnection) -> None:
        """Add a connection. Beyond the limit, the one that has been idle for longest ends.

        If all others are being answered, that is the new one, unless a client is slow to read or holds too many.
        """
        self._present[connection] = None
        self._waiting[connection] = None
        if len(self._present) > self._connections_max:
            oldest = next(iter(self._waiting))
            greedy = self._greedy() if oldest is connection else None
            self.leave(greedy or oldest)
            if greedy is None:
                oldest.give_way()
            else:
                greedy.drop()

    def _greedy(self) -> LimitedConnection | None:
        """Return who has not read an answer for longest, else the newest of whoever holds more than a fourth of all."""
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
        """Note that a request is being answered on it, so that it does not give way."""
        self._waiting.pop(connection, None)

    def wait(self, connection: LimitedConnection) -> None:
        """Note that its request was answered: it is idle."""
        if connection in self._present:
            self._waiting[connection] = None

    def pause(self, connection: LimitedConnection) -> None:
        """Note that its client reads too slowly. When too much lies unread, the slowest connections are dropped."""
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
    """How many bytes the bodies that are being received or decoded may take together."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_left = bytes_max

    def take(self, size_bytes: int) -> bool:
        """Take bytes out of the budget; return whether it had as many. What was taken is given back either way."""
        self.bytes_left -= size_bytes
        return self.bytes_left >= 0

    def give(self, size_bytes: int) -> None:
        self.bytes_left += size_bytes
