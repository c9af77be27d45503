"""What a bulk does with one thread: what the call for that thread does, with the same checks."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from threadkeep.contract.lifecycle import Action
from threadkeep.contract.threads import ThreadUpdate
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from threadkeep.operations import payloads
from threadkeep.operations.threads import state, threads
from threadkeep.operations.threads.rows import HeldThread
from threadkeep.operations.threads.state import Next

# What the call for one thread answers to its caller. A database that is away is none of these.
REFUSALS = (Conflict, InvalidRequest, NotFound, PermissionDenied)

STATES: dict[str, Next] = {
    "archive": state.archived,
    "unarchive": state.unarchived,
    "lock": state.locked,
    "unlock": state.unlocked,
}

REMEMBER = scoped("""
    insert into bulk_undo (organization, thread, bulk, revision, was, payload)
    select t.organization, t.key, cast(:bulk as bigint), t.revision, cast(:was as text), cast(:payload as text)
    from threads t
    where t.organization = :organization and t.key = :thread and t.user_id = coalesce(:member, t.user_id)
    on conflict (organization, thread) do update set bulk = excluded.bulk, revision = excluded.revision,
        was = excluded.was, payload = excluded.payload
    """)


class FormerThread(NamedTuple):
    """What a thread was before it was changed."""

    thread: int
    was: str
    payload: str | None


async def would_change(tx: ScopedTransaction, held: HeldThread, action: str, change: ThreadUpdate | UnsetType) -> bool:
    """Return whether the thread would be another one afterwards. Raises one of REFUSALS."""
    if action == "delete":
        held.allow(Action.DELETE)
        return True
    if change is UNSET:
        return not state.is_same(held, STATES[action](tx.scope, held))
    threads.check_update(tx, held, change)
    await threads.check_next_assistant(tx, held, change)
    return held.changed(change) != held or await threads.has_other_payload(tx, held, change)


async def act_all(
    tx: ScopedTransaction,
    held: Sequence[HeldThread],
    action: str,
    change: ThreadUpdate | UnsetType,
    refused: Counter[str],
) -> list[FormerThread]:
    """Change locked threads, other than by deletion; return what those were that are not the same as before.

    Adds to `refused` those that may not be changed.
    """
    former = []
    moved = []
    for each in held:
        try:
            changed = STATES[action](tx.scope, each) if change is UNSET else each.changed(change)
            is_other = await would_change(tx, each, action, change)
        except REFUSALS as refusal:
            refused[refusal.code] += 1
            continue
        if is_other:
            payload = await payload_of(tx, each, change)
            former.append(FormerThread(each.key, what_was(each, changed, change), payload))
        if change is not UNSET:
            # Also without a difference: a title that is set once more is a person's.
            await threads.change(tx, each, change)
        elif is_other:
            moved.append((each, changed))
        else:
            await state.raise_lock(tx, each, changed)
    await state.set_states(tx, moved)
    return former


async def payload_of(tx: ScopedTransaction, held: HeldThread, change: ThreadUpdate | UnsetType) -> str | None:
    """Return the data of the thread's payload, if the change sets another one."""
    if change is UNSET or change.payload is UNSET or held.payload_format is None:
        return None
    [[data]] = await tx.fetch(payloads.READ, thread=held.key, seq=payloads.OF_THREAD)
    return str(data)


def what_was(held: HeldThread, changed: HeldThread, change: ThreadUpdate | UnsetType) -> str:
    """Return the fields that are changed, with their old values, as JSON."""
    was: dict[str, Any] = {  # Any: columns are of many types.
        name: old for name, old, new in zip(held._fields, held, changed, strict=True) if old != new
    }
    if change is not UNSET and change.payload is not UNSET:
        was["payload_format"] = held.payload_format
    return msgspec.json.encode(was).decode()


async def remember(tx: ScopedTransaction, bulk: int, former: Sequence[FormerThread]) -> None:
    """Keep what threads were, in place of what an earlier bulk has kept: their revisions have moved on from that."""
    await tx.execute_many(REMEMBER, [each._asdict() | {"bulk": bulk} for each in former])
