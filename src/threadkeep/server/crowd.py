"""All connections of a process together: who gives way when there are too many, or when too much lies unread."""

from typing import Protocol


class Connection(Protocol):
    """What the crowd needs of a connection."""

    @property
    def unread_bytes(self) -> int: ...

    def give_way(self) -> None: ...

    def drop(self) -> None: ...


class Crowd:
    """A limit for each connection alone would let many of them take all files and all memory of the process."""

    def __init__(self, connections_max: int, unread_bytes_max: int) -> None:
        self._connections_max = connections_max
        self._unread_bytes_max = unread_bytes_max
        self._present: set[Connection] = set()
        # Both in the order of time: who has waited for a request, or not read an answer, for longest comes first.
        self._waiting: dict[Connection, None] = {}
        self._unread: dict[Connection, None] = {}

    def join(self, connection: Connection) -> None:
        """Let a connection in; beyond the limit the one that has sent no request for longest ends, perhaps this one."""
        self._present.add(connection)
        self._waiting[connection] = None
        if len(self._present) > self._connections_max:
            oldest = next(iter(self._waiting))
            self.leave(oldest)
            oldest.give_way()

    def leave(self, connection: Connection) -> None:
        self._present.discard(connection)
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
