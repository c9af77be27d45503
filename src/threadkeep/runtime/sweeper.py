"""Cleans up in the background: expired leases, deleted rows, old idempotency keys, and the other sweeping steps."""

import asyncio
import logging
import random
from collections.abc import Sequence
from contextlib import suppress

from threadkeep import clock
from threadkeep.database.driver import Database
from threadkeep.errors import ApiError, Unavailable
from threadkeep.operations.upkeep import sweeping
from threadkeep.operations.upkeep.sweeping import Step

logger = logging.getLogger(__name__)

INTERVAL_S = 3.0
JITTER = 1 / 3
# For so long one step goes on before the others have their turn.
STEP_S = 1.0


class Sweeper:
    """One task of each process. Several processes may sweep at once: every step is safe to do twice."""

    def __init__(
        self,
        database: Database,
        steps: Sequence[Step] = sweeping.STEPS,
        *,
        interval_s: float = INTERVAL_S,
        rest: float = 0.0,
    ) -> None:
        self._database = database
        self._steps = steps
        self._interval_s = interval_s
        # How long it rests after each transaction, in the time that this took.
        self._rest = rest
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s * random.uniform(1 - JITTER, 1 + JITTER))
            try:
                await self.sweep()
            except ApiError as error:
                logger.warning("Sweeping will be tried again: %s", error.message)
            except Exception:  # Where a task ends: the next round must come.
                logger.exception("Sweeping failed and will be tried again.")

    async def sweep(self) -> None:
        """Do all that is due, in transactions of bounded size. A step with much to do lets others have a turn."""
        is_left = True
        while is_left:
            is_left = False
            away = None
            for step in self._steps:
                try:
                    is_left |= await self._take(step, None)
                except Unavailable as error:
                    if not self._database.is_in_parts:
                        raise
                    away = error
                    is_left |= await self._take_each(step)
            if away is not None:
                raise away

    async def _take(self, step: Step, organization: int | None) -> bool:
        """Do one step, for a while; return whether there is more to do."""
        until_s = clock.monotonic_s() + STEP_S
        # Each transaction is small, so that requests come in between.
        while True:
            began_s = clock.monotonic_s()
            if not await self._database.write(step, organization):
                return False
            now_s = clock.monotonic_s()
            if now_s > until_s:
                return True
            if self._rest:
                await asyncio.sleep((now_s - began_s) * self._rest)

    async def _take_each(self, step: Step) -> bool:
        """Do one step in each organization by itself: some are on a machine that is away."""
        is_left = False
        for organization in await self._database.read(sweeping.organizations):
            with suppress(Unavailable):
                is_left |= await self._take(step, organization)
        return is_left
