"""P16: slow, idle and greedy callers do not starve others, and the server's memory stays bounded."""

import asyncio
import resource
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from proof import greed
from proof.greed import Ends, Target, hold, repeat
from proof.place import Place
from proof.record import Record, proof
from proof.steady import Steady, median_s, well_behaved, worst_s
from support.cast import Caller
from support.server import Server
from support.waiting import eventually

# Generous, for a machine that does much else: what a person would call slow, and what a program would give up on.
MEDIAN_S = 1.0
WORST_S = 8.0
# A machine that is slow at rest is slow with the greedy, too.
SLOWER_MAX = 50
# What many callers may make the server keep, over what it needs at rest.
GROWTH_MIB_MAX = 450
HEADER_READ_S = 2.0
BODY_READ_S = 2.0
WRITE_STALL_S = 3.0
# What a busy machine may add to a limit of time.
LATE_S = 6.0
# So many requests of the well-behaved caller are enough to judge by, and come within this time.
ASKED_MIN = 5
ENOUGH_S = 30.0
TEXT = "x" * 200_000
FILLING = 20

Greedy = Callable[[float], Coroutine[Any, Any, Ends]]


@proof("P16", "Slow, idle and greedy callers do not starve others, and cost the server bounded memory")
async def attack(place: Place, record: Record) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    limits = {
        "THREADKEEP_HEADER_READ_S": str(HEADER_READ_S),
        "THREADKEEP_BODY_READ_S": str(BODY_READ_S),
        "THREADKEEP_WRITE_STALL_S": str(WRITE_STALL_S),
        "THREADKEEP_TRANSFER_BYTES_MAX": str(128 * 1024 * 1024),
        # Fewer than there will be.
        "THREADKEEP_CONNECTIONS_MAX": str(record.size(2_000, 400)),
    }
    [server] = await place.serve(1, **limits)
    people = place.people(server)
    ada, eve = await asyncio.gather(people.owner("ORG_ACME", "uid_ada"), people.owner("ORG_GREEDY", "uid_eve"))
    target = Target(server, eve.key or "")
    big = await fill(eve, record)
    async with well_behaved(server.url, ada.key or "") as steady:
        ground = Ground(server, steady, record)
        await ground.rest(record.size(6, 2))
        # What a connection may do is limited before a database is asked: below full size, one of them is enough.
        is_whole = place.kind == "sqlite" or record.scale >= 1
        if is_whole:
            await sit(ground, target, big, record)
        await pour(ground, target, record, is_whole)
    ground.judge()


class Ground:
    """Where the greedy do what they do, one kind after the other, while the well-behaved caller asks."""

    def __init__(self, server: Server, steady: Steady, record: Record) -> None:
        self.server = server
        self.steady = steady
        self.record = record
        self.rest_mib = memory_mib(server)
        self.spans: dict[str, tuple[float, float]] = {}

    async def rest(self, for_s: float) -> None:
        begun_s = time.monotonic()
        await asyncio.sleep(for_s)
        await eventually(lambda: self.asked_since(begun_s), lambda count: count >= ASKED_MIN, ENOUGH_S)
        self.spans["at rest"] = (begun_s, time.monotonic())

    async def asked_since(self, begun_s: float) -> int:
        return len(self.steady.between(begun_s, time.monotonic()))

    async def meet(self, what: str, for_s: float, *greedy: Greedy) -> list[Ends]:
        begun_s = time.monotonic()
        forget_peak(self.server)
        all_ends: list[Ends] = []

        async def is_enough() -> bool:
            is_answered = any(status > 0 for each in all_ends for status in each.statuses)
            return is_answered and await self.asked_since(begun_s) >= ASKED_MIN

        # On a busy machine it takes longer until somebody was answered, and the other has asked often enough.
        while not all_ends or (not await is_enough() and time.monotonic() < begun_s + for_s + ENOUGH_S):
            until_s = time.monotonic() + for_s
            all_ends += await asyncio.gather(*(each(until_s) for each in greedy))
        self.spans[what] = (begun_s, time.monotonic())
        grown_mib = peak_mib(self.server) - self.rest_mib
        self.record.count(f"MiB more {what}", grown_mib)
        self.record.check(grown_mib <= GROWTH_MIB_MAX, f"{what}: memory grew by {grown_mib} MiB, over {GROWTH_MIB_MAX}")
        return all_ends

    def judge(self) -> None:
        """No request of the well-behaved caller failed, and none took longer than anybody would wait."""
        rest_s = median_s(self.steady.between(*self.spans["at rest"]))
        for what, (begun_s, ended_s) in self.spans.items():
            asked = self.steady.between(begun_s, ended_s)
            self.record.need(len(asked), f"well-behaved requests {what}", ASKED_MIN)
            if not asked:
                continue
            self.record.count("well-behaved requests", len(asked))
            failed = [f"{each.what} {each.status or 'unanswered'}" for each in asked if each.status not in (200, 201)]
            self.record.check(
                not failed, f"{what}: {len(failed)} of {len(asked)} requests of another failed: {failed[:3]}"
            )
            median, worst = median_s(asked), worst_s(asked)
            self.record.check(
                median <= max(MEDIAN_S, SLOWER_MAX * rest_s),
                f"{what}: the median of another's requests is {median:.2f} s",
            )
            self.record.check(worst <= WORST_S, f"{what}: another waited {worst:.1f} s")
            self.record.count(f"ms median {what}", round(median * 1000))
            self.record.count(f"ms worst {what}", round(worst * 1000))


async def fill(eve: Caller, record: Record) -> str:
    """Give the greedy caller something to ask for: many threads, and one of four megabytes."""
    for first in range(0, record.size(3_000, 300), FILLING):
        numbers = range(first, first + FILLING)
        await asyncio.gather(*(eve.create_thread(title=f"Thread {n}", metadata={"n": n % 7}) for n in numbers))
    thread = await eve.create_thread()
    for _ in range(20):
        await eve.post_message(thread, TEXT)
    return str(thread.id)


async def sit(ground: Ground, target: Target, big: str, record: Record) -> None:
    """All who are slow or do nothing, at the same time."""
    held_s = record.size(36, 12)
    sizes = {
        "connections with slow headers": record.size(300, 60),
        "connections with slow bodies": record.size(200, 40),
        "connections with slow chunks": record.size(200, 40),
        "connections that say nothing": record.size(3_000, 400),
        "connections idle after a request": record.size(1_500, 150),
        "readers that never read": record.size(200, 40),
        "readers of a byte a second": record.size(50, 10),
        "bodies that stop before their end": record.size(100, 20),
    }
    page = target.request("GET", f"/v1/threads/{big}/messages?limit=100")
    sessions = [
        greed.dripping(b"GET /v1/threads HTTP/1.1\r\nX-Slow: "),
        greed.dripping(target.post("Content-Length: 1000") + b"{"),
        greed.dripping(target.post("Transfer-Encoding: chunked"), b"1\r\n \r\n"),
        greed.idle(),
        greed.idle(target.request("GET", "/healthz")),
        greed.unread(page),
        greed.unread(page, bytes_a_second=1),
        greed.stopping(target.post("Content-Length: 4000000"), 3_999_000),
    ]

    def greedy(count: int, session: greed.Session) -> Greedy:
        receive_bytes = 4096 if session in sessions[5:7] else 0
        return lambda until_s: hold(target, count, session, until_s, receive_bytes)

    all_ends = await ground.meet(
        "beside the slow and idle", held_s, *(greedy(*each) for each in zip(sizes.values(), sessions, strict=True))
    )
    for what, count in sizes.items():
        record.fault(what, count)
    headers, bodies, chunks, silent, kept, unread, slow, stopped = all_ends[: len(sizes)]
    for ends, limit_s, what in (
        (headers, HEADER_READ_S, "a slow header"),
        (silent, HEADER_READ_S, "a connection that says nothing"),
        (bodies, BODY_READ_S + HEADER_READ_S, "a slow body"),
        (chunks, BODY_READ_S + HEADER_READ_S, "a body of slow chunks"),
        (stopped, BODY_READ_S + HEADER_READ_S, "a body that stopped before its end"),
        # What a client has read so far is looked at twice.
        (unread, 2 * WRITE_STALL_S, "an unread answer"),
        (slow, 2 * WRITE_STALL_S, "an answer read a byte a second"),
    ):
        longest_s = ends.longest_s
        record.check(
            longest_s <= limit_s + LATE_S, f"{what} was held for {longest_s:.1f} s, the limit is {limit_s:g} s"
        )
    for ends, what in ((bodies, "slow bodies"), (chunks, "slow chunks")):
        record.check(set(ends.statuses) <= {400, 0, -1}, f"{what} were answered {dict(ends.statuses)}")
        record.need(ends.statuses[400], f"{what} answered 400, of {dict(ends.statuses)}")
    record.need(kept.statuses[200], "connections that were idle after a request")


async def pour(ground: Ground, target: Target, record: Record, is_whole: bool) -> None:
    """The greedy, one kind after the other, or only those who make the database work."""
    for_s = record.size(8, 2)
    kinds: dict[str, tuple[int, greed.Session, set[int]]] = {
        "bodies of 60 MB": (10, greed.sixty_megabytes(target), {413}),
        "bodies of endless chunks": (10, greed.endless_chunks(target, 4096), {413, 400}),
        "bodies of chunks of a byte": (4, greed.endless_chunks(target, 1), {413, 400}),
        "compressed bombs": (10, greed.bomb(target), {415}),
        "endless headers": (20, greed.header_flood(b"X-Flood: flood\r\n"), {431}),
        "endless headers of a line": (20, greed.header_flood(b"x" * 1000), {431, 400}),
        "pipelined floods": (20, greed.pipelined_flood(target), {200, 400}),
        "bodies of 500 000 values": (2, greed.nested_flood(target), {400}),
        "heavy lists": (16, heavy_list(target), {200, 503}),
    }
    for what in kinds if is_whole else ("heavy lists",):
        count, session, expected = kinds[what]
        all_ends = await ground.meet(f"beside {what}", for_s, lambda until_s: repeat(target, count, session, until_s))  # noqa: B023
        statuses = sum((each.statuses for each in all_ends), Counter[int]())
        answered = sum(number for status, number in statuses.items() if status > 0)
        record.fault(what, answered)
        record.need(answered, what)
        unexpected = {status: number for status, number in statuses.items() if status > 0 and status not in expected}
        record.check(not unexpected, f"{what} were answered {unexpected}")


def heavy_list(target: Target) -> greed.Session:
    query = "titleContains=nowhere&includeTotal=true&state=all&sort=updatedAt&metadata.n=3"
    request = target.request("GET", f"/v1/threads?{query}", "Connection: close")
    return greed.idle(request)


def memory_mib(server: Server) -> int:
    return _status_mib(server, "VmRSS")


def peak_mib(server: Server) -> int:
    return _status_mib(server, "VmHWM")


def forget_peak(server: Server) -> None:
    """Let the highest memory use be counted from now on: proc(5), clear_refs."""
    assert server.process is not None
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")


def _status_mib(server: Server, name: str) -> int:
    assert server.process is not None
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(f"{name}:"))
