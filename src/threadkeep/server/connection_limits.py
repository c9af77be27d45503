"""All connections of a process together: who gives way when there are too many, or when too much lies unread."""

from collections import Counter
from typing import Protocol

# In the scope of a request: the person for whom it is answered. A program that speaks for many is nobody's.
HOLDER = "threadkeep.holder"


class Connection(Protocol):
    """What the crowd needs of a connection."""

    @property
    def unread_bytes(self) -> int: ...

    @property
    def holder(self) -> object: ...

    def give_way(self) -> None: ...

    def drop(self) -> None: ...


class Crowd:
    """A limit for each connection alone would let many of them take all files and all memory of the process."""

    def __init__(self, connections_max: int, unread_bytes_max: int) -> None:
        self._connections_max = connections_max
        self._unread_bytes_max = unread_bytes_max
        # All in the order of their coming.
        self._present: dict[Connection, None] = {}
        # Both in the order of time: who has waited for a request, or not read an answer, for longest comes first.
        self._waiting: dict[Connection, None] = {}
        self._unread: dict[Connection, None] = {}

    def join(self, connection: Connection) -> None:
        """Let a connection in; beyond the limit the one that has sent no request for longest ends.

        Where all others are being answered that is this one, unless somebody is slow to read or holds too many.
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

    def _greedy(self) -> Connection | None:
        """Return who has not read an answer for longest, else the newest of whoever holds more than a fourth of all."""
        if self._unread:
            return next(iter(self._unread))
        counts = Counter(each.holder for each in self._present)
        del counts[None]
        [(holder, count)] = counts.most_common(1) or [(None, 0)]
        if count <= self._connections_max // 4:
            return None
        return next(each for each in reversed(self._present) if each.holder == holder)

    def leave(self, connection: Connection) -> None:
        self._present.pop(connection, None)
        self._waiting.pop(connection, None)
        self._unread.pop(connection, None)

    def begin(self, connection: Connection) -> None:
        """A request has come."""
        self._waiting.pop(connection, None)

    def wait(self, connection: Connection) -> None:
        """A request was answered."""
        if connection in self._present:
            self._waiting[connection] = None

    def pause(self, connection: Connection) -> None:
        """A client does not read as fast as it is answered; the slowest are dropped when there is too much of that."""
        self._unread[connection] = None
        unread_bytes = sum(each.unread_bytes for each in self._unread)
        while unread_bytes > self._unread_bytes_max and len(self._unread) > 1:
            slowest = next(iter(self._unread))
            unread_bytes -= slowest.unread_bytes
            self.leave(slowest)
            slowest.drop()

    def resume(self, connection: Connection) -> None:
        self._unread.pop(connection, None)


class Room:
    """What bodies that are coming in or being decoded may take together."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_left = bytes_max

    def take(self, size_bytes: int) -> bool:
        """Take so much; return whether there was as much."""
        self.bytes_left -= size_bytes
        return self.bytes_left >= 0

    def give(self, size_bytes: int) -> None:
        self.bytes_left += size_bytes
