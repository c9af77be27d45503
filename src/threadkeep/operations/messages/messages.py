"""Messages: store, read, edit, delete. Count, order, state and the message itself are one atomic step."""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from threadkeep import clock
from threadkeep.contract.answers import Deleted, ListDeleted
from threadkeep.contract.lifecycle import Action
from threadkeep.contract.messages import MessageUpdate
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import Statement, scoped
from threadkeep.errors import InvalidField, MessageNotFound
from threadkeep.operations import idempotency, metadata, payloads
from threadkeep.operations.messages import lines
from threadkeep.operations.messages.rows import (
    COLUMNS,
    RETURNED_COLUMNS,
    StoredMessage,
    check_blank,
    check_urls,
    decode_parts,
    message_of,
    size_bytes,
    stored_content,
)
from threadkeep.operations.responses import events
from threadkeep.operations.revisions import Precondition, Versioned, match
from threadkeep.operations.threads.rows import HeldThread, explain, format_of, hold

INSERT = scoped("""
    insert into messages (organization, thread, seq, id, role, content, preview, size_bytes, status, user_id,
        tool_calls, tool_call_id, metadata, created_ms, updated_ms, revision, external_id, payload_format, is_blank,
        assistant_id)
    values (:organization, :thread, :seq, :id, :role, :content, :preview, :size_bytes, :status, :user_id,
        :tool_calls, :tool_call_id, :metadata, :created_ms, :created_ms, :now_ms, :external_id, :payload_format,
        :is_blank, :assistant_id)
    """)

READ_TEXT = f"""
    select {COLUMNS}, {{data}}, {lines.PARENT_ID.format(cleared="t.cleared_seq")} from threads t
    join messages m on m.organization = t.organization and m.thread = t.key and m.seq > t.cleared_seq
    where t.organization = :organization and t.id = :thread_id and t.user_id = coalesce(:member, t.user_id)
      and m.id = :message_id
    """
READ = scoped(READ_TEXT.format(data="null"))
READ_WITH_PAYLOAD = scoped(READ_TEXT.format(data=payloads.DATA.format(of="m", thread="t.key", seq="m.seq")))

UPDATE = scoped(f"""
    update messages set content = :content, preview = :preview, size_bytes = :size_bytes,
        metadata = :metadata, payload_format = :payload_format, is_blank = :is_blank,
        wanted_back = case when content = :content then wanted_back end,
        updated_ms = case when updated_ms < :now_ms then :now_ms else updated_ms end, revision = revision + 1
    where organization = :organization and thread = :thread and id = :message_id
    returning {RETURNED_COLUMNS}
    """)

DELETE = scoped("""
    delete from messages where organization = :organization and thread = :thread and seq = :seq
    """)

INSERT_DELETED = scoped("""
    insert into deleted_messages (organization, thread, seq, id, deleted_ms)
    values (:organization, :thread, :seq, :message_id, :now_ms)
    """)

# Runs after every change of a thread's messages except an append.
TOUCH_THREAD = scoped("""
    update threads set message_count = :message_count, cleared_seq = :cleared_seq, is_branched = :is_branched,
        last_message_ms = (
            select m.created_ms from messages m
            where m.organization = :organization and m.thread = :thread and m.seq > :cleared_seq
            order by m.seq desc limit 1
        ),
        updated_ms = case when updated_ms < :now_ms then :now_ms else updated_ms end, revision = revision + 1
    where organization = :organization and key = :thread and user_id = coalesce(:member, user_id)
    """)

INSERT_PURGE = scoped("""
    insert into purges (organization, thread, last_seq, keeps_places)
    values (:organization, :thread, :last_seq, :keeps_places)
    on conflict (organization, thread, last_seq) do update set keeps_places = excluded.keeps_places
    """)


async def insert(
    tx: ScopedTransaction, thread: int, first_seq: int, drafts: Sequence[dict[str, Any]], now_ms: int
) -> None:
    """Store messages, with their payloads, under numbers that were reserved for them."""
    place = {"thread": thread, "user_id": tx.scope.user_id, "now_ms": now_ms, "created_ms": now_ms}
    await tx.execute_many(INSERT, [{**place, "seq": seq, **new} for seq, new in enumerate(drafts, first_seq)])
    for seq, new in enumerate(drafts, first_seq):
        if new["payload"] is not None:
            await payloads.store(tx, thread, seq, new["payload"])


async def read(tx: ScopedTransaction, thread_id: str, message_id: str) -> Versioned:
    """Return the message with its payload; one that is being generated with its text so far."""
    stored, data, parent_id = await find(tx, thread_id, message_id, READ_WITH_PAYLOAD)
    message = await events.with_text_so_far(tx, message_of(stored, thread_id, parent_id))
    message.payload = payloads.payload_of(stored.payload_format, data)
    return Versioned(message, stored.revision)


async def find(
    tx: ScopedTransaction, thread_id: str, message_id: str, statement: Statement = READ
) -> tuple[StoredMessage, str | None, str | None]:
    """Return a message's row, its payload's data if `statement` reads it, and its parent's id.

    Raises ThreadNotFound or MessageNotFound.
    """
    row = await tx.fetch_one(statement, thread_id=thread_id, message_id=message_id)
    if row is None:
        await explain(tx, thread_id, Action.READ)
        raise MessageNotFound()
    *columns, data, parent_id = row
    return StoredMessage(*columns), data, parent_id


async def update(
    tx: ScopedTransaction,
    thread_id: str,
    message_id: str,
    body: MessageUpdate,
    precondition: Precondition | None = None,
) -> Versioned:
    """Change content or metadata of a message. If both are as before, revision and `updatedAt` stay."""
    held = await hold(tx, thread_id)
    stored, _, parent_id = await find(tx, thread_id, message_id)
    held.allow(Action.EDIT_MESSAGE)
    held.require_idle()
    match(stored.revision, precondition)
    new = await changed(tx, held, stored, body)
    if new is None:
        return Versioned(message_of(stored, thread_id, parent_id), stored.revision)
    row = await tx.fetch_one(UPDATE, thread=held.key, message_id=message_id, now_ms=clock.now_ms(), **new)
    assert row is not None
    await touch_thread(tx, held, message_count=held.message_count, cleared_seq=held.cleared_seq)
    kept = StoredMessage(*row)
    return Versioned(message_of(kept, thread_id, parent_id), kept.revision)


async def changed(
    tx: ScopedTransaction, held: HeldThread, stored: StoredMessage, body: MessageUpdate
) -> dict[str, Any] | None:
    """Return the columns that an update stores, and store its payload; None if nothing is other than before."""
    payload = body.payload
    parts = decode_parts(stored.content) if body.content is UNSET else body.content
    check_urls(parts)
    new_content, preview, is_blank = stored_content(parts)
    content = stored.content if body.content is UNSET else new_content
    says_nothing = is_blank and stored.tool_calls in (None, "[]")
    if payload is None and stored.payload_format is not None and says_nothing:
        raise InvalidField("A message without content or calls keeps its payload.", param="payload")
    if payload is UNSET and content != stored.content:
        payload = None
    format = stored.payload_format if payload is UNSET else format_of(payload)
    check_blank(stored.role, format is not None or not is_blank)
    new_metadata = stored.metadata if body.metadata is UNSET else metadata.merge(stored.metadata, body.metadata)
    is_same = payload is UNSET or await payloads.is_same(tx, held.key, stored.seq, stored.payload_format, payload)
    if is_same and (content, new_metadata) == (stored.content, stored.metadata):
        return None
    if payload is not UNSET and not is_same:
        await payloads.store(tx, held.key, stored.seq, payload)
    return {
        "content": content,
        "preview": preview,
        "size_bytes": size_bytes(content, stored.tool_calls, new_metadata),
        "metadata": new_metadata,
        "payload_format": format,
        "is_blank": int(says_nothing and stored.role != "tool"),
    }


async def delete(
    tx: ScopedTransaction, thread_id: str, message_id: str, precondition: Precondition | None = None
) -> Deleted:
    """Delete a message. Only its id and its number are kept, for 24 hours."""
    held = await hold(tx, thread_id)
    stored, _, _ = await find(tx, thread_id, message_id)
    held.allow(Action.DELETE_MESSAGE)
    held.require_idle()
    match(stored.revision, precondition)
    await remove(tx, held, stored.seq, message_id, clock.now_ms())
    if stored.response_id is not None:
        await events.forget(tx, stored.response_id)
    await touch_thread(tx, held, message_count=held.message_count - 1, cleared_seq=held.cleared_seq)
    await idempotency.empty_messages(tx, held.key, stored.seq, stored.seq)
    return Deleted(message_id, "thread.message.deleted", True)


async def remove(tx: ScopedTransaction, held: HeldThread, seq: int, message_id: str, now_ms: int) -> None:
    """Delete one message, and keep its id and number; what followed it follows now what it followed."""
    await lines.take_out(tx, held, seq)
    await tx.fetch(DELETE, thread=held.key, seq=seq)
    await tx.fetch(payloads.DELETE, thread=held.key, seq=seq, last_seq=seq)
    await tx.fetch(INSERT_DELETED, thread=held.key, seq=seq, message_id=message_id, now_ms=now_ms)


async def delete_all(tx: ScopedTransaction, thread_id: str, precondition: Precondition | None = None) -> ListDeleted:
    """Delete all messages of the thread at once, however many. Their numbers are never used again."""
    held = await hold(tx, thread_id)
    held.allow(Action.DELETE_MESSAGE)
    held.require_idle()
    match(held.revision, precondition)
    if held.message_count:
        await touch_thread(tx, held, message_count=0, cleared_seq=held.last_seq)
        await leave_to_sweeper(tx, held.key, held.last_seq, keeps_places=True)
        await idempotency.empty_messages(tx, held.key, 1, held.last_seq)
    return ListDeleted("list.deleted", held.message_count)


async def touch_thread(tx: ScopedTransaction, held: HeldThread, *, message_count: int, cleared_seq: int) -> None:
    await tx.fetch(
        TOUCH_THREAD,
        thread=held.key,
        message_count=message_count,
        cleared_seq=cleared_seq,
        is_branched=held.is_branched if message_count else 0,
        now_ms=clock.now_ms(),
    )


async def leave_to_sweeper(tx: ScopedTransaction, thread: int, last_seq: int, *, keeps_places: bool) -> None:
    """Let the sweeper delete the rows of messages up to `last_seq`, which no caller can read any more."""
    if last_seq:
        await tx.fetch(INSERT_PURGE, thread=thread, last_seq=last_seq, keeps_places=int(keeps_places))
