"""Pages of what is made of a thread's messages: one of them may give several objects, or none."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from threadkeep.contract.messages import Message
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.operations.messages import listing
from threadkeep.operations.messages.listing import CURRENT, MessageQuery
from threadkeep.operations.paging import Window

T = TypeVar("T")

# So many messages are read at one look, at most.
LOOK_MAX = 1_000

Make = Callable[[Sequence[Message]], Awaitable[list[list[T]]]]


async def walk(
    tx: ScopedTransaction,
    thread_id: str,
    window: Window,
    make: Make[T],
    first: Sequence[T] = (),
    *,
    with_payload: bool = False,
) -> tuple[list[T], bool]:
    """Return one page of the thread's current line, in the order asked for, and whether there is more.

    `make` returns the objects of each message, oldest first. `first` are those that come before the first message, in
    the order in which they are read.
    """
    found: list[T] = [*first]
    limit = window.limit
    # One more than is asked for: it shows that there is more.
    reads_on, is_backwards = replace(window, limit=window.limit + 1), window.before is not None
    while True:
        query = MessageQuery(reads_on, branch=CURRENT, with_payload=with_payload)
        page = await listing.list_messages(tx, thread_id, query)
        made = await make(page.data)
        if is_backwards:
            made.reverse()
        for objects in made:
            found += objects[::-1] if window.reads_descending else objects
        if len(found) > limit or page.next_cursor is None:
            break
        if len(page.data) == reads_on.limit:
            # Where few messages give an object, fewer and fewer looks reach over the others.
            reads_on = replace(reads_on, limit=min(2 * reads_on.limit, LOOK_MAX))
        elif found:
            # The page was full of bytes. What follows is read only to know whether there is more.
            limit = min(limit, len(found))
        reads_on = (
            replace(reads_on, before=page.next_cursor) if is_backwards else replace(reads_on, after=page.next_cursor)
        )
    kept = found[:limit]
    return kept[::-1] if is_backwards else kept, len(found) > limit
