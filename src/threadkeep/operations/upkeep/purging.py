"""The sweeper's step that deletes what nobody can reach any more: the messages of threads, and all that goes with them.

Many short threads go in one transaction, a long one in several: the rows and bytes of each are bounded.
"""

from collections.abc import Sequence
from itertools import accumulate, takewhile
from typing import Any, NamedTuple

import msgspec

from threadkeep import clock
from threadkeep.database.driver import Transaction
from threadkeep.database.statement import Statement, everywhere, finder
from threadkeep.operations.upkeep import sweeping_responses

THREADS_AT_ONCE = 100
ROWS_AT_ONCE = 1000
BYTES_AT_ONCE = 8 * 1024 * 1024

# In the order of their index: sweepers that come at the same time then lock rows in the same order.
NEXT = finder(
    """
    select p.organization, p.thread, p.last_seq, p.keeps_places from purges p where {within}
    order by p.organization, p.thread, p.last_seq limit :limit
    """,
    "p.organization",
)

# Its length is known without reading a text.
SIZE = """octet_length(m.content) + coalesce(octet_length(m.tool_calls), 0)
    + coalesce(octet_length(m.wanted_back), 0)"""

MESSAGES = everywhere(f"""
    select m.seq, m.id, {SIZE} + coalesce((
            select p.size_bytes from payloads p
            where p.organization = m.organization and p.thread = m.thread and p.seq = m.seq
        ), 0)
    from messages m
    where m.organization = :organization and m.thread = :thread and m.seq <= :last_seq
    order by m.seq limit :limit
    """)

KEEP_PLACE = everywhere("""
    insert into deleted_messages (organization, thread, seq, id, deleted_ms)
    values (:organization, :thread, :seq, :id, :now_ms)
    on conflict (organization, thread, seq) do nothing
    """)

# Number 0 is the thread's own, which an emptied thread keeps.
DELETE_UP_TO = [
    everywhere(f"""
    delete from {table} where organization = :organization and thread = :thread and seq > 0 and seq <= :last_seq
    """)
    for table in ("messages", "payloads", "forks")
]

DELETE_PAYLOAD = everywhere("""
    delete from payloads where organization = :organization and thread = :thread and seq = 0
    """)

PLACES = everywhere("""
    select d.seq from deleted_messages d
    where d.organization = :organization and d.thread = :thread
    order by d.seq limit :limit
    """)

DELETE_PLACES = everywhere("""
    delete from deleted_messages where organization = :organization and thread = :thread and seq <= :last_seq
    """)

# A thread that was only emptied may have been deleted since the purge was read; then the purge must go on.
END = everywhere("""
    delete from purges
    where organization = :organization and thread = :thread and last_seq = :last_seq and keeps_places = :keeps_places
    """)


def of_threads(text: str) -> Statement:
    """Compile a statement about several threads of one organization, with their keys as JSON."""
    return everywhere(
        text.format(threads="(select cast(j.value as bigint) from json_each(:threads) j)"),
        postgres=text.format(
            threads="(select cast(j.value as bigint) from json_array_elements_text(cast(:threads as json)) j)"
        ),
    )


SIZES = of_threads(f"""
    select s.thread, cast(sum(s.size) as bigint) from (
        select m.thread, {SIZE} as size from messages m
        where m.organization = :organization and m.thread in {{threads}}
        union all
        select p.thread, p.size_bytes from payloads p
        where p.organization = :organization and p.thread in {{threads}}
    ) s
    group by s.thread
    """)

DELETE_OF_THREADS = [
    of_threads(f"delete from {table} where organization = :organization and thread in {{threads}}")
    for table in ("messages", "payloads", "forks", "deleted_messages")
]

END_OF_THREADS = of_threads("delete from purges where organization = :organization and thread in {threads}")


class Purge(NamedTuple):
    """Messages of a thread up to a number. Of a deleted thread, the places of deleted messages go too."""

    organization: int
    thread: int
    last_seq: int
    keeps_places: int


async def purge_messages(tx: Transaction, within: int | None = None) -> int:
    """Delete rows of deleted or emptied threads; return how many, or 0 when none are left."""
    purges = [
        Purge(*row) for row in await tx.fetch(NEXT.of(within), {"organization": within, "limit": THREADS_AT_ONCE})
    ]
    if not purges:
        return 0
    short = await short_ones(tx, purges)
    return await purge_threads(tx, short) if short else await purge_some(tx, purges[0])


async def short_ones(tx: Transaction, purges: Sequence[Purge]) -> list[Purge]:
    """Return the first deleted threads of one organization that can go together; none if the first one is too long."""
    organization = purges[0].organization
    mine = list(takewhile(lambda each: each.organization == organization and not each.keeps_places, purges))
    few = mine[: count_fitting([each.last_seq for each in mine], ROWS_AT_ONCE)]
    if not few:
        return []
    sizes = dict[int, int](tuple(row) for row in await tx.fetch(SIZES, naming(few)))
    return few[: count_fitting([sizes.get(each.thread, 0) for each in few], BYTES_AT_ONCE)]


def count_fitting(sizes: Sequence[int], most: int) -> int:
    """Return how many of the first sizes together are at most `most`."""
    return sum(total <= most for total in accumulate(sizes))


def naming(purges: Sequence[Purge]) -> dict[str, Any]:
    threads = [each.thread for each in purges]
    return {"organization": purges[0].organization, "threads": msgspec.json.encode(threads).decode()}


async def purge_threads(tx: Transaction, purges: Sequence[Purge]) -> int:
    """Delete all that is left of deleted threads, but of their responses only some at a time."""
    where = naming(purges)
    for statement in DELETE_OF_THREADS:
        await tx.fetch(statement, where)
    ended = await sweeping_responses.purge_of_threads(tx, where)
    if ended < sweeping_responses.RESPONSES_AT_ONCE:
        await tx.fetch(END_OF_THREADS, where)
    return len(purges) + ended


async def purge_some(tx: Transaction, purge: Purge) -> int:
    """Delete some messages of one long or emptied thread; when there are none, what else is left of it."""
    organization, thread, last_seq, keeps_places = purge
    where = {"organization": organization, "thread": thread}
    found = await tx.fetch(MESSAGES, {**where, "last_seq": last_seq, "limit": ROWS_AT_ONCE})
    if found:
        sizes: list[int] = [size for _, _, size in found]
        taken = max(1, count_fitting(sizes, BYTES_AT_ONCE))
        if keeps_places:
            now_ms = clock.now_ms()
            await tx.execute_many(
                KEEP_PLACE, [{**where, "seq": seq, "id": id, "now_ms": now_ms} for seq, id, _ in found[:taken]]
            )
        up_to = {**where, "last_seq": max(seq for seq, _, _ in found[:taken])}
        for statement in DELETE_UP_TO:
            await tx.fetch(statement, up_to)
        return taken
    if keeps_places:
        ended = await sweeping_responses.purge_events(tx, organization, thread, last_seq)
    else:
        await tx.fetch(DELETE_PAYLOAD, where)
        ended = await sweeping_responses.purge_of_threads(tx, naming([purge]))
    if ended:
        return ended
    places = () if keeps_places else await tx.fetch(PLACES, {**where, "limit": ROWS_AT_ONCE})
    if places:
        await tx.fetch(DELETE_PLACES, {**where, "last_seq": max(seq for (seq,) in places)})
    else:
        await tx.fetch(END, {**where, "last_seq": last_seq, "keeps_places": keeps_places})
    return len(places) + 1
