"""P15: SIGTERM loses nothing and ends in time: what runs gets its time, everybody hears the end, the status is 0."""

import asyncio
import random
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx

from proof.place import Place
from proof.record import Record, proof
from proof.talks import Round, Talk
from support.answering import NOT_ENDED, RUNNING
from support.cast import Caller
from support.load import Load, check
from support.server import Server
from support.waiting import SOON_S, eventually

PROCESSES = 2
DRAINS_S = (2, 1, 3, 1, 2)
# What stopping may take beyond its drain, on a machine that is busy with much else.
LATE_S = 8
WRITERS = 4
THREADS = 4
CLAIMS = 4
# The last requests for answers come while the server hears that it shall stop.
CLAIMS_WITHIN_S = 0.1
MORE = 8
IN_ORDER = {"201", "503 unavailable", "ConnectError", "ReadError", "RemoteProtocolError", "WriteError"}


@proof("P15", "SIGTERM loses nothing, ends what runs within its drain, and tells everybody who waits")
async def attack(place: Place, record: Record) -> None:
    servers = await place.serve(PROCESSES, THREADKEEP_DRAIN_S=str(DRAINS_S[0]))
    ada = await place.people(servers[0]).owner("ORG_ACME", "uid_ada")
    rounds = record.size(5, 2)
    async with writing(place, ada, servers) as loads:
        for number in range(rounds):
            at = number % len(servers)
            server, others = servers[at], servers[:at] + servers[at + 1 :]
            for load in loads:
                await load.goes_on(MORE)
            round = Round(place, record)
            talks = await stop_once(round, place, ada, server, others, loads[at + 1 :] + loads[:at])
            server.settings = {**server.settings, "THREADKEEP_DRAIN_S": str(DRAINS_S[(number + 1) % len(DRAINS_S)])}
            await server.start()
            await round.look_again(talks, place.at(ada, server))
        for load in loads:
            await load.goes_on(MORE)
    for load in loads:
        for server in servers:
            await check(load, place.at(ada, server))
        record.count("answered appends", len(load.answered))
        record.check(set(load.seen) <= IN_ORDER, f"appends were answered {dict(load.seen)}")
    record.need(record.faults["servers told to stop"], "servers told to stop", rounds)
    record.need(record.counts["answers that ended in their time"], "answers that ended within the drain")
    record.need(record.counts["answers that were cut off"], "answers that outlasted the drain")


@asynccontextmanager
async def writing(place: Place, ada: Caller, servers: list[Server]) -> AsyncIterator[list[Load]]:
    """Let so many clients append at each server while the block runs."""
    async with AsyncExitStack() as stack:
        loads: list[Load] = []
        for server in servers:
            threads = [(await ada.create_thread()).id for _ in range(THREADS)]
            loads.append(await stack.enter_async_context(Load(place.at(ada, server), threads, WRITERS)))
        yield loads


async def stop_once(
    round: Round, place: Place, ada: Caller, server: Server, others: list[Server], their_loads: list[Load]
) -> list[Talk]:
    """Tell a server to stop while models talk, readers read, and some only begin to ask."""
    record = round.record
    talks = await round.begin(place.at(ada, server), [place.at(ada, other) for other in others])
    elsewhere = [await round.begin_elsewhere(place.at(ada, other)) for other in others]
    drain_s = float(server.settings["THREADKEEP_DRAIN_S"])
    before = [trouble(load) for load in their_loads]
    reading = asyncio.create_task(round.read(talks))
    stopping = asyncio.create_task(asyncio.to_thread(stop, server))
    claims = [asyncio.create_task(claim(place.at(ada, server))) for _ in range(CLAIMS)]
    await until_stopping(place.at(ada, server))
    round.go.set()
    status, took_s = await stopping
    record.fault("servers told to stop")
    ended = "did not end and was killed" if status is None else f"ended with {status}"
    record.check(status == 0, f"a server that was told to stop {ended}")
    record.check(took_s <= drain_s + LATE_S, f"stopping took {took_s:.1f} s, with a drain of {drain_s:.0f} s")
    await reading
    for talk in talks:
        round.judge(talk, drain_s + LATE_S)
    await all_have_ended(place, [talk.response_id for talk in elsewhere], record)
    record.count("answers begun at the last moment", sum(await asyncio.gather(*claims)))
    await round.others_go_on(elsewhere)
    after = [trouble(load) for load in their_loads]
    record.check(after == before, f"another process answered {[dict(load.seen) for load in their_loads]} meanwhile")
    return talks


def stop(server: Server) -> tuple[int | None, float]:
    """Return the exit status, None if it had to be killed, and how long it took."""
    started_s = time.monotonic()
    try:
        status: int | None = server.stop()
    except subprocess.TimeoutExpired:
        status = None
    return status, time.monotonic() - started_s


def trouble(load: Load) -> int:
    return sum(load.seen.values()) - load.seen["201"]


async def claim(who: Caller) -> bool:
    """Ask for an answer; return whether it was begun."""
    await asyncio.sleep(random.uniform(0, CLAIMS_WITHIN_S))
    try:
        answer = await who.respond_new(thread={}, input="silent", background=True)
    except httpx.TransportError:
        return False
    assert answer.status in (202, 503), answer
    return answer.status == 202


async def until_stopping(who: Caller) -> None:
    async def is_stopping() -> bool:
        try:
            return (await who.request("GET", "/readyz")).status == 503
        except httpx.TransportError:
            return True

    await eventually(is_stopping, bool, SOON_S)


async def all_have_ended(place: Place, elsewhere: list[str], record: Record) -> None:
    """Nothing of the server that stopped waits for its lease to run out."""
    async with place.stored() as stored:
        held = {row[1] for row in await stored.rows(RUNNING)}
        left = {row[0] for row in await stored.rows(NOT_ENDED)}
    left = (held | left) - set(elsewhere)
    record.check(not left, f"{len(left)} responses of a server that has stopped have not ended: {sorted(left)[:3]}")
