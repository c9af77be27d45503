"""What a proof did on one database, which faults really happened, and what it found broken."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proof.place import Place

DATABASES = ("sqlite", "postgres")
SHOWN_VIOLATIONS = 20


@dataclass
class Record:
    """`scale` cuts sizes, never faults: a proof whose faults did not happen has proved nothing, and fails."""

    scale: float = 1.0
    counts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    error: str = ""
    took_s: float = 0.0

    def size(self, full: int, least: int = 1) -> int:
        """Return how many of `full` to do at this scale."""
        return max(least, round(full * self.scale))

    def count(self, what: str, more: int = 1) -> None:
        """Count work that was done, such as `appends`."""
        self.counts[what] += more

    def fault(self, what: str, more: int = 1) -> None:
        """Count a fault that really happened, such as `workers killed`."""
        self.faults[what] += more

    def violation(self, sentence: str) -> None:
        """Say what broke the promise."""
        self.violations.append(sentence)

    def check(self, holds: bool, sentence: str) -> bool:
        """Note `sentence` as a violation unless it holds."""
        if not holds:
            self.violation(sentence)
        return holds

    def need(self, count: int, what: str, least: int = 1) -> None:
        """Without at least so many of these, of work or of faults, nothing was proved."""
        if count < least:
            self.missing.append(f"{what}: {count} of at least {least}")

    @property
    def is_kept(self) -> bool:
        return not (self.violations or self.missing or self.error)

    @property
    def verdict(self) -> str:
        return "kept" if self.is_kept else "BROKEN" if self.violations else "NOT PROVED"

    def to_json(self) -> dict[str, Any]:
        return {
            **vars(self),
            "counts": dict(self.counts),
            "faults": dict(self.faults),
            "violations": [each[:500] for each in self.violations[:SHOWN_VIOLATIONS]],
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Record":
        return cls(**{**fields, "counts": Counter(fields["counts"]), "faults": Counter(fields["faults"])})


@dataclass(frozen=True)
class Proof:
    """How one promise is attacked."""

    id: str
    promise: str
    attack: Callable[["Place", Record], Awaitable[None]]
    databases: tuple[str, ...]
    is_alike: bool

    def runs_on(self, database: str, scale: float) -> bool:
        """Tell whether it is tried there: what is alike on all databases is tried on the first one below full size."""
        return database in self.databases and (not self.is_alike or scale >= 1 or database == self.databases[0])


PROOFS: dict[str, Proof] = {}

Attack = Callable[["Place", Record], Awaitable[None]]


def proof(
    id: str, promise: str, *, databases: tuple[str, ...] = DATABASES, is_alike: bool = False
) -> Callable[[Attack], Attack]:
    """Register the proof of a promise: a coroutine that gets an empty place and the record to fill.

    It `is_alike` where the code that it attacks is the same whatever the database.
    """

    def register(attack: Attack) -> Attack:
        assert id not in PROOFS, f"{id} has two proofs"
        PROOFS[id] = Proof(id, promise, attack, databases, is_alike)
        return attack

    return register
