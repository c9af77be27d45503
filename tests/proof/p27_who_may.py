"""P27: nothing is done for a caller who was taken away, however slow the body, the lock or the model; nor does one
member shut others out.

Every operation that writes is begun by callers of every kind, who lose their credential while it waits. The server has
its own settings: it remembers a credential for 5 s.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from proof.hoarding import hoard
from proof.place import Place
from proof.record import Record, proof
from proof.taken_away import Doomed, belongings, hold_back, is_refused, make_doomed
from proof.tenants.asking import Answered, Asked
from support.cast import Answer
from support.holding import held
from support.people import People
from support.scripted_model import Call, answer_of
from support.server import Server
from support.waiting import eventually

PROCESSES = 2
TAKEN_S = 10.0
# By memory a caller counts for 5 s: so old it is when the writes begin, and older when the lock is let go. PostgreSQL
# lets a statement wait for 3 s.
REMEMBERED_S, FIRST_S, HELD_S = 3.6, 0.3, 1.6
# One statement waits no longer than that on PostgreSQL, and is done in time without another look.
ONE_STATEMENT = {"POST /v1/threads", "POST /v1/threads/{threadId}/messages", "POST /v1/assistants"}
LOCKS = (
    "lock table organizations, members, api_keys, token_users, threads, messages, responses, assistants "
    "in exclusive mode"
)
OVER_HOLDERS = """
    select k.id from api_keys k join members m on m.organization = k.organization and m.user_id = k.user_id
    where m.role <> k.role and m.role <> 'owner' and (k.role = 'owner' or m.role = 'member')
    """


@proof("P27", "Nothing is done for a caller who was taken away, and no credential has more than its holder")
async def attack(place: Place, record: Record) -> None:
    model = SlowModel()
    place.model.script = model
    # Empty: the default, which other proofs shorten.
    servers = await place.serve(PROCESSES, THREADKEEP_CREDENTIAL_CACHE_S="", THREADKEEP_BODY_READ_S="120")
    people = place.people(servers[0])
    for _ in range(record.size(3)):
        model.go.clear()
        await wait_for_bodies_and_models(place, people, servers, model, record)
        await wait_for_locks(place, people, servers, record)
    model.go.clear()
    await hoard(place, record)
    model.go.set()
    async with place.stored() as stored:
        record.check(await stored.rows(OVER_HOLDERS) == [], "a key has more than its holder")
    record.need(record.faults["bodies held back past the end of their credential"], "bodies held back", 100)
    record.need(record.faults["writes that waited for a lock past the end of their credential"], "locks", 40)


class SlowModel:
    """Answers at once, but to what is slow: to that when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    def __call__(self, call: Call) -> Sequence[Any]:
        return [*([self.go] if "slow" in str(call.body) else []), *answer_of("A Late Title")]


async def wait_for_bodies_and_models(
    place: Place, people: People, servers: list[Server], model: SlowModel, record: Record
) -> None:
    """Take everybody away while the last bytes of all their writes, and their models, are still to come."""
    doomed = await make_doomed(place, people, servers)
    held_back = [
        (each, write, await hold_back(each, write))
        for each in doomed
        for write in each.writes()
        if write.body is not None
    ]
    naming = [await begin_name(each, model, place) for each in doomed if not each.is_lowered]
    waiting = await begin_waiting(doomed[0], place)
    await asyncio.gather(*(each.take() for each in doomed))
    await asyncio.sleep(TAKEN_S)
    if record.check(waiting.done(), "who waited for an answer waits 10 s after being taken away"):
        record.check((await waiting).status == 401, f"who waited for an answer got {await waiting}")
    async with place.stored() as stored:
        before = [await belongings(stored, each) for each in doomed]
        answers = await asyncio.gather(*(request.finish() for _, _, request in held_back))
        record.fault("bodies held back past the end of their credential", len(answers))
        after = [await belongings(stored, each) for each in doomed]
    for (each, write, _), answer in zip(held_back, answers, strict=True):
        check_refused(each, write, answer.status, answer.code, record)
    for each, was, is_now in zip(doomed, before, after, strict=True):
        check_same(f"a slow body of {each.name}", was, is_now, record)
    model.go.set()
    for each, thread, named in naming:
        await check_not_named(each, thread, await named, record)
    await check_goes_on(doomed[0], record)


async def begin_name(doomed: Doomed, model: SlowModel, place: Place) -> tuple[Doomed, str, asyncio.Task[Answer]]:
    """Ask for a name that the model is slow to find, of a thread that has a title."""
    thread = await doomed.who.create_thread(
        organizationId=doomed.owner.organization,
        title="as it was",
        messages=[{"role": "user", "content": "a slow question"}],
    )
    calls = len(place.model.calls)
    named = asyncio.create_task(doomed.who.retrying("late").generate_name(thread))
    await eventually(lambda: count_of(place), lambda count: count > calls, TAKEN_S)
    return doomed, thread.id, named


async def count_of(place: Place) -> int:
    return len(place.model.calls)


async def begin_waiting(doomed: Doomed, place: Place) -> asyncio.Task[Answer]:
    """Ask a slow question, and wait for the answer."""
    calls = len(place.model.calls)
    waiting = asyncio.create_task(doomed.who.respond_new(thread={"title": "waiting"}, input="another slow question"))
    await eventually(lambda: count_of(place), lambda count: count > calls, TAKEN_S)
    return waiting


async def check_not_named(doomed: Doomed, thread: str, named: Answer, record: Record) -> None:
    record.fault("models that answered past the end of a credential")
    record.check(is_refused(named.status, named.code), f"{doomed.name}: a name was given {TAKEN_S:.0f} s late: {named}")
    title = (await doomed.owner.get(thread)).title
    record.check(title == "as it was", f"{doomed.name}: the title became {title!r}")


async def check_goes_on(doomed: Doomed, record: Record) -> None:
    """The answer itself belongs to the service: it is finished and kept."""
    [thread] = [each for each in (await doomed.owner.list_threads()).data if each["title"] == "waiting"]

    async def status() -> str:
        return str((await doomed.owner.list_responses(thread)).data[0]["status"])

    ended = await eventually(status, lambda found: found != "in_progress", TAKEN_S)
    record.check(ended == "completed", f"the answer of somebody who was taken away ended {ended}")


async def wait_for_locks(place: Place, people: People, servers: list[Server], record: Record) -> None:
    """Take everybody away whom this process remembers, and let all of their writes wait until it must not any more."""
    doomed = await make_doomed(place, people, servers)
    # A process that takes something away itself forgets everybody at once.
    await asyncio.gather(*(each.take() for each in doomed if not each.is_unheard))
    unheard = [each for each in doomed if each.is_unheard]
    judged_s = time.monotonic()
    await asyncio.gather(*(each.who.list_members() for each in unheard))
    await asyncio.gather(*(each.take() for each in unheard))
    # One of each first: those get the connections and wait for the locks, the many others for connections as well.
    writes = sorted(((each, write) for each in doomed for write in each.writes()), key=lambda each: each[1].operation)
    async with place.stored() as stored:
        before = [await belongings(stored, each) for each in doomed]
        await change_credentials_by_memory(doomed, writes, record)
        await asyncio.sleep(max(0.0, judged_s + REMEMBERED_S - time.monotonic()))
        if place.kind == "postgres":
            writes = [(each, write) for each, write in writes if write.operation not in ONE_STATEMENT]
        async with held(place.database, LOCKS):
            asking = [asyncio.create_task(ask(each, write)) for each, write in writes[: len(doomed)]]
            await asyncio.sleep(FIRST_S)
            asking += [asyncio.create_task(ask(each, write)) for each, write in writes[len(doomed) :]]
            await asyncio.sleep(HELD_S)
        answers = await asyncio.gather(*asking)
        after = [await belongings(stored, each) for each in doomed]
    for (each, write), (answer, took_s) in zip(writes, answers, strict=True):
        # 503: a lock was waited for too long. What waited for none was answered by memory. Neither changes anything.
        if answer.status != 503 and took_s > HELD_S / 2:
            check_refused(each, write, answer.status, answer.code, record)
            record.fault("writes that waited for a lock past the end of their credential")
    for each, was, is_now in zip(doomed, before, after, strict=True):
        check_same(f"a lock before {each.name}", was, is_now, record)


async def ask(doomed: Doomed, write: Asked) -> tuple[Answered, float]:
    started_s = time.monotonic()
    return await write.by(doomed.who), time.monotonic() - started_s


async def change_credentials_by_memory(
    doomed: list[Doomed], writes: list[tuple[Doomed, Asked]], record: Record
) -> None:
    """What changes credentials, roles or the organization is refused at once, though all else goes on for seconds."""
    changes = [(each, write) for each, write in writes if "{organizationId}" in write.operation]
    seen, answers = await asyncio.gather(
        asyncio.gather(*(each.who.list_members() for each in doomed)),
        asyncio.gather(*(write.by(each.who) for each, write in changes)),
    )
    record.fault("callers whom memory still let in", sum(answer.status == 200 for answer in seen))
    record.count("changes of credentials asked for by memory", len(changes))
    for (each, write), answer in zip(changes, answers, strict=True):
        check_refused(each, write, answer.status, answer.code, record)
    record.need(record.faults["callers whom memory still let in"], "callers whom memory still let in", 2)


def check_refused(doomed: Doomed, write: Asked, status: int, code: str | None, record: Record) -> None:
    record.count("writes of somebody who was taken away")
    record.check(is_refused(status, code), f"{doomed.name}: {write.operation} was answered {status} {code or ''}")


def check_same(where: str, before: dict[str, list[Any]], after: dict[str, list[Any]], record: Record) -> None:
    changed = [table for table in before if before[table] != after[table]]
    record.check(not changed, f"{where} changed {', '.join(changed)}")
