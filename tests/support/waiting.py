"""Waiting for what must become true within a promised time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Result = TypeVar("Result")

# No test is timed: these only end one that would wait for ever, and machines that do much else may stand still.
SOON_S = 30
# Sweepers come every 3 ± 1 s.
SWEPT_S = 60


async def eventually(ask: Callable[[], Awaitable[Result]], holds: Callable[[Result], bool], within_s: float) -> Result:
    """Ask again and again until the answer holds; fail with the last answer when the time is over."""
    until = time.monotonic() + within_s
    while True:
        answer = await ask()
        if holds(answer):
            return answer
        assert time.monotonic() < until, f"not within {within_s} s: {answer!r}"
        await asyncio.sleep(0.02)
