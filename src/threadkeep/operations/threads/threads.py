"""Threads: create, read, change, delete."""

from collections.abc import Sequence
from typing import NamedTuple, NoReturn

from msgspec import UNSET

from threadkeep import clock
from threadkeep.contract.answers import Deleted
from threadkeep.contract.lifecycle import Action
from threadkeep.contract.threads import ThreadCreate, ThreadUpdate
from threadkeep.database.driver import Row
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import Statement, scoped
from threadkeep.errors import (
    AssistantBound,
    AssistantNotFound,
    BearerTokenRequired,
    ExternalIdTaken,
    InsufficientPermissions,
    ThreadExists,
    ThreadNotFound,
    Unavailable,
)
from threadkeep.ids import new_id
from threadkeep.operations import idempotency, metadata, payloads
from threadkeep.operations.assistants.rows import is_there
from threadkeep.operations.messages import messages, placing
from threadkeep.operations.messages.rows import draft, given_ms, set_times
from threadkeep.operations.responses import settling
from threadkeep.operations.revisions import Precondition, Versioned, match
from threadkeep.operations.threads import origins
from threadkeep.operations.threads.rows import (
    COLUMNS,
    INSERT,
    READ,
    UPDATE,
    HeldThread,
    columns_of,
    expiry_ms,
    folded,
    hold,
    versioned,
)
from threadkeep.scope import Credential, Scope

DAY_MS = 24 * 3600 * 1000

# Which action an update of a field counts as. A field that is not here counts as a change of the title.
ACTIONS = {
    "metadata": Action.SET_METADATA,
    "assistant_id": Action.SET_ASSISTANT,
    "visible_in_ui": Action.SET_VISIBILITY,
}

READ_WITH_PAYLOAD = scoped(f"""
    select {COLUMNS}, {payloads.DATA.format(of="t", thread="t.key", seq=payloads.OF_THREAD)} from threads t
    where t.organization = :organization and t.id = :thread_id and t.user_id = coalesce(:member, t.user_id)
    """)

CONFIRM_TITLE = scoped("""
    update threads set title_revision = title_revision + 1
    where organization = :organization and key = :thread and user_id = coalesce(:member, user_id)
    """)

DELETE = scoped("""
    delete from threads
    where organization = :organization and key = :thread and user_id = coalesce(:member, user_id)
    """)

FIND_BY_EXTERNAL_ID = scoped("""
    select t.id from threads t
    where t.organization = :organization and t.external_id = :external_id and t.user_id = coalesce(:member, :user_id)
    """)

MARK_BRANCHED = scoped("""
    update threads set is_branched = 1
    where organization = :organization and key = :thread and user_id = coalesce(:member, user_id)
    """)

# What a bulk has changed in the thread goes with it: it may hold words.
FORGET = scoped("delete from bulk_undo where organization = :organization and thread = :thread")

INSERT_DELETED = scoped("""
    insert into deleted_threads (organization, key, id, user_id, created_ms, deleted_ms)
    values (:organization, :thread, :thread_id, :user_id, :created_ms, :now_ms)
    """)


async def create(tx: ScopedTransaction, body: ThreadCreate) -> Versioned:
    """Create a thread with its first messages, all or nothing.

    Raises ThreadExists for a chosen id that is taken, AssistantNotFound, BearerTokenRequired for a hidden
    thread by API key, InsufficientPermissions for another user's thread by a member.
    """
    scope = tx.scope
    user_id = scope.user_id if body.user_id is UNSET else body.user_id
    if user_id != scope.user_id and not scope.is_admin:
        raise InsufficientPermissions("Only admins and owners create threads for other users.", param="userId")
    if not body.visible_in_ui and scope.credential is not Credential.TOKEN:
        raise BearerTokenRequired(param="visibleInUi")
    await check_assistant(tx, body.assistant_id)
    drafts = [draft(each, f"messages[{position}].") for position, each in enumerate(body.messages)]
    columns = columns_of(body)
    now_ms = clock.now_ms()
    created_ms = given_ms(scope, body.created_at, now_ms)
    params = [f"messages[{position}]." for position in range(len(drafts))]
    set_times(scope, drafts, now_ms, params)
    row = await tx.fetch_one(
        INSERT,
        thread_id=new_id("thread") if body.id is UNSET else body.id,
        user_id=user_id,
        message_count=len(drafts),
        last_message_ms=drafts[-1]["created_ms"] if drafts else None,
        created_ms=created_ms,
        updated_ms=max([created_ms, *(each["created_ms"] for each in drafts)]),
        now_ms=now_ms,
        **expiry_of(scope, body, now_ms),
        **columns,
    )
    if row is None:
        await explain_taken(tx, user_id, body)
    key, *_ = row
    await metadata.index(
        tx,
        {"shelf": columns["visible_in_ui"], "created_ms": created_ms, "thread": key, "user_id": user_id},
        metadata.pairs_of(columns["metadata"]),
    )
    if body.payload is not None:
        await payloads.store(tx, key, payloads.OF_THREAD, body.payload)
    if drafts:
        placed = await placing.place(tx, placing.StoredThread(key, 0, 0), drafts, params)
        await messages.insert(tx, key, 1, drafts, now_ms)
        await placing.store(tx, key, placed.forks)
        if placed.forks:
            await tx.fetch(MARK_BRANCHED, thread=key)
    return versioned(row, scope)


def expiry_of(scope: Scope, body: ThreadCreate, now_ms: int) -> dict[str, int | None]:
    """Return the columns for a new thread's expiry: what the body says, else what the organization says."""
    if body.expires_at is not UNSET:
        return {"expires_ms": expiry_ms(body.expires_at), "retention_ms": None}
    retention_ms = None if scope.retention_days is None else scope.retention_days * DAY_MS
    return {"expires_ms": None if retention_ms is None else now_ms + retention_ms, "retention_ms": retention_ms}


async def explain_taken(tx: ScopedTransaction, user_id: str, body: ThreadCreate) -> NoReturn:
    """Raise the reason why a new thread was not stored."""
    if body.external_id is not None:
        for (thread_id,) in await tx.fetch(FIND_BY_EXTERNAL_ID, user_id=user_id, external_id=body.external_id):
            raise ExternalIdTaken(
                f"The thread {thread_id} has this externalId: read it, or choose another.", param="externalId"
            )
    if body.id is UNSET:
        # The thread that had the external id was deleted between the two statements.
        raise Unavailable()
    raise ThreadExists(param="id")


def is_one_statement(body: ThreadCreate) -> bool:
    """Return whether `create` needs one statement only, and so no transaction around it."""
    return not body.messages and not body.metadata and body.assistant_id is None and body.payload is None


async def read(tx: ScopedTransaction, thread_id: str) -> Versioned:
    """Return the thread with its payload."""
    *row, data = await find(tx, thread_id, READ_WITH_PAYLOAD)
    found = await shown(tx, row)
    found.object.payload = payloads.payload_of(found.object.payload_format, data)
    return found


async def find(tx: ScopedTransaction, thread_id: str, statement: Statement = READ) -> Row:
    """Return a thread's row of COLUMNS. Raises ThreadNotFound."""
    row = await tx.fetch_one(statement, thread_id=thread_id)
    if row is None:
        raise ThreadNotFound()
    return row


async def read_without_payload(tx: ScopedTransaction, thread_id: str) -> Versioned:
    """Return the thread as the answer to a write shows it: without its payload."""
    return await shown(tx, await find(tx, thread_id))


async def shown(tx: ScopedTransaction, row: Row) -> Versioned:
    """Return the thread of a row of COLUMNS, without its payload."""
    found = versioned(row, tx.scope)
    await origins.add(tx, [found.object], [row])
    return found


async def update(
    tx: ScopedTransaction, thread_id: str, body: ThreadUpdate, precondition: Precondition | None = None
) -> Versioned:
    """Change the fields that `body` names. If all values are as before, `updatedAt` and the revision stay.

    Raises ThreadLocked or ThreadArchived, PreconditionFailed, AssistantBound, AssistantNotFound,
    BearerTokenRequired, or one of the Metadata… errors; then nothing is changed at all.
    """
    held = await hold(tx, thread_id)
    check_update(tx, held, body)
    await check_next_assistant(tx, held, body)
    match(held.revision, precondition)
    row = await change(tx, held, body)
    return await read_without_payload(tx, thread_id) if row is None else await shown(tx, row)


async def change(tx: ScopedTransaction, held: HeldThread, body: ThreadUpdate) -> Row | None:
    """Store what `body` changes in a held thread; return its new row, or None if nothing is other than before."""
    changed, payload = held.changed(body), body.payload
    has_new_payload = await has_other_payload(tx, held, body)
    if changed == held and not has_new_payload:
        if body.title is not UNSET:
            # A person has set this same title again: a name that is being generated must not overwrite it.
            await tx.fetch(CONFIRM_TITLE, thread=held.key)
        return None
    row = await store(tx, held, changed, changes_title=body.title is not UNSET)
    if has_new_payload and payload is not UNSET:
        await payloads.store(tx, held.key, payloads.OF_THREAD, payload)
    return row


async def has_other_payload(tx: ScopedTransaction, held: HeldThread, body: ThreadUpdate) -> bool:
    return body.payload is not UNSET and not await payloads.is_same(
        tx, held.key, payloads.OF_THREAD, held.payload_format, body.payload
    )


async def store(tx: ScopedTransaction, held: HeldThread, changed: HeldThread, *, changes_title: bool) -> Row:
    """Store the fields of `changed` that an update may set, except a payload; return the new row."""
    row = await tx.fetch_one(
        UPDATE,
        title_folded=folded(changed.title),
        title_changed=int(changes_title),
        now_ms=clock.now_ms(),
        **changed._asdict(),
    )
    assert row is not None
    old_pairs, pairs = metadata.pairs_of(held.metadata), metadata.pairs_of(changed.metadata)
    await metadata.index(tx, held.indexed(), pairs, old_pairs)
    await metadata.move(tx, held.indexed(), pairs, held.shelf - held.visible_in_ui + changed.visible_in_ui)
    return row


def check_update(tx: ScopedTransaction, held: HeldThread, body: ThreadUpdate) -> None:
    given = [name for name in ThreadUpdate.__struct_fields__ if getattr(body, name) is not UNSET]
    held.allow(*(ACTIONS.get(name, Action.SET_TITLE) for name in given))
    changes_visibility = body.visible_in_ui is not UNSET and int(body.visible_in_ui) != held.visible_in_ui
    if changes_visibility and tx.scope.credential is not Credential.TOKEN:
        raise BearerTokenRequired(param="visibleInUi")


async def check_next_assistant(tx: ScopedTransaction, held: HeldThread, body: ThreadUpdate) -> None:
    """Raise AssistantBound or AssistantNotFound unless the thread may get the assistant in the update.

    A thread with messages keeps its assistant until that assistant is deleted.
    """
    old, new = held.assistant_id, body.assistant_id
    if new is UNSET or new == old:
        return
    if old is not None and held.message_count > 0 and await is_there(tx, old):
        raise AssistantBound(param="assistantId")
    await check_assistant(tx, new)


async def check_assistant(tx: ScopedTransaction, assistant_id: str | None) -> None:
    """Raise AssistantNotFound unless the assistant exists. If it is deleted later, threads keep its id."""
    if assistant_id is not None and not await is_there(tx, assistant_id):
        raise AssistantNotFound(param="assistantId")


async def delete(tx: ScopedTransaction, thread_id: str, precondition: Precondition | None = None) -> Deleted:
    """Delete the thread for good. Its messages are unreachable at once; the sweeper deletes their rows."""
    held = await hold(tx, thread_id)
    held.allow(Action.DELETE)
    match(held.revision, precondition)
    await erase(tx, thread_id, held)
    return Deleted(thread_id, "thread.deleted", True)


async def erase_if_there(tx: ScopedTransaction, thread_ids: Sequence[str]) -> None:
    """Delete threads for good; skip those that are gone already."""
    for thread_id in thread_ids:
        try:
            held = await hold(tx, thread_id)
        except ThreadNotFound:
            continue
        await erase(tx, thread_id, held)


async def erase(tx: ScopedTransaction, thread_id: str, held: HeldThread) -> None:
    """End a running response, delete the row of the locked thread `held`, and leave the rest to the sweeper."""
    await settling.settle(tx, held, settling.DELETED)
    await tx.fetch(DELETE, thread=held.key)
    await clear_up(tx, [held])


async def erase_all(tx: ScopedTransaction, held: Sequence[HeldThread]) -> None:
    """Do the same with several locked threads."""
    for each in held:
        await settling.settle(tx, each, settling.DELETED)
    await tx.execute_many(DELETE, [{"thread": each.key} for each in held])
    await clear_up(tx, held)


class DeletedThread(NamedTuple):
    """What must be known of a thread whose row was deleted; a HeldThread has it too."""

    key: int
    id: str
    user_id: str
    created_ms: int
    metadata: str
    shelf: int
    last_seq: int
    payload_format: str | None


async def clear_up(tx: ScopedTransaction, gone: Sequence[HeldThread | DeletedThread]) -> None:
    """Do what the deletion of threads' rows leaves to do. The sweeper deletes the rows of their messages."""
    now_ms = clock.now_ms()
    places = [
        {"shelf": each.shelf, "created_ms": each.created_ms, "thread": each.key, "user_id": each.user_id}
        for each in gone
    ]
    await tx.execute_many(
        metadata.DELETE_PAIR,
        [
            place | {"pair": pair}
            for place, each in zip(places, gone, strict=True)
            for pair in sorted(metadata.pairs_of(each.metadata))
        ],
    )
    await tx.execute_many(
        INSERT_DELETED,
        [place | {"thread_id": each.id, "now_ms": now_ms} for place, each in zip(places, gone, strict=True)],
    )
    # A thread without messages may have a payload.
    last = [(each.key, max(each.last_seq, int(each.payload_format is not None))) for each in gone]
    await tx.execute_many(
        messages.INSERT_PURGE,
        [{"thread": key, "last_seq": last_seq, "keeps_places": 0} for key, last_seq in last if last_seq],
    )
    await tx.execute_many(FORGET, [{"thread": each.key} for each in gone])
    await idempotency.empty_threads(tx, [each.key for each in gone])
