"""PostgreSQL: a pool of connections; one round trip if one statement is enough, else a short transaction."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, ParamSpec, TypeVar

import asyncpg

from threadkeep import clock
from threadkeep.database.batching import StatementBatcher
from threadkeep.database.connections import ConnectionPool
from threadkeep.database.distribution import ONE_SERVER, Layout
from threadkeep.database.driver import Late, Operation, Row, UniqueViolation
from threadkeep.database.hosts import REFUSALS, Hosts
from threadkeep.database.postgres_start import prepare, refusal_of
from threadkeep.database.slow_reads import SlowReads
from threadkeep.database.statement import Compiled, Statement, everywhere
from threadkeep.errors import ApiError, StorageFull, Unavailable
from threadkeep.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)

ACQUIRE_S = 5.0
STATEMENT_S = 10.0
# A single-statement write checks no credential after it was sent. This limit plus the time that credentials are cached
# stays below 10 s, after which a revoked credential must have no effect.
WRITE_ONCE_S = 4.5
# How often the log says why no connection can be opened.
COMPLAINT_INTERVAL_S = 60.0
# If waiting for a connection leaves less time than this, the write is not sent: the server would be given up too soon.
SENT_S_MIN = WRITE_ONCE_S / 2
STATEMENT_CACHE_SIZE = 300
# The limit leaves connections for everything but slow reads.
SLOW_READS_MAX = 3
UNAVAILABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InvalidTransactionStateError,
    asyncpg.ForeignKeyViolationError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
DRIVER_ERRORS = (asyncpg.PostgresError, *UNAVAILABLE)

IS_READ_ONLY = everywhere(
    "select 0", postgres="select pg_is_in_recovery() or current_setting('transaction_read_only')::boolean"
)
# All statements see what was committed before the first of them.
BEGIN_READING = "begin isolation level repeatable read read only"


def translated(error: Exception) -> Exception:
    """Return our own error for an error of the driver."""
    if isinstance(error, asyncpg.UniqueViolationError):
        return UniqueViolation()
    if isinstance(error, asyncpg.DiskFullError):
        return StorageFull()
    return Unavailable() if isinstance(error, UNAVAILABLE) else error


async def run(
    connection: Any, compiled: Compiled, parameters: Mapping[str, Any], timeout_s: float = STATEMENT_S
) -> Sequence[Row]:
    # Any: asyncpg has no types.
    try:
        rows: Sequence[Row] = await connection.fetch(compiled.text, *compiled.bind(parameters), timeout=timeout_s)
    except asyncpg.UniqueViolationError as error:
        raise UniqueViolation from error
    return rows


class PostgresTransaction:
    """Runs statements on the connection of one transaction."""

    __slots__ = ("_connection", "_layout")

    def __init__(self, connection: Any, layout: Layout = ONE_SERVER) -> None:
        self._connection = connection
        self._layout = layout

    async def fetch(self, statement: Statement, parameters: Mapping[str, Any]) -> Sequence[Row]:
        return await run(self._connection, self._layout.compiled(statement), parameters)

    async def fetch_many(self, statement: Statement, parameters: Sequence[Mapping[str, Any]]) -> Sequence[Row]:
        calls = self._layout.calls(statement, parameters) if parameters else ()
        return [row for each in calls for row in await self.fetch(statement, each)]

    async def execute_many(self, statement: Statement, parameters: Sequence[Mapping[str, Any]]) -> None:
        if parameters:
            compiled = self._layout.compiled(statement)
            await self._connection.executemany(compiled.text, [compiled.bind(each) for each in parameters])


class EachAlone:
    """Runs each statement as a transaction of its own, on whichever connection is free."""

    __slots__ = ("_batcher", "_database", "_layout", "_within_s")

    def __init__(self, database: "PostgresDatabase", layout: Layout, within_s: float | None = None) -> None:
        self._database = database
        self._layout = layout
        self._within_s = within_s
        gathers = within_s is not None and not layout.is_cluster
        self._batcher = StatementBatcher(partial(database.fetch, within_s=within_s)) if gathers else None

    async def fetch(self, statement: Statement, parameters: Mapping[str, Any]) -> Sequence[Row]:
        if self._batcher is not None and statement.postgres_many is not None:
            return await self._batcher.fetch(statement, parameters)
        return await self._database.fetch(self._layout.compiled(statement), parameters, self._within_s)

    async def fetch_many(self, statement: Statement, parameters: Sequence[Mapping[str, Any]]) -> Sequence[Row]:
        if not parameters:
            return ()
        compiled = self._layout.compiled(statement)
        first, *others = self._layout.calls(statement, parameters)
        if not others:
            return await self._database.fetch(compiled, first)
        found = await asyncio.gather(*(self._database.fetch(compiled, each) for each in (first, *others)))
        return [row for rows in found for row in rows]

    async def execute_many(self, statement: Statement, parameters: Sequence[Mapping[str, Any]]) -> None:
        raise RuntimeError("Several statements need a transaction around them.")


class PostgresDatabase:
    """One database, served by any number of processes."""

    is_served_alone = False

    def __init__(self, connections: ConnectionPool, settings: Settings, layout: Layout) -> None:
        self._connections = connections
        self._layout = layout
        self.is_in_parts = layout.is_cluster
        self._slow_read_s = settings.slow_read_s
        self.slow_reads = SlowReads(SLOW_READS_MAX, settings.slow_read_s)
        self._reading = EachAlone(self, layout)
        self._writing_once = EachAlone(self, layout, WRITE_ONCE_S)
        # asyncio keeps only weak references: a task without another one may be collected while it runs.
        self._writes: set[asyncio.Task[Any]] = set()

    async def read(self, operation: Operation[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await operation(self._reading, *args, **kwargs)

    async def read_one_commit(self, operation: Operation[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._where_writes_go(
            lambda: self._transact(lambda transaction: operation(transaction, *args, **kwargs), BEGIN_READING)
        )

    async def read_slowly(self, operation: Operation[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            async with asyncio.timeout(self._slow_read_s):
                return await self.read_one_commit(operation, *args, **kwargs)
        except TimeoutError:
            raise Unavailable("This search visited too much and was given up: narrow it with other filters.") from None

    async def write(self, operation: Operation[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._shielded(
            self._where_writes_go(
                lambda: self._transact(lambda transaction: operation(transaction, *args, **kwargs)),
            )
        )

    write_checked = write

    async def write_once(self, operation: Operation[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._shielded(operation(self._writing_once, *args, **kwargs))

    async def close(self) -> None:
        if self._writes:
            await asyncio.wait(self._writes, timeout=STATEMENT_S)
        await self._connections.close()

    async def _shielded(self, work: Coroutine[Any, Any, T]) -> T:
        """Let a write finish even when its caller is cancelled."""
        task = asyncio.ensure_future(work)
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        return await asyncio.shield(task)

    async def require_writable(self) -> None:
        """Raise Unavailable unless the sessions take writes, after connecting anew if they did not."""
        [[is_read_only]] = await self.fetch(IS_READ_ONLY.postgres, {})
        if is_read_only:
            self._connections.renew()
            [[is_read_only]] = await self.fetch(IS_READ_ONLY.postgres, {})
        if is_read_only:
            raise Unavailable("The database takes no writes at the moment.")

    async def fetch(
        self, compiled: Compiled, parameters: Mapping[str, Any], within_s: float | None = None
    ) -> Sequence[Row]:
        """Run one statement as its own transaction; `within_s` includes the wait for a connection."""
        until_s = None if within_s is None else clock.monotonic_s() + within_s
        # As in _where_writes_go, without another coroutine: each read takes 4 % fewer instructions.
        try:
            try:
                return await self._fetch(compiled, parameters, until_s)
            except asyncpg.ReadOnlySQLTransactionError:
                return await self._fetch(compiled, parameters, until_s)
        except DRIVER_ERRORS as error:
            raise translated(error) from error

    async def _where_writes_go(self, attempt: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Try once more if the session is read-only, as on a former primary.

        Only this error proves that nothing was written, so that a second try is safe.
        """
        try:
            try:
                return await attempt()
            except asyncpg.ReadOnlySQLTransactionError:
                return await attempt()
        except DRIVER_ERRORS as error:
            raise translated(error) from error

    async def _fetch(self, compiled: Compiled, parameters: Mapping[str, Any], until_s: float | None) -> Sequence[Row]:
        connection = self._connections.take_idle() or await self._connections.take()
        try:
            left_s = STATEMENT_S if until_s is None else until_s - clock.monotonic_s()
            if left_s < SENT_S_MIN:
                raise Late
            return await run(connection, compiled, parameters, left_s)
        except asyncio.CancelledError:
            connection.terminate()
            raise
        except TimeoutError:
            self._give_up(connection)
            raise
        except asyncpg.ReadOnlySQLTransactionError:
            self._connections.renew()
            raise
        finally:
            self._connections.give(connection)

    async def _transact(self, operation: Operation[[], T], begin: str = "begin") -> T:
        connection = await self._connections.take()
        try:
            await connection.execute(begin)
            result = await operation(PostgresTransaction(connection, self._layout))
            await connection.execute("commit")
            return result
        except ApiError:
            await connection.execute("rollback")
            raise
        except TimeoutError:
            self._give_up(connection)
            raise
        except asyncpg.ReadOnlySQLTransactionError:
            self._connections.renew()
            raise
        finally:
            # After a cancellation or an unknown error a transaction may be open: the connection must not be lent again.
            if not connection.is_closed() and connection.is_in_transaction():
                connection.terminate()
            self._connections.give(connection)

    def _give_up(self, connection: Any) -> None:
        """Close a connection whose server is silent, and the idle ones: each would make a caller wait as long."""
        connection.terminate()
        self._connections.close_idle()


class Complaints:
    """Logs why no connection can be opened; callers learn only that the database is unavailable."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def say(self, error: Exception) -> None:
        now_s = clock.monotonic_s()
        if now_s >= self._next_s:
            self._next_s = now_s + COMPLAINT_INTERVAL_S
            logger.warning("No connection can be opened: %s", refusal_of(error))


async def open_database(url: str, settings: Settings, *, serving: bool) -> PostgresDatabase:
    """Connect, and migrate if `serving`. Raises SettingError, SchemaMismatch, or Unavailable if it may pass."""
    hosts = Hosts(url)
    session, layout = await prepare(hosts, serving=serving)
    complaints = Complaints()

    async def connect() -> Any:
        try:
            return await hosts.connect(
                ACQUIRE_S,
                session,
                statement_cache_size=STATEMENT_CACHE_SIZE,
                max_cached_statement_lifetime=0,
                command_timeout=STATEMENT_S,
            )
        except REFUSALS as error:
            complaints.say(error)
            raise Unavailable() from error

    return PostgresDatabase(ConnectionPool(connect, settings.pool_size, ACQUIRE_S), settings, layout)
