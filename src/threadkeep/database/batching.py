"""Lets calls of one PostgreSQL statement that wait at the same time go as one multi-row statement."""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from threadkeep import clock
from threadkeep.database.driver import Late, Row
from threadkeep.database.statement import Compiled, Statement
from threadkeep.errors import Unavailable

ROWS_MAX = 64
# One round trip is under way while the next gathers; a second one keeps the server busy meanwhile.
BATCHES_MAX = 2


class BatchedCall:
    """One caller's parameters, and the future of its rows."""

    __slots__ = ("future", "parameters")

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.parameters = parameters
        self.future: asyncio.Future[Sequence[Row]] = asyncio.get_running_loop().create_future()

    @property
    def thread(self) -> tuple[Any, Any]:
        return self.parameters["organization"], self.parameters["thread_id"]

    @property
    def is_late(self) -> bool:
        """Whether it has waited for so long that its caller must be judged again."""
        until_s: float = self.parameters.get("counts_until_s", math.inf)
        return clock.monotonic_s() > until_s


class StatementBatcher:
    """Collects what waits for each statement. A multi-row statement holds one call per thread, never two."""

    def __init__(self, run: Callable[[Compiled, Mapping[str, Any]], Awaitable[Sequence[Row]]]) -> None:
        self._run = run
        self._waiting: dict[Statement, deque[BatchedCall]] = {}
        self._batches: set[asyncio.Task[Any] | None] = set()

    async def fetch(self, statement: Statement, parameters: Mapping[str, Any]) -> Sequence[Row]:
        call = BatchedCall(parameters)
        waiting = self._waiting.setdefault(statement, deque())
        waiting.append(call)
        if len(self._batches) < BATCHES_MAX:
            self._batches.add(asyncio.ensure_future(self._run_batches(statement, waiting)))
        return await call.future

    async def _run_batches(self, statement: Statement, waiting: deque[BatchedCall]) -> None:
        while waiting:
            calls = take(waiting)
            if not calls:
                continue
            if len(calls) == 1:
                await self._run_alone(statement, calls[0])
            else:
                await self._run_together(statement, calls)
        # At once, not in a callback later: a call that comes in between would wait for a batch that has ended.
        self._batches.discard(asyncio.current_task())

    async def _run_alone(self, statement: Statement, call: BatchedCall) -> None:
        try:
            rows = await self._run(statement.postgres, call.parameters)
        except Exception as error:  # Where a task ends: the error belongs to its caller.
            if not call.future.done():
                call.future.set_exception(error)
        else:
            if not call.future.done():
                call.future.set_result(rows)

    async def _run_together(self, statement: Statement, calls: list[BatchedCall]) -> None:
        assert statement.postgres_many is not None
        names = statement.postgres_many.names
        columns = {name: [call.parameters[name] for call in calls] for name in names}
        try:
            rows = await self._run(statement.postgres_many, columns)
        except (Late, Unavailable) as error:
            for call in calls:
                if not call.future.done():
                    call.future.set_exception(error)
            return
        except Exception:  # One bad row must not lose everybody's: each gets its own error.
            for call in calls:
                await self._run_alone(statement, call)
            return
        # The first column says whose row it is: the position of the call, counted from 1.
        found: dict[int, list[Row]] = {}
        for row in rows:
            found.setdefault(row[0], []).append(row[1:])
        for position, call in enumerate(calls, 1):
            if not call.future.done():
                call.future.set_result(found.get(position, ()))


def take(waiting: deque[BatchedCall]) -> list[BatchedCall]:
    """Take the calls that may go together, oldest first; a second call for one thread waits for the next batch."""
    calls: list[BatchedCall] = []
    threads: set[tuple[Any, Any]] = set()
    held: list[BatchedCall] = []
    while waiting and len(calls) < ROWS_MAX:
        call = waiting.popleft()
        if call.is_late:
            if not call.future.done():
                call.future.set_exception(Late())
        elif call.thread in threads:
            held.append(call)
        else:
            threads.add(call.thread)
            calls.append(call)
    waiting.extendleft(reversed(held))
    return calls
