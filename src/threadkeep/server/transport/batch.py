"""Batches of requests that begin in the same iteration of the event loop, without a task for each."""

import asyncio
import contextvars
import logging
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

logger = logging.getLogger(__name__)

Running = Coroutine[Any, Any, None]


class Batch:
    """Begins requests that hardly ever wait: a task for each costs nearly as much as a small read.

    A request that does wait goes on in a task. All that were received in one iteration of the loop begin in the next,
    as tasks would: receiving, reading and answering one request after the other took half as long again
    (docs/speed.md).
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[Running, set[asyncio.Task[None]]]] = []

    def add(self, running: Running, tasks: set[asyncio.Task[None]]) -> None:
        """Begin `running` in the next iteration; if it has to wait, its task is in `tasks` until its end."""
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
            except Exception:  # Where a task would end: it must not keep the others from beginning.
                logger.exception("A request failed.")
                continue
            if asyncio.isfuture(awaited):
                # The flag is for the task that waits. Ours begins later, and others may wait for the future meanwhile.
                awaited._asyncio_future_blocking = False
            task = asyncio.get_running_loop().create_task(go_on(running, awaited), context=context)
            task.add_done_callback(tasks.discard)
            tasks.add(task)


async def go_on(running: Running, awaited: Any) -> None:
    """Go on, in a task, with a coroutine that began outside of one and now awaits something."""
    if asyncio.isfuture(awaited):
        awaited._asyncio_future_blocking = True
    await rest_of(running, awaited)


@types.coroutine
def rest_of(running: Running, awaited: Any) -> Generator[Any, Any, None]:
    step: Callable[[Any], Any]
    while True:
        try:
            came = yield awaited
        except BaseException as error:  # Anything may be thrown in, a cancellation too: the coroutine handles it.
            step, came = running.throw, error
        else:
            step = running.send
        try:
            awaited = step(came)
        except StopIteration:
            return
