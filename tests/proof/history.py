"""A history: what clients did to threads, and what they were shown.

Times are of one clock, that of the clients. Every text is sent once, so it tells which append a message came from.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

NEVER_S = float("inf")


class Place(NamedTuple):
    """A message where it was shown, or where an answer said that it stands."""

    seq: int
    text: str


@dataclass(frozen=True)
class Append:
    """`seqs` is what was answered, None when the result is unknown; one that `was_refused` wrote nothing."""

    thread: str
    texts: tuple[str, ...]
    began_s: float
    ended_s: float = NEVER_S
    seqs: tuple[int, ...] | None = None
    was_refused: bool = False


@dataclass(frozen=True)
class Delete:
    """`ended_s` is NEVER_S when the result is unknown."""

    thread: str
    seq: int
    began_s: float
    ended_s: float = NEVER_S


@dataclass(frozen=True)
class Look:
    """What a list showed, in its ascending order: all from number `first` to `last` (None: to the newest)."""

    thread: str
    shown: tuple[Place, ...]
    began_s: float
    ended_s: float
    first: int = 1
    last: int | None = None


@dataclass(frozen=True)
class Count:
    """What a thread said of itself."""

    thread: str
    message_count: int
    updated_at: int
    began_s: float
    ended_s: float


@dataclass
class History:
    """All that happened. `final` shows each thread as it was after everything had ended."""

    appends: list[Append] = field(default_factory=list)
    deletes: list[Delete] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)
    final: dict[str, Sequence[Place]] = field(default_factory=dict)
