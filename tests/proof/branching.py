"""Writers who branch, answer, delete and write from stale tabs in the same threads, and what must hold meanwhile."""

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from proof.record import Record
from support.cast import Answer, Caller
from support.stored import Stored
from support.trees import Tree

WRITERS = 8
SNAPSHOT_S = 0.01
NEVER_S = float("inf")
# The messages of a thread in one commit: number, id, the number that each follows.
SNAPSHOT = """
    select m.seq, m.id, case when f.seq is null then (
        select max(q.seq) from messages q where q.organization = m.organization and q.thread = m.thread
          and q.seq < m.seq and q.seq > t.cleared_seq
    ) else nullif(f.parent_seq, 0) end
    from threads t join messages m on m.organization = t.organization and m.thread = t.key and m.seq > t.cleared_seq
    left join forks f on f.organization = m.organization and f.thread = m.thread and f.seq = m.seq
    where t.id = '{thread}' order by m.seq
    """

Row = tuple[int, str, int | None]


class Span(NamedTuple):
    """When something was asked, and when it was answered."""

    began_s: float
    ended_s: float


@dataclass(frozen=True)
class Added:
    """A message as the answer to its append told of it."""

    id: str
    seq: int
    parent: str | None
    span: Span
    # Whether its caller named what it follows; else it must be the newest.
    is_placed: bool


@dataclass
class Told:
    """What was told of a thread, by answers and by looks."""

    thread: str
    added: dict[str, Added] = field(default_factory=dict)
    deleted: dict[str, Span] = field(default_factory=dict)
    snapshots: list[list[Row]] = field(default_factory=list)
    # Lines from their ends, each with whether it goes to the root, and when they were read.
    lines: list[tuple[list[Any], bool, Span]] = field(default_factory=list)

    def commits(self) -> Iterator[dict[str, str | None]]:
        """Yield for each commit that was looked at which message followed which."""
        for rows in self.snapshots:
            ids: dict[int | None, str | None] = {None: None, **{seq: id for seq, id, _ in rows}}
            yield {id: ids.get(parent, f"number {parent}, which is gone") for _, id, parent in rows}

    def tree(self) -> Tree:
        """Return all messages that ever were, each with what it followed at first."""
        first: dict[str, str | None] = {}
        for parents in self.commits():
            first = {**parents, **first}
        tree = Tree()
        for each in sorted(self.added.values(), key=lambda each: each.seq):
            # Who named no place is told what it is when the answer is made: what was there may be gone again by then.
            tree.add(each.id, each.parent if each.is_placed else first.get(each.id, each.parent))
        return tree


class Branching:
    """So many writers at once. `callers` are one person, at each of the processes."""

    def __init__(self, callers: Sequence[Caller], stored: Stored, record: Record) -> None:
        self.callers = callers
        self.record = record
        self._stored = stored

    async def run(self, threads: int, writes: int) -> None:
        told = [Told((await self.callers[0].create_thread()).id) for _ in range(threads)]
        numbers = iter(range(writes))
        watching = asyncio.create_task(self._watch(told))
        try:
            await asyncio.gather(*(_Writer(self, told).write(numbers) for _ in range(WRITERS)))
        finally:
            watching.cancel()
            await asyncio.wait([watching])
        for each in told:
            each.snapshots.append(await self._snapshot(each.thread))
            for sentence in itertools.islice(wrongs(each), 3):
                self.record.violation(sentence)
        self._need(writes)

    def _need(self, writes: int) -> None:
        for what in ("edits", "second answers", "messages of stale tabs", "deletions"):
            self.record.need(self.record.counts[what], what, writes // 50)
        for what in ("deletions in mid-line", "commits seen amid writes"):
            self.record.need(self.record.faults[what], what, writes // 60)

    async def _watch(self, told: list[Told]) -> None:
        """Look at one commit of a thread after the other, until cancelled."""
        for each in itertools.cycle(told):
            rows = await self._snapshot(each.thread)
            if rows and (not each.snapshots or rows != each.snapshots[-1]):
                each.snapshots.append(rows)
                self.record.fault("commits seen amid writes")
            await asyncio.sleep(SNAPSHOT_S)

    async def _snapshot(self, thread: str) -> list[Row]:
        return [(seq, id, parent) for seq, id, parent in await self._stored.rows(SNAPSHOT.format(thread=thread))]


class _Writer:
    """Knows the threads as its tab shows them, which it seldom loads again."""

    def __init__(self, load: Branching, told: list[Told]) -> None:
        self._load = load
        self._told = told
        self._tabs: dict[str, list[Any]] = {}

    async def write(self, numbers: Any) -> None:
        for _ in numbers:
            await self._write_once(random.choice(self._told))

    async def _write_once(self, told: Told) -> None:
        who, tab = random.choice(self._load.callers), self._tabs.get(told.thread)
        chance = random.random()
        if tab is None or chance < 0.15:
            await self._look(who, told)
        elif not tab or chance < 0.35:
            await self._add("appends", who, told)
        elif chance < 0.5:
            await self._add("edits", who, told, parentId=random.choice(tab)["parentId"])
        elif chance < 0.65:
            answered = random.choice(tab)["id"]
            await self._add("second answers", who, told, role="assistant", parentId=answered)
        elif chance < 0.8:
            await self._add("messages of stale tabs", who, told, parentId=tab[0]["id"])
        else:
            await self._delete(who, told, random.choice(tab)["id"])

    async def _look(self, who: Caller, told: Told) -> None:
        """Load the end of the current line, the newest message first."""
        answer, span = await timed(lambda: who.list_messages(told.thread, branch="current", order="desc", limit=50))
        self._load.record.count("lines read")
        if self._load.record.check(answer.status == 200, f"a line was refused: {answer}"):
            told.lines.append((answer.data, not answer.hasMore, span))
            self._tabs[told.thread] = answer.data

    async def _add(self, what: str, who: Caller, told: Told, **body: Any) -> None:
        answer, span = await timed(lambda: who.post_message(told.thread, what, **body))
        if answer.status == 201:
            is_placed = "parentId" in body
            told.added[answer.id] = Added(answer.id, answer.seq, answer.parentId, span, is_placed)
            self._load.record.count(what)
            wanted = body["parentId"] if is_placed else answer.parentId
            self._load.record.check(answer.parentId == wanted, f"it follows another one than {wanted}: {answer}")
        else:
            self._check_gone(told, body.get("parentId"), answer, span)

    async def _delete(self, who: Caller, told: Told, id: str) -> None:
        began_s = time.monotonic()
        # Noted before: others may see it gone before the answer is here.
        before = told.deleted.setdefault(id, Span(began_s, NEVER_S))
        answer = await who.delete_message(told.thread, id)
        if answer.status == 200:
            told.deleted[id] = Span(min(began_s, before.began_s), time.monotonic())
            self._load.record.count("deletions")
            has_children = any(each.parent == id for each in list(told.added.values()))
            self._load.record.fault("deletions in mid-line", int(has_children))
        else:
            self._check_gone(told, id, answer, Span(began_s, time.monotonic()))

    def _check_gone(self, told: Told, id: str | None, answer: Answer, span: Span) -> None:
        """A refusal must come from a deletion of what was named."""
        deletion = told.deleted.get(id or "")
        is_gone = answer.code == "message_not_found" and deletion is not None and deletion.began_s <= span.ended_s
        self._load.record.check(is_gone, f"a write was refused, and {id} was never deleted: {answer}")
        self._load.record.fault("writes to what is gone")


async def timed(ask: Callable[[], Any]) -> tuple[Answer, Span]:
    began_s = time.monotonic()
    answer = await ask()
    return answer, Span(began_s, time.monotonic())


# What must hold


def wrongs(told: Told) -> Iterator[str]:
    """Yield what is wrong in all that was told of a thread."""
    tree = told.tree()
    yield from wrong_rows(told, tree)
    for parents in told.commits():
        wanted = tree.left(parents)
        if parents != wanted:
            differing = next(id for id in parents if parents[id] != wanted.get(id, "nothing that was told"))
            yield f"in a commit, {differing} follows {parents[differing]} and not {wanted.get(differing)}"
    for added in told.added.values():
        if not added.is_placed:
            yield from wrong_place(told, tree, added)
    for line, is_whole, span in told.lines:
        yield from wrong_line(told, line, is_whole, span)


def wrong_rows(told: Told, tree: Tree) -> Iterator[str]:
    """Messages are there, in the order of their numbers, unless somebody deleted them."""
    numbers = [each.seq for each in told.added.values()]
    if len(set(numbers)) < len(numbers):
        yield "a number was given twice"
    there = [id for _, id, _ in told.snapshots[-1]]
    wanted = [id for id in tree.parents if told.deleted.get(id, Span(0, NEVER_S)).ended_s == NEVER_S]
    if there != wanted:
        lost, back = set(wanted) - set(there), set(there) - set(wanted)
        yield f"{len(lost)} messages were lost, {len(back)} came back, others have another place: {list(lost)[:2]}"


def wrong_place(told: Told, tree: Tree, added: Added) -> Iterator[str]:
    """Who named no place wrote behind the newest message that was there then."""
    seen = tree.parents[added.id]
    # Between the answer and the look either may have been deleted.
    if None not in (added.parent, seen) and added.parent not in tree.line(seen) and seen not in tree.line(added.parent):
        yield f"{added.id} follows {seen}, and its answer said {added.parent}"
    parent = told.added.get(added.parent or "")
    between = range(parent.seq + 1 if parent else 1, added.seq)
    passed = [
        each.id
        for each in told.added.values()
        if each.seq in between and told.deleted.get(each.id, Span(NEVER_S, NEVER_S)).began_s > added.span.ended_s
    ]
    if passed:
        yield f"{added.id} follows {added.parent}, and not the newer {passed[0]}"
    if parent and told.deleted.get(parent.id, Span(NEVER_S, NEVER_S)).ended_s < added.span.began_s:
        yield f"{added.id} follows {parent.id}, which was gone"


def wrong_line(told: Told, line: list[Any], is_whole: bool, span: Span) -> Iterator[str]:
    """A line that was read is the way from the newest message to the root."""
    for message, before in zip(line, [each["id"] for each in line[1:]] + ([None] if is_whole else []), strict=False):
        if message["parentId"] != before:
            yield f"in a line, {message['id']} follows {message['parentId']} and stands behind {before}"
    end_seq = line[0]["seq"] if line else 0
    newer = [
        each.id
        for each in told.added.values()
        if each.seq > end_seq and each.span.ended_s < span.began_s
        and told.deleted.get(each.id, Span(NEVER_S, NEVER_S)).began_s > span.ended_s
    ]  # fmt: skip
    if newer:
        yield f"a line ended at number {end_seq}, although the newer {newer[0]} was there"
