"""Statements: SQL as named constants, compiled at import for both databases. Each has one of three kinds:

- scoped: runs for one caller. Every table must be matched on `organization = :organization`, and threads on the
  member as well; a text without that is refused at import.
- keyed: runs for many callers at once. Every table is matched on the organization in each row of parameters, which
  comes from a scoped statement.
- everywhere: crosses organizations on purpose: finding a credential, migrating, sweeping, verifying.

`lease_clock()` in a text is the database's own clock in Unix milliseconds: processes on several machines may
disagree about the time, and a lease must end for all of them at once.

The check at import only catches a forgotten condition. The tests parse every scoped statement and follow its
equalities, and try to reach one organization's data from another.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any
from weakref import WeakSet

PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")
TABLE = re.compile(r"\b(?:from|join|update|into)\s+(?!set\b|unnest\b)([a-z_]+)")
INSERTED = re.compile(r"\binto\s+[a-z_]+")
COMMON_TABLE = re.compile(r"(?:\bwith|,)\s+([a-z_]+)\s+as\s+(?:materialized\s+)?\(")
SCOPED_BY = re.compile(r"\b(?:organization|o\.key) = (?::organization|[a-z_]+\.organization)\b")
ROW_LOCK = re.compile(r"\s+for (?:update|share)(?: of [a-z_]+)?(?: skip locked)?")

LEASE_CLOCK = "lease_clock()"
LEASE_CLOCKS = {
    "?": "cast(unixepoch('subsec') * 1000 as integer)",
    "$": "(extract(epoch from clock_timestamp()) * 1000)::bigint",
}

# All statements in use, for the tests that check each.
ALL: "WeakSet[Statement]" = WeakSet()


class RefusedStatement(Exception):
    """A statement that could cross organizations or users without saying so."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """One text in a database's own parameter style, with the names of its parameters in order."""

    text: str
    names: tuple[str, ...]
    # Returns the values of the parameters in that order.
    bind: Callable[[Mapping[str, Any]], tuple[Any, ...]]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Statement:
    """A statement for both databases.

    On SQLite it may have several steps. It stops at the first step without rows, and its result is the rows of the last
    step that has any. So the last step needs no RETURNING, for which SQLite builds a temporary table.
    """

    kind: str
    every_user: bool
    sqlite: tuple[Compiled, ...]
    postgres: Compiled
    # For calls that are sent together: takes an array for each parameter.
    postgres_many: Compiled | None = None


def scoped(
    *sqlite: str, postgres: str | None = None, postgres_many: str | None = None, every_user: bool = False
) -> Statement:
    """Compile a statement for one caller. `every_user` allows threads of all users."""
    for text in (*sqlite, *filter(None, (postgres, postgres_many))):
        check_scoped(text, every_user=every_user)
    return _compile("scoped", sqlite, postgres, postgres_many, every_user=every_user)


def keyed(*sqlite: str, postgres_many: str) -> Statement:
    """Compile a statement that takes many rows of parameters, each with its organization: see `fetch_many`.

    On SQLite it runs for each row, on PostgreSQL once with an array for each parameter.
    """
    for text in (*sqlite, postgres_many):
        check_scoped(text, every_user=True)
    return _compile("keyed", sqlite, postgres_many, postgres_many)


def everywhere(*sqlite: str, postgres: str | None = None) -> Statement:
    """Compile a statement that crosses organizations on purpose."""
    return _compile("everywhere", sqlite, postgres, None)


def check_scoped(text: str, *, every_user: bool) -> None:
    """Raise RefusedStatement unless each table of `text` is matched on the caller's organization."""
    text = ROW_LOCK.sub("", text)
    common = set(COMMON_TABLE.findall(text))
    tables = [name for name in TABLE.findall(text) if name not in common]
    inserts = len(INSERTED.findall(text))
    if ":organization" not in text or len(SCOPED_BY.findall(text)) + inserts < len(tables):
        raise RefusedStatement(f"Every table must be matched on organization = :organization:\n{text}")
    reads_threads = re.search(r"\b(?:from|join|update) threads\b", text)
    if reads_threads and not every_user and ":member" not in text:
        raise RefusedStatement(f"Threads must be restricted to :member, or every_user said:\n{text}")


def _compile(
    kind: str, sqlite: Iterable[str], postgres: str | None, postgres_many: str | None, *, every_user: bool = True
) -> Statement:
    steps = tuple(sqlite)
    if postgres is None and len(steps) != 1:
        raise RefusedStatement(f"A block of several steps needs its PostgreSQL text:\n{steps[0]}")
    statement = Statement(
        kind,
        every_user,
        tuple(compile_text(ROW_LOCK.sub("", step), "?") for step in steps),
        compile_text(postgres or steps[0], "$"),
        compile_text(postgres_many, "$") if postgres_many else None,
    )
    ALL.add(statement)
    return statement


def compile_text(text: str, mark: str) -> Compiled:
    names: list[str] = []

    def numbered(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in names:
            names.append(name)
        return f"{mark}{names.index(name) + 1}"

    text = text.replace(LEASE_CLOCK, LEASE_CLOCKS[mark])
    text = PARAMETER.sub(numbered, text).strip()
    return Compiled(text, tuple(names), picker(names))


def picker(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Return a function that takes these values from a mapping. `itemgetter` gives no tuple for fewer than two."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda parameters: tuple(parameters[name] for name in names)
