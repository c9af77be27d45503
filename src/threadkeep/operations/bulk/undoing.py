"""Takes back what a bulk has changed, thread by thread."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from threadkeep import clock
from threadkeep.contract.basis import Payload
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import InsufficientPermissions
from threadkeep.operations import payloads
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


class KeptThread(NamedTuple):
    """What is kept of a thread: what it was, and the revision that the change gave it."""

    thread: int
    revision: int
    was: str
    payload: str | None


async def next_kept(tx: ScopedTransaction, bulk: int, position: int, limit: int) -> list[KeptThread]:
    return [KeptThread(*row) for row in await tx.fetch(NEXT, bulk=bulk, position=position, limit=limit)]


async def forget(tx: ScopedTransaction, bulk: int, kept: Sequence[KeptThread]) -> None:
    await tx.execute_many(FORGET, [{"bulk": bulk, "thread": each.thread} for each in kept])


async def undo_all(tx: ScopedTransaction, held: Mapping[int, HeldThread], kept: Sequence[KeptThread]) -> int:
    """Make locked threads what they were, and return how many: others have changed since, or are gone."""
    moved = []
    stored = 0
    for each in kept:
        thread = held.get(each.thread)
        if thread is None or thread.revision != each.revision:
            continue
        was: dict[str, Any] = msgspec.json.decode(each.was)  # Any: columns are of many types.
        before = thread._replace(**was)
        if not may_undo(tx, thread, before):
            continue
        if not state.is_same(thread, before):
            moved.append((thread, before))
            continue
        await threads.store(tx, thread, before, changes_title=thread.title != before.title)
        if "payload_format" in was:
            data, format = each.payload, before.payload_format
            payload = None if data is None or format is None else Payload(format, data)
            await payloads.store(tx, thread.key, payloads.OF_THREAD, payload)
        stored += 1
    await state.set_states(tx, moved)
    return stored + len(moved)


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
