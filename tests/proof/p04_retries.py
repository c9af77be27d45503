"""P4: a retried POST with one key does its work once, asks the model once, and is answered alike.

Many senders of one key at once reach any process through proxies that lose answers, while receivers are killed.
"""

import asyncio
import copy
import itertools
import json
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx

from proof.place import Place
from proof.record import Record, proof
from proof.retried_calls import Given, Work
from proof.retried_front_ends import KINDS as FRONT_ENDS
from proof.retried_kinds import KINDS as NATIVE
from proof.retried_kinds import NEVER_REPLAYED
from proof.retried_openai import KINDS as OPENAI
from support.answering import change_stored
from support.cast import Caller
from support.cutting_proxy import Cut, CuttingProxy
from support.document import documents_of
from support.quick_client import QuickClient
from support.scripted_model import STALL, Call, answer_of, finish, tool_call
from support.server import Server

KINDS = [*NATIVE, *OPENAI, *FRONT_ENDS]
SENDERS = 8
# What is asked before a work begins, and is not counted.
PREPARED = ("stall", "call")
DROPPED_SHARE = 0.3
KILLED_SHARE = 0.1
WORKS_AT_ONCE = 6
PROCESSES = 3
KILLED_WITHIN_S = 0.15
AGAIN_S = 0.05
# No sender waits longer for its answer; then its result is unknown.
SENDER_S = 60
# A reserved key stays reserved for 11 minutes when its process has died; then they are made to pass.
RESERVED_S = 3


@proof("P4", "A retried POST with one key does its work once and gets the same answer")
async def attack(place: Place, record: Record) -> None:
    place.model.script = speak
    servers = await place.serve(PROCESSES, THREADKEEP_LEASE_S="2")
    ada = await place.people(servers[0]).owner("ORG_ACME", "uid_ada")
    works = [Work(number, kind) for number, kind in zip(range(record.size(500, len(KINDS))), itertools.cycle(KINDS))]
    async with reached_through_proxies(ada, servers, record) as callers:
        race = Race(place, [place.at(ada, server) for server in servers], callers, record)
        await race.run(works)
    for server in servers:
        server.kill()
    await asyncio.gather(*(server.start() for server in servers))
    await few_at_once(race.check_later, works)
    check_calls(place, works, record)
    await check_kinds(ada, works, record)
    record.need(record.faults["answers lost on the way"], "answers lost on the way", len(works) * SENDERS // 5)
    record.need(
        record.faults["receivers killed in mid-work"], "receivers killed", round(len(works) * KILLED_SHARE) // 2
    )


def speak(call: Call) -> Sequence[Any]:
    if call.last_user_text == "stall":
        return ["begun", STALL]
    if call.last_user_text == "call" and call.body["messages"][-1]["role"] != "tool":
        return [tool_call(0, "call_1", "look", "{}"), finish("tool_calls")]
    return [random.uniform(0, 0.05), "A ", random.uniform(0, 0.05), *answer_of("short ", "answer")]


def cuts() -> Iterator[Cut | None]:
    while True:
        lost = Cut(answer_bytes=random.choice((0, 0, random.randint(1, 200))), by_reset=random.random() < 0.5)
        yield lost if random.random() < DROPPED_SHARE else None


@asynccontextmanager
async def reached_through_proxies(ada: Caller, servers: list[Server], record: Record) -> AsyncIterator[list[Caller]]:
    """Give one caller for each process; each of their requests is a connection of its own, which may be cut."""
    async with AsyncExitStack() as stack:
        proxies = [await stack.enter_async_context(await CuttingProxy.start(each.port, cuts())) for each in servers]
        callers = []
        for proxy in proxies:
            who = copy.copy(ada)
            who.client = await stack.enter_async_context(QuickClient(proxy.url, SENDER_S, kept_max=0))
            callers.append(who)
        yield callers
        record.fault("answers lost on the way", sum(proxy.cuts_count for proxy in proxies))


async def few_at_once(act: Callable[[Work], Awaitable[None]], works: list[Work]) -> None:
    free = asyncio.Semaphore(WORKS_AT_ONCE)

    async def one(work: Work) -> None:
        async with free:
            await act(work)

    await asyncio.gather(*(one(work) for work in works))


class Race:
    def __init__(self, place: Place, direct: list[Caller], through: list[Caller], record: Record) -> None:
        self.place = place
        self.direct = direct
        self.through = through
        self.record = record
        self.is_up = {server.port: asyncio.Lock() for server in place.servers}
        self.works: list[Work] = []
        # The works in the middle of which a receiver is killed.
        self.deadly: set[int] = set()
        self.answers: dict[int, Given] = {}

    async def run(self, works: list[Work]) -> None:
        self.works = works
        self.deadly = set(random.sample(range(len(works)), round(len(works) * KILLED_SHARE)))
        await few_at_once(self.do, works)

    async def do(self, work: Work) -> None:
        """Send one key from many sides at once; all get the same."""
        await self.persist(lambda who: work.kind.prepare(work, who))
        work.is_running = True
        killing = asyncio.create_task(self.kill_receiver()) if work.number in self.deadly else None
        answers = await asyncio.gather(*(self.answer_to(work) for _ in range(SENDERS)))
        work.is_running = False
        if killing is not None:
            await killing
        self.record.count("keys")
        got = [each for each in answers if each is not None]
        self.record.count("answers", len(got))
        self.record.count("senders whose result stayed unknown", SENDERS - len(got))
        if got:
            self.answers[work.number] = got[0]
        self.check_same(work, got)

    async def kill_receiver(self) -> None:
        """Kill a process while works are under way in it, and start it again."""
        await asyncio.sleep(random.uniform(0, KILLED_WITHIN_S))
        server = random.choice(self.place.servers)
        async with self.is_up[server.port]:
            hit = [each for each in self.works if each.is_running]
            server.kill()
            for each in hit:
                each.deaths += 1
            self.record.fault("receivers killed in mid-work" if hit else "receivers killed")
            await server.start()

    async def persist(self, act: Any) -> Any:
        """Do what prepares or checks a work, again if the process is killed meanwhile."""
        until_s = time.monotonic() + SENDER_S
        while True:
            try:
                return await act(random.choice(self.direct))
            except httpx.TransportError:
                assert time.monotonic() < until_s, "no process answered"
                await asyncio.sleep(AGAIN_S)

    async def answer_to(self, work: Work) -> Given | None:
        """Send until there is an answer; return None if none came: then nobody knows."""
        began_s = time.monotonic()
        while time.monotonic() < began_s + SENDER_S:
            given = await self.send(work, random.choice(self.through))
            if given is not None and given.status < 300:
                return given
            if given is not None and not self.may_send_again(work, given):
                self.record.violation(f"{work.kind.name}: a sender was refused with {given.status} {given.code}")
                return None
            if given is not None and given.code == "request_in_progress":
                await self.free_after_death(work, time.monotonic() - began_s)
            await asyncio.sleep(AGAIN_S)
        self.record.check(work.deaths > 0, f"{work.kind.name}: no answer for {SENDER_S} s though no process died")
        return None

    async def send(self, work: Work, who: Caller) -> Given | None:
        self.record.count("requests")
        try:
            return await work.kind.send(work, who.retrying(work.key))
        except (httpx.TransportError, OSError):
            self.record.count("requests whose result was unknown (sent again)")
            return None

    def may_send_again(self, work: Work, given: Given) -> bool:
        is_elsewhere = work.kind.is_name and given.code == "request_in_progress"
        work.refusals += given.status == 503
        self.record.count(f"refusals that may be sent again ({given.status} {given.code})")
        return is_elsewhere or given.status == 503

    async def free_after_death(self, work: Work, waited_s: float) -> None:
        """Let the 11 minutes pass for which a dead process keeps a name's key."""
        if work.freed < work.deaths and waited_s > RESERVED_S * (work.freed + 1):
            work.freed += 1
            # Only a reservation: the answer may have been stored a moment ago.
            reserved = f"key = '{work.key}' and status = 0"
            await change_stored(self.place.database, f"update idempotency set expires_ms = 1 where {reserved}")
            self.record.fault("names whose process died")

    def check_same(self, work: Work, got: list[Given]) -> None:
        name = work.kind.name
        kinds = {repr((each.status, each.same)) for each in got}
        self.record.check(len(kinds) <= 1, f"{name}: senders of one key got {len(kinds)} answers: {sorted(kinds)[:2]}")
        firsts = sum(not each.was_replayed for each in got)
        self.record.check(firsts <= 1, f"{name}: {firsts} senders of one key were told that theirs was the first")
        secrets = [each for each in got if each.secret is not None]
        told = all(not each.was_replayed for each in secrets)
        self.record.check(told, f"{name}: a replay showed the secret")

    async def check_later(self, work: Work) -> None:
        """Everything was done once; done back, it is not done again by one who comes late."""
        name, kind = work.kind.name, work.kind
        times, _ = await kind.look(work, self.direct[0])
        known = self.answers.get(work.number)
        self.record.check(times == 1 or (known is None and times == 0), f"{name}: done {times} times")
        if known is None:
            return
        if kind.undo is not None:
            await kind.undo(work, self.direct[0])
        before = await kind.look(work, self.direct[0])
        late = await self.send(work, random.choice(self.direct))
        after = await kind.look(work, self.direct[0])
        self.record.check(before == after, f"{name}: a late sender changed {before} to {after}")
        same = late is not None and (late.status, late.lasting, late.was_replayed) == (
            known.status,
            known.lasting,
            True,
        )
        self.record.check(same, f"{name}: a late sender got {late} instead of {known}")


def check_calls(place: Place, works: list[Work], record: Record) -> None:
    """Count the model's calls by the words in them."""
    asked = [json.dumps(call.body["messages"]) for call in place.model.calls if call.last_user_text not in PREPARED]
    calls = Counter(word for text in asked for word in set(re.findall(r"w\d+w", text)))
    for work in works:
        times, is_alone = calls[work.word], work.deaths == 0
        # A name that could not be saved frees its key.
        most = work.kind.calls + (work.deaths + work.refusals if work.kind.is_name else 0)
        least = work.kind.calls if is_alone else 0
        record.check(least <= times <= most, f"{work.kind.name}: the model was asked {times} times for one key")
    record.count("calls of the model", sum(calls.values()))


async def check_kinds(who: Caller, works: list[Work], record: Record) -> None:
    """A POST without senders fails."""
    paths = [each for document in await documents_of(who.client) for each in document["paths"].items()]
    sent = {work.kind.path for work in works}
    for path, item in paths:
        if "post" in item and path not in NEVER_REPLAYED:
            record.need(path in sent, f"works that send POST {path}")
