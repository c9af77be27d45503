"""Lines: which message follows which. A thread is one line until somebody edits a message or asks anew.

Stored is only what differs from that: a fork says that a message follows another one than the message before it. So the
numbers of a thread fall into runs, from one fork to the next, and a line is a list of runs, each cut off where the next
one begins. A thread without forks has none of this to read.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from threadkeep.database.driver import Row
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import Statement, scoped
from threadkeep.operations.paging import KEY_MAX
from threadkeep.operations.threads.rows import HeldThread

# The parent of a message that begins the thread.
ROOT = 0

Fork: TypeAlias = tuple[int, int]
# The numbers of a run, both ends included.
Span: TypeAlias = tuple[int, int]

# The id of the message that `m` follows. {cleared} is the number up to which the thread was emptied.
PARENT_ID = """(
        select p.id from messages p
        where p.organization = :organization and p.thread = m.thread and p.seq > {cleared} and p.seq = coalesce(
            (
                select f.parent_seq from forks f
                where f.organization = :organization and f.thread = m.thread and f.seq = m.seq
            ), (
                select max(q.seq) from messages q
                where q.organization = :organization and q.thread = m.thread and q.seq < m.seq and q.seq > {cleared}
            ))
    )"""

# The messages `m` of given runs. A cross join is SQLite's way to say what comes first: each run is a range of an index.
RUNS = """{source} j cross join messages m
        where m.organization = :organization and m.thread = :thread
          and m.seq >= cast(j.value ->> 0 as bigint) and m.seq <= cast(j.value ->> 1 as bigint)"""

READ = scoped("""
    select f.seq, f.parent_seq from forks f
    where f.organization = :organization and f.thread = :thread and f.seq > :cleared_seq
    order by f.seq
    """)

INSERT = scoped("""
    insert into forks (organization, thread, seq, parent_seq) values (:organization, :thread, :seq, :parent_seq)
    """)

FIND = scoped("""
    select f.parent_seq from forks f
    where f.organization = :organization and f.thread = :thread and f.seq = :seq
    """)

MOVE = scoped("""
    update forks set seq = :next_seq where organization = :organization and thread = :thread and seq = :seq
    """)

DELETE = scoped("""
    delete from forks where organization = :organization and thread = :thread and seq >= :seq and seq <= :last_seq
    """)

MOVE_CHILDREN = scoped("""
    update forks set parent_seq = :parent_seq
    where organization = :organization and thread = :thread and parent_seq = :seq
    """)

BEFORE = scoped("""
    select m.seq from messages m
    where m.organization = :organization and m.thread = :thread and m.seq > :cleared_seq and m.seq < :seq
    order by m.seq desc limit 1
    """)

BEHIND = scoped("""
    select m.seq, f.seq from messages m
    left join forks f on f.organization = m.organization and f.thread = m.thread and f.seq = m.seq
    where m.organization = :organization and m.thread = :thread and m.seq > :seq
    order by m.seq limit 1
    """)


# The forks of a thread by its id, with what its lines need: nothing for one that never branched, and one row without a
# fork when all of them were deleted.
OF_THREAD = scoped("""
    select t.key, t.cleared_seq, f.seq, f.parent_seq from threads t
    left join forks f on f.organization = t.organization and f.thread = t.key and f.seq > t.cleared_seq
    where t.organization = :organization and t.id = :thread_id and t.user_id = coalesce(:member, t.user_id)
      and t.is_branched = 1
    order by f.seq
    """)


# The message itself need not be there any more.
OF_NUMBER = scoped(f"""
    select {PARENT_ID.format(cleared="m.cleared_seq")} from (
        select t.key as thread, t.cleared_seq, cast(:seq as bigint) as seq from threads t
        where t.organization = :organization and t.key = :thread and t.user_id = coalesce(:member, t.user_id)
    ) m
    """)


class ThreadLine(NamedTuple):
    """The line of a thread that branched: the thread's key, and runs, the newest first."""

    thread: int
    spans: list[Span]


async def line_of(tx: ScopedTransaction, thread_id: str, last_seq: int = KEY_MAX) -> ThreadLine | None:
    """Return the line that ends at `last_seq`; None for a thread that never branched: then it is all of the thread."""
    rows = await tx.fetch(OF_THREAD, thread_id=thread_id)
    if not rows:
        return None
    thread, cleared_seq, *_ = rows[0]
    forks = [(seq, parent_seq) for *_, seq, parent_seq in rows if seq is not None]
    return ThreadLine(thread, line_to(forks, cleared_seq, last_seq))


async def forks_of(tx: ScopedTransaction, thread: int, cleared_seq: int) -> list[Fork]:
    """Return the thread's forks in the order of their numbers: each a message and the one it follows."""
    return [(seq, parent_seq) for seq, parent_seq in await tx.fetch(READ, thread=thread, cleared_seq=cleared_seq)]


def line_to(forks: Sequence[Fork], cleared_seq: int, last_seq: int = KEY_MAX) -> list[Span]:
    """Return the runs of the line that ends at `last_seq`, the newest first."""
    spans: list[Span] = []
    firsts = [seq for seq, _ in forks]
    while last_seq > cleared_seq:
        place = bisect_right(firsts, last_seq) - 1
        if place < 0:
            spans.append((cleared_seq + 1, last_seq))
            break
        first_seq, parent_seq = forks[place]
        spans.append((first_seq, last_seq))
        last_seq = parent_seq
    return spans


def descent_of(forks: Sequence[Fork], seq: int) -> list[Span]:
    """Return the numbers of a message and of all that descends from it, in order."""
    firsts = [first for first, _ in forks]

    def end_of_run(place: int) -> int:
        return firsts[place] - 1 if place < len(firsts) else KEY_MAX

    place = bisect_right(firsts, seq)
    spans = [(seq, end_of_run(place))]
    for place, (first, parent_seq) in enumerate(forks):
        at = bisect_right(spans, (parent_seq, KEY_MAX)) - 1
        if first > seq and at >= 0 and spans[at][0] <= parent_seq <= spans[at][1]:
            spans.append((first, end_of_run(place + 1)))
    return spans


def clip(spans: Sequence[Span], low_seq: int, high_seq: int) -> list[Span]:
    """Return what lies within both ends."""
    return [(max(low, low_seq), min(high, high_seq)) for low, high in spans if high >= low_seq and low <= high_seq]


def part(spans: Sequence[Span], count: int, *, from_oldest: bool = False) -> list[Span]:
    """Return the runs with the newest `count` numbers of a line, or with the oldest ones; the newest first."""
    taken: list[Span] = []
    for low, high in reversed(spans) if from_oldest else spans:
        if from_oldest:
            high = min(high, low + count - 1)
        else:
            low = max(low, high - count + 1)
        taken.append((low, high))
        count -= high - low + 1
        if count <= 0:
            break
    return taken[::-1] if from_oldest else taken


def encoded(spans: Sequence[Span]) -> str:
    """Return runs as statements of `within` take them."""
    return msgspec.json.encode(spans).decode()


def within(text: str) -> Statement:
    """Compile a statement that reads messages `m` of the runs `:spans`: `from {runs} and` further conditions."""
    return scoped(
        text.format(runs=RUNS.format(source="json_each(:spans)")),
        postgres=text.format(runs=RUNS.format(source="json_array_elements(cast(:spans as json))")),
    )


async def newest_on(
    tx: ScopedTransaction, thread: int, spans: Sequence[Span], statement: Statement, limit: int
) -> list[Row]:
    """Return the newest rows of a line, the newest first; the statement's first column is the number."""
    found: list[Row] = []
    count = limit
    while spans and len(found) < limit:
        some = part(spans, count)
        found += await tx.fetch(statement, thread=thread, spans=encoded(some), limit=limit - len(found))
        # Where many messages were deleted, fewer and fewer looks reach over the gap.
        spans, count = clip(spans, 0, some[-1][0] - 1), 2 * count
    return found


async def find_parent_id(tx: ScopedTransaction, thread: int, seq: int) -> str | None:
    """Return the id of the message that the one with this number follows."""
    [parent_id] = await tx.fetch_one(OF_NUMBER, thread=thread, seq=seq) or (None,)
    return None if parent_id is None else str(parent_id)


async def parent_of(tx: ScopedTransaction, held: HeldThread, seq: int) -> int:
    """Return the number of the message that a message of the thread follows, or ROOT."""
    fork = await tx.fetch_one(FIND, thread=held.key, seq=seq) if held.is_branched else None
    before = fork or await tx.fetch_one(BEFORE, thread=held.key, seq=seq, cleared_seq=held.cleared_seq)
    [parent_seq] = before or [ROOT]
    return int(parent_seq)


async def take_out(tx: ScopedTransaction, held: HeldThread, seq: int) -> None:
    """Give the children of a message its parent; the message is about to be deleted."""
    if not held.is_branched:
        return
    parent_seq = await parent_of(tx, held, seq)
    await tx.fetch(MOVE_CHILDREN, thread=held.key, seq=seq, parent_seq=parent_seq)
    if await tx.fetch_one(FIND, thread=held.key, seq=seq) is None:
        return
    # It begins a run: the message behind it does so now, unless that begins one itself.
    next_seq, next_fork = await tx.fetch_one(BEHIND, thread=held.key, seq=seq) or (None, None)
    if next_seq is None or next_fork is not None:
        await tx.fetch(DELETE, thread=held.key, seq=seq, last_seq=seq)
    else:
        await tx.fetch(MOVE, thread=held.key, seq=seq, next_seq=next_seq)
