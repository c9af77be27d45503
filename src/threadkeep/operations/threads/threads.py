"""Threads: create, read, change, delete."""

from collections.abc import Sequence

from msgspec import UNSET

from threadkeep import clock
from threadkeep.contract.answers import Deleted
from threadkeep.contract.lifecycle import Action
from threadkeep.contract.threads import ThreadCreate, ThreadUpdate
from threadkeep.database.driver import UniqueViolation
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import (
    AssistantBound,
    AssistantNotFound,
    BearerTokenRequired,
    InsufficientPermissions,
    ThreadExists,
    ThreadNotFound,
)
from threadkeep.ids import new_id
from threadkeep.operations import idempotency, metadata
from threadkeep.operations.assistants.rows import is_there
from threadkeep.operations.messages import messages
from threadkeep.operations.messages.rows import draft
from threadkeep.operations.responses import settling
from threadkeep.operations.revisions import Precondition, Versioned, match
from threadkeep.operations.threads.rows import INSERT, READ, UPDATE, HeldThread, columns_of, folded, hold, versioned
from threadkeep.scope import Credential

# Which action an update of a field counts as. A field that is not here counts as a change of the title.
ACTIONS = {
    "metadata": Action.SET_METADATA,
    "assistant_id": Action.SET_ASSISTANT,
    "visible_in_ui": Action.SET_VISIBILITY,
}

CONFIRM_TITLE = scoped("""
    update threads set title_revision = title_revision + 1
    where organization = :organization and key = :thread and user_id = coalesce(:member, user_id)
    """)

DELETE = scoped("""
    delete from threads
    where organization = :organization and key = :thread and user_id = coalesce(:member, user_id)
    """)

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
    try:
        row = await tx.fetch_one(
            INSERT,
            thread_id=new_id("thread") if body.id is UNSET else body.id,
            user_id=user_id,
            message_count=len(drafts),
            last_message_ms=now_ms if drafts else None,
            now_ms=now_ms,
            **columns,
        )
    except UniqueViolation:
        raise ThreadExists(param="id") from None
    assert row is not None
    key, *_ = row
    await metadata.index(
        tx,
        {"shelf": columns["visible_in_ui"], "created_ms": now_ms, "thread": key, "user_id": user_id},
        metadata.pairs_of(columns["metadata"]),
    )
    if drafts:
        await messages.insert(tx, key, 1, drafts, now_ms)
    return versioned(row, scope)


def is_one_statement(body: ThreadCreate) -> bool:
    """Return whether `create` needs one statement only, and so no transaction around it."""
    return not body.messages and not body.metadata and body.assistant_id is None


async def read(tx: ScopedTransaction, thread_id: str) -> Versioned:
    row = await tx.fetch_one(READ, thread_id=thread_id)
    if row is None:
        raise ThreadNotFound()
    return versioned(row, tx.scope)


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
    changed = held.changed(body)
    if changed == held:
        if body.title is not UNSET:
            # A person has set this same title again: a name that is being generated must not overwrite it.
            await tx.fetch(CONFIRM_TITLE, thread=held.key)
        return await read(tx, thread_id)
    row = await tx.fetch_one(
        UPDATE,
        title_folded=folded(changed.title),
        title_changed=int(body.title is not UNSET),
        now_ms=clock.now_ms(),
        **changed._asdict(),
    )
    assert row is not None
    old_pairs, pairs = metadata.pairs_of(held.metadata), metadata.pairs_of(changed.metadata)
    await metadata.index(tx, held.indexed(), pairs, old_pairs)
    await metadata.move(tx, held.indexed(), pairs, held.shelf - held.visible_in_ui + changed.visible_in_ui)
    return versioned(row, tx.scope)


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
    await metadata.index(tx, held.indexed(), set(), metadata.pairs_of(held.metadata))
    await tx.fetch(DELETE, thread=held.key)
    await tx.fetch(
        INSERT_DELETED,
        thread=held.key,
        thread_id=thread_id,
        user_id=held.user_id,
        created_ms=held.created_ms,
        now_ms=clock.now_ms(),
    )
    await messages.leave_to_sweeper(tx, held.key, held.last_seq, keeps_places=False)
    await idempotency.empty_thread(tx, held.key)
