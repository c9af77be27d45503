"""The operations' statements without a server, in SQLite's driver: writes in groups, one commit for each."""

import random
import threading
import time
from pathlib import Path

import apsw

from benchmarks.filling import Filled, thread_id
from benchmarks.load import Measurement, summed_up
from benchmarks.operations import WRITES
from benchmarks.work import WORK
from threadkeep.database.sqlite import connect

CHECKPOINT_INTERVAL_S = 0.25
GROUP_COUNT = 100


def measure(path: Path, filled: Filled, operation: str, group: int, seconds: float) -> Measurement:
    """Do one operation over and over on this thread, `group` writes to a transaction.

    Another thread folds the log in. The latency is that of a whole group; reads wait for nothing, and go one by one.
    """
    connection, stopping = connect(path), threading.Event()
    checkpoints = threading.Thread(target=fold_in, args=(path, stopping))
    checkpoints.start()
    numbers = filled.conversations if operation == "messages" else filled.plain
    run = write_group if operation in WRITES else read_each
    times_s: list[float] = []
    started_s, began_s = time.perf_counter(), time.process_time()
    while time.perf_counter() - started_s < seconds:
        times_s += run(connection, operation, numbers, group)
    elapsed_s, used_s = time.perf_counter() - started_s, time.process_time() - began_s
    stopping.set()
    checkpoints.join()
    connection.close()
    return summed_up(times_s, elapsed_s, used_s, 0.0)


def write_group(connection: apsw.Connection, operation: str, numbers: range, group: int) -> list[float]:
    """Do one transaction; return for each of its writes how long it took."""
    work, execute, started_s = WORK[operation], connection.execute, time.perf_counter()
    execute("begin immediate")
    for _ in range(group):
        work.in_sqlite(execute, thread_id(random.choice(numbers)))
    execute("commit")
    return [time.perf_counter() - started_s] * group


def read_each(connection: apsw.Connection, operation: str, numbers: range, _group: int) -> list[float]:
    """Read a hundred times, one after the other; return how long each took."""
    work, execute, times_s = WORK[operation], connection.execute, []
    for _ in range(GROUP_COUNT):
        started_s = time.perf_counter()
        work.in_sqlite(execute, thread_id(random.choice(numbers)))
        times_s.append(time.perf_counter() - started_s)
    return times_s


def fold_in(path: Path, stopping: threading.Event) -> None:
    connection = connect(path, folds=True)
    while not stopping.wait(CHECKPOINT_INTERVAL_S):
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    connection.close()
