"""SQLite's one writer: all waiting jobs share one transaction; results are handed out after its commit."""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import apsw

from threadkeep.database.driver import Transaction, complete
from threadkeep.errors import StorageFull, Unavailable

logger = logging.getLogger(__name__)

BATCH_JOBS_MAX = 256
BATCH_S = 0.010
CHECKPOINT_INTERVAL_S = 0.25
# Fewer pages than this wait for more before a checkpoint: each costs two syncs, however small it is.
FEW_PAGES = 1_000
FEW_PAGES_INTERVAL_S = 2.0
EMPTY_INTERVAL_S = 3.0
# How long a checkpoint that must be waits for readers.
FOLDED_MS = 5_000


class Job:
    """One operation that waits for the writer, and the future of its result."""

    __slots__ = ("error", "future", "loop", "operation", "result", "writes_once")

    def __init__(
        self,
        operation: Callable[[Transaction], Coroutine[Any, Any, Any]],
        loop: asyncio.AbstractEventLoop,
        *,
        writes_once: bool,
    ) -> None:
        self.operation = operation
        self.writes_once = writes_once
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.result: Any = None  # Any: the operation's own type.
        self.error: BaseException | None = None


class TransactionLost(Exception):
    """SQLite has ended the transaction by itself, or it holds half of an operation: it is rolled back as a whole."""


class Log:
    """Folds the write-ahead log into the file, over a connection of its own."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        # SQLite does one checkpoint at a time; a second one at once would fail.
        self._folding = threading.Lock()

    def fold(self, mode: int, wait_ms: int) -> None:
        """Do a checkpoint, waiting for readers and writers for at most `wait_ms` if its mode must wait for them."""
        with self._folding:
            self._connection.set_busy_timeout(wait_ms)
            self._connection.wal_checkpoint(mode=mode)

    def close(self) -> None:
        self._connection.close()


class Writer(threading.Thread):
    """The only thread of the serving process that writes to the file."""

    def __init__(
        self,
        connect: Callable[[], apsw.Connection],
        translated: Callable[[apsw.Error], Exception],
        transaction: Callable[[apsw.Connection], Transaction],
        log: Log,
        wal_bytes_max: int,
    ) -> None:
        super().__init__(name="writer", daemon=True)
        self._connect = connect
        self._translated = translated
        self._make_transaction = transaction
        self._log = log
        self._wal_bytes_max = wal_bytes_max
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self.wal_pages = 0
        self.commits_count = 0
        self._is_stopping = False
        self._page_bytes: Any = 0  # Any: the driver does not know what a pragma answers.
        self._open()

    def submit(self, job: Job) -> None:
        self._queue.put(job)

    def stop(self) -> None:
        """Finish the submitted jobs, then end."""
        self._queue.put(None)
        self.join()
        self._connection.close()

    def run(self) -> None:
        while not self._is_stopping and (job := self._queue.get()) is not None:
            batch: list[Job] = []
            try:
                self._commit_together(job, batch)
            except Exception:  # The thread must survive any error: without it no write could be served.
                logger.exception("The writer failed and goes on with a new connection.")
                for each in batch or [job]:
                    each.error = each.error or Unavailable("The storage failed; whether this was saved is not known.")
                self._reopen()
            deliver(batch or [job])
            self._keep_log_small()

    def _open(self) -> None:
        self._connection = self._connect()
        self._connection.set_wal_hook(self._committed)
        self._transaction = self._make_transaction(self._connection)
        [[self._page_bytes]] = self._connection.execute("pragma page_size").fetchall()

    def _committed(self, _connection: apsw.Connection, _name: str, wal_pages: int) -> int:
        self.wal_pages = wal_pages
        self.commits_count += 1
        return apsw.SQLITE_OK

    def _next(self) -> Job | None:
        """Return the next waiting job, or None. Sets `_is_stopping` if it took the marker that ends the writer."""
        try:
            job = self._queue.get_nowait()
        except queue.Empty:
            return None
        self._is_stopping = job is None
        return job

    def _commit_together(self, first: Job, batch: list[Job]) -> None:
        """Run `first` and all waiting jobs in one transaction, and add each to `batch`."""
        until = time.monotonic() + BATCH_S
        job: Job | None = first
        try:
            self._connection.execute("begin immediate")
            while job is not None:
                batch.append(job)
                if job.writes_once:
                    self._run_at_once(job)
                else:
                    self._run_in_savepoint(job)
                is_full = len(batch) >= BATCH_JOBS_MAX or time.monotonic() >= until
                job = None if is_full else self._next()
            self._connection.execute("commit")
        except TransactionLost:
            self._roll_back()
            self._each_alone(batch)
        except apsw.Error as error:
            if not batch:
                # No transaction could begin. All waiting jobs fail now, rather than each wait for a failure of its own.
                batch.append(first)
                while (job := self._next()) is not None:
                    batch.append(job)
            self._after_failed_commit(batch, error)

    def _attempt(self, job: Job) -> bool:
        """Run the operation of a job and keep its result or its error; return whether it succeeded."""
        try:
            job.result = complete(job.operation(self._transaction))
        except Exception as error:  # Any error belongs to the caller, who waits for the job.
            job.error = self._translated(error) if isinstance(error, apsw.Error) else error
        return job.error is None

    def _run_at_once(self, job: Job) -> None:
        """Run a job without a savepoint, for which SQLite would copy every page that the job changes.

        Such a job writes once, or has checked before its first change whether it may. If one fails half-way, which is
        rare, each job of the batch runs again alone.
        """
        changes_count = self._connection.total_changes()
        if self._attempt(job):
            return
        if not self._connection.in_transaction or self._connection.total_changes() != changes_count:
            raise TransactionLost

    def _run_in_savepoint(self, job: Job) -> None:
        execute = self._connection.execute
        execute("savepoint operation")
        if not self._attempt(job):
            if not self._connection.in_transaction:
                raise TransactionLost
            execute("rollback to operation")
        execute("release operation")

    def _after_failed_commit(self, batch: list[Job], error: apsw.Error) -> None:
        if isinstance(error, apsw.FullError):
            self._roll_back()
            self._each_alone(batch)
            return
        if isinstance(error, apsw.BusyError):
            # Another process held the file locked for the whole busy time-out; nothing was written.
            self._roll_back()
            for job in batch:
                job.error = job.error or Unavailable()
            return
        logger.error("The database file failed: %s", error)
        for job in batch:
            # The commit may have reached the file: only a retry with the same idempotency key is safe.
            job.error = job.error or Unavailable("The storage failed; whether this was saved is not known.")
        self._reopen()

    def _each_alone(self, batch: list[Job]) -> None:
        """Try each job again in its own transaction, so that one too large for the disk does not fail the others."""
        for job in batch:
            job.result = job.error = None
            try:
                self._connection.execute("begin immediate")
                if self._attempt(job):
                    self._connection.execute("commit")
            except apsw.Error as error:
                job.error = self._translated(error)
            finally:
                self._roll_back()

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
        except apsw.Error:
            self._reopen()

    def _reopen(self) -> None:
        try:
            self._connection.close(True)
            self._open()
        except (apsw.Error, StorageFull, Unavailable) as error:
            logger.error("The database file could not be opened again: %s", error)

    def _keep_log_small(self) -> None:
        if self.wal_pages * self._page_bytes <= self._wal_bytes_max:
            return
        # Passive checkpoints cannot keep up with this load: writes wait until the log can be restarted.
        try:
            self._log.fold(apsw.SQLITE_CHECKPOINT_RESTART, FOLDED_MS)
            self.wal_pages = 0
        except apsw.Error as error:
            logger.warning("The write-ahead log is over its limit and could not be folded in yet: %s", error)


def deliver(batch: list[Job]) -> None:
    """Hand the results to the loops that wait for them, with one wake-up for each loop."""
    loops = {job.loop for job in batch}
    for loop in loops:
        jobs = batch if len(loops) == 1 else [job for job in batch if job.loop is loop]
        try:
            loop.call_soon_threadsafe(finish, jobs)
        except RuntimeError:
            logger.warning("%d results had nobody waiting for them any more.", len(jobs))


def finish(jobs: list[Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)


class Checkpointer(threading.Thread):
    """Checkpoints the write-ahead log in the background: below the log's limit the writer never waits for it."""

    def __init__(self, log: Log, writer: Writer) -> None:
        super().__init__(name="checkpointer", daemon=True)
        self._log = log
        self._writer = writer
        self._stopping = threading.Event()

    def run(self) -> None:
        folded, folded_s, commits_count, is_empty = -1, 0.0, -1, False
        while not self._stopping.wait(CHECKPOINT_INTERVAL_S):
            commits, pages, now_s = self._writer.commits_count, self._writer.wal_pages, time.monotonic()
            if commits == commits_count:
                # Without new writes the log is emptied: deleted rows must not stay in it either.
                if not is_empty and now_s - folded_s >= EMPTY_INTERVAL_S:
                    is_empty = self._fold(apsw.SQLITE_CHECKPOINT_TRUNCATE)
                continue
            # Fewer pages than at the last checkpoint mean that the log was restarted.
            are_few = folded <= pages < folded + FEW_PAGES
            if (not are_few or now_s - folded_s >= FEW_PAGES_INTERVAL_S) and self._fold(apsw.SQLITE_CHECKPOINT_PASSIVE):
                folded, folded_s, commits_count, is_empty = pages, now_s, commits, False

    def _fold(self, mode: int) -> bool:
        try:
            # Truncating the log blocks writers while it waits for readers. Without waiting it fails and is retried.
            self._log.fold(mode, 0)
        except apsw.BusyError:
            return False
        except apsw.Error as error:
            logger.warning("A checkpoint failed and will be tried again: %s", error)
            return False
        return True

    def stop(self) -> None:
        """Stop, and move everything from the log to the file, unless another process has it open."""
        self._stopping.set()
        if self.is_alive():
            self.join()
            try:
                self._log.fold(apsw.SQLITE_CHECKPOINT_TRUNCATE, FOLDED_MS)
            except apsw.Error as error:
                logger.warning("The write-ahead log stays beside the file: %s", error)
