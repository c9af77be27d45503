"""Threads: create, read, change, delete."""

from collections.abc import Sequence
from typing import Any

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
from threadkeep.operations.threads.rows import (
    PLAIN_FIELDS,
    READ,
    RETURNED_COLUMNS,
    HeldThread,
    Precondition,
    Versioned,
    fold,
    hold,
    versioned,
)
from threadkeep.scope import Credential

PLAIN_NAMES = "".join(f", {name}" for name in PLAIN_FIELDS)
PLAIN_VALUES = "".join(f", :{name}" for name in PLAIN_FIELDS)
PLAIN_CHANGES = "".join(f" {name} = :{name}," for name in PLAIN_FIELDS)

INSERT = scoped(f"""
    insert into threads (organization, id, user_id, assistant_id, title, title_folded, metadata, visible_in_ui,
        message_count, last_seq, last_message_ms, created_ms, updated_ms, revision{PLAIN_NAMES})
    values (:organization, :thread_id, :user_id, :assistant_id, :title, :title_folded, :metadata, :visible_in_ui,
        :message_count, :message_count, :last_message_ms, :now_ms, :now_ms, :now_ms{PLAIN_VALUES})
    returning {RETURNED_COLUMNS}
    """)

UPDATE = scoped(f"""
    update threads set title = :title, title_folded = :title_folded, title_revision = title_revision + :title_changed,
        assistant_id = :assistant_id, metadata = :metadata, visible_in_ui = :visible_in_ui,{PLAIN_CHANGES}
        updated_ms = case when updated_ms < :now_ms then :now_ms else updated_ms end, revision = revision + 1
    where organization = :organization and key = :thread and user_id = coalesce(:member, user_id)
    returning {RETURNED_COLUMNS}
    """)

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
    stored = metadata.merge(metadata.EMPTY, body.metadata or {})
    now_ms = clock.now_ms()
    try:
        row = await tx.fetch_one(
            INSERT,
            thread_id=new_id("thread") if body.id is UNSET else body.id,
            user_id=user_id,
            assistant_id=body.assistant_id,
            title=body.title,
            title_folded=None if body.title is None else fold(body.title),
            metadata=stored,
            visible_in_ui=int(body.visible_in_ui),
            message_count=len(drafts),
            last_message_ms=now_ms if drafts else None,
            now_ms=now_ms,
            **{name: getattr(body, name) for name in PLAIN_FIELDS},
        )
    except UniqueViolation:
        raise ThreadExists(param="id") from None
    assert row is not None
    key = row[15]
    await metadata.index(
        tx,
        {"shelf": int(body.visible_in_ui), "created_ms": now_ms, "thread": key, "user_id": user_id},
        metadata.pairs_of(stored),
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
    """Change what `body` names. A change that changes nothing moves neither `updatedAt` nor the revision.

    Raises ThreadLocked or ThreadArchived, PreconditionFailed, AssistantBound, AssistantNotFound,
    BearerTokenRequired, or one of the Metadata… errors; then nothing is changed at all.
    """
    held = await hold(tx, thread_id)
    check_update(tx, held, body)
    assistant_id = await next_assistant_id(tx, held, body)
    held.match(precondition)
    title = held.title if body.title is UNSET else body.title
    visible_in_ui = held.visible_in_ui if body.visible_in_ui is UNSET else int(body.visible_in_ui)
    stored = held.metadata if body.metadata is UNSET else metadata.merge(held.metadata, body.metadata)
    plain = plain_values(held, body)
    old = (held.title, held.assistant_id, held.visible_in_ui, held.metadata, held.plain)
    if (title, assistant_id, visible_in_ui, stored, plain) == old:
        if body.title is not UNSET:
            # Somebody has confirmed the title: a name that is being made must not overwrite it.
            await tx.fetch(CONFIRM_TITLE, thread=held.key)
        return await read(tx, thread_id)
    row = await tx.fetch_one(
        UPDATE,
        thread=held.key,
        title=title,
        title_folded=None if title is None else fold(title),
        title_changed=int(body.title is not UNSET),
        assistant_id=assistant_id,
        metadata=stored,
        visible_in_ui=visible_in_ui,
        now_ms=clock.now_ms(),
        **dict(zip(PLAIN_FIELDS, plain, strict=True)),
    )
    assert row is not None
    old_pairs, pairs = metadata.pairs_of(held.metadata), metadata.pairs_of(stored)
    await metadata.index(tx, held.indexed(), pairs, old_pairs)
    await metadata.move(tx, held.indexed(), pairs, held.shelf - held.visible_in_ui + visible_in_ui)
    return versioned(row, tx.scope)


def plain_values(held: HeldThread, body: ThreadUpdate) -> tuple[Any, ...]:
    """Return the values that PLAIN_FIELDS have after the update."""
    given = [getattr(body, name) for name in PLAIN_FIELDS]
    return tuple(old if new is UNSET else new for old, new in zip(held.plain, given, strict=True))


def check_update(tx: ScopedTransaction, held: HeldThread, body: ThreadUpdate) -> None:
    fields: list[tuple[Any, Action]] = [
        (body.title, Action.SET_TITLE),
        (body.metadata, Action.SET_METADATA),
        (body.assistant_id, Action.SET_ASSISTANT),
        (body.visible_in_ui, Action.SET_VISIBILITY),
        *((getattr(body, name), Action.SET_TITLE) for name in PLAIN_FIELDS),
    ]
    held.allow(*(action for value, action in fields if value is not UNSET))
    changes_visibility = body.visible_in_ui is not UNSET and int(body.visible_in_ui) != held.visible_in_ui
    if changes_visibility and tx.scope.credential is not Credential.TOKEN:
        raise BearerTokenRequired(param="visibleInUi")


async def next_assistant_id(tx: ScopedTransaction, held: HeldThread, body: ThreadUpdate) -> str | None:
    """Return which assistant the thread has after the update. Raises AssistantBound or AssistantNotFound.

    Messages bind the thread to its assistant, until that assistant is deleted.
    """
    old, new = held.assistant_id, body.assistant_id
    if new is UNSET or new == old:
        return old
    if old is not None and held.message_count > 0 and await is_there(tx, old):
        raise AssistantBound(param="assistantId")
    await check_assistant(tx, new)
    return new


async def check_assistant(tx: ScopedTransaction, assistant_id: str | None) -> None:
    """Raise AssistantNotFound unless the assistant is there. One that is deleted afterwards stays named in threads."""
    if assistant_id is not None and not await is_there(tx, assistant_id):
        raise AssistantNotFound(param="assistantId")


async def delete(tx: ScopedTransaction, thread_id: str, precondition: Precondition | None = None) -> Deleted:
    """Delete the thread for good. What it held is out of reach at once and goes in the background."""
    held = await hold(tx, thread_id)
    held.allow(Action.DELETE)
    held.match(precondition)
    await erase(tx, thread_id, held)
    return Deleted(thread_id, "thread.deleted", True)


async def erase_if_there(tx: ScopedTransaction, thread_ids: Sequence[str]) -> None:
    """Delete threads for good. One that somebody else has deleted meanwhile is what was wanted."""
    for thread_id in thread_ids:
        try:
            held = await hold(tx, thread_id)
        except ThreadNotFound:
            continue
        await erase(tx, thread_id, held)


async def erase(tx: ScopedTransaction, thread_id: str, held: HeldThread) -> None:
    """Delete the row of a thread that is held, and leave the rest to the sweeper. A running response ends."""
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
