"""Starts the requests that arrive in one iteration of the event loop together, without a task for each."""

import asyncio
import contextvars
import logging
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

logger = logging.getLogger(__name__)

Running = Coroutine[Any, Any, None]


class Batch:
    """Runs requests that hardly ever wait without tasks: a task costs nearly as much as a small read.

    A request that does wait goes on in a task. All that were received in one iteration of the loop start in the next,
    as tasks would: to answer each before the next was received took half as long again (docs/speed.md).
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[Running, set[asyncio.Task[None]]]] = []

    def add(self, running: Running, tasks: set[asyncio.Task[None]]) -> None:
        """Start `running` in the next iteration. If it has to wait, its task is in `tasks` until it ends."""
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
            except Exception:  # Where a task would end: one failure must not keep the others from starting.
                logger.exception("A request failed.")
                continue
            if asyncio.isfuture(awaited):
                # The flag means that a task awaits the future now. Ours starts later; others may await it before.
                awaited._asyncio_future_blocking = False
            task = asyncio.get_running_loop().create_task(go_on(running, awaited), context=context)
            task.add_done_callback(tasks.discard)
            tasks.add(task)


async def go_on(running: Running, awaited: Any) -> None:
    """Continue a coroutine in a task. It was started outside of one and now awaits something."""
    if asyncio.isfuture(awaited):
        awaited._asyncio_future_blocking = True
    await rest_of(running, awaited)


@types.coroutine
def rest_of(running: Running, awaited: Any) -> Generator[Any, Any, None]:
    step: Callable[[Any], Any]
    while True:
        try:
            came = yield awaited
        except BaseException as error:  # Cancellation too: the coroutine decides how it ends.
            step, came = running.throw, error
        else:
            step = running.send
        try:
            awaited = step(came)
        except StopIteration:
            return
