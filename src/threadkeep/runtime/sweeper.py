"""Cleans up in the background: expired leases, deleted rows, old idempotency keys, and the other sweeping steps."""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from typing import Any

from threadkeep.database.driver import Database, Transaction
from threadkeep.errors import ApiError, Unavailable
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
        away = None
        for step in sweeping.STEPS:
            try:
                # Each transaction is small, so that requests come in between.
                while await self._database.write(step, None):
                    pass
            except Unavailable as error:
                if not self._database.is_in_parts:
                    raise
                away = error
                await self._sweep_each(step)
        if away is not None:
            raise away

    async def _sweep_each(self, step: Callable[[Transaction, int | None], Coroutine[Any, Any, int]]) -> None:
        """Do one step in each organization by itself: some are on a machine that is away."""
        for organization in await self._database.read(sweeping.organizations):
            try:
                while await self._database.write(step, organization):
                    pass
            except Unavailable:
                continue
