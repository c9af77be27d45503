"""Threads and messages by the ids that a client gave them: native ids, and its own, which are `externalId`s."""

from collections.abc import Sequence
from contextlib import suppress

import msgspec

from threadkeep.contract.messages import Message
from threadkeep.contract.threads import Thread
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.errors import MessageNotFound, ThreadNotFound
from threadkeep.operations.messages import listing as message_lists
from threadkeep.operations.messages import messages
from threadkeep.operations.messages.listing import MessageQuery
from threadkeep.operations.paging import window
from threadkeep.operations.responses import responses
from threadkeep.operations.threads import listing, threads
from threadkeep.server.dialects.ui_messages import calls_of, content_of, continues

NATIVE_THREAD = "thread_"
NATIVE_MESSAGE = "msg_"
PAGE = 100
# The answer to a message that was sent again is looked for among this many of the newest.
EARLIER_MAX = 20


def decoded(message: Message) -> Message:
    """Return a message as it was read from the database with its content and calls as objects."""
    calls = list(calls_of(message)) or None
    return msgspec.structs.replace(message, content=list(content_of(message)), tool_calls=calls)


async def find_thread(tx: ScopedTransaction, chat_id: str) -> Thread | None:
    """Return the thread with this id, or the acting user's with this `externalId`; None if there is none."""
    if chat_id.startswith(NATIVE_THREAD):
        with suppress(ThreadNotFound):
            native: Thread = (await threads.read_without_payload(tx, chat_id)).object
            return native
        return None
    return await find_own_thread(tx, chat_id)


async def find_own_thread(tx: ScopedTransaction, external_id: str) -> Thread | None:
    """Return the acting user's thread with this `externalId`; None if there is none."""
    mine = listing.Filter(user_id=tx.scope.user_id, external_id=external_id, every_state=True)
    page = await listing.list_threads(tx, listing.Query(mine, window(1, "desc", None, None)))
    found: Thread | None = page.data[0] if page.data else None
    return found


async def find_message(tx: ScopedTransaction, thread_id: str, name: str) -> Message | None:
    """Return the message with this id or `externalId`, on whatever branch; None if there is none."""
    if name.startswith(NATIVE_MESSAGE):
        with suppress(MessageNotFound):
            native: Message = (await messages.read(tx, thread_id, name)).object
            return native
    query = MessageQuery(window(1, "asc", None, None), external_id=name)
    page = await message_lists.list_messages(tx, thread_id, query)
    found: Message | None = page.data[0] if page.data else None
    return found


async def group_from(tx: ScopedTransaction, thread_id: str, head: Message) -> list[Message]:
    """Return the group that a message begins, on the newest line through it."""
    group = [head]
    while head.role == "assistant":
        query = MessageQuery(window(PAGE, "asc", group[-1].id, None), through=head.id)
        page = await message_lists.list_messages(tx, thread_id, query)
        for message in page.data:
            if not continues(group, message):
                return group
            group.append(message)
        if page.next_cursor is None:
            break
    return group


async def count_known(tx: ScopedTransaction, thread_id: str, names: Sequence[str]) -> tuple[int, Message | None]:
    """Return how many of a client's messages are stored, from the first on, and the last one of those.

    Clients send a conversation whole, and what is new stands at its end: so it is looked for from there.
    """
    for place in range(len(names), 0, -1):
        message = await find_message(tx, thread_id, names[place - 1])
        if message is not None:
            return place, message
    return 0, None


async def current_line(
    tx: ScopedTransaction,
    thread_id: str,
    *,
    with_payload: bool = False,
    newest: int | None = None,
    branch: str = "current",
) -> list[Message]:
    """Return the current line, decoded, the oldest first: all of it, or the newest messages of it.

    `branch` is the id of a message at which another line ends.

    To be read in one commit: it takes several pages.
    """
    found: list[Message] = []
    before: str | None = None
    while newest is None or len(found) < newest:
        limit = PAGE if newest is None else min(PAGE, newest - len(found))
        # Newest first: `after` leads to what is older.
        query = MessageQuery(window(limit, "desc", before, None), branch=branch, with_payload=with_payload)
        page = await message_lists.list_messages(tx, thread_id, query)
        found += page.data
        before = page.next_cursor
        if before is None:
            break
    return [decoded(each) for each in reversed(found)]


async def answering_to(tx: ScopedTransaction, thread_id: str, message_id: str) -> str | None:
    """Return the id of the newest response that a message began, whatever came of it: its request was sent again."""
    page = await responses.list_responses(tx, thread_id, window(EARLIER_MAX, "desc", None, None))
    return next((each.id for each in page.data if message_id in each.input_message_ids), None)
