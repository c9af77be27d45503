"""Streams a response to one reader: from its position to the terminal event, without gaps or repeats."""

import asyncio
import re
from dataclasses import dataclass

from threadkeep import clock
from threadkeep.contract.events import ResponseReset
from threadkeep.contract.responses import Response
from threadkeep.database.scoped import ScopedDatabase
from threadkeep.errors import InvalidParameter, ResponseNotFound, StorageFull, ThreadNotFound, Unavailable
from threadkeep.ids import MADE_SHAPE
from threadkeep.operations.responses import events, responses
from threadkeep.operations.responses.rows import StoredResponse, as_deleted, response_of
from threadkeep.runtime.channels import Channels, Key, Reader
from threadkeep.runtime.frames import ENDED, PING, Allowed, Emit, Streamed, Write, frame, frame_of

POSITION = re.compile(rf"(resp{MADE_SHAPE}):([0-9]{{1,9}})")
PING_S = 15.0
# How often a stream asks whether its credential still counts; a revoked one is cut off within 10 s.
LOOK_S = 3.0
# The pause after a failed read, while the storage is away.
RETRY_S = 0.5


class CutOff(Exception):
    """The stream ends without a terminal event: reader gone, credential revoked, process ending."""


@dataclass(frozen=True, slots=True)
class Position:
    """A reader's position: the last event it has received is event `n` of this response."""

    response_id: str
    n: int


def position_of(text: str, param: str) -> Position:
    """Read a whole event id. Raises InvalidParameter for anything else."""
    match = POSITION.fullmatch(text)
    if match is None:
        raise InvalidParameter("A position in a stream is the id of an event, like resp_…:12.", param=param)
    return Position(match.group(1), int(match.group(2)))


class Follower(Streamed):
    """One reader of one response."""

    def __init__(
        self,
        db: ScopedDatabase,
        channels: Channels,
        row: StoredResponse,
        position: Position | None,
        *,
        was_replayed: bool = False,
    ) -> None:
        self.was_replayed = was_replayed
        self._db = db
        self._channels = channels
        self._row = row
        self._reader = Reader()
        self._n = 0 if position is None else position.n
        # A position in another response says nothing about this one.
        self._needs_reset = position is not None and position.response_id != row.id
        self._pinged_s = 0.0
        self._looked_s = 0.0

    @property
    def row(self) -> StoredResponse:
        """The response, as it was read last."""
        return self._row

    @property
    def key(self) -> Key:
        return (self._db.scope.organization, self._row.id)

    def take_write(self, write: Write) -> None:
        self._reader.write = write

    def leave(self) -> None:
        """Note that the client has disconnected."""
        self._reader.leave()

    async def run(self, emit: Emit, allowed: Allowed) -> None:
        """Emit frames until the terminal event is out. Raises CutOff."""
        self._channels.add(self.key, self._row.thread_id, self._reader)
        try:
            await emit(PING)
            self._pinged_s = self._looked_s = clock.monotonic_s()
            is_over = False
            while not is_over:
                try:
                    is_over = await self._go_on(emit, allowed)
                except (Unavailable, StorageFull):  # The reader keeps its place.
                    await asyncio.sleep(RETRY_S)
        finally:
            self._channels.remove(self.key, self._reader)

    async def _go_on(self, emit: Emit, allowed: Allowed) -> bool:
        """Emit frames until the terminal event is out. Raises Unavailable while the storage is away."""
        while not await self._catch_up(emit, allowed):
            await self._live(emit, allowed)
        return True

    async def _catch_up(self, emit: Emit, allowed: Allowed) -> bool:
        """Emit the events in the database up to the newest; return whether the response has ended."""
        reader = self._reader
        while True:
            await self._tend(emit, allowed)
            self._require_open()
            reader.begin_reading()
            try:
                progress = await self._db.read(responses.progress, self._row.thread_id, self._row.id, self._n)
            except (ThreadNotFound, ResponseNotFound):
                await self._end_deleted(emit)
                return True
            self._row = progress.row
            if self._needs_reset or progress.is_beyond or (progress.are_gone and self._n < self._end_n - 1):
                await self._reset(emit)
                continue
            await self._show(emit, progress.events)
            if self._row.has_ended and progress.is_whole:
                await self._end(emit)
                return True
            if progress.is_whole and not reader.is_behind:
                reader.n = self._n
                return False

    @property
    def _end_n(self) -> int:
        return self._row.last_n or 0

    async def _show(self, emit: Emit, found: list[tuple[int, str, str]]) -> None:
        frames: list[bytes] = []
        if self._n < events.FIRST_N:
            created = await self._db.read(responses.created, self._row)
            frames.append(frame_of(self._row.id, events.FIRST_N, created))
            self._n = events.FIRST_N
        for n, type, data in found:
            frames.append(frame(self._row.id, n, type, data))
            self._n = n
        if frames:
            await emit(b"".join(frames))

    async def _live(self, emit: Emit, allowed: Allowed) -> None:
        """Emit the frames that are pushed, until the reader has to read the database again."""
        reader = self._reader
        while not reader.is_behind:
            await reader.wait(max(0.0, min(LOOK_S, self._pinged_s + PING_S - clock.monotonic_s())))
            self._require_open()
            self._n = reader.n or self._n
            if data := reader.take():
                await emit(data)
            await self._tend(emit, allowed)

    async def _tend(self, emit: Emit, allowed: Allowed) -> None:
        """Send a ping and check access when due, also for a reader that never catches up."""
        now_s = clock.monotonic_s()
        if now_s - self._pinged_s >= PING_S:
            self._pinged_s = now_s
            await emit(PING)
        if now_s - self._looked_s >= LOOK_S:
            await allowed()
            self._looked_s = now_s

    def _require_open(self) -> None:
        if self._channels.is_closed or self._reader.is_gone:
            raise CutOff

    async def _reset(self, emit: Emit) -> None:
        """Emit the whole text so far instead of the missing events, which are not stored any more."""
        last_n, response, message = await self._db.read(responses.so_far, self._row.thread_id, self._row.id)
        await emit(frame_of(self._row.id, last_n, ResponseReset(response, message)))
        self._n = last_n
        self._needs_reset = False

    async def _end(self, emit: Emit) -> None:
        response = response_of(self._row, self._db.scope)
        await self._emit_end(emit, self._end_n, response)

    async def _end_deleted(self, emit: Emit) -> None:
        """Emit the terminal event of a deleted thread's response, of which nothing is stored any more."""
        await self._emit_end(emit, self._n + 1, response_of(as_deleted(self._row), self._db.scope))

    async def _emit_end(self, emit: Emit, n: int, response: Response) -> None:
        await emit(frame_of(self._row.id, n, ENDED[response.status](response)))
