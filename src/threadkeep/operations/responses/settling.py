"""The end of a response: final text, count, terminal event, usage and the thread's turn, all in one transaction.

Any code that holds the thread's row may end its response: the worker, a lock, a cancellation, the sweeper.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from threadkeep import clock
from threadkeep.database.driver import Transaction
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import everywhere, finder, scoped
from threadkeep.errors import ApiError, ThreadNotFound
from threadkeep.operations.messages import messages
from threadkeep.operations.organizations import usage
from threadkeep.operations.responses import events
from threadkeep.operations.responses.estimating import estimate
from threadkeep.operations.responses.events import Answer, answer_of
from threadkeep.operations.threads.rows import HeldThread, hold, hold_free
from threadkeep.scope import system_scope

# Events stay readable for this long after the end.
EVENTS_KEPT_MS = 10 * 60 * 1000
# A thread for one answer goes so long after it, if nobody has deleted it before: slow readers get their end first.
LEFT_AFTER_MS = 60 * 1000
# So many dead responses are looked at until one can be ended: those that others have locked are passed over.
FOUND_MAX = 20

READ = scoped("""
    select r.message_seq, r.message_id, r.user_id, r.assistant_id, r.model, r.input_tokens, r.created_ms, t.lease_until
    from responses r
    join threads t on t.organization = r.organization and t.key = r.thread and t.user_id = coalesce(:member, t.user_id)
    where r.organization = :organization and r.id = :response_id
    """)

END_RESPONSE = scoped("""
    update responses set status = :status, finish_reason = :finish_reason,
        error_code = :error_code, error_message = :error_message,
        input_tokens = :input_tokens, output_tokens = :output_tokens, is_estimated = :is_estimated,
        ended_ms = :now_ms, last_n = :last_n, events_until_ms = :events_until_ms
    where organization = :organization and id = :response_id
    """)

END_MESSAGE = scoped("""
    update messages set content = :content, preview = :preview, size_bytes = :size_bytes, tool_calls = :tool_calls,
        is_blank = :is_blank, wanted_back = :wanted_back, status = :status, revision = revision + 1,
        updated_ms = case when updated_ms < :now_ms then :now_ms else updated_ms end
    where organization = :organization and thread = :thread and seq = :seq
    """)

END_TURN = scoped("""
    update threads set response_id = null, lease_until = null, message_count = :message_count,
        last_message_ms = (
            select m.created_ms from messages m
            where m.organization = :organization and m.thread = :thread and m.seq > :cleared_seq
            order by m.seq desc limit 1
        ),
        expires_ms = case when service_made = 2 then :left_ms else expires_ms end,
        updated_ms = case when updated_ms < :now_ms then :now_ms else updated_ms end, revision = revision + 1
    where organization = :organization and key = :thread and user_id = coalesce(:member, user_id)
        and (:is_worker = 0 or lease_until >= statement_clock())
    returning key
    """)


# Found without a lock, which Citus takes on one machine only: whoever locks one of them looks again.
FIND_EXPIRED = finder(
    """
    select t.organization, t.id from threads t
    where {within} and t.response_id is not null and t.lease_until < lease_clock()
    limit :limit
    """,
    "t.organization",
)

EXPIRE_ALL = everywhere("""
    update threads set lease_until = statement_clock() - 1
    where response_id is not null and lease_until >= statement_clock()
    """)


class FencedOff(ApiError):
    """The response does not hold its thread any more: it was ended from elsewhere."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a response ends."""

    status: str
    error_code: str | None = None
    error_message: str | None = None
    # Why the model stopped; only for a completed response.
    finish_reason: str | None = None

    @property
    def was_cut(self) -> bool:
        return self.status != "completed"


CANCELLED = Ending("cancelled")
DELETED = Ending("cancelled", "thread_deleted", "The thread was deleted.")
INTERRUPTED = Ending("failed", "interrupted", "The process that wrote this answer ended; its text so far is kept.")


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a response. Its worker also knows the events not stored yet, the whole answer, its last event's number
    and the model's own count of tokens. Anyone else knows only how it ends."""

    ending: Ending
    rows: Sequence[tuple[int, str, str]] = ()
    answer: Answer | None = None
    answer_n: int = events.FIRST_N
    input_tokens: int | None = None
    output_tokens: int | None = None


async def settle(tx: ScopedTransaction, held: HeldThread, ending: Ending) -> None:
    """End the response that holds the thread, if any, with its text as stored so far.

    If its lease has run out it ends as interrupted, whatever `ending` says.
    """
    if held.response_id is not None:
        await end(tx, held, Finished(ending if held.is_leased else INTERRUPTED))


async def settle_expired(tx: ScopedTransaction, thread_id: str) -> None:
    """End the thread's response if its lease has run out, as the sweeper does."""
    try:
        held = await hold(tx, thread_id)
    except ThreadNotFound:
        return
    if not held.is_leased:
        await settle(tx, held, INTERRUPTED)


async def settle_one_expired(tx: Transaction, within: int | None = None) -> int:
    """End one response whose worker has died, wherever it is; return 0 when there is none, or others end them."""
    for organization, thread_id in await tx.fetch(
        FIND_EXPIRED.of(within), {"organization": within, "limit": FOUND_MAX}
    ):
        scoped_tx = ScopedTransaction(tx, system_scope(organization))
        held = await hold_free(scoped_tx, thread_id)
        if held is not None and held.response_id is not None and not held.is_leased:
            await settle(scoped_tx, held, INTERRUPTED)
            return 1
    return 0


async def expire_all(tx: Transaction) -> None:
    """End every lease: at the start of a process that serves alone, no other process can hold one."""
    await tx.fetch(EXPIRE_ALL, {})


async def finish(tx: ScopedTransaction, thread_id: str, response_id: str, finished: Finished) -> None:
    """End a response as its worker does. Raises FencedOff when it does not hold its thread any more."""
    try:
        held = await hold(tx, thread_id)
    except ThreadNotFound:
        raise FencedOff from None
    if held.response_id != response_id or not held.is_leased:
        raise FencedOff
    await end(tx, held, finished, is_worker=True)


async def end(tx: ScopedTransaction, held: HeldThread, finished: Finished, *, is_worker: bool = False) -> None:
    """Store the end. Raises FencedOff for a worker whose lease ran out: readers may have seen another end."""
    response_id, ending = held.response_id, finished.ending
    row = await tx.fetch_one(READ, response_id=response_id)
    assert row is not None and response_id is not None
    message_seq, message_id, user_id, assistant_id, model, input_tokens, created_ms, lease_until = row
    await tx.execute_many(
        events.INSERT,
        [
            {"response_id": response_id, "n": n, "kind": events.KINDS[type], "data": data}
            for n, type, data in finished.rows
        ],
    )
    answer, answer_n = finished.answer, finished.answer_n
    if answer is None:
        streamed, answer_n = await events.read_all(tx, response_id)
        answer = answer_of(streamed)
    now_ms = clock.now_ms()
    await end_message(tx, held, message_seq, message_id, answer, ending, now_ms)
    tokens = {
        "input_tokens": input_tokens if finished.input_tokens is None else finished.input_tokens,
        "output_tokens": estimate_of(answer) if finished.output_tokens is None else finished.output_tokens,
        "is_estimated": int(finished.output_tokens is None),
    }
    await tx.fetch(
        END_RESPONSE,
        response_id=response_id,
        status=ending.status,
        finish_reason=ending.finish_reason,
        error_code=ending.error_code,
        error_message=ending.error_message,
        # A response whose worker died ended when its lease ran out: readers may have seen that time.
        now_ms=now_ms if held.is_leased else max(created_ms, lease_until),
        last_n=answer_n + 1,
        events_until_ms=now_ms + EVENTS_KEPT_MS,
        **tokens,
    )
    ended = await tx.fetch(
        END_TURN,
        is_worker=int(is_worker),
        thread=held.key,
        message_count=held.message_count - answer.is_empty,
        cleared_seq=held.cleared_seq,
        now_ms=now_ms,
        left_ms=now_ms + LEFT_AFTER_MS,
    )
    if not ended:
        raise FencedOff
    await usage.record(tx, user_id=user_id, assistant_id=assistant_id, model=model, **tokens)


async def end_message(
    tx: ScopedTransaction, held: HeldThread, seq: int, message_id: str, answer: Answer, ending: Ending, now_ms: int
) -> None:
    """Store the answer in its message; for an empty answer, delete the message."""
    if answer.is_empty:
        await messages.remove(tx, held, seq, message_id, now_ms)
        return
    stored: dict[str, Any] = answer.stored()
    status = "incomplete" if ending.was_cut else "completed"
    await tx.fetch(END_MESSAGE, thread=held.key, seq=seq, status=status, now_ms=now_ms, **stored)


def estimate_of(answer: Answer) -> int:
    """Return an estimate of an answer's tokens, for a model that did not count them; 0 for an empty answer."""
    calls = "".join(call.function.name + call.function.arguments for call in answer.tool_calls)
    return 0 if answer.is_empty else estimate(answer.text + calls)
