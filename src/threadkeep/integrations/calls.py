"""One text for both clients, and for frameworks with asyncio and without."""

import asyncio
import inspect
from collections.abc import AsyncIterable, Callable, Coroutine
from typing import Any, TypeVar

from threadkeep.client import AsyncClient, Client

T = TypeVar("T")


class Calls:
    """Calls a client's methods: an AsyncClient's are awaited, a Client's run in a thread, or here if `blocks`."""

    def __init__(self, client: Client | AsyncClient, *, blocks: bool = False) -> None:
        if blocks and not isinstance(client, Client):
            raise TypeError("This framework does not wait for coroutines: give it a threadkeep.Client.")
        self._works_in_threads = isinstance(client, Client) and not blocks

    async def __call__(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        if self._works_in_threads:
            return await asyncio.to_thread(method, *arguments, **named)
        outcome = method(*arguments, **named)
        return await outcome if inspect.isawaitable(outcome) else outcome

    async def all(self, listing: Any) -> list[Any]:
        """Return all of a list that fetches its pages."""
        if isinstance(listing, AsyncIterable):
            return [each async for each in listing]
        return await self(list, listing)  # type: ignore[no-any-return]  # Of what the client lists.


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """Run what was made with `blocks` to its end: it never waits."""
    try:
        work.send(None)
    except StopIteration as ended:
        return ended.value  # type: ignore[no-any-return]  # What the coroutine returns.
    work.close()
    raise RuntimeError("A call waited although its client blocks.")
