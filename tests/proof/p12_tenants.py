"""P12: a tenant sees and changes only its own.

The matrix is made from the running server's document; `tenants/rows.py` says what everybody gets. Then requests of
several tenants go through few connections, and many of them are cancelled in the middle.
"""

import asyncio
import copy
from typing import Any

import httpx

from proof.place import Place
from proof.record import Record, proof
from proof.tenants.all_rows import ROWS
from proof.tenants.callers import make_everybody
from proof.tenants.cancelling import CANCELLED, POOL_SIZE, application
from proof.tenants.crowd import TENANTS, Tenant, check_stored, crowd
from proof.tenants.matrix import try_above, try_others, try_outside
from proof.tenants.references import mistakes
from proof.tenants.retrying import try_cursors, try_keys_of_retries
from proof.tenants.worlds import Speaker, World
from support.cast import Caller
from support.document import documents_of
from support.server import Server
from support.stored import Stored

PATIENCE_S = "600"
ORGANIZATION = "(select o.key from organizations o where o.id = 'ORG_VICTIM')"
HIS = f"t.user_id = 'uid_victim' and t.organization = {ORGANIZATION}"
IN_HIS = f"join threads t on t.organization = x.organization and t.key = x.thread where {HIS} order by x.id"
# What strangers and colleagues must leave as it is. A live response's lease is renewed meanwhile.
BELONGINGS = (
    "select t.id, t.title, t.metadata, t.message_count, t.last_seq, t.revision, t.assistant_id, t.locked_ms, "
    f"t.archived_ms, t.response_id from threads t where {HIS} order by t.key",
    f"select x.id, x.content, x.revision, x.metadata from messages x {IN_HIS}",
    f"select x.id, x.status, x.message_id from responses x {IN_HIS}",
    f"select a.* from assistants a where a.organization = {ORGANIZATION} and a.id = '{{assistantId}}'",
    f"select k.* from api_keys k where k.organization = {ORGANIZATION} and k.id = '{{keyId}}'",
    f"select m.* from members m where m.organization = {ORGANIZATION} order by m.user_id",
    f"select o.id, o.name, o.revision from organizations o where o.key = {ORGANIZATION}",
)


@proof("P12", "A tenant sees and changes only its own")
async def attack(place: Place, record: Record) -> None:
    # The victim's answer is in the making for as long as the matrix takes.
    patience = {"THREADKEEP_MODEL_FIRST_BYTE_S": PATIENCE_S, "THREADKEEP_MODEL_IDLE_S": PATIENCE_S}
    [server] = await place.serve(1, THREADKEEP_POOL_SIZE=str(POOL_SIZE), **patience)
    await walk_the_matrix(place, server, record)
    await give_up_requests(place, server, record)


async def walk_the_matrix(place: Place, server: Server, record: Record) -> None:
    speaker = Speaker()
    place.model.script = speaker
    for mistake in mistakes(*await documents_of(place.client(server))):
        record.violation(mistake)
    record.count("operations", len(ROWS))
    record.count("references", sum(len(row.references) for row in ROWS.values()))
    people = place.people(server)
    everybody = await make_everybody(people)
    async with place.stored() as stored:
        one_at_a_time = asyncio.Lock()

        async def look() -> list[Any]:
            async with one_at_a_time:
                return await belongings(stored, everybody.victim)

        await asyncio.gather(
            try_outside(everybody, record),
            try_others(everybody.colleagues, everybody.victim, look, True, record),
            try_others(everybody.strangers, everybody.victim, look, False, record),
        )
    await try_cursors(everybody, record)
    speaker.go.set()
    await asyncio.gather(try_above(everybody, people, record), try_keys_of_retries(everybody, record))


async def belongings(stored: Stored, victim: World) -> list[Any]:
    return [await stored.rows(sql.format(**victim.ids)) for sql in BELONGINGS]


async def give_up_requests(place: Place, server: Server, record: Record) -> None:
    """Let clients go away in the middle, and then cancel handlers; whoever stayed gets what is its own."""
    people = place.people(server)
    owners = await asyncio.gather(*(people.owner() for _ in range(TENANTS)))
    tenants = [Tenant(owner, f"canary{'abcdefgh'[number]}x") for number, owner in enumerate(owners)]
    await asyncio.gather(*(tenant.settle_in() for tenant in tenants))
    await crowd(tenants, record.size(1_000, 200), "clients gone in the middle of a request", record)
    await check_stored(tenants, record)
    server.stop()
    async with application(place.database, record) as client:
        for tenant in tenants:
            tenant.who = inside(tenant.who, client)
        requests = record.size(3_000, 400)
        await crowd(tenants, requests, "requests given up inside", record)
        record.need(record.faults[CANCELLED], CANCELLED, requests // 16)
        await check_stored(tenants, record)


def inside(who: Caller, client: httpx.AsyncClient) -> Caller:
    other = copy.copy(who)
    other.client = client
    return other
