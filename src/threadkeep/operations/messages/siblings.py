"""Siblings: the messages that follow the same message. They are found from the forks alone, however long the lines."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from threadkeep.contract.messages import Message
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.operations.messages import lines
from threadkeep.operations.messages.lines import ROOT, Fork, Span
from threadkeep.operations.paging import KEY_MAX

# The first message of each run, by the number at which the run begins: looked up run by run, never in one join.
FIRSTS_TEXT = """
    select cast(j.value ->> 0 as bigint), (
        select m.id from messages m
        where m.organization = :organization and m.thread = :thread
          and m.seq >= cast(j.value ->> 0 as bigint) and m.seq <= cast(j.value ->> 1 as bigint)
        order by m.seq limit 1
    ) from {source} j
    """
FIRSTS = scoped(
    FIRSTS_TEXT.format(source="json_each(:spans)"),
    postgres=FIRSTS_TEXT.format(source="json_array_elements(cast(:spans as json))"),
)


async def add(tx: ScopedTransaction, thread_id: str, found: list[Message]) -> None:
    """Give messages of a thread the ids of their siblings."""
    for each in found:
        each.sibling_ids = []
    rows = await tx.fetch(lines.OF_THREAD, thread_id=thread_id)
    forks = [(seq, parent_seq) for *_, seq, parent_seq in rows if seq is not None]
    if not forks or not found:
        return
    thread, cleared_seq, *_ = rows[0]
    families = [family_of(forks, parent_seq, cleared_seq) for parent_seq in likely_parents(forks, found)]
    spans = lines.encoded([span for family in families for span in family])
    firsts = dict(map(tuple, await tx.fetch(FIRSTS, thread=thread, spans=spans)))
    by_id = {each.id: each for each in found}
    for family in families:
        ids = [firsts[low] for low, _ in family if firsts[low] is not None]
        for id in ids:
            if len(ids) > 1 and id in by_id:
                by_id[id].sibling_ids = ids


def likely_parents(forks: Sequence[Fork], found: Sequence[Message]) -> list[int]:
    """Return the numbers that messages with siblings may follow: what a fork follows, or the place before them."""
    begun = dict(forks)
    firsts = list(begun)
    followed = sorted(set(begun.values()))
    parents = set()
    for seq in (each.seq for each in found):
        if seq in begun:
            parents.add(begun[seq])
            continue
        place = bisect_right(firsts, seq) - 1
        run_first = firsts[place] if place >= 0 else ROOT
        before = bisect_left(followed, seq) - 1
        if before >= 0 and followed[before] >= run_first:
            parents.add(followed[before])
    return sorted(parents)


def family_of(forks: Sequence[Fork], parent_seq: int, cleared_seq: int) -> list[Span]:
    """Return the runs whose first messages follow a message: what is left of its own, and those that begin there."""
    firsts = [seq for seq, _ in forks]
    place = bisect_right(firsts, parent_seq)
    last_seq = firsts[place] - 1 if place < len(firsts) else KEY_MAX
    own = [(max(parent_seq, cleared_seq) + 1, last_seq)] if last_seq > max(parent_seq, cleared_seq) else []
    return own + [(seq, seq) for seq, its_parent in forks if its_parent == parent_seq]
