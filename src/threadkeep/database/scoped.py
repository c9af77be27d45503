"""The only object through which operations for a caller reach the database: it adds who is asking."""

import math
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from threadkeep import clock
from threadkeep.database.driver import Database, Late, Row, Transaction
from threadkeep.database.statement import Statement
from threadkeep.scope import Scope

P = ParamSpec("P")
T = TypeVar("T")


class ScopedTransaction:
    """A transaction of one caller. `:organization` and `:member` of its statements come from the scope alone."""

    __slots__ = ("_counts_until_s", "_transaction", "scope")

    def __init__(self, transaction: Transaction, scope: Scope, counts_until_s: float = math.inf) -> None:
        self._transaction = transaction
        self._counts_until_s = counts_until_s
        self.scope = scope

    def fetch(self, statement: Statement, **parameters: Any) -> Coroutine[Any, Any, Sequence[Row]]:
        self._add_scope(statement, parameters)
        return self._transaction.fetch(statement, parameters)

    async def fetch_one(self, statement: Statement, **parameters: Any) -> Row | None:
        self._add_scope(statement, parameters)
        rows = await self._transaction.fetch(statement, parameters)
        return rows[0] if rows else None

    async def execute_many(self, statement: Statement, parameters: Sequence[dict[str, Any]]) -> None:
        for each in parameters:
            self._add_scope(statement, each)
        await self._transaction.execute_many(statement, parameters)

    def _add_scope(self, statement: Statement, parameters: dict[str, Any]) -> None:
        if statement.kind != "scoped":
            raise RuntimeError("A caller's transaction takes scoped statements only.")
        parameters["organization"] = self.scope.organization
        parameters["member"] = self.scope.member
        # For statements that wait to be sent together: one that waits longer than this raises Late.
        parameters["counts_until_s"] = self._counts_until_s


class Standing(Protocol):
    """The cached rights of one request's caller, and how long they may be trusted without asking the database."""

    # Whether the rights are always read anew, because the call itself changes credentials or roles.
    is_strict: bool

    @property
    def counts_until_s(self) -> float:
        """Monotonic seconds after which the caller's rights must be checked again before a write."""
        ...

    async def judge(self, tx: ScopedTransaction) -> None:
        """Check in this transaction that the caller still has the rights. Raises an ApiError if not."""
        ...


ScopedOperation = Callable[Concatenate[ScopedTransaction, P], Coroutine[Any, Any, T]]


def enter(
    transaction: Transaction, operation: ScopedOperation[P, T], scope: Scope, /, *args: P.args, **kwargs: P.kwargs
) -> Coroutine[Any, Any, T]:
    """Start `operation` for `scope`; drivers run this for reads."""
    return operation(ScopedTransaction(transaction, scope), *args, **kwargs)


async def enter_write(
    transaction: Transaction,
    operation: ScopedOperation[P, T],
    db: "ScopedDatabase",
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Run `operation`. The caller's rights must hold at its start, and at its end if it waited long for a lock."""
    tx = ScopedTransaction(transaction, db.scope)
    standing = db.standing
    if standing is None:
        return await operation(tx, *args, **kwargs)
    if standing.is_strict or clock.monotonic_s() > standing.counts_until_s:
        await standing.judge(tx)
    result = await operation(tx, *args, **kwargs)
    # In the strict case a lock has kept the rights as they were checked.
    if not standing.is_strict and clock.monotonic_s() > standing.counts_until_s:
        await standing.judge(tx)
    return result


def enter_once(
    transaction: Transaction,
    operation: ScopedOperation[P, T],
    db: "ScopedDatabase",
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> Coroutine[Any, Any, T]:
    """Start `operation`. It has no transaction to check rights in: raises Late, now or later, if they must be."""
    standing = db.standing
    if standing is None:
        return operation(ScopedTransaction(transaction, db.scope), *args, **kwargs)
    until_s = standing.counts_until_s
    if standing.is_strict or clock.monotonic_s() > until_s:
        raise Late
    return operation(ScopedTransaction(transaction, db.scope, until_s), *args, **kwargs)


class ScopedDatabase:
    """A database as one caller may use it. Without a standing it is the service's own work: no rights are checked."""

    __slots__ = ("_database", "scope", "standing")

    def __init__(self, database: Database, scope: Scope, standing: Standing | None = None) -> None:
        self._database = database
        self.scope = scope
        self.standing = standing

    def as_service(self) -> "ScopedDatabase":
        """Return the database for work that the service finishes even if the caller has lost the rights."""
        return ScopedDatabase(self._database, self.scope)

    def read(self, operation: ScopedOperation[P, T], *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        return self._database.read(enter, operation, self.scope, *args, **kwargs)

    def read_one_commit(
        self, operation: ScopedOperation[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T]:
        return self._database.read_one_commit(enter, operation, self.scope, *args, **kwargs)

    async def read_slowly(self, operation: ScopedOperation[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        async with self._database.slow_reads.place(self.scope):
            return await self._database.read_slowly(enter, operation, self.scope, *args, **kwargs)

    def write(self, operation: ScopedOperation[P, T], *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        return self._database.write(enter_write, operation, self, *args, **kwargs)

    def write_checked(
        self, operation: ScopedOperation[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T]:
        return self._database.write_checked(enter_write, operation, self, *args, **kwargs)

    async def write_once(self, operation: ScopedOperation[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self._database.write_once(enter_once, operation, self, *args, **kwargs)
        except Late:
            return await self.write(operation, *args, **kwargs)
