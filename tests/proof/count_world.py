"""What the state machine of counts works on: threads as it knows them, and a model that does as it is told."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from proof.record import Record
from support.cast import Caller
from support.scripted_model import DONE, STALL, Call, Head, answer_of, finish
from support.stored import Stored

Result = TypeVar("Result")

STEP_S = 60
# What the last user message says tells the model how to answer.
QUESTIONS = {
    "answer": answer_of("Hello", " world"),
    "fail": [Head(500, {"content-type": "application/json", "content-length": "2"}), b"{}"],
    "say nothing": [finish(), DONE],
    "begin": ["Hel", STALL],
    "be silent": [STALL],
}
ENDED_AT_ONCE = ("answer", "fail", "say nothing")
NEVER_ENDED = ("begin", "be silent")


@dataclass
class World:
    """What the machine works on, from the thread in which Hypothesis runs; `callers` reach different processes."""

    loop: asyncio.AbstractEventLoop
    callers: Sequence[Caller]
    stored: Stored
    record: Record

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(STEP_S)


@dataclass
class Thread:
    """What the machine knows of a thread; `messages` are the ids, `keys` the messages that were appended with them."""

    id: str
    messages: list[str] = field(default_factory=list)
    keys: dict[str | None, str] = field(default_factory=dict)
    is_locked: bool = False
    is_archived: bool = False
    running: str | None = None

    @property
    def takes_messages(self) -> bool:
        return not (self.is_locked or self.is_archived or self.running)


def script(call: Call) -> Sequence[Any]:
    return QUESTIONS.get(call.last_user_text, QUESTIONS["answer"])
