"""Statements: SQL as named constants, compiled at import for both databases. Each has one of three kinds:

- scoped: runs for one caller. Every table must be matched on `organization = :organization`, and threads on the
  member as well; a text without that is refused at import.
- keyed: runs for many callers at once. Every table is matched on the organization in each row of parameters, which
  comes from a scoped statement.
- everywhere: crosses organizations on purpose: finding a credential, migrating, sweeping, verifying.

On PostgreSQL a statement is one text. On a cluster of Citus it goes to the machine of its organization: as the same
text, if it keeps the rules of Citus (tests/test_statements_distributed.py), or as a function that runs there in steps.

`lease_clock()` in a text is the database's own clock in Unix milliseconds: processes on several machines may
disagree about the time, and a lease must end for all of them at once. `statement_clock()` is the same clock at the
statement's start: Citus takes no other in an `update`. It does not move while a row lock is waited for, so the row must
be locked already.

The check at import only catches a forgotten condition. The tests parse every scoped statement and follow its
equalities, and try to reach one organization's data from another.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from operator import itemgetter
from typing import Any
from weakref import WeakSet

PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")
TABLE = re.compile(
    r"\b(?:from|join|update|into)\s+(?!set\b|unnest\b|lateral\b|json_each\b|json_array_elements)([a-z_]+)"
)
INSERTED = re.compile(r"\binto\s+[a-z_]+")
COMMON_TABLE = re.compile(r"(?:\bwith|,)\s+([a-z_]+)\s+as\s+(?:materialized\s+)?\(")
SCOPED_BY = re.compile(r"\b(?:organization|o\.key) = (?::organization|[a-z_]+\.organization)\b")
ROW_LOCK = re.compile(r"\s+for (?:update|share)(?: of [a-z_]+)?(?: skip locked)?")

CLOCKS = {
    "lease_clock()": {
        "?": "cast(unixepoch('subsec') * 1000 as integer)",
        "$": "(extract(epoch from clock_timestamp()) * 1000)::bigint",
    },
    "statement_clock()": {
        "?": "cast(unixepoch('subsec') * 1000 as integer)",
        "$": "(extract(epoch from statement_timestamp()) * 1000)::bigint",
    },
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
    # What a cluster gets. The rows of a keyed statement are of one organization there.
    distributed: Compiled
    # For calls that are sent together: takes an array for each parameter.
    postgres_many: Compiled | None = None
    # The body, in PL/pgSQL, of the function that `distributed` calls.
    function: Compiled | None = None


def scoped(
    *sqlite: str,
    postgres: str | None = None,
    postgres_many: str | None = None,
    function: str | None = None,
    every_user: bool = False,
) -> Statement:
    """Compile a statement for one caller. `every_user` allows threads of all users.

    On a cluster, `function` runs in place of `postgres`, with the same parameters and columns.
    """
    for text in (*sqlite, *filter(None, (postgres, postgres_many, function))):
        check_scoped(text, every_user=every_user)
    return _compile("scoped", sqlite, postgres, function, postgres_many=postgres_many, every_user=every_user)


def keyed(*sqlite: str, rows: Mapping[str, str], postgres: str, function: str | None = None) -> Statement:
    """Compile a statement that takes many rows of parameters, each with its organization: see `fetch_many`.

    On SQLite it runs for each row. On PostgreSQL it runs once: `postgres` goes on from a common table `given` that has
    the rows, with `organization` and the columns that `rows` names with their types. On a cluster it runs once for each
    organization.
    """
    arrays = ", ".join(f":{name}::{type}[]" for name, type in rows.items())
    names = ", ".join(rows)
    many = f"select * from unnest(:organization::bigint[], {arrays}) as g (organization, {names})"
    of_one = f"select :organization::bigint as organization, g.* from unnest({arrays}) as g ({names})"
    texts = [f"with given as ({given}){postgres}" for given in (many, of_one)]
    for text in (*sqlite, *texts, *filter(None, (function,))):
        check_scoped(text, every_user=True)
    return _compile("keyed", sqlite, texts[0], function, distributed=texts[1])


def everywhere(*sqlite: str, postgres: str | None = None) -> Statement:
    """Compile a statement that crosses organizations on purpose."""
    return _compile("everywhere", sqlite, postgres, None)


@dataclass(frozen=True, slots=True)
class Finder:
    """A search through all organizations, and the same in one."""

    everywhere: Statement
    within: Statement

    def of(self, organization: int | None) -> Statement:
        return self.everywhere if organization is None else self.within


def finder(text: str, column: str) -> Finder:
    """Compile a search. `{within}` in `text` is where the condition on `column`, the organization's, goes."""
    return Finder(everywhere(text.format(within="true")), everywhere(text.format(within=f"{column} = :organization")))


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
    kind: str,
    sqlite: Iterable[str],
    postgres: str | None,
    function: str | None,
    *,
    distributed: str | None = None,
    postgres_many: str | None = None,
    every_user: bool = True,
) -> Statement:
    steps = tuple(sqlite)
    if postgres is None and len(steps) != 1:
        raise RefusedStatement(f"A block of several steps needs its PostgreSQL text:\n{steps[0]}")
    whole = compile_text(postgres or steps[0], "$")
    body = compile_text(function, "$") if function else None
    statement = Statement(
        kind,
        every_user,
        tuple(compile_text(ROW_LOCK.sub("", step), "?") for step in steps),
        whole,
        call_of(body) if body else compile_text(distributed, "$") if distributed else whole,
        compile_text(postgres_many, "$") if postgres_many else None,
        body,
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

    for clock, meanings in CLOCKS.items():
        text = text.replace(clock, meanings[mark])
    text = PARAMETER.sub(numbered, text).strip()
    if mark == "?":
        # SQLite's driver takes the hash of the whole text for each call: without what indents it that costs less.
        text = " ".join(text.split())
    return Compiled(text, tuple(names), picker(names))


def call_of(body: Compiled) -> Compiled:
    """Return the call of the function with this body. The name changes with the body, so that the versions of two
    programs lie side by side."""
    arguments = ", ".join(f"${place}" for place in range(1, len(body.names) + 1))
    return Compiled(f"select * from {function_name(body)}({arguments})", body.names, body.bind)


def function_name(body: Compiled) -> str:
    return f"threadkeep_{blake2b(body.text.encode(), digest_size=8).hexdigest()}"


def picker(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Return a function that takes these values from a mapping. `itemgetter` gives no tuple for fewer than two."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda parameters: tuple(parameters[name] for name in names)
