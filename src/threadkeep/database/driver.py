"""The interface of every database: transactions that run statements, and ways to run an operation in them.

An operation is a coroutine function that takes a transaction and awaits nothing else. On PostgreSQL it runs on
the event loop; on SQLite the writer thread or the loop runs it to its end without a pause. So no transaction stays
open while something other than the database is awaited.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from threadkeep.database.slow_reads import SlowReads
from threadkeep.database.statement import Statement

P = ParamSpec("P")
T = TypeVar("T")

Row = Sequence[Any]  # Any: columns are of many types; the function that reads a row gives them their names.


class UniqueViolation(Exception):
    """An insert met a row with the same key."""


class Late(Exception):
    """A write waited until its caller's rights had to be checked again; nothing was written."""


class Transaction(Protocol):
    """Runs the statements of an operation."""

    async def fetch(self, statement: Statement, parameters: Mapping[str, Any]) -> Sequence[Row]: ...

    async def fetch_many(self, statement: Statement, parameters: Sequence[Mapping[str, Any]]) -> Sequence[Row]:
        """Run a keyed statement for many rows of parameters in one round trip; return the rows of all."""
        ...

    async def execute_many(self, statement: Statement, parameters: Sequence[Mapping[str, Any]]) -> None: ...


Operation = Callable[Concatenate[Transaction, P], Coroutine[Any, Any, T]]


class Database(Protocol):
    """One database. All methods raise Unavailable or StorageFull when it cannot serve."""

    # Whether no other process can serve the same data at the same time.
    is_served_alone: bool
    # Whether some organizations may be unavailable while others are served.
    is_in_parts: bool
    # A slow read for a caller must take a place there first.
    slow_reads: SlowReads

    async def read(self, operation: Operation[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run an operation that only reads, each statement by an index. Each may see another commit."""
        ...

    async def read_one_commit(self, operation: Operation[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for several statements that must all see the same commit."""
        ...

    async def read_slowly(self, operation: Operation[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a read that no index bounds, apart from the fast ones and with a time limit. It sees one commit."""
        ...

    async def write(self, operation: Operation[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run an operation in one transaction. It returns after the commit."""
        ...

    async def write_checked(self, operation: Operation[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for an operation that refuses, if it does, before its first change: there is little to undo."""
        ...

    async def write_once(self, operation: Operation[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run an operation that writes by at most one statement; it needs no transaction around it.

        A statement for many rows (`fetch_many`) counts as one.
        """
        ...

    async def require_writable(self) -> None:
        """Raise Unavailable unless writes can be served now."""
        ...

    async def close(self) -> None: ...


async def apart(
    database: Database,
    items: Sequence[T],
    organization_of: Callable[[T], int],
    work: Callable[[Sequence[T]], Awaitable[Any]],
) -> None:
    """Do `work` with all items together; on a database in parts with those of each organization by themselves.

    Then what fails for one does not fail for others. Raises the first error when all have ended.
    """
    if not database.is_in_parts:
        await work(items)
        return
    groups: dict[int, list[T]] = {}
    for item in items:
        groups.setdefault(organization_of(item), []).append(item)
    ended = await asyncio.gather(*(work(group) for group in groups.values()), return_exceptions=True)
    for result in ended:
        if isinstance(result, BaseException):
            raise result


def complete(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run `coroutine` to its end without an event loop. Nothing that it awaits may suspend it."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    coroutine.close()
    raise RuntimeError("An operation awaited something other than its transaction.")
