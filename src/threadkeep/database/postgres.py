"""PostgreSQL: a stack of connections, one round trip where one statement does it, else a short transaction."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, ParamSpec, TypeVar

import asyncpg

from threadkeep import clock
from threadkeep.database import migrate
from threadkeep.database.connections import Connections
from threadkeep.database.driver import Operation, Row, UniqueViolation
from threadkeep.database.gather import Gatherer
from threadkeep.database.hosts import Hosts
from threadkeep.database.slow_reads import SlowReads
from threadkeep.database.statement import Compiled, Statement
from threadkeep.errors import ApiError, StorageFull, Unavailable
from threadkeep.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

ACQUIRE_S = 5.0
STATEMENT_S = 10.0
# A write of one statement looks at no credential once it was sent. With what the credential is remembered for before,
# it is done in less than the 10 s after which nothing may be done with a revoked one.
WRITE_ONCE_S = 4.5
STATEMENT_CACHE_SIZE = 300
# Searches must leave connections to everything else.
SLOW_READS_MAX = 3
# Any process that migrates takes this advisory lock: "thrk" as a number.
MIGRATION_LOCK = 0x7468726B

SESSION = {
    "application_name": "threadkeep",
    "synchronous_commit": "on",
    # A process that is frozen inside a transaction must not hold its rows.
    "idle_in_transaction_session_timeout": "2s",
    "lock_timeout": "3s",
    "statement_timeout": "10s",
    "tcp_user_timeout": "5s",
    # A search that was given up ends in the server too.
    "client_connection_check_interval": "500ms",
    # No plan depends on values here, and planning a list again each time took as long as reading it.
    "plan_cache_mode": "force_generic_plan",
    # Short statements by index: compiling them costs more than running them.
    "jit": "off",
}

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


def translated(error: Exception) -> Exception:
    """Return the project's own error for one of the driver's."""
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


def columns(statement: Statement, parameters: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return one array for each parameter of a keyed statement."""
    return {name: [each[name] for each in parameters] for name in statement.postgres.names}


class PostgresTransaction:
    """Runs statements on the connection of one transaction."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def fetch(self, statement: Statement, parameters: Mapping[str, Any]) -> Sequence[Row]:
        return await run(self._connection, statement.postgres, parameters)

    async def fetch_many(self, statement: Statement, parameters: Sequence[Mapping[str, Any]]) -> Sequence[Row]:
        return await run(self._connection, statement.postgres, columns(statement, parameters)) if parameters else ()

    async def execute_many(self, statement: Statement, parameters: Sequence[Mapping[str, Any]]) -> None:
        if parameters:
            compiled = statement.postgres
            await self._connection.executemany(compiled.text, [compiled.bind(each) for each in parameters])


class EachAlone:
    """Runs each statement as a transaction of its own, on whichever connection is free."""

    __slots__ = ("_database", "_gatherer")

    def __init__(self, database: "PostgresDatabase", gatherer: Gatherer | None) -> None:
        self._database = database
        self._gatherer = gatherer

    async def fetch(self, statement: Statement, parameters: Mapping[str, Any]) -> Sequence[Row]:
        if self._gatherer is not None and statement.postgres_many is not None:
            return await self._gatherer.fetch(statement, parameters)
        within_s = None if self._gatherer is None else WRITE_ONCE_S
        return await self._database.fetch(statement.postgres, parameters, within_s)

    async def fetch_many(self, statement: Statement, parameters: Sequence[Mapping[str, Any]]) -> Sequence[Row]:
        return await self._database.fetch(statement.postgres, columns(statement, parameters)) if parameters else ()

    async def execute_many(self, statement: Statement, parameters: Sequence[Mapping[str, Any]]) -> None:
        raise RuntimeError("Several statements need a transaction around them.")


class PostgresDatabase:
    """One database, served by any number of processes."""

    is_served_alone = False

    def __init__(self, connections: Connections, settings: Settings) -> None:
        self._connections = connections
        self._slow_read_s = settings.slow_read_s
        self.slow_reads = SlowReads(SLOW_READS_MAX, settings.slow_read_s)
        self._reading = EachAlone(self, None)
        self._writing_once = EachAlone(self, Gatherer(partial(self.fetch, within_s=WRITE_ONCE_S)))
        # A task that nobody refers to may vanish in the middle of its work.
        self._writes: set[asyncio.Task[Any]] = set()

    async def read(self, operation: Operation[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await operation(self._reading, *args, **kwargs)

    async def read_slowly(self, operation: Operation[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            async with asyncio.timeout(self._slow_read_s):
                return await operation(self._reading, *args, **kwargs)
        except TimeoutError:
            raise Unavailable("This search visited too much and was given up: narrow it with other filters.") from None

    async def write(self, operation: Operation[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._shielded(self._transact(lambda transaction: operation(transaction, *args, **kwargs)))

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

    async def fetch(
        self, compiled: Compiled, parameters: Mapping[str, Any], within_s: float | None = None
    ) -> Sequence[Row]:
        """Run one statement as a transaction of its own; `within_s` counts the wait for a connection too."""
        asked_s = clock.monotonic_s()
        try:
            connection = await self._connections.take()
            try:
                left_s = STATEMENT_S if within_s is None else max(0.001, asked_s + within_s - clock.monotonic_s())
                return await run(connection, compiled, parameters, left_s)
            except asyncio.CancelledError:
                connection.terminate()
                raise
            except TimeoutError:
                self._give_up(connection)
                raise
            finally:
                self._connections.give(connection)
        except DRIVER_ERRORS as error:
            raise translated(error) from error

    async def _transact(self, operation: Operation[[], T]) -> T:
        try:
            connection = await self._connections.take()
            try:
                await connection.execute("begin")
                result = await operation(PostgresTransaction(connection))
                await connection.execute("commit")
                return result
            except ApiError:
                await connection.execute("rollback")
                raise
            except TimeoutError:
                self._give_up(connection)
                raise
            finally:
                # Cancelled, or something is wrong with it: nobody may find a transaction open on it.
                if not connection.is_closed() and connection.is_in_transaction():
                    connection.terminate()
                self._connections.give(connection)
        except DRIVER_ERRORS as error:
            raise translated(error) from error

    def _give_up(self, connection: Any) -> None:
        """Close a connection whose server is silent, and the idle ones: each would cost somebody as long a wait."""
        connection.terminate()
        self._connections.close_idle()


async def open_database(url: str, settings: Settings, *, serving: bool) -> PostgresDatabase:
    """Connect, and migrate if `serving`. Raises Unavailable when the server cannot be reached."""

    hosts = Hosts(url)

    async def connect() -> Any:
        return await hosts.connect(
            ACQUIRE_S,
            server_settings=SESSION,
            statement_cache_size=STATEMENT_CACHE_SIZE,
            max_cached_statement_lifetime=0,
            command_timeout=STATEMENT_S,
        )

    try:
        connection = await hosts.connect(ACQUIRE_S)
        try:
            if serving:
                await apply_migrations(connection)
            else:
                migrate.require_current("postgres", await schema_number(connection))
        finally:
            await connection.close()
    except UNAVAILABLE as error:
        raise Unavailable(
            "The PostgreSQL server cannot be reached: check THREADKEEP_DATABASE_URL, and that the server runs."
        ) from error
    return PostgresDatabase(Connections(connect, settings.pool_size, ACQUIRE_S), settings)


async def schema_number(connection: Any) -> int:
    if await connection.fetchval("select to_regclass('schema_migrations')") is None:
        return 0
    return int(await connection.fetchval(migrate.READ_NUMBER))


async def apply_migrations(connection: Any) -> None:
    """Apply what is missing under a lock, so that several processes may start at once."""
    await connection.execute("select pg_advisory_lock($1)", MIGRATION_LOCK)
    try:
        for number, sql in migrate.pending("postgres", await schema_number(connection)):
            async with connection.transaction():
                await connection.execute(migrate.CREATE_TABLE)
                await connection.execute(sql)
                await connection.execute("insert into schema_migrations values ($1, $2)", number, clock.now_ms())
    finally:
        await connection.execute("select pg_advisory_unlock($1)", MIGRATION_LOCK)
