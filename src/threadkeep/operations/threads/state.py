"""Locking and archiving: two facts about a thread, each set and lifted on its own."""

from typing import Any

from threadkeep import clock
from threadkeep.contract.lifecycle import Action
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import InsufficientPermissions
from threadkeep.operations import metadata
from threadkeep.operations.responses import settling
from threadkeep.operations.revisions import Precondition, Versioned, match
from threadkeep.operations.threads.rows import RETURNED_COLUMNS, HeldThread, hold
from threadkeep.operations.threads.threads import read_without_payload, shown
from threadkeep.scope import Role, Scope

# No response runs in a thread whose state changes: locking and archiving have ended it.
UPDATE_STATE = scoped(f"""
    update threads set locked_ms = :locked_ms, locked_by_role = :locked_by_role, archived_ms = :archived_ms,
        updated_ms = case when updated_ms < :now_ms then :now_ms else updated_ms end, revision = revision + 1
    where organization = :organization and key = :thread and user_id = coalesce(:member, user_id)
    returning {RETURNED_COLUMNS.format(is_leased="false")}, shelf
    """)

RAISE_LOCK = scoped("""
    update threads set locked_by_role = :locked_by_role
    where organization = :organization and key = :thread and user_id = coalesce(:member, user_id)
    """)


async def lock(tx: ScopedTransaction, thread_id: str, precondition: Precondition | None = None) -> Versioned:
    """Refuse everything but metadata changes and deletion; a running response ends.

    A lock that an admin sets on another user's thread can only be lifted by an admin or owner.
    """
    held = await hold(tx, thread_id)
    held.allow(Action.LOCK)
    match(held.revision, precondition)
    role = lock_role(tx.scope, held)
    if held.locked_ms is None:
        await settling.settle(tx, held, settling.CANCELLED)
        return await set_state(tx, held, locked_ms=clock.now_ms(), locked_by_role=role)
    if held.locked_by_role == Role.MEMBER and role != Role.MEMBER:
        await tx.fetch(RAISE_LOCK, thread=held.key, locked_by_role=role)
    return await read_without_payload(tx, thread_id)


async def unlock(tx: ScopedTransaction, thread_id: str, precondition: Precondition | None = None) -> Versioned:
    """Lift the lock. Raises InsufficientPermissions for a member when an admin set it."""
    held = await hold(tx, thread_id)
    held.allow(Action.UNLOCK)
    if held.locked_ms is None:
        match(held.revision, precondition)
        return await read_without_payload(tx, thread_id)
    if held.locked_by_role != Role.MEMBER and not tx.scope.is_admin:
        raise InsufficientPermissions("An admin locked this thread: ask an admin or owner to unlock it.")
    match(held.revision, precondition)
    return await set_state(tx, held, locked_ms=None, locked_by_role=None)


async def archive(tx: ScopedTransaction, thread_id: str, precondition: Precondition | None = None) -> Versioned:
    """Freeze the thread and hide it from default lists."""
    held = await hold(tx, thread_id)
    held.allow(Action.ARCHIVE)
    match(held.revision, precondition)
    if held.archived_ms is not None:
        return await read_without_payload(tx, thread_id)
    await settling.settle(tx, held, settling.CANCELLED)
    return await set_state(tx, held, archived_ms=clock.now_ms())


async def unarchive(tx: ScopedTransaction, thread_id: str, precondition: Precondition | None = None) -> Versioned:
    """Take the thread back out of the archive; one that was locked before is locked still."""
    held = await hold(tx, thread_id)
    held.allow(Action.UNARCHIVE)
    match(held.revision, precondition)
    if held.archived_ms is None:
        return await read_without_payload(tx, thread_id)
    return await set_state(tx, held, archived_ms=None)


async def set_state(tx: ScopedTransaction, held: HeldThread, **change: Any) -> Versioned:
    """Store the changed columns, and move the thread's metadata pairs to the shelf of its new state."""
    facts = {
        "locked_ms": held.locked_ms,
        "locked_by_role": held.locked_by_role,
        "archived_ms": held.archived_ms,
    } | change
    row = await tx.fetch_one(UPDATE_STATE, thread=held.key, now_ms=clock.now_ms(), **facts)
    assert row is not None
    *columns, shelf = row
    await metadata.move(tx, held.indexed(), metadata.pairs_of(held.metadata), shelf)
    return await shown(tx, columns)


def lock_role(scope: Scope, held: HeldThread) -> Role:
    """Return the role to store with a lock: member on one's own thread; others are lifted by admins and owners only."""
    return Role.MEMBER if scope.user_id == held.user_id else scope.role
