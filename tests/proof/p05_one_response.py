"""P5: one live response per thread, texts are never mixed, and a worker that lost its thread writes nothing.

Processes are stopped beyond their leases, also in the middle of transactions, and killed, while rivals ask in few
threads. Each call of the model says words that no other says.
"""

import asyncio
import itertools
import random
import re
import time
from collections import Counter

from proof.freezing import Looker, freeze, thaw
from proof.place import Place
from proof.record import Record, proof
from proof.rivals import Office, impatient, speak, words_of
from support.answering import RUNNING, texts
from support.cast import Caller
from support.server import Server
from support.stored import Stored
from support.streams import RESET, Stream, check_whole
from support.waiting import SWEPT_S, eventually

PROCESSES = 8
THREADS = 6
RIVALS = 2
# The shortest that may be set.
LEASE_S = 1
# How many processes are frozen or dead at the same time.
FAULTS_AT_ONCE = 3
FROZEN_S = (LEASE_S + 0.1, LEASE_S + 0.6)
# Beyond PostgreSQL's patience with an idle transaction, too.
TAKEN_OVER_S = 8
# A worker that comes back looks at its lease twice a second.
FENCED_S = 3
LOOK_S = 0.03

SEVERAL_LIVE = """
    select r.thread, count(*) from responses r where r.status = 'in_progress'
    group by r.organization, r.thread having count(*) > 1
    """
IN_ORDER = """
    select t.id, r.id, r.created_ms, r.ended_ms from responses r
    join threads t on t.organization = r.organization and t.key = r.thread
    order by r.thread, r.message_seq
    """
TAKEN = re.compile(rb'^threadkeep_responses_total\{[^}]*status="taken"[^}]*\} ([\d.]+)', re.MULTILINE)


@proof("P5", "One live response per thread; texts never mixed; a stale worker writes nothing")
async def attack(place: Place, record: Record) -> None:
    place.model.script = speak
    servers = await place.serve(PROCESSES, THREADKEEP_LEASE_S=str(LEASE_S))
    ada = await place.people(servers[0]).owner("ORG_ACME", "uid_ada")
    threads = [(await ada.create_thread(title="race")).id for _ in range(THREADS)]
    async with impatient(ada, servers) as callers, place.stored() as stored, place.stored() as other:
        office = Office(callers, threads, stored, record)
        tasks = [asyncio.create_task(office.talk(thread)) for thread in threads for _ in range(RIVALS)]
        tasks.append(asyncio.create_task(watch(other, office, record)))
        attacker = Attacker(place, office, record)
        try:
            await attacker.run()
        finally:
            office.is_over = True
            await asyncio.gather(*tasks)
        await eventually(lambda: stored.rows(RUNNING), lambda rows: rows == [], SWEPT_S)
        await check_ends(office, record)
        check_turns(await stored.rows(IN_ORDER), record)
    for thread in threads:
        await check_texts(ada, thread, place, record)
    need_faults(attacker, record)


async def watch(stored: Stored, office: Office, record: Record) -> None:
    while not office.is_over:
        several = await stored.rows(SEVERAL_LIVE)
        record.check(not several, f"a thread has {several and several[0][1]} live responses")
        record.count("looks")
        await asyncio.sleep(LOOK_S)


class Attacker:
    """Freezes and kills processes that generate something."""

    def __init__(self, place: Place, office: Office, record: Record) -> None:
        self.place = place
        self.office = office
        self.record = record
        self.hurt: set[int] = set()
        self.is_alone = len(place.servers) == 1
        self.freezes = record.size(36, 6)
        self.kills = record.size(15, 3)

    async def run(self) -> None:
        faults = [self.freeze, self.freeze_inside] * (self.freezes // 2) + [self.kill] * self.kills
        random.shuffle(faults)
        # One process alone is hurt by one fault at a time.
        free = asyncio.Semaphore(1 if self.is_alone else FAULTS_AT_ONCE)

        async def one(number: int) -> None:
            async with free:
                if self.is_alone:
                    await self.let_complete()
                server = await self.busy_one()
                await faults[number](server)
                self.hurt.discard(server.port)

        await asyncio.gather(*(one(number) for number in range(len(faults))))

    async def let_complete(self) -> None:
        """Give a process that is alone the time to complete something between two faults."""

        async def count() -> int:
            return sum(body["status"] == "completed" for body, _ in self.office.ended.values())

        before = await count()
        await eventually(count, lambda now: now > before, SWEPT_S)

    async def busy_one(self) -> Server:
        """Wait for a process that is generating, and is not hurt already."""

        async def find() -> list[Server]:
            busy = set(self.office.busy_ports()) - self.hurt
            return [each for each in self.place.servers if each.port in busy]

        server = random.choice(await eventually(find, bool, SWEPT_S))
        self.hurt.add(server.port)
        # Some moment of the answer.
        await asyncio.sleep(random.uniform(0, 0.3))
        return server

    async def freeze(self, server: Server) -> None:
        taken_before = await self.taken_at(server)
        await freeze(server)
        await self.keep_frozen(server, taken_before)

    async def freeze_inside(self, server: Server) -> None:
        taken_before = await self.taken_at(server)
        async with Looker.at(self.place) as looker, self.office.crowded(server.port):
            if await looker.freeze_inside(server):
                self.record.fault("workers frozen inside a transaction")
        await self.keep_frozen(server, taken_before)

    async def keep_frozen(self, server: Server, taken_before: int) -> None:
        """Wait beyond the lease, and until others have ended what ran there; where nobody else is, nobody can."""
        running = set(self.office.running[server.port])
        until_s = time.monotonic() + TAKEN_OVER_S
        try:
            await asyncio.sleep(random.uniform(*FROZEN_S))
            while not self.is_alone and running & self.office.running[server.port]:
                if time.monotonic() > until_s:
                    break
                await asyncio.sleep(LOOK_S)
        finally:
            thaw(server)
        self.record.fault("workers frozen beyond the lease")
        if not self.is_alone and (ended := running - self.office.running[server.port]):
            self.record.fault("responses ended by others while their worker was frozen", len(ended))

        await self.count_fenced(server, running, taken_before)

    async def count_fenced(self, server: Server, running: set[str], taken_before: int) -> None:
        """Count the workers that came back and found their thread taken; others may be interrupted in this process."""
        until_s = time.monotonic() + FENCED_S
        while True:
            fenced = min(len(running), await self.taken_at(server) - taken_before)
            if fenced == len(running) or time.monotonic() > until_s:
                break
            await asyncio.sleep(LOOK_S)
        self.record.fault("stale workers fenced off", fenced)

    async def kill(self, server: Server) -> None:
        server.kill()
        self.office.running[server.port].clear()
        self.record.fault("workers killed")
        await server.start()

    async def taken_at(self, server: Server) -> int:
        """Return how many of its responses this process found ended by others, or past their lease."""
        found = TAKEN.search((await self.place.client(server).get("/metrics")).content)
        return int(float(found[1])) if found else 0


async def check_ends(office: Office, record: Record) -> None:
    """What was seen to have ended is exactly as it was seen then."""
    for response_id, (body, rows) in office.ended.items():
        now = await office.rows(response_id)
        # Events go after ten minutes, all of them.
        is_same = rows[0][:-1] == now[0][:-1] and now[0][-1] in (rows[0][-1], 0)
        record.check(is_same, f"an ended {body['status']} response was written to: {rows} became {now}")
    record.count("responses seen to end", len(office.ended))


def check_turns(rows: list[tuple[str, str, int, int]], record: Record) -> None:
    """By the clock of the one machine, each response of a thread began when the one before it had ended."""
    for (thread, _, _, ended_ms), (next_thread, _, began_ms, _) in itertools.pairwise(rows):
        overlap_ms = ended_ms - began_ms if thread == next_thread else 0
        record.check(overlap_ms <= 0, f"two responses of a thread were live together for {overlap_ms} ms")


async def check_texts(ada: Caller, thread: str, place: Place, record: Record) -> None:
    """Each answer consists of what its own call of the model said, from the beginning, and so does its stream."""
    asked = Counter(call.last_user_text for call in place.model.calls)
    messages = {each["id"]: each for each in await ada.walk(f"/v1/threads/{thread}/messages", limit=100)}
    for response in await ada.walk(f"/v1/threads/{thread}/responses", limit=100):
        [question] = texts([messages[each] for each in response["inputMessageIds"]])
        whole, text = "".join(words_of(question)), response["outputText"]
        expected = whole if response["status"] == "completed" else whole[: len(text)]
        record.check(text == expected, f"the answer to {question} holds what was not said to it: {text!r}")
        record.check(asked[question] <= 1, f"the model was asked {asked[question]} times for {question}")
        [kept] = texts([messages[response["messageId"]]]) if response["messageId"] else [""]
        record.check(kept == text, f"the message holds {kept!r} and the response {text!r}")
        async with await Stream.follow(ada, thread, response["id"]) as stream:
            events = await stream.rest()
        try:
            if all(each.type != RESET for each in events):
                check_whole(events)
        except AssertionError as error:
            record.violation(f"the stream of an ended response is not whole: {str(error)[:200]}")
        record.check(stream.text == text, f"the stream of {question} says {stream.text!r}, the response {text!r}")
        record.count(f"{response['status']} responses")


def need_faults(attacker: Attacker, record: Record) -> None:
    record.need(record.faults["stale workers fenced off"], "stale workers fenced off", max(1, attacker.freezes // 4))
    record.need(record.faults["workers frozen beyond the lease"], "frozen workers", attacker.freezes // 2 * 2)
    inside = record.faults["workers frozen inside a transaction"]
    record.need(inside, "workers frozen inside a transaction", max(1, attacker.freezes // 8))
    record.need(record.counts["completed responses"], "completed responses", 5)
