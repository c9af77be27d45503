"""Sends waiting calls of one PostgreSQL statement together, as one multi-row statement."""

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
# Round trips at once. With two, the server has work while the answer of one is read and the next one is gathered.
FLIGHTS_MAX = 2


class Call:
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
        """Whether it has waited so long that its caller's rights must be checked again."""
        until_s: float = self.parameters.get("counts_until_s", math.inf)
        return clock.monotonic_s() > until_s


class Gatherer:
    """Collects waiting calls by statement. A multi-row statement never holds two calls for one thread."""

    def __init__(self, run: Callable[[Compiled, Mapping[str, Any]], Awaitable[Sequence[Row]]]) -> None:
        self._run = run
        self._waiting: dict[Statement, deque[Call]] = {}
        self._flights: set[asyncio.Task[Any] | None] = set()

    async def fetch(self, statement: Statement, parameters: Mapping[str, Any]) -> Sequence[Row]:
        call = Call(parameters)
        waiting = self._waiting.setdefault(statement, deque())
        waiting.append(call)
        if len(self._flights) < FLIGHTS_MAX:
            self._flights.add(asyncio.ensure_future(self._fly(statement, waiting)))
        return await call.future

    async def _fly(self, statement: Statement, waiting: deque[Call]) -> None:
        while waiting:
            calls = take(waiting)
            if not calls:
                continue
            if len(calls) == 1:
                await self._run_alone(statement, calls[0])
            else:
                await self._run_together(statement, calls)
        # Here and not in a done callback: a call that comes in between would wait for a flight that has ended.
        self._flights.discard(asyncio.current_task())

    async def _run_alone(self, statement: Statement, call: Call) -> None:
        try:
            rows = await self._run(statement.postgres, call.parameters)
        except Exception as error:  # Any error belongs to the caller, who waits for the future.
            if not call.future.done():
                call.future.set_exception(error)
        else:
            if not call.future.done():
                call.future.set_result(rows)

    async def _run_together(self, statement: Statement, calls: list[Call]) -> None:
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
        except Exception:  # Whatever it was, it may be one call's fault: alone, each gets its own rows or error.
            for call in calls:
                await self._run_alone(statement, call)
            return
        # The first column is the position of the row's call, counted from 1.
        found: dict[int, list[Row]] = {}
        for row in rows:
            found.setdefault(row[0], []).append(row[1:])
        for position, call in enumerate(calls, 1):
            if not call.future.done():
                call.future.set_result(found.get(position, ()))


def take(waiting: deque[Call]) -> list[Call]:
    """Take the calls that may go together, oldest first; a second call for one thread waits for the next flight."""
    calls: list[Call] = []
    threads: set[tuple[Any, Any]] = set()
    held: list[Call] = []
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
