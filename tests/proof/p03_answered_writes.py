"""P3: an answered write survives `kill -9`, a crash of the database, and the loss of power."""

import asyncio
import copy
import random
import time
from contextlib import AsyncExitStack

import httpx

from proof.place import Place
from proof.record import Record, proof
from proof.renaming import Renaming
from proof.traced_appends import trace_appends
from support.load import Load, check
from support.quick_client import REQUEST_S
from support.server import Server
from support.taking_turns import TakingTurns

CLIENTS = 16
RENAMERS = 4
THREADS = 8
PROCESSES = 2
# A kill comes at any moment of what goes on, not only right after an answer.
KILL_WITHIN_S = 0.05
MORE = 40
RECOVERY_S = 60
CUT_OFF = ("ReadError", "WriteError", "RemoteProtocolError")


@proof("P3", "An answered write survives kill -9, a crash of the database, and the loss of power")
async def attack(place: Place, record: Record) -> None:
    # At the same time: the one mostly waits for starts, the other for the disk.
    ends = await asyncio.gather(crash(place, record), trace_appends(place, record), return_exceptions=True)
    for end in ends:
        if end is not None:
            raise end


async def crash(place: Place, record: Record) -> None:
    """Kill processes under load, again and again; then hold what is stored against what was answered."""
    servers = await place.serve(PROCESSES)
    ada = await place.people(servers[0]).owner("ORG_ACME", "uid_ada")
    threads = [(await ada.create_thread()).id for _ in range(THREADS)]
    async with (
        httpx.AsyncClient(transport=TakingTurns(servers), base_url=servers[0].url, timeout=REQUEST_S) as client,
        AsyncExitStack() as stack,
    ):
        somebody = copy.copy(ada)
        somebody.client = client
        renaming = await stack.enter_async_context(Renaming(somebody, RENAMERS))
        load = await stack.enter_async_context(Load(somebody, threads, CLIENTS))
        await kill_workers(servers, load, record)
        await crash_database(place, load, record)
        await load.goes_on(MORE)
    for server in servers:
        await check(load, place.at(ada, server))
        await renaming.check(place.at(ada, server), record)
    count_work(load, renaming, record)


async def kill_workers(servers: list[Server], load: Load, record: Record) -> None:
    kills = record.size(100 if len(servers) == 1 else 60, 8)
    for number in range(kills):
        await load.goes_on(random.randint(CLIENTS, MORE))
        server = servers[number % len(servers)]
        await asyncio.to_thread(kill_at_some_moment, server)
        record.fault("workers killed")
        await server.start()
    record.need(sum(load.seen[each] for each in CUT_OFF), "requests that were under way at a kill", kills)


def kill_at_some_moment(server: Server) -> None:
    """Called in a thread, for between two steps of the clients' loop the server may have answered all it was asked."""
    time.sleep(random.uniform(0, KILL_WITHIN_S))
    server.kill()


async def crash_database(place: Place, load: Load, record: Record) -> None:
    """Let PostgreSQL end without a word to anybody or a checkpoint, and start it again."""
    if place.postgres is None:
        return
    crashes = record.size(6, 2)
    for _ in range(crashes):
        await load.goes_on(MORE, RECOVERY_S)
        await asyncio.sleep(random.uniform(0, KILL_WITHIN_S))
        await asyncio.to_thread(place.postgres.stop, "immediate")
        record.fault("database servers crashed")
        await load.meets("503 unavailable", more=1)
        await asyncio.to_thread(place.postgres.start)


def count_work(load: Load, renaming: Renaming, record: Record) -> None:
    record.count("answered appends", len(load.answered))
    record.count("answered renames", renaming.answered_count)
    record.fault("answers that never came", sum(load.seen[each] for each in CUT_OFF))
    expected = {"201", "503 unavailable", "ConnectError", *CUT_OFF}
    record.check(set(load.seen) <= expected, f"appends were answered {dict(load.seen)}")
