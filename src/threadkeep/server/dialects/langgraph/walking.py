"""Lists of which a client asks for some after an offset: walked by keys, as all lists here are."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

from msgspec import Meta

from threadkeep.contract.answers import ListPage
from threadkeep.contract.limits import PAGE_OBJECTS_MAX

OFFSET_MAX = 1_000

Limit: TypeAlias = Annotated[int, Meta(ge=1, le=OFFSET_MAX)]
Offset: TypeAlias = Annotated[int, Meta(ge=0, le=OFFSET_MAX)]


async def walk(
    read: Callable[[int, str | None], Awaitable[ListPage]],
    limit: int,
    offset: int,
    is_asked_for: Callable[[Any], bool] = lambda _: True,  # Any: whatever is listed.
) -> list[Any]:
    """Return the objects that are asked for, after an offset among them.

    `read` takes how many, and the position to go on from.
    """
    found: list[Any] = []
    wanted = offset + limit
    after: str | None = None
    while len(found) < wanted:
        page = await read(min(PAGE_OBJECTS_MAX, wanted - len(found)), after)
        found += filter(is_asked_for, page.data)
        after = page.next_cursor
        if after is None:
            break
    return found[offset:]


def iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
