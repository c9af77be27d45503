"""Deleting a response: its row, its input and its answer. What it used stays counted."""

from collections.abc import Sequence

from threadkeep import clock
from threadkeep.contract.lifecycle import Action
from threadkeep.database.driver import Row
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import ResponseNotFound
from threadkeep.operations import idempotency
from threadkeep.operations.messages import messages, replacing
from threadkeep.operations.responses import events, settling
from threadkeep.operations.responses.rows import find_by_id
from threadkeep.operations.threads import service_made, threads
from threadkeep.operations.threads.rows import HeldThread, hold

# The response, and with a chain's first one the later ones.
ITS = scoped("""
    select r.id, r.key, r.message_seq, r.input_count from responses r
    where r.organization = :organization and r.id = :response_id
    union all
    select s.id, s.key, s.message_seq, s.input_count from responses r
    join responses s on s.organization = :organization and s.first = r.key
    where r.organization = :organization and r.id = :response_id
    """)

DELETE = scoped("delete from responses where organization = :organization and key = :response")

MESSAGES = scoped("""
    select m.seq, m.id from messages m
    where m.organization = :organization and m.thread = :thread and m.seq >= :low_seq and m.seq <= :high_seq
    """)


async def delete(tx: ScopedTransaction, response_id: str) -> str:
    """Delete a response for good, with the messages it was asked with and its answer; return its thread's id.

    One that runs is cancelled first. With a chain's first response all of the chain goes; without its last one, the
    one before waits for results again. A thread that the service made goes with the last of its messages. Raises
    ResponseNotFound, ThreadLocked, ThreadArchived, or ThreadBusy while another response runs.
    """
    row = await find_by_id(tx, response_id)
    if row is None:
        raise ResponseNotFound()
    held = await hold(tx, row.thread_id)
    held.allow(Action.DELETE_MESSAGE)
    its = await tx.fetch(ITS, response_id=response_id)
    if held.response_id in {id for id, *_ in its}:
        await settling.settle(tx, held, settling.CANCELLED)
        held = await hold(tx, row.thread_id)
    held.require_idle()
    removed_count = await remove_messages(tx, held, its)
    for id, key, *_ in its:
        await tx.fetch(events.DELETE, response_id=id)
        await tx.fetch(DELETE, response=key)
    left_count = held.message_count - removed_count
    if left_count == 0 and await service_made.kind_of(tx, held.id):
        await threads.erase(tx, held.id, held)
    elif removed_count:
        await messages.touch_thread(tx, held, message_count=left_count, cleared_seq=held.cleared_seq)
    return held.id


async def remove_messages(tx: ScopedTransaction, held: HeldThread, its: Sequence[Row]) -> int:
    """Delete inputs and answers of responses, of which each input stands directly before the answer; return how many.

    In a thread that branched one by one, since each leaves those that follow it to what it follows itself.
    """
    now_ms = clock.now_ms()
    removed_count = 0
    for _, _, message_seq, input_count in its:
        low_seq = max(message_seq - input_count, held.cleared_seq + 1)
        if not held.is_branched:
            removed_count += await replacing.remove(tx, held, low_seq, message_seq, now_ms)
            continue
        for seq, message_id in await tx.fetch(MESSAGES, thread=held.key, low_seq=low_seq, high_seq=message_seq):
            await messages.remove(tx, held, seq, message_id, now_ms)
            removed_count += 1
        await idempotency.empty_messages(tx, held.key, low_seq, message_seq)
    return removed_count
