"""A reader who is cut off again and again, and comes back to any process with the id of the last event it has."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from proof.spoken import question
from support.cast import Caller
from support.streams import Event, Stream, events_path

CUTS_MAX = 6
# A dead process is noticed within 20 s; all else that a stream takes are seconds.
END_S = 60
AWAY_S = 0.05


@dataclass(frozen=True)
class Door:
    """The two ways into a process: its own port, and one behind which every connection is cut."""

    port: int
    cutting_port: int


class Wanderer:
    """Asks for an answer and reads it to its end; `trouble` says what kept it from that."""

    def __init__(self, who: Caller, doors: Sequence[Door], number: int) -> None:
        self.number = number
        self.events: list[Event] = []
        self.trouble = ""
        self.has_begun = False
        # Until the first event has come it sends its request again, with the same key: its model is asked once.
        self._who = who.retrying(f"stream-{number}")
        self._doors = doors
        self._chance = random.Random()
        self._cuts_left = self._chance.randint(1, CUTS_MAX)
        self._stream: Stream | None = None

    @property
    def is_over(self) -> bool:
        return bool(self.trouble) or any(event.is_terminal for event in self.events)

    @property
    def seen_count(self) -> int:
        return len(self.events) + (len(self._stream.events) if self._stream else 0)

    @property
    def thread_id(self) -> str:
        return str(self.events[0].data["response"]["threadId"])

    @property
    def chosen_id(self) -> str:
        """The id that it gives its thread: others know where to look before it has read anything."""
        return f"thread_stream_{self.number}"

    async def read(self) -> None:
        self.has_begun = True
        try:
            async with asyncio.timeout(END_S):
                while not self.is_over:
                    await self._read_on()
        except TimeoutError:
            last = self.events[-1].id if self.events else "nothing"
            self.trouble = f"had no terminal event within {END_S} s, after {last}"

    async def _read_on(self) -> None:
        """Read until the connection ends, however it does."""
        try:
            self._stream = stream = await self._open()
        except ConnectionError:  # Cut within the head, or the process is down.
            await asyncio.sleep(AWAY_S)
            return
        try:
            await stream.rest()
        finally:
            stream.cut()
            self.events += stream.events
            self._stream = None
        if stream.status == 204:
            self.trouble = f"was told that it has the terminal event, which {self.events[-1].id} was not"
        elif stream.status == 503:  # Too much to do just now.
            await asyncio.sleep(AWAY_S)
        elif stream.status != 200:
            self.trouble = f"was answered {stream.status}: {bytes(stream.body)!r}"
        elif stream.is_complete and not self.is_over:
            self.trouble = f"came to an end in order without a terminal event, after {self.events[-1:]}"

    async def _open(self) -> Stream:
        door = self._chance.choice(self._doors)
        port = door.cutting_port if self._cuts_left > 0 else door.port
        self._cuts_left -= 1
        if not self.events:
            body: dict[str, Any] = {"thread": {"id": self.chosen_id}, "input": question(self.number)}
            return await Stream.post(self._who, "/v1/responses", port=port, **body)
        last_id = self.events[-1].id
        path = events_path(self.thread_id, self.events[0].response_id)
        # Browsers send a header; others may not be able to.
        if self._chance.random() < 0.5:
            return await Stream.open(self._who, "GET", f"{path}?after={last_id}", port=port)
        return await Stream.open(self._who, "GET", path, headers={"last-event-id": last_id}, port=port)
