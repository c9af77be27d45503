"""P2: each number is given once, and the order of messages is that of their commits, never that of a clock."""

import asyncio
import random
from contextlib import suppress

from proof.appending import Load
from proof.history import History
from proof.history_checker import anomalies, in_short
from proof.place import Place
from proof.record import Record, proof
from support.cast import Caller
from support.clocks import ShiftedClock

PROCESSES = 3
THREADS = 6
APPENDS, READS = 20_000, 5_000
# With wrong clocks.
WRONG_APPENDS, WRONG_READS = 6_000, 1_500
HOUR_S = 3_600
JUMP_S = 0.02


@proof("P2", "Numbers are given exactly once, and the order is that of the commits, never that of a clock")
async def attack(place: Place, record: Record) -> None:
    servers = await place.serve(PROCESSES)
    ada = await place.people(servers[0]).owner("ORG_ACME", "uid_ada")
    await append_and_look(
        [place.at(ada, each) for each in servers], record, record.size(APPENDS, 1_000), record.size(READS, 250)
    )
    for server in servers:
        server.stop()
    place.servers.clear()
    clocks = [ShiftedClock(place.folder / f"clock-{number}", HOUR_S * (-1) ** number) for number in range(PROCESSES)]
    servers = [server for clock in clocks[: len(servers)] for server in await place.serve(1, **clock.settings)]
    # The others are fast and slow all the time.
    jumping = asyncio.create_task(jump(clocks[-1] if len(servers) > 1 else clocks[0], record))
    appends = record.size(WRONG_APPENDS, 600)
    await append_and_look([place.at(ada, each) for each in servers], record, appends, record.size(WRONG_READS, 150))
    jumping.cancel()
    with suppress(asyncio.CancelledError):
        await jumping
    for kind in ("fast", "slow"):
        which = f"appends by a clock that is {kind}"
        record.need(record.faults[which], which, appends // 8)
    record.need(record.faults["jumps of a clock by two hours"], "jumps of a clock", 5)


async def append_and_look(callers: list[Caller], record: Record, appends: int, reads: int) -> None:
    """Let all clients work, and check what they saw."""
    history = History()
    threads = [(await callers[0].create_thread()).id for _ in range(THREADS)]
    load = Load(callers, threads, history, record)
    await load.run(appends, reads)
    await load.look_at_the_end()
    # Nothing fails here; a few may be refused on a machine that stands still for seconds.
    few = load.refused_count * 100 <= appends
    record.check(
        few, f"{load.refused_count} of {appends} appends were refused or not answered, although nothing failed"
    )
    for sentence in in_short(anomalies(history)):
        record.violation(sentence)


async def jump(clock: ShiftedClock, record: Record) -> None:
    """Let a clock that was an hour slow be an hour fast, and again slow."""
    shift_s = -HOUR_S
    while True:
        await asyncio.sleep(JUMP_S * random.uniform(0.5, 1.5))
        shift_s = -shift_s
        clock.shift(shift_s)
        record.fault("jumps of a clock by two hours")
