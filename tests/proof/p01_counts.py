"""P1: a thread's messageCount is the number of its messages at every commit."""

import asyncio
import itertools
import random
import time
from collections.abc import Sequence

from proof.count_machine import run_machine
from proof.count_world import World, script
from proof.place import Place
from proof.record import Record, proof
from support.cast import Answer, Caller
from support.stored import WRONG_COUNTS, Stored

PROCESSES = 2
WRITERS = 16
WRITES = 8_000
THREADS = 6
SNAPSHOT_S = 0.02
# What every commit moves.
STATE = "select coalesce(sum(t.revision), 0), count(*) from threads t"


@proof("P1", "messageCount is the number of the messages at every commit")
async def attack(place: Place, record: Record) -> None:
    place.model.script = script
    servers = await place.serve(PROCESSES)
    ada = await place.people(servers[0]).owner("ORG_ACME", "uid_ada")
    callers = [place.at(ada, server) for server in servers]
    async with place.stored() as stored:
        world = World(asyncio.get_running_loop(), callers, stored, record)
        await asyncio.to_thread(run_machine, world)
        await write_and_watch(callers, stored, record)


async def write_and_watch(callers: Sequence[Caller], stored: Stored, record: Record) -> None:
    """Let many write at once, while somebody looks at one snapshot after the other."""
    threads = [(await callers[0].create_thread()).id for _ in range(THREADS)]
    writers = [Writer(callers, threads, record) for _ in range(WRITERS)]
    numbers = itertools.count()
    total = record.size(WRITES, 1_000)

    async def write_on(writer: "Writer") -> None:
        while next(numbers) < total:
            await writer.write()

    watching = asyncio.create_task(watch(stored, record))
    try:
        await asyncio.gather(*(write_on(writer) for writer in writers))
    finally:
        watching.cancel()
        await asyncio.wait([watching])
    if not watching.cancelled():
        watching.result()
    record.need(record.counts["answers anew"], "answers anew", record.size(50, 10))
    record.need(record.faults["snapshots amid writes"], "snapshots amid writes", record.size(50, 10))


async def watch(stored: Stored, record: Record) -> None:
    """Look at one commit's state every 20 ms; count the looks before which something had been committed."""
    seen: list[tuple[object, ...]] = []
    next_s = time.monotonic()
    while True:
        wrong = await stored.rows(WRONG_COUNTS)
        record.check(not wrong, f"amid writes, stored (thread, count, last number) is wrong: {wrong}")
        state = await stored.rows(STATE)
        record.fault("snapshots amid writes", int(state != seen))
        seen = state
        next_s = max(next_s + SNAPSHOT_S, time.monotonic())
        await asyncio.sleep(next_s - time.monotonic())


class Writer:
    """Does whatever changes the messages of threads, each time through another process."""

    def __init__(self, callers: Sequence[Caller], threads: list[str], record: Record) -> None:
        self.callers = callers
        self.threads = threads
        self.record = record
        self.own: list[tuple[str, str]] = []

    async def write(self) -> None:
        who, place = random.choice(self.callers), random.randrange(len(self.threads))
        thread = self.threads[place]
        chance = random.random()
        if chance < 0.4:
            self.note("appends", await who.post_message(thread), thread)
        elif chance < 0.55:
            drafts = [{"role": "user", "content": "one of several"}] * random.randint(2, 5)
            self.note("appends of several", await who.post_messages(thread, drafts), thread)
        elif chance < 0.8 and self.own:
            its_thread, id = self.own.pop(random.randrange(len(self.own)))
            self.note("deletions", await who.delete_message(its_thread, id))
        elif chance < 0.83:
            self.note("deletions of all", await who.delete_messages(thread))
        elif chance < 0.95:
            question = random.choice(["answer", "answer", "fail", "say nothing"])
            self.note("responses", await who.respond(thread, input=question))
        elif chance < 0.97:
            self.note("moments in the archive", await who.archive(thread))
            self.note("", await who.unarchive(thread))
        else:
            await self.replace(who, place)

    async def replace(self, who: Caller, place: int) -> None:
        """Delete a thread, and make another with messages, the last of which is answered anew."""
        drafts = [{"role": "user", "content": "first"}] * 3
        made = await who.create_thread(messages=drafts)
        answered = await who.respond(made, input="answer")
        again = await who.respond(made, input="answer", replaces=answered.body["messageId"])
        self.note("answers anew", again)
        thread, self.threads[place] = self.threads[place], made.id
        self.note("deletions of threads", await who.delete(thread))

    def note(self, what: str, answer: Answer, thread: str | None = None) -> None:
        """Others work on the same threads: that something is busy, archived or gone is no fault."""
        self.record.check(answer.status < 500, f"a write was refused: {answer}")
        if answer.status < 300 and what:
            self.record.count(what)
        if answer.status == 201 and thread is not None:
            self.own += [(thread, each) for each in (answer.ids if "data" in answer.body else [answer.id])]
