"""Readers of an answer in front ends' words, who are cut off and come back: each stream tells it from its start."""

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from proof.wandering import AWAY_S, Door, Wanderer
from support.cast import Caller
from support.streams import Stream

CUTS_MAX = 3
TEXT, REASONING, CALL = "text", "reasoning", "call"


@dataclass(frozen=True)
class Tongue:
    """How a front end follows what runs in a thread, and which frame does what to which part of an answer."""

    name: str
    method: str
    path: str
    steps: dict[str, tuple[str, str]]
    first: str
    last: frozenset[str]

    def body(self, thread_id: str) -> dict[str, Any] | None:
        return None if self.method == "GET" else {"threadId": thread_id, "runId": "run", "messages": []}


def steps(*kinds: tuple[str, str, str, str]) -> dict[str, tuple[str, str]]:
    return {
        type: (step, part)
        for part, *types in kinds
        for type, step in zip(types, ("begin", "say", "end"), strict=True)
    }  # fmt: skip


AI_SDK = Tongue(
    "the AI SDK", "GET", "/ai-sdk/chat/{}/stream",
    steps(
        (TEXT, "text-start", "text-delta", "text-end"),
        (REASONING, "reasoning-start", "reasoning-delta", "reasoning-end"),
        (CALL, "tool-input-start", "tool-input-delta", "tool-input-available"),
    ),
    "start", frozenset({"[DONE]"}),
)  # fmt: skip
AG_UI = Tongue(
    "AG-UI", "POST", "/ag-ui",
    steps(
        (TEXT, "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END"),
        (REASONING, "REASONING_MESSAGE_START", "REASONING_MESSAGE_CONTENT", "REASONING_MESSAGE_END"),
        (CALL, "TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END"),
    ),
    "RUN_STARTED", frozenset({"RUN_FINISHED", "RUN_ERROR"}),
)  # fmt: skip
TONGUES = [AI_SDK, AG_UI]


@dataclass
class Told:
    """What one stream told of the answer. `is_live`: it followed the answer, and did not show it as stored only."""

    parts: dict[str, str] = field(default_factory=lambda: {TEXT: "", REASONING: "", CALL: ""})
    trouble: str = ""
    is_over: bool = False
    is_live: bool = False
    is_cut: bool = False


def told_by(tongue: Tongue, frames: Sequence[Any], is_complete: bool) -> Told:
    """Read a stream as a client does, which throws when a part says more before it begins, or begins twice."""
    told, opened = Told(), None
    for at, frame in enumerate(frames):
        type = frame["type"]
        step, part = tongue.steps.get(type, ("", ""))
        if told.is_over:
            told.trouble = f"had {type} after its end"
        if (at == 0) != (type == tongue.first):
            told.trouble = f"had {type} as frame {at + 1}"
        if step and opened != (None if step == "begin" else part):
            told.trouble = f"had {type} while {opened} was open"
        opened = {"begin": part, "end": None}.get(step, opened)
        if step == "say":
            told.is_live = True
            told.parts[part] += frame.get("delta") or frame.get("inputTextDelta", "")
        if type == "MESSAGES_SNAPSHOT" and (last := frame["messages"][-1])["role"] == "assistant":
            told.parts[TEXT] += last.get("content", "")
        told.is_over = told.is_over or type in tongue.last
    told.is_cut = not is_complete
    if is_complete and not told.is_over:
        told.trouble = f"came to an end in order without its last frame, after {frames[-1:]}"
    return told


class FrontEndStream(Stream):
    """A stream whose frames are data alone."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self.frames: list[Any] = []

    def _take(self, frame: str) -> None:
        if frame.startswith("data: "):
            data = frame.removeprefix("data: ")
            self.frames.append({"type": data} if data == "[DONE]" else json.loads(data))


async def look(who: Caller, tongue: Tongue, thread_id: str, port: int | None = None) -> tuple[int, Told]:
    """Follow what runs in a thread to the end, or until it is cut off; return the answer's status and what it told."""
    path, body = tongue.path.format(thread_id), tongue.body(thread_id)
    stream = await FrontEndStream.open(who, tongue.method, path, body, port=port)
    assert isinstance(stream, FrontEndStream)
    try:
        await stream.rest()
    finally:
        stream.cut()
    is_stream = stream.status == 200
    return stream.status, told_by(tongue, stream.frames, stream.is_complete) if is_stream else Told()


class Onlooker:
    """Follows the answer that a wanderer asked for, as long as that one reads it."""

    def __init__(self, who: Caller, doors: Sequence[Door], wanderer: Wanderer) -> None:
        self.tongue = TONGUES[wanderer.number % len(TONGUES)]
        self.told: list[Told] = []
        self.refusals: set[int] = set()
        self._who = who
        self._doors = doors
        self._wanderer = wanderer
        self._cuts_left = random.randint(0, CUTS_MAX)

    async def look_on(self) -> None:
        while not self._wanderer.is_over:
            if not await self._look():
                await asyncio.sleep(AWAY_S)

    async def _look(self) -> bool:
        """Follow what runs, to the end or until it is cut off; return whether it ran."""
        door = random.choice(self._doors)
        port = door.cutting_port if self._cuts_left > 0 else door.port
        try:
            status, told = await look(self._who, self.tongue, self._wanderer.chosen_id, port)
        except ConnectionError:
            return False
        if status != 200:
            self.refusals.add(status)
            return False
        self._cuts_left -= 1
        self.told.append(told)
        return told.is_live
