"""P6: no thread is shown `streaming` more than 20 s after its worker died."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from proof.lives import SHOWN_S, Life, begin_lives, bury, talk, until_shown, watch
from proof.place import Place
from proof.record import Record, proof
from support.cast import Caller
from support.postgres import connected
from support.server import Database, Server
from support.waiting import eventually

STREAMS = 5
# Workers die close together, at random moments of their talks.
DEATHS_WITHIN_S = 2.0
LONGEST_LEASE_S = "15"
RENEWED_S = 20
LEASES = "select id, lease_until from threads where response_id is not null"


@proof("P6", "No thread is shown streaming more than 20 s after its worker died")
async def attack(place: Place, record: Record) -> None:
    place.model.script = talk
    workers = record.size(10, 3)
    if place.kind == "postgres":
        lives = await kill_many(place, workers, record)
    else:
        one_by_one, away = await asyncio.gather(kill_one_by_one(place, workers - 1, record), stay_away(place, record))
        lives = one_by_one + away
    record.need(record.faults["workers killed"], "killed workers", workers)
    shown = sum(life.was_shown for life in lives)
    record.need(shown, "streams that another request showed before their worker died", workers * STREAMS)
    longest_s = max(life.shown_s - life.died_s for life in lives)
    record.count("s after its worker's death a thread was last shown streaming", max(0, round(longest_s)))


async def kill_many(place: Place, workers: int, record: Record) -> list[Life]:
    """Kill all workers but one, who is asked. The threads of the last one are held by somebody who sleeps, so that
    nobody can end what runs in them: they must not be shown as streaming all the same."""
    [observer] = await place.serve()
    ada = await place.people(observer).owner("ORG_ACME", "uid_ada")
    # The one with the longest lease begins first, for it is the last to renew it.
    [last] = await place.serve(1, THREADKEEP_LEASE_S=LONGEST_LEASE_S)
    of_last = await begin_lives(place, ada, last, STREAMS)
    servers = [*await place.serve(workers - 1), last]
    of_each = [*[await begin_lives(place, ada, server, STREAMS) for server in servers[:-1]], of_last]
    lives = [life for of_one in of_each for life in of_one]
    await until_shown(ada, lives)
    await until_renewed(place)
    watching = asyncio.create_task(watch(ada, lives, record))
    deaths = [kill(server, of_one, record) for server, of_one in zip(servers, of_each, strict=True)]
    await asyncio.gather(*deaths[:-1])
    await deaths[-1]
    async with held(place, of_each[-1], record):
        await watching
    # The dead stay away, and are not asked again.
    place.servers[:] = [observer]
    await bury(ada, lives, record)
    return lives


async def until_renewed(place: Place) -> None:
    """Wait until each lease was renewed, for a renewed one may be another than the first."""
    async with place.stored() as stored:
        first = set(await stored.rows(LEASES))
        await eventually(lambda: stored.rows(LEASES), lambda rows: first.isdisjoint(rows), RENEWED_S)


async def kill(server: Server, lives: list[Life], record: Record) -> None:
    await asyncio.sleep(random.uniform(0, DEATHS_WITHIN_S))
    await asyncio.to_thread(server.kill)
    record.fault("workers killed")
    for life in lives:
        life.died_s = time.monotonic()


@asynccontextmanager
async def held(place: Place, lives: list[Life], record: Record) -> AsyncIterator[None]:
    """Hold the rows of these threads in a transaction that does nothing else."""
    async with connected(place.database.url) as connection, connection.transaction():
        ids = [life.thread for life in lives]
        rows = await connection.fetch("select id from threads where id = any($1::text[]) for update", ids)
        for life in lives:
            life.is_held = True
        record.fault("threads of a dead worker held by somebody who sleeps", len(rows))
        yield


async def kill_one_by_one(place: Place, kills: int, record: Record) -> list[Life]:
    """Kill the only process again and again; ask the one that is started in its place."""
    [server] = await place.serve()
    ada = await place.people(server).owner("ORG_ACME", "uid_ada")
    lives: list[Life] = []
    for _ in range(kills):
        begun = await begin_lives(place, ada, server, STREAMS)
        await until_shown(ada, begun)
        await kill(server, begun, record)
        await server.start()
        await watch(ada, begun, record)
        await bury(ada, begun, record)
        lives += begun
    return lives


async def stay_away(place: Place, record: Record) -> list[Life]:
    """Kill a process that nobody starts again for long: what the next one shows must not have waited for it."""
    folder = place.folder / "away"
    folder.mkdir()
    server = Server(Database("sqlite", f"sqlite:///{folder / 'threadkeep.db'}", folder), place.model.settings)
    try:
        await server.start()
        ada: Caller = await place.people(server).owner("ORG_AWAY", "uid_ada")
        lives = await begin_lives(place, ada, server, STREAMS)
        await until_shown(ada, lives)
        await kill(server, lives, record)
        await asyncio.sleep(SHOWN_S)
        record.fault("workers that stayed away")
        await server.start()
        await watch(ada, lives, record)
        await bury(ada, lives, record)
    finally:
        server.stop()
    return lives
