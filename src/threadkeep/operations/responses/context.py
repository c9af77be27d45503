"""The context of a response: which messages a model gets, within how many tokens."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from threadkeep.contract.assistants import Configuration
from threadkeep.contract.basis import Raw
from threadkeep.contract.responses import Context, ContextMessage
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import ThreadNotFound
from threadkeep.operations.messages import lines
from threadkeep.operations.messages.lines import ThreadLine
from threadkeep.operations.messages.rows import NULL
from threadkeep.operations.paging import KEY_MAX, PAGE_BYTES_MAX
from threadkeep.operations.responses.chosen import (
    LAST_MAX,
    ChosenMessage,
    ContextTooLong,
    HistoryWalk,
    chosen_of,
    made_up,
    with_results,
)
from threadkeep.operations.responses.estimating import BYTES_PER_TOKEN, TOKENS_PER_MESSAGE
from threadkeep.operations.threads import rows as thread_rows

FIRST_MAX = 3
ROWS_AT_ONCE = 200
COLUMNS = "m.id, m.seq, m.role, m.content, m.tool_calls, m.tool_call_id"

# The thread is a subquery: with a join, PostgreSQL would sort all messages to find the newest.
IN_THREAD = """m.organization = :organization and m.thread = (select key from t)
      and m.seq > (select cleared_seq from t) and m.seq < :below_seq and m.status <> 'in_progress'"""

THE_THREAD = """t as (
        select t.key, t.cleared_seq, t.is_branched from threads t
        where t.organization = :organization and t.id = :thread_id and t.user_id = coalesce(:member, t.user_id)
    )"""

FIRST = scoped(f"""
    with {THE_THREAD}
    select {COLUMNS}, (select is_branched from t) from messages m
    where {IN_THREAD}
    order by m.seq limit :limit
    """)

# A message is never sent longer than it is stored, so the stored sizes bound how many messages can fit. The inner query
# adds the sizes up without reading content.
NEWEST = scoped(f"""
    with {THE_THREAD}
    select {COLUMNS}, m.size_bytes, (select is_branched from t) from (
        select s.thread, s.seq,
            sum(s.size_bytes) over (order by s.seq desc rows unbounded preceding) - s.size_bytes as before
        from (
            select m.thread, m.seq, m.size_bytes from messages m
            where {IN_THREAD} and m.seq > :above_seq
            order by m.seq desc limit :limit
        ) s
    ) p
    join messages m on m.organization = :organization and m.thread = p.thread and m.seq = p.seq
    where p.before <= :bytes_max
    order by m.seq desc
    """)


# The same of one line, whose runs are given.
FIRST_ON_LINE = lines.within(f"""
    select {COLUMNS} from {{runs}}
    and m.seq < :below_seq and m.status <> 'in_progress'
    order by m.seq limit :limit
    """)

NEWEST_ON_LINE = lines.within(f"""
    select {COLUMNS}, m.size_bytes from (
        select s.thread, s.seq,
            sum(s.size_bytes) over (order by s.seq desc rows unbounded preceding) - s.size_bytes as before
        from (
            select m.thread, m.seq, m.size_bytes from {{runs}}
            and m.seq < :below_seq and m.status <> 'in_progress'
            order by m.seq desc limit :limit
        ) s
    ) p
    cross join messages m
    where m.organization = :organization and m.thread = p.thread and m.seq = p.seq and p.before <= :bytes_max
    order by m.seq desc
    """)


class Branched(Exception):
    """The thread has branches: its messages are not one line."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A context, oldest message first, instructions before all others."""

    messages: Sequence[ChosenMessage]
    total_tokens: int


async def choose(
    tx: ScopedTransaction,
    thread_id: str,
    *,
    configuration: Configuration,
    instructions: str | None,
    until_seq: int | None,
    kept_from_seq: int | None,
) -> Chosen:
    """Return the messages that a model gets, by the configuration's mode; only those below `until_seq`, if given.

    Messages from `kept_from_seq` on are always included; with None, the newest message is. Needs `context_mode`,
    and `context_tokens` except for `full`. `context_messages` counts messages of the thread: neither instructions nor
    stand-ins. Raises ContextTooLong.
    """
    is_smart = configuration.context_mode == "smart"
    tokens_max = math.inf
    if configuration.context_mode != "full":
        assert configuration.context_tokens is not None
        tokens_max = configuration.context_tokens
    below_seq = KEY_MAX if until_seq is None else until_seq
    head = [made_up(0, "system", instructions)] if instructions and instructions.strip() else []

    async def take(line: ThreadLine | None) -> tuple[list[ChosenMessage], HistoryWalk]:
        first = await read_first(tx, thread_id, below_seq, line) if is_smart else []
        walk = HistoryWalk(
            first[-1].seq if first else 0,
            tokens_max - sum(message.tokens for message in (*head, *first)),
            newest_max(configuration, sum(not message.is_empty for message in first)),
            math.inf if kept_from_seq is None else kept_from_seq,
        )
        await (walk_back(tx, thread_id, walk, below_seq) if line is None else walk_line(tx, line, walk, below_seq))
        return first, walk

    try:
        first, walk = await take(None)
    except Branched:
        first, walk = await take(await lines.line_of(tx, thread_id, below_seq))
    return fit(head, first, walk, tokens_max)


def newest_max(configuration: Configuration, first_count: int) -> float:
    """Return how many of the newest messages may be sent, besides the first ones and what must stay."""
    mode_max = LAST_MAX if configuration.context_mode == "smart" else math.inf
    if configuration.context_messages is None:
        return mode_max
    return min(mode_max, max(0, configuration.context_messages - first_count))


async def preview(
    tx: ScopedTransaction, thread_id: str, configuration: Configuration, instructions: str | None
) -> Context:
    """Return the context that a response in the thread would send now. Raises ThreadNotFound or ContextTooLong."""
    if await tx.fetch_one(thread_rows.READ, thread_id=thread_id) is None:
        raise ThreadNotFound()
    chosen = await choose(
        tx, thread_id, configuration=configuration, instructions=instructions, until_seq=None, kept_from_seq=None
    )
    return shown(chosen, thread_id, configuration)


def shown(chosen: Chosen, thread_id: str, configuration: Configuration) -> Context:
    """Make the object of a context."""
    assert configuration.context_mode is not None
    messages = [
        ContextMessage(
            message.id,
            message.role,
            Raw(message.content.encode()),
            NULL if message.tool_calls is None else Raw(message.tool_calls.encode()),
            message.tool_call_id,
            message.tokens,
        )
        for message in chosen.messages
    ]
    return Context(
        "thread.context",
        thread_id,
        configuration.context_mode,
        None if configuration.context_mode == "full" else configuration.context_tokens,
        configuration.context_messages,
        chosen.total_tokens,
        messages,
    )


def fit(head: Sequence[ChosenMessage], first: Sequence[ChosenMessage], walk: HistoryWalk, tokens_max: float) -> Chosen:
    """Return the whole context. Stand-ins for missing results of calls in `first` may push older messages out."""
    while True:
        stored = [message for message in (*first, *reversed(walk.taken)) if not message.is_empty]
        messages = [*head, *with_results(stored)]
        total_tokens = sum(message.tokens for message in messages)
        if total_tokens <= tokens_max:
            return Chosen(messages, total_tokens)
        if len(walk.taken) <= walk.required_count:
            raise ContextTooLong
        walk.taken.pop()


async def read_first(
    tx: ScopedTransaction, thread_id: str, below_seq: int, line: ThreadLine | None
) -> list[ChosenMessage]:
    """Return the first messages, of the line if there are several."""
    if line is None:
        rows = await tx.fetch(FIRST, thread_id=thread_id, below_seq=below_seq, limit=FIRST_MAX)
        if any(is_branched for *_, is_branched in rows):
            raise Branched
        return [chosen_of(columns) for *columns, _ in rows]
    found: list[ChosenMessage] = []
    spans, count = line.spans, FIRST_MAX
    while spans and len(found) < FIRST_MAX:
        some = lines.part(spans, count, from_oldest=True)
        rows = await tx.fetch(
            FIRST_ON_LINE,
            thread=line.thread,
            spans=lines.encoded(some),
            below_seq=below_seq,
            limit=FIRST_MAX - len(found),
        )
        found += map(chosen_of, rows)
        spans, count = lines.clip(spans, some[0][1] + 1, KEY_MAX), 2 * count
    return found


async def walk_line(tx: ScopedTransaction, line: ThreadLine, walk: HistoryWalk, below_seq: int) -> None:
    """Do as `walk_back` does, with the messages of one line only."""
    spans = lines.clip(line.spans, walk.above_seq + 1, below_seq - 1)
    # Where many messages were deleted, fewer and fewer looks reach over the gap.
    count = 0
    while spans and not walk.is_done:
        limit, bytes_max = bounds_of(walk, below_seq)
        count = max(limit, 2 * count)
        some = lines.part(spans, count)
        rows = await tx.fetch(
            NEWEST_ON_LINE,
            thread=line.thread,
            spans=lines.encoded(some),
            below_seq=below_seq,
            limit=limit,
            bytes_max=bytes_max,
        )
        read_bytes = 0
        for *columns, size_bytes in rows:
            message = chosen_of(columns)
            if not walk.take(message):
                return
            read_bytes += size_bytes
            below_seq = message.seq
        if len(rows) < limit and read_bytes <= bytes_max:
            below_seq, _ = some[-1]
        spans = lines.clip(spans, 0, below_seq - 1)


def bounds_of(walk: HistoryWalk, below_seq: int) -> tuple[int, int]:
    """Return how many messages, and of how many bytes, the walk can still take, plus one."""
    tokens = max(0, walk.tokens_left)
    limit = int(min(ROWS_AT_ONCE, walk.count_wanted(below_seq), tokens / TOKENS_PER_MESSAGE + 1))
    return limit, int(min(PAGE_BYTES_MAX, tokens * BYTES_PER_TOKEN))


async def walk_back(tx: ScopedTransaction, thread_id: str, walk: HistoryWalk, below_seq: int) -> None:
    """Give `walk` messages from the newest backwards. Reads no more than it can still take, plus one message."""
    while not walk.is_done:
        limit, bytes_max = bounds_of(walk, below_seq)
        rows = await tx.fetch(
            NEWEST,
            thread_id=thread_id,
            above_seq=walk.above_seq,
            below_seq=below_seq,
            limit=limit,
            bytes_max=bytes_max,
        )
        read_bytes = 0
        for *columns, size_bytes, is_branched in rows:
            if is_branched:
                raise Branched
            message = chosen_of(columns)
            if not walk.take(message):
                return
            read_bytes += size_bytes
            below_seq = message.seq
        if len(rows) < limit and read_bytes <= bytes_max:
            return
