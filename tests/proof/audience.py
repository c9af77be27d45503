"""One response and all who read it: early and late, in the process that generates it and in others."""

import asyncio
import random
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from proof.endings import INTERRUPTED, Kind, Models, Outcome, Scene
from proof.onlookers import TONGUES, Tongue, look
from proof.place import Place
from proof.reading import broken, difference
from proof.record import Record
from support.cast import Answer, Caller
from support.server import Server
from support.streams import CREATED, TEXT, Event, Stream, responses_path, stream_path

# A dead worker's response ends within 20 s, others within seconds.
READ_S = 30
BEGUN_S = 20
LOOK_S = 0.01
COMPLETED = ("completed", None)
DELETED = ("cancelled", "thread_deleted")


@dataclass(frozen=True)
class Reader:
    stream: Stream
    server: Server


@dataclass
class Audience:
    """`may_be_cut`: a process ends meanwhile, so that readers may be cut off and responses interrupted."""

    place: Place
    record: Record
    servers: list[Server]
    ada: Caller
    thread: Answer
    kind: Kind
    number: int
    may_be_cut: bool
    go: asyncio.Event = field(default_factory=asyncio.Event)
    has_begun: asyncio.Event = field(default_factory=asyncio.Event)
    readers: list[Reader] = field(default_factory=list)
    # The responses of which it is known that they were begun, and how many may have been.
    begun: set[str] = field(default_factory=set)
    unknown_count: int = 0
    response_id: str = ""

    @property
    def name(self) -> str:
        return f"{self.kind.name} {self.number}"

    @property
    def events(self) -> list[Event]:
        """What the first reader has seen."""
        return self.readers[0].stream.events if self.readers else []

    def who(self) -> Caller:
        return self.place.at(self.ada, random.choice(self.servers))

    async def gather(self, models: Models) -> None:
        """Begin the response, have it read by several, and let it end."""
        models.expect(question := f"How does {self.name} end?", self.kind, self.go)
        server = random.choice(self.servers)
        reading = [asyncio.create_task(self._ask(server, question))]
        try:
            await self._until(CREATED)
            if self.events:
                self.response_id = self.events[0].response_id
                self.begun.add(self.response_id)
                reading += [asyncio.create_task(self._follow(each)) for each in self.servers]
                for tongue in TONGUES:
                    reading.append(asyncio.create_task(self._look_on(random.choice(self.servers), tongue)))
                reading.append(asyncio.create_task(self._ask(random.choice(self.servers), question)))
                await self._let_end(reading)
        finally:
            self.has_begun.set()
            await asyncio.gather(*reading)
        if self.response_id:
            self._check()

    async def _until(self, type: str) -> None:
        """Wait until the first reader has had this event, or is at its end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(BEGUN_S):
                while not any(event.type == type for event in self.events):
                    is_over = self.readers and (self.readers[0].stream.is_complete or self.readers[0].stream.is_closed)
                    if is_over or (self.unknown_count and not self.readers):
                        return
                    await asyncio.sleep(LOOK_S)

    async def _let_end(self, reading: list[asyncio.Task[None]]) -> None:
        self.has_begun.set()
        if self.kind.act is not None:
            await self._until(TEXT)
        # One who comes in the middle, as a page does that was just opened.
        await asyncio.sleep(random.uniform(0, 0.3))
        server = random.choice(self.servers)
        opening = Stream.open(self.place.at(self.ada, server), "GET", stream_path(self.thread))
        reading.append(asyncio.create_task(self._join(server, opening)))
        if self.kind.act is None:
            return
        scene = Scene(self.who, self.thread, self.response_id, self.go)
        try:
            await self.kind.act(scene)
        except httpx.TransportError:
            self._cut("has lost whoever ended it")
            self.unknown_count += 1
        finally:
            self.begun.update(scene.others)
            self.go.set()

    async def _ask(self, server: Server, question: str) -> None:
        """Ask with the key of this response: whoever comes second follows what the first began."""
        keyed = self.place.at(self.ada, server).retrying(f"case {self.number}")
        body: dict[str, Any] = {"input": question, **self.kind.body}
        is_first = not self.readers
        if not await self._join(server, Stream.post(keyed, responses_path(self.thread), **body)) and is_first:
            self.unknown_count += 1

    async def _follow(self, server: Server) -> None:
        await self._join(server, Stream.follow(self.place.at(self.ada, server), self.thread, self.response_id))

    async def _join(self, server: Server, opening: Awaitable[Stream]) -> bool:
        """Become a reader, and read to the end; return whether there was a stream."""
        try:
            stream = await opening
        except ConnectionError:
            self._cut("has lost a reader")
            return False
        try:
            if stream.status != 200:
                # Nothing runs any more; the thread is gone; a process ends or has too much to do.
                is_expected = stream.status in (204, 404, 503)
                self.record.check(is_expected, f"{self.name}: a reader was answered {stream.status}")
                return False
            self.readers.append(Reader(stream, server))
            await stream.rest(READ_S)
        except TimeoutError:
            last = stream.events[-1].id if stream.events else "nothing"
            self.record.violation(f"{self.name}: a reader had no terminal event within {READ_S} s, after {last}")
        finally:
            stream.cut()
        return True

    async def _look_on(self, server: Server, tongue: Tongue) -> None:
        """Follow what runs in a front end's words: unless it is cut off, that has one end, too."""
        name = f"{self.name} in the words of {tongue.name}"
        try:
            async with asyncio.timeout(READ_S):
                status, told = await look(self.place.at(self.ada, server), tongue, str(self.thread.id))
        except ConnectionError:
            self._cut("has lost a reader")
            return
        except TimeoutError:
            self.record.violation(f"{name}: a reader had no end within {READ_S} s")
            return
        self.record.check(status in (200, 204, 404, 503), f"{name}: a reader was answered {status}")
        # A process that is asked to end lets go of those who read in it what another one generates.
        may_be_let_go = self.may_be_cut and server is self.servers[-1]
        self.record.check(may_be_let_go or not told.trouble, f"{name} {told.trouble}")
        self.record.check(self.may_be_cut or not told.is_cut, f"{name} was cut off although no process ended")
        self.record.count(f"streams of {tongue.name} that ended", told.is_over and told.is_live)

    def _cut(self, what: str) -> None:
        if self.record.check(self.may_be_cut, f"{self.name} {what} although no process ended"):
            self.record.fault("callers cut off by a process that ended")

    def _check(self) -> None:
        """Hold each reader against the promise, and all of them against each other."""
        whole: list[list[Event]] = []
        is_changed = self.kind.name in ("replace", "delete", "race")
        for reader in self.readers:
            self.record.count("readers")
            stream = reader.stream
            if not stream.is_complete:
                self._cut("has lost a reader in the middle")
            found = broken(stream.events, is_over=self._must_be_over(reader), may_be_reset=self.kind.name == "replace")
            is_right = self.record.check(not found, f"{self.name}: a reader {found}")
            # Who followed the thread may have come to a later response.
            is_over = bool(stream.events) and stream.events[-1].is_terminal
            if is_right and is_over and stream.events[0].response_id == self.response_id:
                whole.append(stream.events)
        for events in whole[1:]:
            if not is_changed:
                found = difference(whole[0], events)
                self.record.check(not found, f"{self.name}: two readers were told differently: {found}")
        outcomes = {outcome_of(events[-1].data["response"]) for events in whole}
        # A process that a busy machine kept from its work for longer than a lease has lost it like a dead one.
        # Whoever was to end it may have been cut off; then it came to its own end.
        allowed = self.kind.outcomes | {INTERRUPTED} | ({COMPLETED} if self.may_be_cut else set())
        self.record.check(outcomes <= allowed, f"{self.name} ended as {outcomes}")
        self.record.check(len(outcomes - {DELETED}) <= 1, f"{self.name} has several ends: {outcomes}")
        for status, code in outcomes:
            self.record.fault(f"{status}{f' ({code})' if code else ''}")

    def _must_be_over(self, reader: Reader) -> bool:
        """A process that is asked to end lets go of those who read in it what another one generates."""
        if self.may_be_cut and reader.server is self.servers[-1]:
            return False
        return reader.stream.is_complete

    def said(self) -> set[tuple[str, str | None, int]]:
        """Return how and when the response ended, as its readers were told."""
        ends = [each.stream.events[-1] for each in self.readers if each.stream.events]
        own = [event for event in ends if event.is_terminal and event.response_id == self.response_id]
        responses = [event.data["response"] for event in own]
        return {(*outcome_of(each), each["completedAt"]) for each in responses if outcome_of(each) != DELETED}


def outcome_of(response: dict[str, Any]) -> Outcome:
    return response["status"], response["error"] and response["error"]["code"]
