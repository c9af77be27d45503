"""Streams of every kind that are under way when their server is told to stop."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from proof.place import Place
from proof.record import Record
from support.cast import Caller
from support.scripted_model import DONE, STALL, Call, finish
from support.streams import COMPLETED, CREATED, FAILED, TEXT, Stream, check_whole, responses_path
from support.waiting import SOON_S

WORD_S = 0.02
# One user may run at most 8.
STREAMS_OF_ONE_USER = 5
FOLLOWED = 4
IDLE_READERS = 2
IDLE_RECEIVE_BYTES = 4096
# More than the buffers between a server and a reader who does not read.
LOUD = ["\x01" * 1000] * 250
# `short` ends once the server stops; nothing else ends by itself.
KINDS = ("short", "long", "short", "silent")


@dataclass
class Talk:
    kind: str
    thread: str
    response_id: str
    # Whoever asked for it, and those who follow it, here and at other servers.
    readers: list[Stream] = field(default_factory=list)
    ended_s: list[float] = field(default_factory=list)


class Round:
    """The streams of one stop."""

    def __init__(self, place: Place, record: Record) -> None:
        self.record = record
        self.go = asyncio.Event()
        self._is_over = asyncio.Event()
        self._model = place.model
        self._model.script = self._speak
        self._idle: list[Stream] = []
        self._begun_s = 0.0

    def _speak(self, call: Call) -> Sequence[Any]:
        words = [step for _ in range(3_000) for step in ("word ", WORD_S)]
        match call.last_user_text:
            case "short":
                return ["Hel", self.go, "lo", finish(), DONE]
            case "elsewhere":
                return ["Hel", self._is_over, "lo", finish(), DONE]
            case "long":
                return [*words, STALL]
            case "loud":
                return [*LOUD, *words, STALL]
        return [STALL]

    async def begin(self, ada: Caller, elsewhere: list[Caller]) -> list[Talk]:
        """Begin streams; some are followed from other servers too, and one by readers who do not read."""
        kinds = ["loud", *(KINDS[number % len(KINDS)] for number in range(self.record.size(20, 8) - 1))]
        called = len(self._model.calls)
        talks = list(
            await asyncio.gather(
                *(self._begin(ada.as_user(f"uid_{at // STREAMS_OF_ONE_USER}"), kind) for at, kind in enumerate(kinds))
            )
        )
        await asyncio.wait_for(self._model.called(called + len(kinds)), SOON_S)
        for talk in talks[:FOLLOWED]:
            talk.readers += [await Stream.follow(who, talk.thread, talk.response_id) for who in elsewhere]
        loud = talks[0]
        self._idle = [
            await Stream.follow(ada, loud.thread, loud.response_id, receive_bytes=IDLE_RECEIVE_BYTES)
            for _ in range(IDLE_READERS)
        ]
        self.record.count("streams", len(talks))
        self.record.fault("readers who do not read", len(self._idle))
        return talks

    async def begin_elsewhere(self, ada: Caller) -> Talk:
        """Begin a stream at a server that goes on; it ends after the other server has stopped."""
        return await self._begin(ada, "elsewhere")

    async def _begin(self, who: Caller, kind: str) -> Talk:
        thread = (await who.create_thread(title=kind)).id
        reader = await Stream.post(who, responses_path(thread), input=kind)
        response_id = (await reader.until(CREATED)).response_id
        if kind != "silent":
            await reader.until(TEXT)
        return Talk(kind, thread, response_id, [reader])

    async def read(self, talks: list[Talk]) -> None:
        """Read all streams to their ends."""
        self._begun_s = time.monotonic()
        await asyncio.gather(*(self._read(talk, reader) for talk in talks for reader in talk.readers))
        for idle in self._idle:
            idle.cut()

    async def _read(self, talk: Talk, reader: Stream) -> None:
        try:
            await reader.rest()
        except TimeoutError:
            self.record.violation(f"a reader hears nothing any more ({talk.kind})")
        talk.ended_s.append(time.monotonic() - self._begun_s)

    def judge(self, talk: Talk, within_s: float) -> None:
        """Each reader has the whole answer with its end, in time."""
        record = self.record
        record.check(max(talk.ended_s) <= within_s, f"a reader waited {max(talk.ended_s):.1f} s for the end")
        for reader in talk.readers:
            reader.cut()
            if not reader.events or not reader.events[-1].is_terminal:
                record.violation(f"a reader was left without a terminal event ({talk.kind})")
                continue
            check_whole(reader.events)
            record.check(reader.is_complete, f"a reader got its terminal event, but no proper end ({talk.kind})")
            last = reader.events[-1]
            response = last.data["response"]
            record.check(response["outputText"] == reader.text, f"{reader.text[-50:]!r} was streamed, and {response}")
            record.count("readers who were told the end")
            if talk.kind == "short":
                whole = (last.type, reader.text) == (COMPLETED, "Hello")
                record.check(whole, f"an answer that needed less than the drain ended as {last.type}, {reader.text!r}")
                record.count("answers that ended in their time")
            else:
                code = response["error"] and response["error"]["code"]
                record.check((last.type, code) == (FAILED, "interrupted"), f"a cut answer is {last.type}, {code}")
                record.count("answers that were cut off")

    async def others_go_on(self, elsewhere: list[Talk]) -> None:
        """What other servers generate was not touched."""
        self._is_over.set()
        for talk in elsewhere:
            [reader] = talk.readers
            await reader.rest()
            check_whole(reader.events)
            last = reader.events[-1]
            whole = (last.type, reader.text) == (COMPLETED, "Hello")
            self.record.check(whole, f"another server's answer ended as {last.type}, {reader.text!r}")
            self.record.count("answers of other servers that went on")
            reader.cut()

    async def look_again(self, talks: list[Talk], who: Caller) -> None:
        """What the readers were told is what is stored."""
        for talk in talks:
            stored = (await who.get_response(talk.thread, talk.response_id)).body
            for reader in talk.readers:
                if reader.events[-1].is_terminal:
                    told = reader.events[-1].data["response"]
                    self.record.check(stored == told, f"a reader was told {told}, and {stored} is stored")
