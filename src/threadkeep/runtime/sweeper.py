"""Cleans up in the background: expired leases, deleted rows, old idempotency keys, and the other sweeping steps."""

import asyncio
import logging
import random

from threadkeep.database.driver import Database
from threadkeep.errors import ApiError
from threadkeep.operations.upkeep import sweeping

logger = logging.getLogger(__name__)

INTERVAL_S = 3.0
JITTER_S = 1.0


class Sweeper:
    """One task of each process. Several processes may sweep at once: every step is safe to do twice."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_S + random.uniform(-JITTER_S, JITTER_S))
            try:
                await self.sweep()
            except ApiError as error:
                logger.warning("Sweeping will be tried again: %s", error.message)
            except Exception:  # Where a task ends: the next round must come.
                logger.exception("Sweeping failed and will be tried again.")

    async def sweep(self) -> None:
        """Do all that is due, in transactions of bounded size."""
        for step in sweeping.STEPS:
            # Each step is a transaction of its own, so that requests come in between.
            while await self._database.write(step):
                pass
