"""P11: a walk through a list shows what is there all the time exactly once, whatever others write and delete."""

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Any

from proof.churning import Churn, MessageChurn, ThreadChurn
from proof.place import Place
from proof.record import Record, proof
from proof.walking import Span, Walk
from support.cast import Answer

PROCESSES = 2
WALKS = 200
WALKERS = 6
# As many of each belong to the walks; where a machine is so slow that they are fewer, all walks are walked once more.
CHURNED = ("creations", "deletions", "changes", "moments in the archive")
ROUNDS_MAX = 4
LIMITS = (1, 7, 100)
# Of each list so many objects stay as they are, and as many come and go between them.
STEADY = 80
# An ascending walk would follow those who write for ever; it ends where all that was there before is behind it.
AHEAD_S = 1
# Of the positions that are ids of objects that come and go.
DELETED_SHARE = 0.3
THREAD_FILTERS: tuple[dict[str, str], ...] = (
    {},
    {},
    {"metadata.kind": "walked"},
    {"visibleInUi": "true"},
    {"state": "open"},
    {"include": "lastMessage"},
    {"includeTotal": "true"},
)
MESSAGE_FILTERS: tuple[dict[str, str], ...] = ({}, {"role": "user"})


@dataclass(frozen=True)
class Way:
    """How a list is walked. `by` is what names the next page: its nextCursor, an id of an object, or either before."""

    sort: str
    by: str
    descending: bool
    limit: int
    filters: tuple[tuple[str, str], ...]

    @property
    def reads_descending(self) -> bool:
        return self.descending != (self.by == "before")

    def __str__(self) -> str:
        order = "desc" if self.descending else "asc"
        return f"A walk by {self.sort} {order}, {self.limit} at a time by {self.by}, {dict(self.filters)},"


@proof("P11", "A walk through a list neither skips nor repeats while others write and delete")
async def attack(place: Place, record: Record) -> None:
    servers = await place.serve(PROCESSES)
    ada = await place.people(servers[0]).owner("ORG_ACME", "uid_ada")
    # The thread whose messages are walked belongs to somebody else: that list has one thread that never rests.
    callers = [place.at(ada, server) for server in servers]
    threads = ThreadChurn([each.as_user("uid_walked") for each in callers], record)
    messages = MessageChurn(callers, record, (await ada.create_thread()).id)
    # Walks backwards begin at the oldest; the others are made at once, several in one millisecond.
    await threads.make(steady=True)
    await asyncio.gather(*(threads.make(steady=number % 2 == 0) for number in range(2 * STEADY)))
    for number in range(2 * STEADY):
        await messages.make(steady=number % 2 == 0)
    churning = [asyncio.create_task(each.run()) for each in (threads, threads, threads, messages, messages)]
    walks = await walk_all(threads, messages, record)
    threads.is_over = messages.is_over = True
    await asyncio.gather(*churning)
    for walk, churn in walks:
        for fault in walk.faults(churn.lives):
            record.violation(fault)
    for what in CHURNED:
        record.need(record.faults[f"{what} during walks"], f"{what} during walks", record.size(WALKS, 24))
    record.need(
        record.faults["positions that were deleted"], "positions that were deleted", record.size(WALKS, 24) // 8
    )


async def walk_all(threads: ThreadChurn, messages: MessageChurn, record: Record) -> list[tuple[Walk, Churn]]:
    count = record.size(WALKS, 24)
    ways: list[Way] = []
    walks: list[tuple[Walk, Churn]] = []

    async def walk_on() -> None:
        while ways:
            way = ways.pop()
            churn = messages if way.sort == "seq" else threads
            walks.append((await walk(way, churn, record), churn))
            record.count(f"walks at limit {way.limit}")
            record.count("objects shown", len(walks[-1][0].shown))

    for _ in range(ROUNDS_MAX):
        ways += all_ways(count)
        await asyncio.gather(*(walk_on() for _ in range(WALKERS)))
        if all(record.faults[f"{what} during walks"] >= count for what in CHURNED):
            break
    return walks


def all_ways(count: int) -> list[Way]:
    """Return so many ways, each kind as often as the others, in any order."""
    kinds = [
        (sort, by, descending, limit)
        for sort in ("createdAt", "updatedAt", "seq")
        # By the order of changes neither an id nor a direction backwards has a beginning.
        for by in (("cursor",) if sort == "updatedAt" else ("cursor", "id", "before"))
        for descending in (False, True)
        for limit in LIMITS
    ]
    random.shuffle(kinds)
    chosen = (kinds * (count // len(kinds) + 1))[:count]
    return [
        Way(*kind, tuple(random.choice(MESSAGE_FILTERS if kind[0] == "seq" else THREAD_FILTERS).items()))
        for kind in chosen
    ]


async def walk(way: Way, churn: Churn, record: Record) -> Walk:
    """Walk once through the list."""
    churn.walks += 1
    began_s, began_at = time.monotonic(), time.time()
    parameters: dict[str, Any] = {"limit": way.limit, "order": "desc" if way.descending else "asc", **dict(way.filters)}
    if way.sort != "seq":
        parameters["sort"] = way.sort
    begins_at = None
    if way.by == "before":
        # Backwards from the oldest object, or from one that is made now.
        begins_at = parameters["before"] = churn.oldest if way.descending else await churn.make()
    shown: list[dict[str, Any]] = []
    while True:
        page = await churn.who.request("GET", churn.path, params=parameters)
        if not is_right(page, way, record):
            break
        shown = [*page.data, *shown] if way.by == "before" else [*shown, *page.data]
        if not page.hasMore or is_past(page, way, began_at):
            break
        await go_on(way, churn, page, parameters, record)
    churn.walks -= 1
    return Walk(str(way), way.sort, way.descending, Span(began_s, time.monotonic()), shown, begins_at)


def is_right(page: Answer, way: Way, record: Record) -> bool:
    """Note what is wrong with a page by itself; return whether the walk can go on."""
    record.count("pages")
    if not record.check(page.status == 200, f"{way} was refused: {page}"):
        return False
    is_full = len(page.data) == way.limit
    is_open = page.nextCursor is not None
    record.check(page.hasMore == is_open, f"{way} got hasMore {page.hasMore} with the cursor {page.nextCursor}")
    return record.check(is_full or not page.hasMore, f"{way} got a page of {len(page.data)}, and there is more")


def is_past(page: Answer, way: Way, began_at: float) -> bool:
    """Return whether an ascending walk has come to what was written after its beginning."""
    farthest = page.data[0 if way.by == "before" else -1]
    return not way.reads_descending and farthest["createdAt" if way.sort == "seq" else way.sort] > began_at + AHEAD_S


async def go_on(way: Way, churn: Churn, page: Answer, parameters: dict[str, Any], record: Record) -> None:
    """Set the position of the next page; where that is an id, its object may be deleted before it is used."""
    if way.by == "before":
        parameters["before"] = page.nextCursor
    elif way.by == "cursor":
        parameters["after"] = page.nextCursor
    else:
        parameters["after"] = page.lastId
        if page.lastId in churn.loose and random.random() < DELETED_SHARE:
            churn.loose.remove(page.lastId)
            await churn.delete(page.lastId)
            record.fault("positions that were deleted")
