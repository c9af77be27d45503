"""The readers of each response in this process. After each commit, up-to-date readers are given the new frames.

A reader registers, then reads the database, then waits. So no event between stored and live ones is lost or repeated.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence

from threadkeep.database.driver import Database, apart
from threadkeep.errors import ApiError
from threadkeep.operations.responses import events
from threadkeep.runtime.frames import Write, frame
from threadkeep.runtime.tally import READERS, Tally

logger = logging.getLogger(__name__)

# The frames that wait for one reader; a slower reader gets the rest from the database.
READER_BYTES_MAX = 256 * 1024
# How often the database is polled for responses of other processes.
POLL_S = 0.150
EMPTY_LOOK_S = 0.02

Key = tuple[int, str]


class Reader:
    """A follower of one response. It is given new frames while it is up to date, else woken to read the database."""

    __slots__ = ("_chunks", "_size", "_waiter", "is_behind", "is_gone", "n", "write")

    def __init__(self) -> None:
        # The number of the last event it has, or None while it reads the database.
        self.n: int | None = None
        self.is_behind = False
        # Whether its client has gone away.
        self.is_gone = False
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        # Writes to its client at once.
        self.write: Write | None = None

    def begin_reading(self) -> None:
        """Drop pushed frames, which are stored too. Anything published from now on makes it read the database again."""
        self.take()
        self.n = None
        self.is_behind = False

    def push(self, first_n: int, last_n: int, data: bytes) -> None:
        if self.n != first_n - 1 or self._size + len(data) > READER_BYTES_MAX:
            self.is_behind = True
        elif not self.is_behind:
            self.n = last_n
            if self._write_now(data):
                return
            self._chunks.append(data)
            self._size += len(data)
        self.wake()

    def _write_now(self, data: bytes) -> bool:
        """Write to the client without waking the reader's task. Only while that waits: it may be writing itself."""
        is_waiting = self._waiter is not None and not self._waiter.done()
        return is_waiting and self.write is not None and self.write(data)

    def look_again(self) -> None:
        self.is_behind = True
        self.wake()

    def leave(self) -> None:
        """Note that the client has disconnected."""
        self.is_gone = True
        self.wake()

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def take(self) -> bytes:
        data = b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        return data

    async def wait(self, timeout_s: float) -> None:
        """Return when there is something to take, when it has fallen behind, when woken, or after `timeout_s`."""
        if self._chunks or self.is_behind or self.is_gone:
            return
        loop = asyncio.get_running_loop()
        waiter = self._waiter = loop.create_future()
        timer = loop.call_later(timeout_s, self.wake)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None


class Waiter(Reader):
    """A reader that only waits for the end of the response."""

    __slots__ = ()

    def push(self, first_n: int, last_n: int, data: bytes) -> None:
        pass


class Channel:
    """One response that is generated or read in this process."""

    __slots__ = ("is_local", "readers", "thread_id")

    def __init__(self, thread_id: str) -> None:
        self.thread_id = thread_id
        self.readers: set[Reader] = set()
        # Whether it is generated here, so that the database need not be polled for it.
        self.is_local = False

    def publish(self, first_n: int, last_n: int, data: bytes) -> None:
        for reader in self.readers:
            reader.push(first_n, last_n, data)

    def look_again(self) -> None:
        for reader in self.readers:
            reader.look_again()


class Channels:
    """All channels of the process, and the one task that polls for events of other processes' responses."""

    def __init__(self, database: Database, tally: Tally) -> None:
        self._database = database
        self._readers = tally.cells(READERS)
        self._channels: dict[Key, Channel] = {}
        self._poller: asyncio.Task[None] | None = None
        self.is_closed = False

    def open(self, key: Key, thread_id: str) -> Channel:
        """Return the channel of a response that is generated here."""
        channel = self._channels.setdefault(key, Channel(thread_id))
        channel.is_local = True
        return channel

    def end(self, key: Key) -> None:
        """Note that the response is not generated here any more: its readers read its end from the database."""
        channel = self._channels.get(key)
        if channel is None:
            return
        channel.is_local = False
        if channel.readers:
            channel.look_again()
            self._start_poller()
        else:
            del self._channels[key]

    def add(self, key: Key, thread_id: str, reader: Reader) -> None:
        """Register a reader that is about to read the database."""
        channel = self._channels.setdefault(key, Channel(thread_id))
        if reader not in channel.readers:
            channel.readers.add(reader)
            self._readers[0] += 1
        if not channel.is_local:
            self._start_poller()

    def remove(self, key: Key, reader: Reader) -> None:
        channel = self._channels.get(key)
        if channel is None:
            return
        if reader in channel.readers:
            channel.readers.remove(reader)
            self._readers[0] -= 1
        if not channel.readers and not channel.is_local:
            del self._channels[key]

    def wake(self, organization: int, id: str) -> None:
        """Make the readers of a response, or of a thread's responses, look at once: something happened to it."""
        for key, channel in self._channels.items():
            if key[0] == organization and id in (key[1], channel.thread_id):
                channel.look_again()

    async def empty(self, within_s: float) -> None:
        """Wait until all readers have left, for at most `within_s` seconds."""
        for _ in range(round(within_s / EMPTY_LOOK_S)):
            if not any(channel.readers for channel in self._channels.values()):
                return
            await asyncio.sleep(EMPTY_LOOK_S)

    def close(self) -> None:
        """Cut all readers off: the process ends."""
        self.is_closed = True
        for channel in self._channels.values():
            channel.look_again()
        if self._poller is not None:
            self._poller.cancel()

    def _start_poller(self) -> None:
        if self._poller is None or self._poller.done():
            self._poller = asyncio.ensure_future(self._poll())

    async def _poll(self) -> None:
        while remote := {key: each for key, each in self._channels.items() if not each.is_local}:
            try:
                await apart(self._database, list(remote.items()), organization_of, self._ask)
            except ApiError as error:
                logger.warning("News of other processes could not be read and will be asked for again: %s", error)
            except Exception:  # Where a task ends: readers depend on the next round.
                logger.exception("News of other processes could not be read.")
            await asyncio.sleep(POLL_S)

    async def _ask(self, remote: Sequence[tuple[Key, Channel]]) -> None:
        rows = [
            {"organization": key[0], "response_id": key[1], "n": lowest(channel.readers)} for key, channel in remote
        ]
        found, running = await self._database.read(events.news, rows)
        news: dict[str, list[tuple[int, str, str]]] = {}
        for response_id, n, type, data in found:
            news.setdefault(response_id, []).append((n, type, data))
        for (_, response_id), channel in remote:
            publish_each(channel, response_id, news.get(response_id, ()))
            if response_id not in running:
                channel.look_again()


def organization_of(remote: tuple[Key, Channel]) -> int:
    return remote[0][0]


def lowest(readers: Iterable[Reader]) -> int:
    """Return the position from which to read: that of the live reader that is furthest behind."""
    return min((reader.n for reader in readers if reader.n is not None), default=2**31)


def publish_each(channel: Channel, response_id: str, found: Iterable[tuple[int, str, str]]) -> None:
    """Push the events after its position to each live reader."""
    framed = [(n, frame(response_id, n, type, data)) for n, type, data in found]
    for reader in list(channel.readers):
        if reader.n is not None:
            mine = [(n, data) for n, data in framed if n > (reader.n or 0)]
            if mine:
                reader.push(mine[0][0], mine[-1][0], b"".join(data for _, data in mine))
