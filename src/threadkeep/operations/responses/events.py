"""The events of a response: stored before they are streamed, and put together into the answer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from threadkeep.contract.basis import Raw
from threadkeep.contract.events import ReasoningDelta, TextDelta, ToolCallDelta
from threadkeep.contract.limits import PREVIEW_CHARACTERS_MAX, TOOL_CALLS_MAX
from threadkeep.contract.messages import FunctionCall, Message, TextPart, ToolCall
from threadkeep.database.driver import Row, Transaction
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import keyed, scoped
from threadkeep.decoding import decoder
from threadkeep.operations.messages.rows import NULL, is_json, size_bytes
from threadkeep.operations.metadata import EMPTY

TEXT, REASONING, TOOL_CALL = TextDelta.type, ReasoningDelta.type, ToolCallDelta.type
# An event is stored with its type's index here.
TYPES = (TEXT, REASONING, TOOL_CALL)
KINDS = {type: kind for kind, type in enumerate(TYPES)}
# Of which any two that follow each other are as good as one.
TEXTS = (TEXT, REASONING)

# The first event is not stored: it is made from the response's row.
FIRST_N = 1
EVENTS_AT_ONCE = 500
# The limit for a call's id and for its name, the same as for calls that callers send.
NAME_CHARACTERS_MAX = 256

IS_LIVE = """t.organization = :organization and t.key = :thread and t.response_id = :response_id
      and t.lease_until >= lease_clock()"""
RUNS = {"thread": "bigint", "response_id": "text"}

# Returns the responses of a process that still hold their thread. Those not returned have lost it to somebody else.
STORE = keyed(
    f"select t.response_id from threads t where {IS_LIVE}",
    """
    insert into response_events (organization, response, n, kind, data)
    values (:organization, :response, :n, :kind, :data)
    on conflict (organization, response, n) do nothing
    """,
    rows={**RUNS, "response": "bigint", "n": "bigint", "kind": "smallint", "data": "text"},
    postgres=""", live as (
        select t.organization, t.response_id from threads t
        join (select distinct g.organization, g.thread, g.response_id from given g) g
            on t.organization = g.organization and t.key = g.thread and t.response_id = g.response_id
        where t.lease_until >= lease_clock()
        order by t.organization, t.key
        for share of t
    ), stored as (
        insert into response_events (organization, response, n, kind, data)
        select g.organization, g.response, g.n, g.kind, g.data from given g
        join live l on l.organization = g.organization and l.response_id = g.response_id
        on conflict (organization, response, n) do nothing
    )
    select l.response_id from live l
    """,
    function="""
    declare
        given record;
        is_live boolean;
    begin
        for given in
            select * from unnest(:thread, :response_id, :response, :n, :kind, :data)
                as g (thread, response_id, response, n, kind, data)
            order by g.thread, g.response_id, g.n
        loop
            if coalesce(r1, '') <> given.response_id then
                r1 := given.response_id;
                perform 1 from threads t
                where t.organization = :organization and t.key = given.thread and t.response_id = given.response_id
                  and t.lease_until >= lease_clock()
                for share;
                is_live := found;
                if is_live then
                    return next;
                end if;
            end if;
            if is_live then
                insert into response_events (organization, response, n, kind, data)
                values (:organization, given.response, given.n, given.kind, given.data)
                on conflict (organization, response, n) do nothing;
            end if;
        end loop;
    end
    """,
)

RENEW = keyed(
    """
    update threads as t set lease_until = lease_clock() + :lease_ms
    where t.organization = :organization and t.key = :thread and t.response_id = :response_id
      and t.lease_until >= lease_clock()
    returning response_id
    """,
    rows={**RUNS, "lease_ms": "bigint"},
    postgres=""", held as (
        select t.organization, t.key, g.lease_ms from threads t
        join given g on t.organization = g.organization and t.key = g.thread and t.response_id = g.response_id
        where t.lease_until >= lease_clock()
        order by t.organization, t.key
        for update of t
    )
    update threads t set lease_until = lease_clock() + h.lease_ms
    from held h
    where t.organization = h.organization and t.key = h.key
    returning t.response_id
    """,
    function="""
    declare
        given record;
        now_ms bigint;
    begin
        for given in
            select * from unnest(:thread, :response_id, :lease_ms) as g (thread, response_id, lease_ms)
            order by g.thread
        loop
            perform 1 from threads t
            where t.organization = :organization and t.key = given.thread and t.response_id = given.response_id
            for update;
            now_ms := lease_clock();
            update threads t set lease_until = now_ms + given.lease_ms
            where t.organization = :organization and t.key = given.thread and t.response_id = given.response_id
              and t.lease_until >= now_ms;
            if found then
                r1 := given.response_id;
                return next;
            end if;
        end loop;
    end
    """,
)

CHECK = keyed(
    f"select t.response_id from threads t where {IS_LIVE}",
    rows=RUNS,
    postgres="""
    select t.response_id from given g
    join threads t on t.organization = g.organization and t.key = g.thread and t.response_id = g.response_id
    where t.lease_until >= lease_clock()
    """,
)

SET_INPUT = keyed(
    """
    update responses set input_tokens = :input_tokens
    where organization = :organization and id = :response_id and status = 'in_progress'
    """,
    rows={"response_id": "text", "input_tokens": "bigint"},
    postgres="""
    update responses r set input_tokens = g.input_tokens
    from given g
    where r.organization = g.organization and r.id = g.response_id and r.status = 'in_progress'
    """,
)

# Events that other processes have stored, for readers in this process.
NEWS = keyed(
    """
    select r.id, e.n, e.kind, e.data from responses r
    join response_events e on e.organization = r.organization and e.response = r.key and e.n > :n
    where r.organization = :organization and r.id = :response_id
    order by e.n limit 500
    """,
    rows={"response_id": "text", "n": "bigint"},
    postgres="""
    select r.id, e.n, e.kind, e.data from given g
    join responses r on r.organization = g.organization and r.id = g.response_id
    join response_events e on e.organization = r.organization and e.response = r.key and e.n > g.n
    order by r.id, e.n limit 20000
    """,
)

# A response counts as left this long after its lease ran out. Its worker stores events and the end within the lease
# only; a commit that began in time is done by now, so no reader is told of two ends.
LEFT_MS = 3_000

RUNNING = keyed(
    f"""
    select r.id from responses r
    join threads t on t.organization = r.organization and t.key = r.thread and t.response_id = r.id
    where r.organization = :organization and r.id = :response_id and t.lease_until >= lease_clock() - {LEFT_MS}
    """,
    rows={"response_id": "text"},
    postgres=f"""
    select r.id from given g
    join responses r on r.organization = g.organization and r.id = g.response_id
    join threads t on t.organization = r.organization and t.key = r.thread and t.response_id = r.id
    where t.lease_until >= lease_clock() - {LEFT_MS}
    """,
)

LEFT = scoped(f"""
    select 1 from responses r
    join threads t on t.organization = r.organization and t.key = r.thread and t.response_id = r.id
    where r.organization = :organization and r.id = :response_id and t.user_id = coalesce(:member, t.user_id)
      and t.lease_until < lease_clock() - {LEFT_MS}
    """)

READ = scoped("""
    select e.n, e.kind, e.data from responses r
    join response_events e on e.organization = r.organization and e.response = r.key and e.n > :n
    where r.organization = :organization and r.id = :response_id
    order by e.n limit :limit
    """)

INSERT = scoped("""
    insert into response_events (organization, response, n, kind, data)
    select r.organization, r.key, :n, :kind, :data from responses r
    where r.organization = :organization and r.id = :response_id
    on conflict (organization, response, n) do nothing
    """)

DELETE_TEXT = """
    delete from response_events
    where organization = :organization and response = (
        select r.key from responses r where r.organization = :organization and r.id = :response_id
    )
    """
FORGET_TEXT = "update responses set events_until_ms = null where organization = :organization and id = :response_id"

DELETE = scoped(DELETE_TEXT)
FORGET = scoped(FORGET_TEXT)


decode_text = decoder(TextDelta).decode
decode_call = decoder(ToolCallDelta).decode
encode = msgspec.json.Encoder().encode


class Answer(NamedTuple):
    """An answer, put together from its events."""

    text: str
    tool_calls: list[ToolCall]
    # The stored form of data that the model's server wants back with the answer.
    wanted_back: str | None = None

    @property
    def is_empty(self) -> bool:
        return not self.text and not self.tool_calls

    def stored(self) -> dict[str, Any]:
        """Return the columns of the message that holds the answer."""
        content = encode([TextPart(self.text)] if self.text else []).decode()
        tool_calls = encode(self.tool_calls).decode() if self.tool_calls else None
        return {
            "content": content,
            "preview": self.text[:PREVIEW_CHARACTERS_MAX],
            "tool_calls": tool_calls,
            "is_blank": int(not self.tool_calls and not self.text.strip()),
            "size_bytes": size_bytes(content, tool_calls, EMPTY),
            "wanted_back": self.wanted_back,
        }


def answer_of(rows: Iterable[tuple[str, str]]) -> Answer:
    """Put an answer together from the (type, data) of its events, in order."""
    texts: list[str] = []
    calls: dict[int, CallSoFar] = {}
    for type, data in rows:
        if type == TEXT:
            texts.append(decode_text(data).delta)
        elif type == TOOL_CALL:
            add_call(calls, decode_call(data))
    return Answer("".join(texts), finished_calls(calls))


@dataclass(slots=True)
class CallSoFar:
    """A call, put together from its parts so far."""

    id: str | None = None
    name: str | None = None
    texts: list[str] = field(default_factory=list)


def add_call(calls: dict[int, CallSoFar], part: ToolCallDelta) -> None:
    call = calls.setdefault(part.index, CallSoFar())
    call.id = call.id or part.id
    call.name = call.name or part.name
    call.texts.append(part.arguments)


def finished_calls(calls: Mapping[int, CallSoFar]) -> list[ToolCall]:
    """Return the calls that can be sent to a model again: those with a name, and with arguments that are JSON.

    The others are left out if the answer was cut off; in any other answer, they make the response fail.
    """
    finished: list[ToolCall] = []
    for index, call in sorted(calls.items()):
        arguments = "".join(call.texts)
        if call.name and len(call.name) <= NAME_CHARACTERS_MAX and is_json(arguments):
            id = (call.id or f"call_{index}")[:NAME_CHARACTERS_MAX]
            finished.append(ToolCall(id, "function", FunctionCall(call.name, arguments)))
    return finished[:TOOL_CALLS_MAX]


async def store(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Store events of several responses; return the ids of those that still hold their thread."""
    return {response_id for (response_id,) in await tx.fetch_many(STORE, rows)}


async def renew(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Prolong leases; return the ids of the responses that still hold their thread."""
    return {response_id for (response_id,) in await tx.fetch_many(RENEW, rows)}


async def check(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the ids of the responses that still hold their thread."""
    return {response_id for (response_id,) in await tx.fetch_many(CHECK, rows)}


async def set_input(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store how many tokens of context each response got: another process may have to end it."""
    await tx.fetch_many(SET_INPUT, rows)


async def news(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> tuple[Sequence[Row], set[str]]:
    """Return events after each response's `n`, in order, and the ids of the responses that still run."""
    running = {response_id for (response_id,) in await tx.fetch_many(RUNNING, rows)}
    found = await tx.fetch_many(NEWS, rows)
    return [(response_id, n, TYPES[kind], data) for response_id, n, kind, data in found], running


async def read_all(tx: ScopedTransaction, response_id: str) -> tuple[list[tuple[str, str]], int]:
    """Return all stored events of a response as (type, data), in order, and the number of the last one."""
    found: list[tuple[str, str]] = []
    last_n = FIRST_N
    while True:
        some = await read_some(tx, response_id, last_n, EVENTS_AT_ONCE)
        for n, type, data in some:
            found.append((type, data))
            last_n = n
        if len(some) < EVENTS_AT_ONCE:
            return found, last_n


async def read_some(tx: ScopedTransaction, response_id: str, after_n: int, limit: int) -> list[tuple[int, str, str]]:
    """Return at most `limit` events of a response after `after_n` as (n, type, data), in order."""
    rows = await tx.fetch(READ, response_id=response_id, n=after_n, limit=limit)
    return [(n, TYPES[kind], data) for n, kind, data in rows]


async def with_text_so_far(tx: ScopedTransaction, message: Message) -> Message:
    """Return the message; one that is being generated gets its text as stored so far.

    If its worker has died it is shown as `incomplete`, even before that is stored.
    """
    if message.status != "in_progress" or message.response_id is None:
        return message
    # Asked before the events are read: once a response is left, no more events come.
    is_left = await was_left(tx, message.response_id)
    found, _ = await read_all(tx, message.response_id)
    stored = answer_of(found).stored()
    return msgspec.structs.replace(
        message,
        content=Raw(stored["content"]),
        tool_calls=NULL if stored["tool_calls"] is None else Raw(stored["tool_calls"]),
        status="incomplete" if is_left else message.status,
    )


async def was_left(tx: ScopedTransaction, response_id: str) -> bool:
    """Return whether the response has not ended although its worker has died."""
    return await tx.fetch_one(LEFT, response_id=response_id) is not None


async def with_texts_so_far(tx: ScopedTransaction, messages: Sequence[Message]) -> list[Message]:
    """Do the same for several messages. Few are being generated, and a coroutine for each of the others is slow."""
    return [each if each.status != "in_progress" else await with_text_so_far(tx, each) for each in messages]


async def forget(tx: ScopedTransaction, response_id: str) -> None:
    """Delete a response's events, because its message was deleted."""
    await tx.fetch(DELETE, response_id=response_id)
    await tx.fetch(FORGET, response_id=response_id)
