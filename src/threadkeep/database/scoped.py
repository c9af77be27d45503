"""The only object through which operations for a caller reach the database: it adds who is asking."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

from threadkeep.database.driver import Database, Row, Transaction
from threadkeep.database.statement import Statement
from threadkeep.scope import Scope

P = ParamSpec("P")
T = TypeVar("T")


class ScopedTransaction:
    """A transaction of one caller. Statements get `:organization` and `:member` from the scope, from nowhere else."""

    __slots__ = ("_transaction", "scope")

    def __init__(self, transaction: Transaction, scope: Scope) -> None:
        self._transaction = transaction
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


ScopedOperation = Callable[Concatenate[ScopedTransaction, P], Coroutine[Any, Any, T]]


def enter(
    transaction: Transaction, operation: ScopedOperation[P, T], scope: Scope, /, *args: P.args, **kwargs: P.kwargs
) -> Coroutine[Any, Any, T]:
    """Start `operation` for `scope`; what a driver runs for a caller."""
    return operation(ScopedTransaction(transaction, scope), *args, **kwargs)


class ScopedDatabase:
    """A database as one caller may use it."""

    __slots__ = ("_database", "scope")

    def __init__(self, database: Database, scope: Scope) -> None:
        self._database = database
        self.scope = scope

    def read(self, operation: ScopedOperation[P, T], *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        return self._database.read(enter, operation, self.scope, *args, **kwargs)

    async def read_slowly(self, operation: ScopedOperation[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        async with self._database.slow_reads.place(self.scope):
            return await self._database.read_slowly(enter, operation, self.scope, *args, **kwargs)

    def write(self, operation: ScopedOperation[P, T], *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        return self._database.write(enter, operation, self.scope, *args, **kwargs)

    def write_once(self, operation: ScopedOperation[P, T], *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        return self._database.write_once(enter, operation, self.scope, *args, **kwargs)
