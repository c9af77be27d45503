"""Messages that make room for others in the same transaction: all of them, or one with all that descends from it."""

from typing import Any

from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.operations import idempotency, payloads
from threadkeep.operations.messages import lines, messages, placing
from threadkeep.operations.messages.placing import AT_ROOT, MessagePosition
from threadkeep.operations.responses import events
from threadkeep.operations.threads.rows import HeldThread

ALL = "all"

WITHIN = """organization = :organization and thread = :thread and seq >= :seq and seq <= :last_seq"""

THEIR_RESPONSES = scoped(f"""
    select m.response_id from messages m where {WITHIN.replace("organization =", "m.organization =", 1)}
      and m.response_id is not null
    """)

KEEP_PLACES = scoped(f"""
    insert into deleted_messages (organization, thread, seq, id, deleted_ms)
    select m.organization, m.thread, m.seq, m.id, :now_ms from messages m
    where {WITHIN.replace("organization =", "m.organization =", 1)}
    """)

DELETE = scoped(f"delete from messages where {WITHIN} returning seq")

BY_SEQ = scoped(placing.FIND_TEXT.format(column="seq"))


async def replace(
    tx: ScopedTransaction, held: HeldThread, what: str, now_ms: int
) -> tuple[HeldThread, MessagePosition]:
    """Delete what goes; return the thread as it is now, and what the first new message follows.

    Raises MessageNotFound.
    """
    if what == ALL:
        await messages.leave_to_sweeper(tx, held.key, held.last_seq, keeps_places=True)
        await idempotency.empty_messages(tx, held.key, 1, held.last_seq)
        return held._replace(message_count=0, cleared_seq=held.last_seq, is_branched=0), AT_ROOT
    first = await placing.find(tx, held, what, "replaces")
    parent_seq = await lines.parent_of(tx, held, first.seq)
    forks = await lines.forks_of(tx, held.key, held.cleared_seq) if held.is_branched else []
    removed = 0
    for low, high in lines.descent_of(forks, first.seq):
        removed += await remove(tx, held, low, min(high, held.last_seq), now_ms)
    row = await tx.fetch_one(BY_SEQ, thread=held.key, cleared_seq=held.cleared_seq, name=parent_seq)
    parent = AT_ROOT if row is None else MessagePosition(*row)
    return held._replace(message_count=held.message_count - removed), parent


async def remove(tx: ScopedTransaction, held: HeldThread, low_seq: int, high_seq: int, now_ms: int) -> int:
    """Delete the messages with these numbers; return how many there were."""
    span: dict[str, Any] = {"thread": held.key, "seq": low_seq, "last_seq": high_seq}
    for (response_id,) in await tx.fetch(THEIR_RESPONSES, **span):
        await events.forget(tx, response_id)
    await tx.fetch(KEEP_PLACES, now_ms=now_ms, **span)
    removed = await tx.fetch(DELETE, **span)
    await tx.fetch(payloads.DELETE, **span)
    await tx.fetch(lines.DELETE, **span)
    await idempotency.empty_messages(tx, held.key, low_seq, high_seq)
    return len(removed)
