"""Requests that begin together, in one turn of the loop and without a task for each."""

import asyncio
import contextvars
import logging
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

logger = logging.getLogger(__name__)

Running = Coroutine[Any, Any, None]


class Turn:
    """Begins requests that hardly ever wait for anything: a task of its own costs nearly as much as a small read.

    One that does wait goes on in a task. All that were received in a turn of the loop begin in the next one, as tasks
    would: to receive, work and answer by turns for each took half as long again (docs/speed.md).
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[Running, set[asyncio.Task[None]]]] = []

    def add(self, running: Running, tasks: set[asyncio.Task[None]]) -> None:
        """Begin `running` in the next turn; if it has to wait, it is among `tasks` until its end."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._begin)
        self._waiting.append((running, tasks))

    def _begin(self) -> None:
        waiting, self._waiting = self._waiting, []
        for running, tasks in waiting:
            context = contextvars.copy_context()
            try:
                awaited = context.run(running.send, None)
            except StopIteration:
                continue
            except Exception:  # What a request does not answer itself, as a task would keep it from the others.
                logger.exception("A request failed.")
                continue
            if asyncio.isfuture(awaited):
                # Says that whoever waits is about to tell its task. The task comes later; others may wait meanwhile.
                awaited._asyncio_future_blocking = False
            task = asyncio.get_running_loop().create_task(go_on(running, awaited), context=context)
            task.add_done_callback(tasks.discard)
            tasks.add(task)


async def go_on(running: Running, awaited: Any) -> None:
    """Go on with a coroutine that has begun outside of a task, and awaits something now."""
    if asyncio.isfuture(awaited):
        awaited._asyncio_future_blocking = True
    await rest_of(running, awaited)


@types.coroutine
def rest_of(running: Running, awaited: Any) -> Generator[Any, Any, None]:
    step: Callable[[Any], Any]
    while True:
        try:
            came = yield awaited
        except BaseException as error:  # The task is cancelled, which is the coroutine's own affair.
            step, came = running.throw, error
        else:
            step = running.send
        try:
            awaited = step(came)
        except StopIteration:
            return
