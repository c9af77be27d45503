"""A thread's line as front ends see it: groups of messages, and messages by the ids that clients have for them."""

import re

from threadkeep.contract.messages import Message
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.operations.messages.listing import CURRENT, MessageQuery, list_messages
from threadkeep.operations.paging import window
from threadkeep.server.dialects.chats import PAGE, current_line, find_message
from threadkeep.server.dialects.ui_messages import grouped, name_of

# What the id of an edited message ends with: an external id never changes, so each edit has one of its own.
EDIT = re.compile(r"~[0-9]+\Z")


def shown_id(message: Message) -> str:
    """Return the id by which clients know a message: that of the message which it is an edit of."""
    return EDIT.sub("", name_of(message))


async def find_edited(tx: ScopedTransaction, thread_id: str, id: str) -> tuple[Message, int] | None:
    """Return the newest edit of a message, and how many there are with the first; None without the message."""
    found = await find_message(tx, thread_id, id)
    if found is None:
        return None
    edits = 1
    # Only a user's message is edited.
    while found.role == "user":
        edit = await find_message(tx, thread_id, f"{id}~{edits + 1}")
        if edit is None:
            break
        found, edits = edit, edits + 1
    return found, edits


async def newest_of(tx: ScopedTransaction, thread_id: str) -> Message | None:
    """Return the newest message of the current line."""
    found = await current_line(tx, thread_id, newest=1)
    return found[0] if found else None


async def next_of(tx: ScopedTransaction, thread_id: str, message: Message) -> Message | None:
    """Return the message that follows another one, on the newest line through it."""
    page = await list_messages(tx, thread_id, MessageQuery(window(1, "asc", message.id, None), through=message.id))
    found: Message | None = page.data[0] if page.data else None
    return found


async def newest_groups(
    tx: ScopedTransaction, thread_id: str, count: int, before: str | None = None
) -> tuple[list[list[Message]], bool]:
    """Return the newest groups of the current line, the oldest first, and whether there are more before them."""
    found: list[Message] = []
    while True:
        # Newest first: `after` leads to what is older.
        query = MessageQuery(window(min(PAGE, 2 * count), "desc", before, None), branch=CURRENT, with_payload=True)
        page = await list_messages(tx, thread_id, query)
        found += page.data
        groups, before = grouped(found[::-1]), page.next_cursor
        if before is None or len(groups) > count:
            return groups[-count:], len(groups) > count
