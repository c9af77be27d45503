"""Adding messages: one at the end, the usual case and one statement; or several, at a place, under conditions."""

from collections.abc import Sequence
from typing import Any, TypeGuard

import msgspec
from msgspec import UNSET

from threadkeep import clock
from threadkeep.contract.answers import ListPage
from threadkeep.contract.lifecycle import Action
from threadkeep.contract.messages import Message, MessageCreate, MessagesCreate
from threadkeep.contract.threads import ThreadUpdate
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import InvalidField, Unavailable
from threadkeep.operations.messages import lines, messages, placing, replacing
from threadkeep.operations.messages.placing import MessagePosition, Placed
from threadkeep.operations.messages.rows import draft, is_plain, message_of, messages_of, new_row, set_times
from threadkeep.operations.revisions import Precondition, Versioned, match
from threadkeep.operations.threads import threads
from threadkeep.operations.threads.rows import ATTEMPTS_MAX, HeldThread, explain, hold

GUARD = """organization = :organization and id = :thread_id and user_id = coalesce(:member, user_id)
      and locked_ms is null and archived_ms is null and response_id is null"""

RESERVE = f"""
    update threads set last_seq = last_seq + :count, message_count = message_count + :count,
        last_message_ms = :now_ms, expires_ms = coalesce(:now_ms + retention_ms, expires_ms),
        updated_ms = case when updated_ms < :now_ms then :now_ms else updated_ms end, revision = revision + 1
    where {GUARD}
    returning last_seq, key
    """

NEW_COLUMNS = """organization, thread, seq, id, role, content, preview, size_bytes, status, user_id,
    tool_calls, tool_call_id, metadata, created_ms, updated_ms, revision"""

# The id of the newest message before the one that is added: a statement sees the messages as they were at its start.
NEWEST = """(
            select p.id from messages p
            where p.organization = :organization and p.thread = {thread} and p.seq > {cleared}
            order by p.seq desc limit 1
        )"""

# One message, the usual case, as one statement: one round trip on PostgreSQL. The last column says whether the newest
# message is still what the statement saw. PostgreSQL may have waited for the thread's row while others changed the
# thread: then the row that it saw is older than the one that it changed.
APPEND = scoped(
    f"{RESERVE}, {NEWEST.format(thread='threads.key', cleared='threads.cleared_seq')}, 1",
    f"""
    insert into messages ({NEW_COLUMNS})
    select t.organization, t.key, t.last_seq, :id, :role, :content, :preview, :size_bytes, 'completed', :user_id,
        :tool_calls, :tool_call_id, :metadata, :now_ms, :now_ms, :now_ms
    from threads t
    where t.organization = :organization and t.id = :thread_id and t.user_id = coalesce(:member, t.user_id)
    """,
    postgres=f"""
    with t as ({RESERVE}, cleared_seq, revision), added as (
        insert into messages ({NEW_COLUMNS})
        select :organization, t.key, t.last_seq, :id, :role, :content, :preview, :size_bytes, 'completed', :user_id,
            :tool_calls, :tool_call_id, :metadata, :now_ms, :now_ms, :now_ms
        from t
    )
    select t.last_seq, t.key, {NEWEST.format(thread="t.key", cleared="t.cleared_seq")}, t.revision = s.revision + 1
    from t join threads s on s.organization = :organization and s.key = t.key
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
            last_message_ms = g.now_ms, expires_ms = coalesce(g.now_ms + t.retention_ms, t.expires_ms),
            updated_ms = greatest(t.updated_ms, g.now_ms), revision = t.revision + 1
        from held h join given g on g.organization = h.organization and g.place = h.place
        where t.organization = h.organization and t.key = h.key
        returning g.place, g.organization, t.key, t.last_seq, t.cleared_seq, t.revision
    ), inserted as (
        insert into messages ({NEW_COLUMNS})
        select g.organization, r.key, r.last_seq, g.id, g.role, g.content, g.preview, g.size_bytes, 'completed',
            g.user_id, g.tool_calls, g.tool_call_id, g.metadata, g.now_ms, g.now_ms, g.now_ms
        from reserved r join given g on g.place = r.place
    )
    select r.place, r.last_seq, r.key, {
        NEWEST.format(thread="r.key", cleared="r.cleared_seq").replace(":organization", "r.organization")
    }, r.revision = s.revision + 1
    from reserved r join threads s on s.organization = r.organization and s.key = r.key
    """,
    function=f"""
    declare
        reserved record;
        newest record;
    begin
        {RESERVE}, cleared_seq into reserved;
        if found then
            r1 := reserved.last_seq;
            r2 := reserved.key;
            select p.id into newest from messages p
            where p.organization = :organization and p.thread = reserved.key and p.seq > reserved.cleared_seq
            order by p.seq desc limit 1;
            r3 := newest.id;
            r4 := true;
            insert into messages ({NEW_COLUMNS})
            values (:organization, reserved.key, reserved.last_seq, :id, :role, :content, :preview, :size_bytes,
                'completed', :user_id, :tool_calls, :tool_call_id, :metadata, :now_ms, :now_ms, :now_ms);
            return next;
        end if;
    end
    """,
)

# The end of every other way to add messages: the thread's row is held, its numbers are given here.
COUNT = scoped("""
    update threads set last_seq = :last_seq, message_count = :message_count, last_message_ms = :last_message_ms,
        cleared_seq = :cleared_seq, is_branched = :is_branched,
        expires_ms = coalesce(:now_ms + retention_ms, expires_ms),
        updated_ms = case when updated_ms < :now_ms then :now_ms else updated_ms end, revision = revision + 1
    where organization = :organization and key = :thread and user_id = coalesce(:member, user_id)
    returning revision
    """)

RESERVE_SEVERAL = scoped(f"{RESERVE}, message_count, cleared_seq")


async def append(
    tx: ScopedTransaction,
    thread_id: str,
    body: MessageCreate | MessagesCreate,
    precondition: Precondition | None = None,
) -> Versioned | ListPage:
    """Add one message, or all of several or none.

    Raises ThreadNotFound, ThreadLocked, ThreadArchived, ThreadBusy, PreconditionFailed, MessageNotFound for a parent or
    for what is replaced, ExternalIdTaken, InvalidField or one of the Metadata… errors.
    """
    is_one = isinstance(body, MessageCreate)
    if is_one_statement(body, precondition):
        return await append_one(tx, thread_id, draft(body))
    several = MessagesCreate([body]) if isinstance(body, MessageCreate) else body
    params = [""] if is_one else [f"messages[{position}]." for position in range(len(several.messages))]
    drafts = [draft(each, param) for each, param in zip(several.messages, params, strict=True)]
    if not is_at_the_end(several, precondition):
        added, now_ms, revision = await add(tx, thread_id, several, drafts, params, precondition)
        # Only who names a condition, or changes the thread as well, is told the thread's revision.
        shown = None if precondition is None and several.thread is UNSET and several.replaces is UNSET else revision
        return Versioned(added[0] if is_one else page_of(added), now_ms if is_one else None, shown)
    return page_of(await append_several(tx, thread_id, drafts))


def page_of(added: Sequence[Message]) -> ListPage:
    first_id, last_id = (added[0].id, added[-1].id) if added else (None, None)
    return ListPage("list", list(added), first_id, last_id, False, None)


def is_at_the_end(body: MessagesCreate, precondition: Precondition | None) -> bool:
    """Return whether messages are added at the end, with nothing else to check or to change."""
    if precondition is not None or body.thread is not UNSET or body.replaces is not UNSET:
        return False
    return bool(body.messages) and all(map(is_plain, body.messages))


def is_one_statement(
    body: MessageCreate | MessagesCreate, precondition: Precondition | None
) -> TypeGuard[MessageCreate]:
    """Return whether `append` needs one statement only, and so no transaction around it."""
    return isinstance(body, MessageCreate) and precondition is None and is_plain(body)


async def append_one(tx: ScopedTransaction, thread_id: str, new: dict[str, Any]) -> Versioned:
    now_ms = clock.now_ms()
    for _ in range(ATTEMPTS_MAX):
        row = await tx.fetch_one(APPEND, thread_id=thread_id, count=1, user_id=tx.scope.user_id, now_ms=now_ms, **new)
        if row is not None:
            seq, thread, parent_id, is_sure = row
            if not is_sure:
                parent_id = await lines.find_parent_id(tx, thread, seq)
            message = message_of(new_row(new, seq, tx.scope.user_id, now_ms), thread_id, parent_id)
            return Versioned(message, now_ms)
        await explain(tx, thread_id, Action.ADD_MESSAGE)
    raise Unavailable()


async def append_several(tx: ScopedTransaction, thread_id: str, drafts: list[dict[str, Any]]) -> list[Message]:
    now_ms = clock.now_ms()
    for _ in range(ATTEMPTS_MAX):
        row = await tx.fetch_one(RESERVE_SEVERAL, thread_id=thread_id, count=len(drafts), now_ms=now_ms)
        if row is not None:
            last_seq, thread, message_count, cleared_seq = row
            first_seq = last_seq - len(drafts) + 1
            newest = None
            if message_count > len(drafts):
                newest = await placing.newest(tx, thread, cleared_seq)
            await messages.insert(tx, thread, first_seq, drafts, now_ms)
            parents = [None if newest is None else newest.id, *(new["id"] for new in drafts)]
            rows = [new_row(new, first_seq + n, tx.scope.user_id, now_ms) for n, new in enumerate(drafts)]
            return messages_of(rows, thread_id, parents)
        await explain(tx, thread_id, Action.ADD_MESSAGE)
    raise Unavailable()


async def add(
    tx: ScopedTransaction, thread_id: str, body: MessagesCreate, drafts: list[dict[str, Any]], params: Sequence[str],
    precondition: Precondition | None,
) -> tuple[list[Message], int, int]:  # fmt: skip
    """Add messages in the ways that need the thread's row first; return them, their revision and the thread's."""
    held = await hold(tx, thread_id)
    held.allow(Action.ADD_MESSAGE)
    held.require_idle()
    match(held.revision, precondition)
    now_ms = clock.now_ms()
    set_times(tx.scope, drafts, now_ms, params)
    if body.thread is not UNSET:
        await threads.change(tx, held, ThreadUpdate(**msgspec.structs.asdict(body.thread)))
    begins_at: MessagePosition | None = None
    if body.replaces is not UNSET:
        if any(each.parent_id is not UNSET for each in body.messages):
            raise InvalidField("With replaces the place is known: leave parentId out.", param="replaces")
        held, begins_at = await replacing.replace(tx, held, body.replaces, now_ms)
    elif not drafts:
        raise InvalidField("Send at least one message, or say what goes with replaces.", param="messages")
    placed = await placing.place(tx, held, drafts, params, begins_at)
    await messages.insert(tx, held.key, held.last_seq + 1, drafts, now_ms)
    await placing.store(tx, held.key, placed.forks)
    revision = await count(tx, held, drafts, placed, now_ms)
    rows = [new_row(new, held.last_seq + 1 + n, tx.scope.user_id, now_ms) for n, new in enumerate(drafts)]
    return messages_of(rows, thread_id, placed.parent_ids), now_ms, revision


async def count(
    tx: ScopedTransaction, held: HeldThread, drafts: Sequence[dict[str, Any]], placed: Placed, now_ms: int
) -> int:
    """Store the thread's new numbers; return its revision."""
    last_ms = drafts[-1]["created_ms"] if drafts else placed.newest_ms
    [[revision]] = await tx.fetch(
        COUNT,
        thread=held.key,
        last_seq=held.last_seq + len(drafts),
        message_count=held.message_count + len(drafts),
        last_message_ms=last_ms,
        cleared_seq=held.cleared_seq,
        is_branched=int(bool(held.is_branched or placed.forks)),
        now_ms=now_ms,
    )
    return int(revision)
