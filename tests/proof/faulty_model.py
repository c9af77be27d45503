"""A model that does to each question the fault that the question names by its number."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from support.model_faults import FAULTS
from support.scripted_model import DONE, Call, answer_of, finish
from threadkeep.providers import Text

ANSWER_CHARACTERS_MAX = 150_000
LINE_BYTES_MAX = 64 * 1024
# An endless line goes on for so long if nobody stops it: more than a process may grow by.
ENDLESS_PARTS, PART_BYTES = 3_000, 64 * 1024

BYTES = "".join(chr(97 + n % 26) for n in range(100_000))
STEADY = [f"steady {number} " for number in range(40)]
STEADY_PAUSE_S = 0.05
STEADY_QUESTION = "Talk on."


@dataclass(frozen=True)
class Fault:
    """What the model does, which text of it is kept, and the error code, or None where it is no error."""

    name: str
    script: Sequence[Any]
    text: str
    code: str | None
    # Whether it is done once, however large the proof is: it takes long, or much.
    is_done_once: bool = False
    # The model that is asked for.
    model: str | None = None


class Again:
    """Steps that are made anew for each request, since there are too many to be kept."""

    def __init__(self, count: int, step: Any) -> None:
        self._count, self._step = count, step

    def __iter__(self) -> Iterator[Any]:
        yield "Hello"
        for _ in range(self._count):
            yield self._step


CLOSED = Fault("refused connection", [], "", "model_unavailable", model="closed")
ALL = [
    *(
        Fault(name, script, "".join(piece.text for piece in pieces if isinstance(piece, Text)), code)
        for name, (script, pieces, code) in FAULTS.items()
    ),
    CLOSED,
    Fault("100 000 deltas of a byte", [*BYTES, finish(), DONE], BYTES, None, is_done_once=True),
    Fault(
        "no end to the words",
        Again(100_000, "x" * 1000),  # type: ignore[arg-type]  # The model goes through it once.
        "Hello".ljust(ANSWER_CHARACTERS_MAX, "x"),
        "answer_too_long",
    ),
    Fault(
        "no end to a line",
        Again(ENDLESS_PARTS, b"x" * PART_BYTES),  # type: ignore[arg-type]
        "Hello",
        "model_unavailable",
    ),
]


def question(number: int) -> str:
    return f"fault {number}."


def script_for(call: Call) -> Sequence[Any]:
    """Who asks for a name sends the conversation, which has the question in it."""
    if found := re.search(r"fault (\d+)\.", call.last_user_text):
        return ALL[int(found[1])].script
    if call.last_user_text == STEADY_QUESTION:
        return [*(step for word in STEADY for step in (word, STEADY_PAUSE_S)), finish(), DONE]
    return answer_of("fine")
