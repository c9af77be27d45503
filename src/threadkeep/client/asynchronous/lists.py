"""Lists that fetch their pages as they are read."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Generic, TypeVar

from threadkeep.client.answers import Page
from threadkeep.client.asynchronous.connection import AsyncConnection
from threadkeep.client.calls import Call

T = TypeVar("T")

LIMIT_MAX = 100


class AsyncList(Generic[T]):
    """A list on the server. Pages are fetched when they are read; reading it twice fetches them twice."""

    def __init__(self, connection: AsyncConnection, call: Call, kind: type[Page[T]]) -> None:
        self._connection = connection
        self._call = call
        self._kind = kind

    async def page(self) -> Page[T]:
        """Return one page: the first, or the one at the position that was given as `after` or `before`."""
        return await self._connection.call(self._call, self._kind)

    async def pages(self) -> AsyncIterator[Page[T]]:
        """Give page after page to the end of the list; 100 items each, unless `limit` was given."""
        parameters = {"limit": str(LIMIT_MAX), **dict(self._call.query)}
        repeated = tuple(pair for pair in self._call.query if pair[0].startswith("metadata."))
        single = {name: value for name, value in parameters.items() if not name.startswith("metadata.")}
        while True:
            call = replace(self._call, query=(*single.items(), *repeated))
            page = await self._connection.call(call, self._kind)
            yield page
            if not page.has_more or page.next_cursor is None:
                return
            single["before" if "before" in single else "after"] = page.next_cursor

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page.data:
                yield item
