"""Locking and archiving: two facts about a thread, each set and lifted on its own."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from threadkeep import clock
from threadkeep.contract.lifecycle import STATES, Action
from threadkeep.database.driver import Row
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

# What an action makes of a locked row; it raises what refuses the action.
Next: TypeAlias = Callable[[Scope, HeldThread], HeldThread]


async def lock(tx: ScopedTransaction, thread_id: str, precondition: Precondition | None = None) -> Versioned:
    """Refuse everything but metadata changes and deletion; a running response ends.

    A lock that an admin sets on another user's thread can only be lifted by an admin or owner.
    """
    return await move(tx, thread_id, locked, precondition)


async def unlock(tx: ScopedTransaction, thread_id: str, precondition: Precondition | None = None) -> Versioned:
    """Lift the lock. Raises InsufficientPermissions for a member when an admin set it."""
    return await move(tx, thread_id, unlocked, precondition)


async def archive(tx: ScopedTransaction, thread_id: str, precondition: Precondition | None = None) -> Versioned:
    """Freeze the thread and hide it from default lists."""
    return await move(tx, thread_id, archived, precondition)


async def unarchive(tx: ScopedTransaction, thread_id: str, precondition: Precondition | None = None) -> Versioned:
    """Take the thread back out of the archive; one that was locked before is locked still."""
    return await move(tx, thread_id, unarchived, precondition)


def locked(scope: Scope, held: HeldThread) -> HeldThread:
    """Return the row as locking leaves it: whoever stands above the user takes the lock over. Raises ThreadArchived."""
    held.allow(Action.LOCK)
    role = lock_role(scope, held)
    if held.locked_ms is None:
        return held._replace(locked_ms=clock.now_ms(), locked_by_role=role)
    raised = held.locked_by_role == Role.MEMBER and role != Role.MEMBER
    return held._replace(locked_by_role=role) if raised else held


def unlocked(scope: Scope, held: HeldThread) -> HeldThread:
    """Return the row without its lock. Raises ThreadArchived, InsufficientPermissions."""
    held.allow(Action.UNLOCK)
    if held.locked_ms is None:
        return held
    if held.locked_by_role != Role.MEMBER and not scope.is_admin:
        raise InsufficientPermissions("An admin locked this thread: ask an admin or owner to unlock it.")
    return held._replace(locked_ms=None, locked_by_role=None)


def archived(_: Scope, held: HeldThread) -> HeldThread:
    held.allow(Action.ARCHIVE)
    return held if held.archived_ms is not None else held._replace(archived_ms=clock.now_ms())


def unarchived(_: Scope, held: HeldThread) -> HeldThread:
    held.allow(Action.UNARCHIVE)
    return held._replace(archived_ms=None)


async def move(tx: ScopedTransaction, thread_id: str, next_of: Next, precondition: Precondition | None) -> Versioned:
    """Bring a thread into its next state."""
    held = await hold(tx, thread_id)
    changed = next_of(tx.scope, held)
    match(held.revision, precondition)
    row = await change(tx, held, changed)
    return await read_without_payload(tx, thread_id) if row is None else await shown(tx, row)


def is_same(held: HeldThread, changed: HeldThread) -> bool:
    """Return whether both are in the same state; who set the lock is no part of it."""
    return (held.locked_ms, held.archived_ms) == (changed.locked_ms, changed.archived_ms)


async def change(tx: ScopedTransaction, held: HeldThread, changed: HeldThread) -> Row | None:
    """Store the state in `changed` and end a running response. Return the new row, or None if the state is the same."""
    if not is_same(held, changed):
        await settling.settle(tx, held, settling.CANCELLED)
        return await set_state(tx, held, changed)
    await raise_lock(tx, held, changed)
    return None


async def raise_lock(tx: ScopedTransaction, held: HeldThread, changed: HeldThread) -> None:
    """Let an admin take a member's lock over, if that is what has changed."""
    if held.locked_by_role != changed.locked_by_role:
        await tx.fetch(RAISE_LOCK, thread=held.key, locked_by_role=changed.locked_by_role)


async def set_states(tx: ScopedTransaction, changes: Sequence[tuple[HeldThread, HeldThread]]) -> None:
    """Store the states of several threads, each as it was and as it becomes, and end their responses."""
    for held, _ in changes:
        await settling.settle(tx, held, settling.CANCELLED)
    now_ms = clock.now_ms()
    await tx.execute_many(UPDATE_STATE, [state_columns(changed) | {"now_ms": now_ms} for _, changed in changes])
    await tx.execute_many(
        metadata.MOVE_PAIR,
        [
            row
            for held, changed in changes
            for row in metadata.moves(held.indexed(), metadata.pairs_of(held.metadata), shelf_of(changed))
        ],
    )


def state_columns(changed: HeldThread) -> dict[str, Any]:
    return {
        "thread": changed.key,
        "locked_ms": changed.locked_ms,
        "locked_by_role": changed.locked_by_role,
        "archived_ms": changed.archived_ms,
    }


def shelf_of(held: HeldThread) -> int:
    """Return the shelf as the database computes it: see the migration."""
    return 2 * STATES.index(held.state) + held.visible_in_ui


async def set_state(tx: ScopedTransaction, held: HeldThread, changed: HeldThread) -> Row:
    """Store the state, and move the thread's metadata pairs to its shelf; return the new row."""
    row = await tx.fetch_one(UPDATE_STATE, now_ms=clock.now_ms(), **state_columns(changed))
    assert row is not None
    *columns, shelf = row
    await metadata.move(tx, held.indexed(), metadata.pairs_of(held.metadata), shelf)
    return columns


def lock_role(scope: Scope, held: HeldThread) -> Role:
    """Return the role to store with a lock: member on one's own thread; others are lifted by admins and owners only."""
    return Role.MEMBER if scope.user_id == held.user_id else scope.role
