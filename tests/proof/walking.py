"""Walks through a list, what happened to its objects meanwhile, and the judgement whether each walk was right."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

NEVER_S = float("inf")


class Span(NamedTuple):
    """From before a request until after its answer."""

    began_s: float
    ended_s: float


NEVER = Span(NEVER_S, NEVER_S)


@dataclass
class Life:
    """What is known of one object; `changes` moved it in the order of changes, `absences` took it from the list."""

    born: Span
    gone: Span = NEVER
    changes: list[Span] = field(default_factory=list)
    absences: list[Span] = field(default_factory=list)

    def was_there_throughout(self, walk: "Walk") -> bool:
        during = walk.during
        return (
            self.born.ended_s < during.began_s
            and self.gone.began_s > during.ended_s
            and not any(overlap(each, during) for each in self.absences)
            and not (walk.sort == "updatedAt" and any(overlap(each, during) for each in self.changes))
        )


def overlap(one: Span, other: Span) -> bool:
    return one.began_s <= other.ended_s and one.ended_s >= other.began_s


@dataclass
class Walk:
    """One walk: the objects that it showed in the order of the list, `sort` being createdAt, updatedAt or seq.

    It need not show the object at which it began.
    """

    what: str
    sort: str
    descending: bool
    during: Span
    shown: Sequence[dict[str, Any]]
    begins_at: str | None = None

    def faults(self, lives: dict[str, Life]) -> Iterator[str]:
        """Say what is wrong with it. `lives` are the objects that match its filters whenever they are there."""
        times = Counter(each["id"] for each in self.shown)
        steady = {id for id, life in lives.items() if life.was_there_throughout(self)}
        for id in steady - times.keys() - {self.begins_at}:
            yield f"{self.what} skipped {id}, which was there all the time"
        for id, count in times.items():
            # What changed meanwhile may come again in the order of changes.
            if count > 1 and (self.sort != "updatedAt" or id in steady):
                yield f"{self.what} showed {id} {count} times"
            if id not in lives:
                yield f"{self.what} showed {id}, which nobody made"
            elif lives[id].gone.ended_s < self.during.began_s:
                yield f"{self.what} showed {id}, which had been deleted before"
        for before, after in pairwise(each[self.sort] for each in self.shown):
            if (before < after) if self.descending else (before > after):
                yield f"{self.what} showed {self.sort} {before} before {after}"
