"""Threads that the service makes, for responses whose caller has none: hidden ones, which delete themselves."""

from threadkeep import clock
from threadkeep.contract.threads import ThreadCopy, ThreadCreate
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import ResponseNotFound, ThreadNotFound
from threadkeep.ids import new_id
from threadkeep.operations.messages import placing
from threadkeep.operations.responses.manner import Hidden
from threadkeep.operations.responses.rows import StoredResponse, find_by_id
from threadkeep.operations.threads import copying, threads
from threadkeep.operations.threads.rows import INSERT, columns_of, hold

# The values of `service_made`.
KEPT, FOR_ONE_ANSWER = 1, 2
# A thread that nobody uses for so long deletes itself; sooner if the organization keeps no thread for so long.
KEPT_DAYS = 30

MARK = scoped("""
    update threads set service_made = :service_made, visible_in_ui = 0, expires_ms = :expires_ms,
        retention_ms = :retention_ms
    where organization = :organization and key = :thread and user_id = coalesce(:member, user_id)
    """)

KIND = scoped("""
    select t.service_made from threads t
    where t.organization = :organization and t.id = :thread_id and t.user_id = coalesce(:member, t.user_id)
    """)

LAST_INPUT = scoped("""
    select m.id from messages m
    where m.organization = :organization and m.thread = :thread and m.seq > :after_seq and m.seq < :message_seq
    order by m.seq desc limit 1
    """)


async def thread_for(tx: ScopedTransaction, hidden: Hidden) -> str:
    """Return the id of the thread in which a response without a thread of its caller's takes place.

    What follows an answer goes on in its thread, if the service made that one, nothing runs there, and the answer is
    its newest message. Else the line up to the answer is copied; if the answer is gone, up to the last input that is
    left. Raises ResponseNotFound if there is nothing to follow.
    """
    if hidden.follows is None:
        return await create(tx, hidden)
    row = await find_by_id(tx, hidden.follows)
    if row is None:
        raise ResponseNotFound()
    if hidden.is_kept and await goes_on_in(tx, row):
        return row.thread_id
    message_id = row.stored_message_id or await last_input_id(tx, row)
    if message_id is None:
        raise ResponseNotFound("Nothing is left of what this response said and was asked.")
    source = await hold(tx, row.thread_id)
    copy = ThreadCopy(message_id, title=None, metadata=None)
    key, copy_id = await copying.store(tx, source, copy, tx.scope.user_id)
    await mark(tx, key, hidden)
    return copy_id


async def goes_on_in(tx: ScopedTransaction, row: StoredResponse) -> bool:
    """Return whether the response's thread may take what follows it; then the thread stays locked."""
    if await kind_of(tx, row.thread_id) != KEPT:
        return False
    held = await hold(tx, row.thread_id)
    held_by_other = held.response_id is not None and held.is_leased
    newest = await placing.newest(tx, held.key, held.cleared_seq)
    return not held_by_other and newest is not None and newest.id == row.message_id


async def create(tx: ScopedTransaction, hidden: Hidden) -> str:
    """Create an empty thread of the service's, and return its id."""
    thread_id, now_ms = new_id("thread"), clock.now_ms()
    [[key, *_]] = await tx.fetch(
        INSERT,
        thread_id=thread_id,
        user_id=tx.scope.user_id,
        message_count=0,
        last_message_ms=None,
        created_ms=now_ms,
        updated_ms=now_ms,
        now_ms=now_ms,
        expires_ms=None,
        retention_ms=None,
        **columns_of(ThreadCreate(visible_in_ui=False)),
    )
    await mark(tx, key, hidden)
    return thread_id


async def mark(tx: ScopedTransaction, thread: int, hidden: Hidden) -> None:
    """Make a new thread one of the service's. It has no metadata yet: its pairs need not move."""
    days = min(KEPT_DAYS, tx.scope.retention_days or KEPT_DAYS)
    retention_ms = days * threads.DAY_MS
    await tx.fetch(
        MARK,
        thread=thread,
        service_made=KEPT if hidden.is_kept else FOR_ONE_ANSWER,
        expires_ms=clock.now_ms() + retention_ms,
        # A stored message moves the expiry on; of a thread for one answer, the answer's end moves it up.
        retention_ms=retention_ms if hidden.is_kept else None,
    )


async def last_input_id(tx: ScopedTransaction, row: StoredResponse) -> str | None:
    """Return the last message that a response was asked with, of those that are left."""
    after_seq = max(row.cleared_seq, row.message_seq - row.input_count - 1)
    found = await tx.fetch(LAST_INPUT, thread=row.thread, after_seq=after_seq, message_seq=row.message_seq)
    return next((str(id) for (id,) in found), None)


async def kind_of(tx: ScopedTransaction, thread_id: str) -> int:
    """Return 0 for a caller's thread. Raises ThreadNotFound."""
    for (kind,) in await tx.fetch(KIND, thread_id=thread_id):
        return int(kind)
    raise ThreadNotFound()


async def leave(tx: ScopedTransaction, thread_id: str) -> None:
    """Delete a thread whose one answer is out; leave any other, and one that is gone already."""
    if (FOR_ONE_ANSWER,) in [tuple(row) for row in await tx.fetch(KIND, thread_id=thread_id)]:
        await threads.erase_if_there(tx, [thread_id])
