"""A last resort for what must come to an end: it stops what would go on for ever, and measures nothing."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

# Far beyond what anything takes on a busy machine, and far below what it would take without its limit.
HANGING_S = 60


def in_the_end() -> asyncio.Timeout:
    return asyncio.timeout(HANGING_S)


@contextmanager
def in_the_end_of_computing() -> Iterator[None]:
    """The same for what computes and never waits: only the process's own computing counts."""

    def give_up(*_: object) -> None:
        raise TimeoutError(f"still computing after {HANGING_S} s")

    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, HANGING_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
