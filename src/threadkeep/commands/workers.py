"""Several serving processes on one socket: a dead one is replaced, and all end together."""

import logging
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from types import FrameType

from threadkeep.runtime.tally import SharedTally
from threadkeep.server.metrics import note_ended_workers

RESTARTS_IN_A_ROW_MAX = 5

logger = logging.getLogger(__name__)


class WorkersKeepDying(OSError):
    """Workers end again and again as soon as they are started."""


Work = Callable[[socket.socket, SharedTally], None]


def supervise(work: Work, listener: socket.socket, count: int) -> None:
    """Run `work` in `count` processes until SIGTERM or SIGINT; then pass it on and wait for them.

    Each gets the listener and a slot in the shared tally; a replacement continues in the dead worker's slot.

    Raises WorkersKeepDying when replacements fail in a row.
    """
    context = multiprocessing.get_context("spawn")
    stopping = False
    own = SharedTally.made(count + 1)
    own.enter()
    workers: dict[SpawnProcess, SharedTally] = {}

    def start(tally: SharedTally) -> None:
        worker = context.Process(target=work_until_parent_ends, args=(work, listener, tally))
        worker.start()
        workers[worker] = tally
        if stopping:  # The signal came while this worker was started.
            worker.terminate()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        for worker in workers:
            worker.terminate()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    for place in range(1, count + 1):
        if not stopping:
            start(own.at(place))
    failures_in_a_row = 0
    while workers:
        ended = wait([worker.sentinel for worker in workers], timeout=60)
        if not ended:
            failures_in_a_row = 0
        for worker in [each for each in workers if each.sentinel in ended]:
            worker.join()
            tally = workers.pop(worker)
            tally.leave()
            note_ended_workers(own)
            if stopping:
                continue
            # Only a positive exit code counts: a killed worker (negative) says nothing about the next one's start.
            failures_in_a_row += (worker.exitcode or 0) > 0
            if failures_in_a_row > RESTARTS_IN_A_ROW_MAX:
                stop(signal.SIGTERM, None)
                raise WorkersKeepDying("The workers end as soon as they are started: see the log above.")
            logger.warning("A worker ended with exit code %s and is replaced.", worker.exitcode)
            start(tally)


def work_until_parent_ends(work: Work, listener: socket.socket, tally: SharedTally) -> None:
    """Run `work`, and end it as on SIGTERM when the supervising process is gone."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
    tally.enter()
    work(listener, tally)
