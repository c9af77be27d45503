"""P26: a thread that expires is gone in a minute, one whose expiry is moved in time stays, and nobody waits for it."""

import asyncio
import time
from contextlib import suppress
from typing import Any

from proof.place import Place
from proof.record import Record, proof
from support.answering import Talk, begin_talk, change_stored
from support.cast import Caller
from support.streams import CANCELLED, Stream
from support.waiting import eventually

GONE_S = 60
MANY_GONE_S = 120
SPEAKING = 2
WRITERS = MOVERS = 4
LATER_S = 3600
# So many go in one step of the sweeper.
STEP = 100
STORE = """
    with recursive n (i) as (select 1 union all select i + 1 from n where i < {count})
    insert into threads (organization, id, user_id, metadata, visible_in_ui, message_count, last_seq, created_ms,
        updated_ms, revision, expires_ms)
    select o.key, 'thread_{name}' || i, 'uid_ada', '{{}}', 1, 0, 0, {now_ms}, {now_ms}, {now_ms}, {at_ms} + i {each}
    from n, organizations o
    """
LEFT = "select count(*) from threads where expires_ms <= {now_ms}"


@proof("P26", "A thread that expires is gone in a minute, one whose expiry is moved in time stays, and nobody waits")
async def attack(place: Place, record: Record) -> None:
    servers = await place.serve(2)
    ada = await place.people(servers[0]).owner("ORG_ACME", "uid_ada")
    await end_while_speaking(place, ada, record)
    await move_in_time(place, ada, record)
    busy = asyncio.Event()
    writers = [asyncio.create_task(write(place.at(ada, servers[n % len(servers)]), busy)) for n in range(WRITERS)]
    await expire_at_once(place, record)
    busy.set()
    waits_ms = sorted(wait for waits in await asyncio.gather(*writers) for wait in waits)
    record.count("writes beside it", len(waits_ms))
    record.count("ms that the middle one of these took", round(waits_ms[len(waits_ms) // 2]))
    record.count("ms that 95 of 100 took at most", round(waits_ms[len(waits_ms) * 95 // 100]))
    record.need(len(waits_ms), "writes beside the deletion", 20)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def end_while_speaking(place: Place, ada: Caller, record: Record) -> None:
    """Threads expire while their model speaks; readers are told."""
    talks = []
    for _ in range(SPEAKING):
        thread = await ada.create_thread(expiresAt=now_ms() // 1000 + 6)
        talks.append(await begin_talk(ada, place.model, thread=thread))
    await asyncio.gather(*(hear_the_end(ada, talk, record) for talk in talks))


async def hear_the_end(ada: Caller, talk: Talk, record: Record) -> None:
    async with await Stream.follow(ada, talk.thread, talk) as stream:
        with suppress(TimeoutError):
            await stream.rest(GONE_S)
    talk.go.set()
    ends = [each for each in stream.events if each.is_terminal]
    told = [(each.type, (each.data["response"]["error"] or {}).get("code")) for each in ends]
    record.check(told == [(CANCELLED, "thread_deleted")], f"a reader of an expired thread was told {told}")
    record.fault("threads expired while their model was speaking")


async def move_in_time(place: Place, ada: Caller, record: Record) -> None:
    """Callers move the expiry of threads that have just expired, always of those that the sweeper takes next."""
    count = record.size(5_000, 1_000)
    await store(place, "moved", count, now_ms() + 500, "* 1")
    moved: list[str] = []
    # Nobody moves the last ones.
    place_of_next = iter(range(1, count + 1 - STEP))

    async def move() -> None:
        for number in place_of_next:
            answer = await ada.update(f"thread_moved{number}", expiresAt=now_ms() // 1000 + LATER_S)
            if answer.status == 200:
                moved.append(f"thread_moved{number}")
            else:
                record.check(answer.code == "thread_not_found", f"a change of the expiry was answered {answer}")
                for _, _ in zip(range(STEP // MOVERS), place_of_next, strict=False):
                    pass

    await asyncio.gather(*(move() for _ in range(MOVERS)))
    await gone(place, GONE_S, record)
    async with place.stored() as stored:
        there = {id for (id,) in await stored.rows("select id from threads")}
    lost = [each for each in moved if each not in there]
    record.check(not lost, f"{len(lost)} threads were deleted although their expiry had been moved")
    record.count("expiries moved in time", len(moved))
    record.need(len(moved), "expiries moved in time", 20)
    record.need(count - len(there), "threads that expired beside those", STEP)


async def expire_at_once(place: Place, record: Record) -> None:
    count = record.size(100_000, 2_000)
    await store(place, "crowd", count, now_ms(), "* 0")
    began_s = time.monotonic()
    await gone(place, MANY_GONE_S, record)
    record.count("threads that expired at once", count)
    record.count("s until they were gone", round(time.monotonic() - began_s))


async def store(place: Place, name: str, count: int, at_ms: int, each: str) -> None:
    await change_stored(place.database, STORE.format(name=name, count=count, now_ms=now_ms(), at_ms=at_ms, each=each))


async def gone(place: Place, within_s: float, record: Record) -> None:
    """Wait until no thread is left that has expired; note it if that takes too long."""

    async def left(stored: Any) -> int:
        [[count]] = await stored.rows(LEFT.format(now_ms=now_ms()))
        await asyncio.sleep(0.2)
        return int(count)

    async with place.stored() as stored:
        try:
            await eventually(lambda: left(stored), lambda count: count == 0, within_s)
        except AssertionError:
            record.violation(f"{await left(stored)} threads are left {within_s} s after they expired")


async def write(who: Caller, is_over: asyncio.Event) -> list[float]:
    """Append to a thread until it is over; return what each append took."""
    thread = await who.create_thread()
    waits_ms = []
    while not is_over.is_set():
        began_s = time.perf_counter()
        answer = await who.post_message(thread)
        assert answer.status == 201, answer
        waits_ms.append((time.perf_counter() - began_s) * 1000)
        await asyncio.sleep(0.02)
    return waits_ms
