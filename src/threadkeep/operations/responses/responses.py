"""Responses: read, list, cancel, and read the events for a stream."""

from contextlib import suppress
from typing import NamedTuple

from threadkeep import clock
from threadkeep.contract.answers import ListPage
from threadkeep.contract.events import ResponseCreated
from threadkeep.contract.lifecycle import Action
from threadkeep.contract.messages import Message
from threadkeep.contract.responses import Response
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import MessageNotFound, ResponseNotFound
from threadkeep.operations import paging
from threadkeep.operations.messages import lines
from threadkeep.operations.messages.messages import find as find_message
from threadkeep.operations.messages.rows import message_of
from threadkeep.operations.paging import Window
from threadkeep.operations.responses import claiming, events, settling
from threadkeep.operations.responses.events import answer_of
from threadkeep.operations.responses.rows import ANSWER, COLUMNS, StoredResponse, as_created, response_of
from threadkeep.operations.threads.rows import explain, hold

SORT = "id"
# How many events a reader gets at a time.
EVENTS_PER_READ = 500
CHARACTERS_PER_READ = 64 * 1024

READ = scoped(f"""
    select {COLUMNS} from threads t
    join responses r on r.organization = t.organization and r.thread = t.key
    {ANSWER}
    where t.organization = :organization and t.id = :thread_id and t.user_id = coalesce(:member, t.user_id)
      and r.id = :response_id
    """)

FIND_RUNNING = scoped("""
    select t.response_id from threads t
    where t.organization = :organization and t.id = :thread_id and t.user_id = coalesce(:member, t.user_id)
      and t.response_id is not null and t.lease_until >= lease_clock()
    """)

# Keys are picked first, with the thread as a subquery: with a join, PostgreSQL would read and sort all its responses.
LISTS = paging.both_ways(f"""
    with h as (
        select t.key from threads t
        where t.organization = :organization and t.id = :thread_id and t.user_id = coalesce(:member, t.user_id)
    )
    select {COLUMNS}, coalesce(m.size_bytes, 0) from (
        select s.id from responses s
        where s.organization = :organization and s.thread = (select h.key from h) and s.id {{compare}} :at_id
        order by s.id {{direction}} limit :limit
    ) p
    join responses r on r.organization = :organization and r.id = p.id
    join threads t on t.organization = r.organization and t.key = r.thread
        and t.user_id = coalesce(:member, t.user_id)
    {ANSWER}
    order by r.id {{direction}}
    """)


class Progress(NamedTuple):
    """What a reader of a stream gets: the response, and the events after its position."""

    row: StoredResponse
    events: list[tuple[int, str, str]]
    # Whether these are all events so far.
    is_whole: bool
    # Whether the events are no longer kept.
    are_gone: bool = False
    # Whether the position is after the last event that was ever streamed.
    is_beyond: bool = False


async def read(tx: ScopedTransaction, thread_id: str, response_id: str) -> Response:
    row = await find(tx, thread_id, response_id)
    return await shown(tx, row)


async def find(tx: ScopedTransaction, thread_id: str, response_id: str) -> StoredResponse:
    """Return a response's row. Raises ThreadNotFound or ResponseNotFound."""
    row = await tx.fetch_one(READ, thread_id=thread_id, response_id=response_id)
    if row is None:
        await explain(tx, thread_id, Action.READ)
        raise ResponseNotFound()
    return await as_it_is(tx, StoredResponse(*row))


async def as_it_is(tx: ScopedTransaction, row: StoredResponse) -> StoredResponse:
    """Return the row. A response whose worker has died is shown as ended, even before that is stored.

    The sweeper stores the end when it can. A full disk may prevent that, and readers do not wait for it.
    """
    if row.left_ms is None:
        return row
    streamed, last_n = await events.read_all(tx, row.id)
    answer = answer_of(streamed)
    return row._replace(
        status=settling.INTERRUPTED.status,
        error_code=settling.INTERRUPTED.error_code,
        error_message=settling.INTERRUPTED.error_message,
        ended_ms=max(row.created_ms, row.left_ms),
        events_until_ms=clock.now_ms() + settling.EVENTS_KEPT_MS,
        last_n=last_n + 1,
        output_tokens=settling.estimate_of(answer),
        stored_message_id=None if answer.is_empty else row.stored_message_id,
        content=answer.stored()["content"],
    )


async def find_running(tx: ScopedTransaction, thread_id: str) -> str | None:
    """Return the id of the response that is being generated in the thread. Raises ThreadNotFound."""
    row = await tx.fetch_one(FIND_RUNNING, thread_id=thread_id)
    if row is None:
        await explain(tx, thread_id, Action.READ)
        return None
    [response_id] = row
    return str(response_id)


async def shown(tx: ScopedTransaction, row: StoredResponse) -> Response:
    """Make the object; a running response gets its text as stored so far."""
    row = await as_it_is(tx, row)
    if row.has_ended:
        return response_of(row, tx.scope)
    streamed, _ = await events.read_all(tx, row.id)
    return response_of(row, tx.scope, answer_of(streamed).text)


async def list_responses(tx: ScopedTransaction, thread_id: str, window: Window) -> ListPage:
    """Return one page of the thread's responses, in the order in which they began."""
    at_id = paging.text_position(window, SORT, "resp")
    rows = await tx.fetch(LISTS[window.reads_descending], thread_id=thread_id, at_id=at_id, limit=window.limit + 1)
    if not rows:
        await explain(tx, thread_id, Action.READ)
    found: list[Response] = []
    sizes: dict[str, int] = {}
    for *columns, size_bytes in rows:
        response = await shown(tx, StoredResponse(*columns))
        found.append(response)
        sizes[response.id] = size_bytes
    return paging.page(found, window, SORT, lambda each: (each.id,), size_of=lambda each: sizes[each.id])


async def cancel(tx: ScopedTransaction, thread_id: str, response_id: str) -> Response:
    """End a running response and keep its text; one that has ended stays as it is."""
    row = await find(tx, thread_id, response_id)
    if row.left_ms is not None or not row.has_ended:
        held = await hold(tx, thread_id)
        if held.response_id == response_id:
            await settling.settle(tx, held, settling.CANCELLED)
    return await read(tx, thread_id, response_id)


async def progress(tx: ScopedTransaction, thread_id: str, response_id: str, after_n: int) -> Progress:
    """Return what a reader at `after_n` gets next. The response is read first: if it has ended, no event is missing."""
    row = await find(tx, thread_id, response_id)
    if row.has_ended and after_n >= (row.last_n or 0):
        return Progress(row, [], True, is_beyond=True)
    if not row.has_events:
        return Progress(row, [], True, are_gone=True)
    # The event at the reader's position is read too: if it is missing, the position is none that was ever sent.
    found = await events.read_some(tx, response_id, after_n - 1, EVENTS_PER_READ + 1)
    is_beyond = after_n > events.FIRST_N and after_n not in (n for n, _, _ in found)
    beyond = [(n, type, data) for n, type, data in found if n > after_n]
    shown = first_of(beyond)
    is_whole = len(found) <= EVENTS_PER_READ and len(shown) == len(beyond)
    return Progress(row, shown, is_whole, is_beyond=is_beyond)


def first_of(found: list[tuple[int, str, str]]) -> list[tuple[int, str, str]]:
    """Return as many events as a reader gets at a time: events that wait for a slow reader take memory."""
    characters = 0
    for count, (_, _, data) in enumerate(found, 1):
        characters += len(data)
        if characters >= CHARACTERS_PER_READ:
            return found[:count]
    return found


async def created(tx: ScopedTransaction, row: StoredResponse) -> ResponseCreated:
    """Return the data of the first event: the response as it began, its input and its empty answer."""
    inputs = await claiming.input_messages(
        tx, row.thread, row.thread_id, row.cleared_seq, row.message_seq, row.input_count
    )
    parent_id = inputs[-1].id if inputs else await lines.find_parent_id(tx, row.thread, row.message_seq)
    response, message = as_created(row, tx.scope, parent_id)
    return ResponseCreated(response, inputs, message)


async def so_far(tx: ScopedTransaction, thread_id: str, response_id: str) -> tuple[int, Response, Message | None]:
    """Return the number of the last event before the end, the response with its whole text so far, and the answer."""
    row = await find(tx, thread_id, response_id)
    last_n, text = (row.last_n or 0) - 1, None
    if not row.has_ended:
        streamed, last_n = await events.read_all(tx, response_id)
        text = answer_of(streamed).text
    message = None
    # An answer that ends empty is deleted, perhaps between the two reads.
    with suppress(MessageNotFound):
        stored, _, parent_id = await find_message(tx, thread_id, row.message_id)
        message = await events.with_text_so_far(tx, message_of(stored, thread_id, parent_id))
    return last_n, response_of(row, tx.scope, text), message
