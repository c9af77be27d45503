"""Takes back what a bulk has changed, thread by thread."""

from collections.abc import Sequence
from typing import Any

import msgspec

from threadkeep import clock
from threadkeep.contract.basis import Payload
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import InsufficientPermissions
from threadkeep.operations import payloads
from threadkeep.operations.bulk.acting import FormerThread
from threadkeep.operations.threads import state, threads
from threadkeep.operations.threads.rows import HeldThread
from threadkeep.scope import Credential

NEXT = scoped("""
    select u.thread, u.revision, u.was, u.payload from bulk_undo u
    where u.organization = :organization and u.bulk = :bulk and u.thread > :position
    order by u.thread limit :limit
    """)

# A later bulk may have put its own in this place.
FORGET = scoped("""
    delete from bulk_undo where organization = :organization and thread = :thread and bulk = :bulk
    """)


async def next_former(tx: ScopedTransaction, bulk: int, position: int, limit: int) -> list[FormerThread]:
    return [FormerThread(*row) for row in await tx.fetch(NEXT, bulk=bulk, position=position, limit=limit)]


async def forget(tx: ScopedTransaction, bulk: int, former: Sequence[FormerThread]) -> None:
    await tx.execute_many(FORGET, [{"bulk": bulk, "thread": each.thread} for each in former])


async def undo(tx: ScopedTransaction, held: HeldThread, was_before: FormerThread) -> bool:
    """Make a locked thread what it was, and return whether that was done: it may have changed since."""
    if held.revision != was_before.revision:
        return False
    was: dict[str, Any] = msgspec.json.decode(was_before.was)  # Any: columns are of many types.
    before = held._replace(**was)
    if not may_undo(tx, held, before):
        return False
    if not state.is_same(held, before):
        await state.set_state(tx, held, before)
        return True
    await threads.store(tx, held, before, changes_title=held.title != before.title)
    if "payload_format" in was:
        data, format = was_before.payload, before.payload_format
        payload = None if data is None or format is None else Payload(format, data)
        await payloads.store(tx, held.key, payloads.OF_THREAD, payload)
    return True


def may_undo(tx: ScopedTransaction, held: HeldThread, before: HeldThread) -> bool:
    """Return whether the caller may make the thread what it was."""
    if held.visible_in_ui != before.visible_in_ui and tx.scope.credential is not Credential.TOKEN:
        return False
    if before.expires_ms != held.expires_ms and before.expires_ms is not None and before.expires_ms < clock.now_ms():
        # It would be gone at once.
        return False
    if held.locked_ms is not None and before.locked_ms is None:
        # An admin may have taken the lock over meanwhile, which is no change of the thread.
        try:
            state.unlocked(tx.scope, held)
        except InsufficientPermissions:
            return False
    return True
