"""Messages: append, read, edit, delete. Count, order, state and the message itself are one atomic step."""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from threadkeep import clock
from threadkeep.contract.answers import Deleted, ListDeleted, ListPage
from threadkeep.contract.lifecycle import Action
from threadkeep.contract.messages import Message, MessageCreate, MessagesCreate, MessageUpdate
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import MessageNotFound, Unavailable
from threadkeep.operations import idempotency, metadata
from threadkeep.operations.messages.rows import (
    COLUMNS,
    RETURNED_COLUMNS,
    StoredMessage,
    check_urls,
    draft,
    message_of,
    size_bytes,
    stored_content,
)
from threadkeep.operations.responses import events
from threadkeep.operations.revisions import Precondition, Versioned, match
from threadkeep.operations.threads.rows import ATTEMPTS_MAX, HeldThread, explain, hold

GUARD = """organization = :organization and id = :thread_id and user_id = coalesce(:member, user_id)
      and locked_ms is null and archived_ms is null and response_id is null"""

RESERVE = f"""
    update threads set last_seq = last_seq + :count, message_count = message_count + :count,
        last_message_ms = :now_ms,
        updated_ms = case when updated_ms < :now_ms then :now_ms else updated_ms end, revision = revision + 1
    where {GUARD}
    returning last_seq, key
    """

NEW_COLUMNS = """organization, thread, seq, id, role, content, preview, size_bytes, status, user_id,
    tool_calls, tool_call_id, metadata, created_ms, updated_ms, revision"""

# One message, the usual case, as one statement: one round trip on PostgreSQL.
APPEND = scoped(
    RESERVE,
    f"""
    insert into messages ({NEW_COLUMNS})
    select t.organization, t.key, t.last_seq, :id, :role, :content, :preview, :size_bytes, 'completed', :user_id,
        :tool_calls, :tool_call_id, :metadata, :now_ms, :now_ms, :now_ms
    from threads t
    where t.organization = :organization and t.id = :thread_id and t.user_id = coalesce(:member, t.user_id)
    """,
    postgres=f"""
    with t as ({RESERVE})
    insert into messages ({NEW_COLUMNS})
    select :organization, t.key, t.last_seq, :id, :role, :content, :preview, :size_bytes, 'completed', :user_id,
        :tool_calls, :tool_call_id, :metadata, :now_ms, :now_ms, :now_ms
    from t
    returning seq
    """,
    # For appends that wait at the same time. Rows are locked in the order of their keys, so that two such statements
    # cannot deadlock.
    postgres_many=f"""
    with given as (
        select * from unnest(:organization::bigint[], :thread_id::text[], :member::text[], :id::text[], :role::text[],
            :content::text[], :preview::text[], :size_bytes::bigint[], :user_id::text[], :tool_calls::text[],
            :tool_call_id::text[], :metadata::text[], :now_ms::bigint[])
        with ordinality as g (organization, thread_id, member, id, role, content, preview, size_bytes, user_id,
            tool_calls, tool_call_id, metadata, now_ms, place)
    ), held as (
        select t.organization, t.key, g.place from given g
        join threads t on t.organization = g.organization and t.id = g.thread_id
            and t.user_id = coalesce(g.member, t.user_id)
        where t.locked_ms is null and t.archived_ms is null and t.response_id is null
        order by t.organization, t.key
        for update of t
    ), reserved as (
        update threads t set last_seq = t.last_seq + 1, message_count = t.message_count + 1,
            last_message_ms = g.now_ms, updated_ms = greatest(t.updated_ms, g.now_ms), revision = t.revision + 1
        from held h join given g on g.organization = h.organization and g.place = h.place
        where t.organization = h.organization and t.key = h.key
        returning g.place, t.key, t.last_seq
    ), inserted as (
        insert into messages ({NEW_COLUMNS})
        select g.organization, r.key, r.last_seq, g.id, g.role, g.content, g.preview, g.size_bytes, 'completed',
            g.user_id, g.tool_calls, g.tool_call_id, g.metadata, g.now_ms, g.now_ms, g.now_ms
        from reserved r join given g on g.place = r.place
    )
    select r.place, r.last_seq from reserved r
    """,
    function=f"""
    declare
        reserved record;
    begin
        {RESERVE} into reserved;
        if found then
            insert into messages ({NEW_COLUMNS})
            values (:organization, reserved.key, reserved.last_seq, :id, :role, :content, :preview, :size_bytes,
                'completed', :user_id, :tool_calls, :tool_call_id, :metadata, :now_ms, :now_ms, :now_ms);
            r1 := reserved.last_seq;
            return next;
        end if;
    end
    """,
)

RESERVE_SEVERAL = scoped(RESERVE)

INSERT = scoped(f"""
    insert into messages ({NEW_COLUMNS})
    values (:organization, :thread, :seq, :id, :role, :content, :preview, :size_bytes, 'completed', :user_id,
        :tool_calls, :tool_call_id, :metadata, :now_ms, :now_ms, :now_ms)
    """)

READ = scoped(f"""
    select {COLUMNS} from threads t
    join messages m on m.organization = t.organization and m.thread = t.key and m.seq > t.cleared_seq
    where t.organization = :organization and t.id = :thread_id and t.user_id = coalesce(:member, t.user_id)
      and m.id = :message_id
    """)

UPDATE = scoped(f"""
    update messages set content = :content, preview = coalesce(:preview, preview), size_bytes = :size_bytes,
        metadata = :metadata, wanted_back = case when content = :content then wanted_back end,
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
    update threads set message_count = :message_count, cleared_seq = :cleared_seq,
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


async def append(tx: ScopedTransaction, thread_id: str, body: MessageCreate | MessagesCreate) -> Versioned | ListPage:
    """Add one message, or all of several or none, at the end of the thread.

    Raises ThreadNotFound, ThreadLocked, ThreadArchived, ThreadBusy, InvalidField or one of the Metadata… errors.
    """
    if isinstance(body, MessageCreate):
        return await append_one(tx, thread_id, draft(body))
    drafts = [draft(each, f"messages[{position}].") for position, each in enumerate(body.messages)]
    added = await append_several(tx, thread_id, drafts)
    return ListPage("list", list(added), added[0].id, added[-1].id, False, None)


async def append_one(tx: ScopedTransaction, thread_id: str, new: dict[str, Any]) -> Versioned:
    now_ms = clock.now_ms()
    for _ in range(ATTEMPTS_MAX):
        row = await tx.fetch_one(APPEND, thread_id=thread_id, count=1, user_id=tx.scope.user_id, now_ms=now_ms, **new)
        if row is not None:
            seq, *_ = row
            return Versioned(message_of(new_row(new, seq, tx.scope.user_id, now_ms), thread_id), now_ms)
        await explain(tx, thread_id, Action.ADD_MESSAGE)
    raise Unavailable()


async def append_several(tx: ScopedTransaction, thread_id: str, drafts: Sequence[dict[str, Any]]) -> list[Message]:
    now_ms = clock.now_ms()
    for _ in range(ATTEMPTS_MAX):
        row = await tx.fetch_one(RESERVE_SEVERAL, thread_id=thread_id, count=len(drafts), now_ms=now_ms)
        if row is not None:
            last_seq, key = row
            first_seq = last_seq - len(drafts) + 1
            await insert(tx, key, first_seq, drafts, now_ms)
            return [
                message_of(new_row(new, first_seq + position, tx.scope.user_id, now_ms), thread_id)
                for position, new in enumerate(drafts)
            ]
        await explain(tx, thread_id, Action.ADD_MESSAGE)
    raise Unavailable()


async def insert(
    tx: ScopedTransaction, thread: int, first_seq: int, drafts: Sequence[dict[str, Any]], now_ms: int
) -> None:
    """Store messages under numbers that were reserved for them."""
    await tx.execute_many(
        INSERT,
        [
            {"thread": thread, "seq": first_seq + position, "user_id": tx.scope.user_id, "now_ms": now_ms, **new}
            for position, new in enumerate(drafts)
        ],
    )


def is_one_statement(body: MessageCreate | MessagesCreate) -> bool:
    """Return whether `append` needs one statement only, and so no transaction around it."""
    return isinstance(body, MessageCreate)


def new_row(new: dict[str, Any], seq: int, user_id: str, now_ms: int) -> tuple[Any, ...]:
    """Return a new message as a row of COLUMNS, without reading it back."""
    return (
        new["id"], now_ms, now_ms, seq, new["role"], new["content"], "completed", user_id, None, None,
        new["tool_calls"], new["tool_call_id"], new["metadata"], now_ms,
    )  # fmt: skip


async def read(tx: ScopedTransaction, thread_id: str, message_id: str) -> Versioned:
    stored = await find(tx, thread_id, message_id)
    return Versioned(await events.with_text_so_far(tx, message_of(stored, thread_id)), stored.revision)


async def find(tx: ScopedTransaction, thread_id: str, message_id: str) -> StoredMessage:
    """Return a message's row. Raises ThreadNotFound or MessageNotFound."""
    row = await tx.fetch_one(READ, thread_id=thread_id, message_id=message_id)
    if row is None:
        await explain(tx, thread_id, Action.READ)
        raise MessageNotFound()
    return StoredMessage(*row)


async def update(
    tx: ScopedTransaction,
    thread_id: str,
    message_id: str,
    body: MessageUpdate,
    precondition: Precondition | None = None,
) -> Versioned:
    """Change content or metadata of a message. If both are as before, revision and `updatedAt` stay."""
    held = await hold(tx, thread_id)
    stored = await find(tx, thread_id, message_id)
    held.allow(Action.EDIT_MESSAGE)
    held.require_idle()
    match(stored.revision, precondition)
    content = stored.content
    preview: str | None = None
    if body.content is not UNSET:
        check_urls(body.content)
        content, preview = stored_content(body.content, stored.role)
    new_metadata = stored.metadata if body.metadata is UNSET else metadata.merge(stored.metadata, body.metadata)
    if (content, new_metadata) == (stored.content, stored.metadata):
        return versioned(stored, thread_id)
    changed = await tx.fetch_one(
        UPDATE,
        thread=held.key,
        message_id=message_id,
        content=content,
        preview=preview,
        size_bytes=size_bytes(content, stored.tool_calls, new_metadata),
        metadata=new_metadata,
        now_ms=clock.now_ms(),
    )
    assert changed is not None
    await touch_thread(tx, held, message_count=held.message_count, cleared_seq=held.cleared_seq)
    return versioned(StoredMessage(*changed), thread_id)


async def delete(
    tx: ScopedTransaction, thread_id: str, message_id: str, precondition: Precondition | None = None
) -> Deleted:
    """Delete a message. Only its id and its number are kept, for 24 hours."""
    held = await hold(tx, thread_id)
    stored = await find(tx, thread_id, message_id)
    held.allow(Action.DELETE_MESSAGE)
    held.require_idle()
    match(stored.revision, precondition)
    await remove(tx, held.key, stored.seq, message_id, clock.now_ms())
    if stored.response_id is not None:
        await events.forget(tx, stored.response_id)
    await touch_thread(tx, held, message_count=held.message_count - 1, cleared_seq=held.cleared_seq)
    await idempotency.empty_messages(tx, held.key, stored.seq, stored.seq)
    return Deleted(message_id, "thread.message.deleted", True)


async def remove(tx: ScopedTransaction, thread: int, seq: int, message_id: str, now_ms: int) -> None:
    """Delete one message's row, and keep its id and number."""
    await tx.fetch(DELETE, thread=thread, seq=seq)
    await tx.fetch(INSERT_DELETED, thread=thread, seq=seq, message_id=message_id, now_ms=now_ms)


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


def versioned(stored: StoredMessage, thread_id: str) -> Versioned:
    return Versioned(message_of(stored, thread_id), stored.revision)


async def touch_thread(tx: ScopedTransaction, held: HeldThread, *, message_count: int, cleared_seq: int) -> None:
    await tx.fetch(
        TOUCH_THREAD,
        thread=held.key,
        message_count=message_count,
        cleared_seq=cleared_seq,
        now_ms=clock.now_ms(),
    )


async def leave_to_sweeper(tx: ScopedTransaction, thread: int, last_seq: int, *, keeps_places: bool) -> None:
    """Let the sweeper delete the rows of messages up to `last_seq`, which no caller can read any more."""
    if last_seq:
        await tx.fetch(INSERT_PURGE, thread=thread, last_seq=last_seq, keeps_places=int(keeps_places))
