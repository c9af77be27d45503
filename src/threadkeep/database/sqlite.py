"""SQLite: reads on the event loop, writes through one writer thread with group commit, in one serving process."""

import asyncio
import errno
import fcntl
import os
from collections import deque
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, ParamSpec, TypeVar

import apsw

from threadkeep import clock
from threadkeep.database import migrate, sqlite_gaps
from threadkeep.database.driver import Operation, Row, Transaction, UniqueViolation, complete
from threadkeep.database.slow_reads import SlowReads
from threadkeep.database.sqlite_writer import Checkpointer, Job, Log, Writer
from threadkeep.database.statement import Statement, everywhere
from threadkeep.errors import StorageFull, Unavailable
from threadkeep.files import PRIVATE
from threadkeep.settings import SettingError, Settings

P = ParamSpec("P")
T = TypeVar("T")

BUSY_TIMEOUT_MS = 5_000
STATEMENT_CACHE_SIZE = 200
PAGE_CACHE_KIB = 8 * 1024
SLOW_READERS = 2
# A slow read checks the clock each time SQLite's virtual machine has run this many instructions.
PROGRESS_STEPS = 20_000
PING = everywhere("select 1")
UNIQUE_CONSTRAINTS = (apsw.SQLITE_CONSTRAINT_UNIQUE, apsw.SQLITE_CONSTRAINT_PRIMARYKEY)


class DatabaseInUse(SettingError):
    """Another process serves this file."""


def connect(path: Path, *, folds: bool = False, create: bool = False) -> apsw.Connection:
    """Open a connection with the settings that every connection needs; one that `folds` may do checkpoints."""
    try:
        connection = connected(path, vfs=sqlite_gaps.VFS if folds else None, create=create)
        # Only connections that clear gaps may write to the file.
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, not folds)
        return connection
    except apsw.Error as error:
        raise translated(error) from error


def connected(path: Path, *, vfs: str | None, create: bool = False) -> apsw.Connection:
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
    connection = apsw.Connection(str(path), flags=flags, vfs=vfs, statementcachesize=STATEMENT_CACHE_SIZE)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    # Plans must not depend on parameter values: SQLite would plan a statement with a limit anew for each call,
    # which takes as long as reading the list.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    [[journal]] = connection.execute("pragma journal_mode = wal").fetchall()
    if journal != "wal":
        raise SettingError(
            f"{path} cannot have a write-ahead log, as on most network file systems: keep it on a disk of this machine."
        )
    for pragma in (
        "synchronous = full",
        "foreign_keys = on",
        # Deleted means gone: freed space is overwritten. `sqlite_gaps` clears the copies that this option misses.
        "secure_delete = on",
        "wal_autocheckpoint = 0",
        "temp_store = memory",
        f"cache_size = -{PAGE_CACHE_KIB}",
    ):
        connection.execute(f"pragma {pragma}").fetchall()
    return connection


def translated(error: apsw.Error) -> Exception:
    """Return our own error for an error of the driver."""
    constraint = getattr(error, "extendedresult", None)
    match error:
        case apsw.ConstraintError() if constraint in UNIQUE_CONSTRAINTS:
            return UniqueViolation()
        case apsw.ConstraintError() if constraint == apsw.SQLITE_CONSTRAINT_FOREIGNKEY:
            return Unavailable("The organization is being deleted.")
        case apsw.FullError():
            return StorageFull()
        case apsw.NotADBError() | apsw.CorruptError():
            return Unavailable("The file is damaged or no SQLite database: restore a backup, or name another file.")
        case apsw.InterruptError():
            return Unavailable("This search visited too much and was given up: narrow it with other filters.")
        case apsw.ReadOnlyError() | apsw.NoMemError() | apsw.ProtocolError() | apsw.ConnectionClosedError():
            return Unavailable()
        case apsw.BusyError() | apsw.LockedError() | apsw.IOError() | apsw.CantOpenError():
            return Unavailable()
    return error


class SqliteTransaction:
    """Runs statements on one connection, without a pause."""

    __slots__ = ("_execute", "_execute_many")

    def __init__(self, connection: apsw.Connection) -> None:
        self._execute = connection.execute
        self._execute_many = connection.executemany

    async def fetch(self, statement: Statement, parameters: Mapping[str, Any]) -> Sequence[Row]:
        rows: Sequence[Row] = ()
        for step in statement.sqlite:
            try:
                found = self._execute(step.text, step.bind(parameters)).fetchall()
            except apsw.Error as error:
                raise translated(error) from error
            if not found:
                break
            rows = found
        return rows

    async def fetch_many(self, statement: Statement, parameters: Sequence[Mapping[str, Any]]) -> Sequence[Row]:
        """Run each step for all rows at once, which takes half as long; row by row if a step finds less than that."""
        rows: Sequence[Row] = ()
        for step in statement.sqlite:
            try:
                found = self._execute_many(step.text, [step.bind(each) for each in parameters]).fetchall()
            except apsw.Error as error:
                raise translated(error) from error
            if step is statement.sqlite[-1]:
                return found or rows
            if len(found) < len(parameters):
                return [row for each in parameters for row in await self.fetch(statement, each)]
            rows = found
        return rows

    async def execute_many(self, statement: Statement, parameters: Sequence[Mapping[str, Any]]) -> None:
        for each in parameters:
            await self.fetch(statement, each)


@contextmanager
def one_commit(connection: apsw.Connection) -> Iterator[None]:
    """Let all that is read in the block see the same commit, while the writer goes on."""
    connection.execute("begin")
    try:
        yield
    finally:
        # An error of the disk may have ended the transaction already.
        if connection.in_transaction:
            connection.execute("commit")


async def ping(tx: Transaction) -> None:
    await tx.fetch(PING, {})


class SqliteDatabase:
    """One file, served by one process."""

    is_served_alone = True
    is_in_parts = False

    def __init__(self, path: Path, settings: Settings, lock: IO[str] | None) -> None:
        self._path = path
        self._lock = lock
        self._slow_read_s = settings.slow_read_s
        self._reader = connect(path)
        self._reading: Transaction = SqliteTransaction(self._reader)
        self.slow_reads = SlowReads(SLOW_READERS, settings.slow_read_s)
        self._slow_readers = ThreadPoolExecutor(SLOW_READERS, thread_name_prefix="slow-read")
        # Idle connections, kept because opening one costs more than a small search.
        self._slow_connections: deque[apsw.Connection] = deque()
        self._log = Log(connect(path, folds=True))
        self._writer = Writer(lambda: connect(path), translated, SqliteTransaction, self._log, settings.wal_bytes_max)
        self._writer.start()
        self._checkpointer = Checkpointer(self._log, self._writer)
        if lock is not None:
            self._checkpointer.start()

    async def read(self, operation: Operation[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return complete(operation(self._reading, *args, **kwargs))

    async def read_one_commit(self, operation: Operation[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        with one_commit(self._reader):
            return complete(operation(self._reading, *args, **kwargs))

    async def read_slowly(self, operation: Operation[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        # Counts from here, so that the limit includes the wait behind other slow reads.
        deadline_s = clock.monotonic_s() + self._slow_read_s
        return await asyncio.get_running_loop().run_in_executor(
            self._slow_readers,
            self._read_aside,
            deadline_s,
            lambda transaction: operation(transaction, *args, **kwargs),
        )

    def write(self, operation: Operation[P, T], *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        return self._submit(lambda transaction: operation(transaction, *args, **kwargs), writes_once=False)

    def write_checked(self, operation: Operation[P, T], *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        return self._submit(lambda transaction: operation(transaction, *args, **kwargs), writes_once=True)

    write_once = write_checked

    async def require_writable(self) -> None:
        """Raise Unavailable unless the file can be read. With a full disk this succeeds: reads can still be served."""
        await self.read(ping)

    async def _submit(self, operation: Operation[[], T], *, writes_once: bool) -> T:
        job = Job(operation, asyncio.get_running_loop(), writes_once=writes_once)
        self._writer.submit(job)
        result: T = await job.future
        return result

    def _read_aside(self, deadline_s: float, operation: Operation[[], T]) -> T:
        if clock.monotonic_s() > deadline_s:
            raise Unavailable("Too many searches run at the moment: try again.")
        try:
            connection = self._slow_connections.pop()
        except IndexError:
            connection = connect(self._path)
        connection.set_progress_handler(lambda: clock.monotonic_s() > deadline_s, PROGRESS_STEPS)
        try:
            with one_commit(connection):
                found = complete(operation(SqliteTransaction(connection)))
        except BaseException:
            # Whatever ended the read, its transaction may be open: the connection is not used again. Raised again.
            connection.close()
            raise
        self._slow_connections.append(connection)
        return found

    async def close(self) -> None:
        """Finish submitted writes, checkpoint the write-ahead log and release the lock."""
        await asyncio.to_thread(self._stop_threads)
        self._reader.close()
        # The last one: it removes the log.
        self._log.close()
        if self._lock is not None:
            # Released explicitly: a forked child may still have the file open, which would keep the lock.
            fcntl.flock(self._lock, fcntl.LOCK_UN)
            self._lock.close()

    def _stop_threads(self) -> None:
        self._writer.stop()
        self._checkpointer.stop()
        self._slow_readers.shutdown()
        for connection in self._slow_connections:
            connection.close()


async def open_database(path: Path, settings: Settings, *, serving: bool) -> SqliteDatabase:
    """Open the file at `path`. Raises DatabaseInUse if it is to be served and another process does so already.

    Raises SettingError, SchemaMismatch, StorageFull or Unavailable if anything else is wrong with it.
    """
    require_no_folder(path)
    lock = lock_for_serving(path) if serving else None
    if not serving:
        require_file(path)
    with said_of(path):
        require_ours(path)
        with closing(connected(path, vfs=sqlite_gaps.VFS, create=serving)) as connection:
            if serving:
                apply_migrations(connection)
            else:
                migrate.require_current("sqlite", schema_number(connection))
    return SqliteDatabase(path, settings, lock)


@contextmanager
def said_of(path: Path) -> Iterator[None]:
    """Turn an error of the file into a sentence that says how to mend it."""
    try:
        yield
    except apsw.Error as error:
        raise refusal_of(error, path) from error


def refusal_of(error: apsw.Error, path: Path) -> Exception:
    match error:
        case apsw.BusyError() | apsw.LockedError():
            return Unavailable(f"{path} is held by another program, which wants it for itself: end that one first.")
        case apsw.ReadOnlyError() | apsw.CantOpenError() | apsw.PermissionsError() | apsw.AuthError():
            return SettingError(
                f"{path} cannot be opened for writing: see whose it is, and whether its disk is read-only."
            )
        case apsw.SQLError():
            return of_another_program(path)
        case apsw.IOError():
            return Unavailable(f"{path} cannot be read or written: see the system's log for what its disk says.")
    return translated(error)


def of_another_program(path: Path) -> SettingError:
    return SettingError(
        f"{path} belongs to another program: name a file of threadkeep's own, or one that is not there."
    )


def require_ours(path: Path) -> None:
    """Raise SettingError for a database of another program, before anything in it is changed."""
    if not path.exists() or not path.stat().st_size:
        return
    # Closing may checkpoint the log into the file; that must go through `sqlite_gaps`, so that gaps are cleared.
    flags = apsw.SQLITE_OPEN_READWRITE
    with closing(apsw.Connection(str(path), flags=flags, vfs=sqlite_gaps.VFS)) as connection:
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        tables = {name for (name,) in connection.execute("select name from sqlite_schema where type = 'table'")}
        if tables and "schema_migrations" not in tables:
            raise of_another_program(path)


def require_no_folder(path: Path) -> None:
    if path.name == ":memory:":
        raise SettingError("A database in memory keeps nothing: name a file.")
    if path.is_dir():
        raise SettingError(f"{path} is a folder: name a file in it, such as {path / 'threadkeep.db'}.")


def lock_for_serving(path: Path) -> IO[str]:
    """Take the exclusive lock on `….lock` beside the file. However the process ends, the system releases it."""
    if not path.parent.is_dir():
        # Not created silently: a typing error would start an empty service beside the real one.
        raise SettingError(f"There is no folder {path.parent}: make it first, or name a file in another one.")
    try:
        # Private: any user who can open the lock file can hold it and keep the service from starting.
        descriptor = os.open(f"{path}.lock", os.O_WRONLY | os.O_CREAT, PRIVATE)
        with suppress(PermissionError):  # It belongs to another user, who lets this one write.
            os.fchmod(descriptor, PRIVATE)
        if not path.exists():
            path.touch(mode=PRIVATE)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StorageFull() from error
        raise SettingError(
            f"Nothing can be written to the folder {path.parent}, where the database should be: {error.strerror}."
        ) from error
    lock = os.fdopen(descriptor, "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise DatabaseInUse(
            f"{path} is served already, by another process or by a client that is open here: call that server, or stop "
            "it first. Several processes can serve PostgreSQL."
        ) from None
    os.set_inheritable(lock.fileno(), False)
    return lock


def require_file(path: Path) -> None:
    if not path.exists():
        raise migrate.SchemaMismatch(f"There is no database at {path}: start `threadkeep serve` once to create it.")


def schema_number(connection: apsw.Connection) -> int:
    exists = connection.execute("select 1 from sqlite_schema where name = 'schema_migrations'").fetchall()
    return read_integer(connection, migrate.READ_NUMBER) if exists else 0


def read_integer(connection: apsw.Connection, sql: str) -> int:
    [[value]] = connection.execute(sql).fetchall()
    assert isinstance(value, int)
    return value


def apply_migrations(connection: apsw.Connection) -> None:
    for number, sql in migrate.pending("sqlite", schema_number(connection)):
        connection.execute("begin immediate")
        try:
            connection.execute(migrate.CREATE_TABLE)
            connection.execute(sql).fetchall()
            connection.execute("insert into schema_migrations values (?, ?)", (number, clock.now_ms()))
            connection.execute("commit")
        except apsw.Error as error:
            if connection.in_transaction:
                connection.execute("rollback")
            raise translated(error) from error
