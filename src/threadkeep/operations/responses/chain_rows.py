"""Chains: responses that give their model the results of its calls, as one. How they are stored and read.

Most chains are one response. Each later one holds the key of the first, which keeps what all of them are asked for.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import msgspec

from threadkeep.contract.messages import ToolCall
from threadkeep.database.driver import Row
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import Statement, scoped
from threadkeep.operations.messages import lines
from threadkeep.operations.messages.lines import Span
from threadkeep.operations.responses import manner
from threadkeep.operations.responses.chosen import decode_calls
from threadkeep.operations.responses.manner import Asked
from threadkeep.operations.responses.rows import ANSWER, COLUMNS, StoredResponse, text_of

# The results of calls that wait are looked for among so many messages behind them: whoever gives results without going
# on with the chain does so at once.
RESULTS_WITHIN = 256

# `{picked}` are the first responses of the chains. The thread's newest response is looked up once. A cross join is
# SQLite's way to say what comes first: without it all responses of the organization were read.
CHAINS_TEXT = f"""
    with h as (
        select t.key, (
            select n.id from responses n
            where n.organization = :organization and n.thread = t.key
            order by n.id desc limit 1
        ) as newest_id
        from threads t
        where t.organization = :organization and t.id = :thread_id and t.user_id = coalesce(:member, t.user_id)
    ), p as (
        select s.key, s.id from responses s
        where s.organization = :organization and s.thread = (select h.key from h) and s.first is null and {{picked}}
    ), c as (
        select p.key, p.id as first_id from p
        union all
        select s.key, p.id as first_id from p cross join responses s
        where s.organization = :organization and s.first = p.key
    )
    select {COLUMNS}, c.first_id, r.key, r.asked, m.tool_calls, (select h.newest_id from h) from c
    cross join responses r
    join threads t on t.organization = r.organization and t.key = r.thread and t.user_id = coalesce(:member, t.user_id)
    {ANSWER}
    where r.organization = :organization and r.key = c.key
    order by c.first_id {{direction}}, r.message_seq
    """

FIND = scoped(CHAINS_TEXT.format(picked="s.id = :first_id", direction="asc"))

RESULTS = lines.within("""
    select m.seq, m.tool_call_id, m.content from {runs} and m.role = 'tool'
    order by m.seq
    """)

SET_ASKED = scoped("""
    update responses set asked = :asked where organization = :organization and key = :response
    """)


@dataclass(frozen=True, slots=True)
class ChainCall:
    """A call of a function, and the text of its result once there is one."""

    id: str
    name: str
    arguments: str
    result: str | None = None


@dataclass(frozen=True, slots=True)
class ChainResponse:
    """One response of a chain, with the calls that its answer ends with."""

    row: StoredResponse
    # Its key in the database.
    key: int
    calls: Sequence[ChainCall]


@dataclass(frozen=True, slots=True)
class Chain:
    """The responses of a chain, in order."""

    responses: Sequence[ChainResponse]
    # What is kept of how it was asked for; None of a response that the native API began.
    asked: Asked | None
    # Whether no other response of the thread came after its last one.
    is_newest: bool

    @property
    def id(self) -> str:
        return self.first.row.id

    @property
    def first(self) -> ChainResponse:
        return self.responses[0]

    @property
    def last(self) -> ChainResponse:
        return self.responses[-1]

    @property
    def cancelled_ms(self) -> int | None:
        """When it was cancelled while it waited; one that was cancelled while it ran says so in its last response."""
        return None if self.asked is None else self.asked.cancelled_ms

    @property
    def is_waiting(self) -> bool:
        """Whether it goes on when it is given the results of its last calls."""
        row = self.last.row
        ended_with_calls = row.status == "completed" and row.finish_reason == "toolCalls" and bool(self.last.calls)
        return ended_with_calls and self.is_newest and self.cancelled_ms is None


async def find(tx: ScopedTransaction, thread_id: str, first_id: str) -> Chain | None:
    """Return the chain that begins with a response, without the results of its calls."""
    found = await read(tx, FIND, thread_id=thread_id, first_id=first_id)
    return found[0] if found else None


async def read(tx: ScopedTransaction, statement: Statement, **parameters: object) -> list[Chain]:
    """Return the chains that a statement of CHAINS_TEXT finds, in its order."""
    found: dict[str, list[ChainResponse]] = {}
    asked: dict[str, str | None] = {}
    newest: set[str] = set()
    for *columns, first_id, key, its_asked, tool_calls, newest_id in await tx.fetch(statement, **parameters):
        newest.add(newest_id)
        asked.setdefault(first_id, its_asked)
        found.setdefault(first_id, []).append(ChainResponse(StoredResponse(*columns), key, calls_of(tool_calls)))
    return [
        Chain(responses, asked_of(asked[first_id]), responses[-1].row.id in newest)
        for first_id, responses in found.items()
    ]


def asked_of(stored: str | None) -> Asked | None:
    return None if stored is None else manner.decode(stored)


def calls_of(stored: str | None) -> list[ChainCall]:
    return calls_in(() if stored is None else decode_calls(stored))


def calls_in(calls: Iterable[ToolCall]) -> list[ChainCall]:
    return [ChainCall(call.id, call.function.name, call.function.arguments) for call in calls]


async def with_results(tx: ScopedTransaction, chain: Chain) -> Chain:
    """Return the chain with the results of its calls that were given."""
    spans = [result_span(chain, place) if each.calls else None for place, each in enumerate(chain.responses)]
    wanted = [span for span in reversed(spans) if span is not None]
    if not wanted:
        return chain
    rows = await tx.fetch(RESULTS, thread=chain.first.row.thread, spans=lines.encoded(wanted))
    return replace(
        chain,
        responses=[
            each if span is None else replace(each, calls=answered(each.calls, span, rows))
            for each, span in zip(chain.responses, spans, strict=True)
        ],
    )


def result_span(chain: Chain, place: int) -> Span:
    """Return where the results of a response's calls are: in the input of the next one, or not far behind."""
    row = chain.responses[place].row
    if place + 1 < len(chain.responses):
        following = chain.responses[place + 1].row
        low_seq, high_seq = following.message_seq - following.input_count, following.message_seq - 1
    else:
        low_seq, high_seq = row.message_seq + 1, row.message_seq + RESULTS_WITHIN
    return max(low_seq, row.cleared_seq + 1), high_seq


def answered(calls: Sequence[ChainCall], span: Span, rows: Sequence[Row]) -> list[ChainCall]:
    """Return calls with the texts of their results. Calls of one message may share an id: each takes its own."""
    low_seq, high_seq = span
    texts: dict[str, list[str]] = {}
    for seq, call_id, content in rows:
        if low_seq <= seq <= high_seq:
            texts.setdefault(call_id, []).append(text_of(content))
    return [replace(call, result=texts[call.id].pop(0) if texts.get(call.id) else None) for call in calls]


async def keep_asked(tx: ScopedTransaction, chain: Chain, asked: Asked) -> Chain:
    """Store what a chain is asked for."""
    await tx.fetch(SET_ASKED, response=chain.first.key, asked=msgspec.json.encode(asked).decode())
    return replace(chain, asked=asked)
