"""The append's statements without a server, in the driver: group commit on SQLite."""

import multiprocessing
import random
import threading
import time
from pathlib import Path
from typing import Any

import apsw

from benchmarks.filling import Filled, thread_id
from threadkeep import clock
from threadkeep.database.sqlite import connect
from threadkeep.ids import new_id
from threadkeep.operations.messages import APPEND

CONTENT_CHARACTERS = 192
TEXT = ("The quick brown fox jumps over the lazy dog. " * 5)[:CONTENT_CHARACTERS]
CONTENT = f'[{{"type":"text","text":"{TEXT}"}}]'
CHECKPOINT_INTERVAL_S = 0.25

FIXED = {
    "member": None, "count": 1, "role": "user", "content": CONTENT, "preview": TEXT, "size_bytes": len(CONTENT) + 2,
    "user_id": "uid_bench", "tool_calls": None, "tool_call_id": None, "metadata": "{}",
}  # fmt: skip


def sqlite_appends_per_second(path: Path, filled: Filled, group: int, seconds: float) -> float:
    """Append from one thread of a process of its own, `group` to a transaction; another thread folds the log in."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(append_in_groups, (path, filled, group, seconds))


def append_in_groups(path: Path, filled: Filled, group: int, seconds: float) -> float:
    connection = connect(path)
    parameters: dict[str, Any] = {**FIXED, "organization": filled.organization}
    execute, stopping = connection.execute, threading.Event()
    checkpoints = threading.Thread(target=fold_in, args=(path, stopping))
    checkpoints.start()
    count, started_s = 0, time.perf_counter()
    while time.perf_counter() - started_s < seconds:
        execute("begin immediate")
        for _ in range(group):
            parameters["thread_id"] = thread_id(random.randint(2, filled.threads_count))
            parameters["id"], parameters["now_ms"] = new_id("msg"), clock.now_ms()
            for step in APPEND.sqlite:
                execute(step.text, [parameters[name] for name in step.names]).fetchall()
        execute("commit")
        count += group
    elapsed_s = time.perf_counter() - started_s
    stopping.set()
    checkpoints.join()
    connection.close()
    return count / elapsed_s


def fold_in(path: Path, stopping: threading.Event) -> None:
    connection = connect(path)
    while not stopping.wait(CHECKPOINT_INTERVAL_S):
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    connection.close()
