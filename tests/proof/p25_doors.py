"""P25: one thread shows the same through all doors, whichever it was written through.

That every other promise holds at every door is proved where that promise is: P4, P12 and P13 walk the documents of all
ways in.
"""

import asyncio
import random
from collections.abc import Sequence

from proof.doors import DOORS, NATIVE, Door, Said
from proof.place import Place
from proof.record import Record, proof
from support.cast import Caller
from support.scripted_model import Call, answer_of

PROCESSES = 3
THREADS, TURNS, AT_ONCE = 40, 12, 8
# Of the questions that may be sent again, so many are: two or three at once.
REPEATED_SHARE = 0.5


@proof("P25", "One thread shows the same through all doors, whichever it was written through")
async def attack(place: Place, record: Record) -> None:
    place.model.script = speak
    servers = await place.serve(PROCESSES, THREADKEEP_AUTO_NAME="false")
    ada = await place.people(servers[0]).owner("ORG_ACME", "uid_ada")
    callers = [place.at(ada, server) for server in servers]
    gate = asyncio.Semaphore(AT_ONCE)

    async def talk(number: int) -> None:
        async with gate:
            await Talk(number, callers, record).run()

    await asyncio.gather(*(talk(number) for number in range(record.size(THREADS, 6))))
    for door in DOORS:
        record.need(record.counts[f"reads through {door.name}"], f"reads through {door.name}", TURNS)
        if door.ask is not None:
            record.need(record.counts[f"turns through {door.name}"], f"turns through {door.name}", 3)
    record.need(record.faults["questions sent several times at once"], "questions sent several times at once", 3)


def speak(call: Call) -> Sequence[object]:
    return answer_of("said ", call.last_user_text)


class Talk:
    """One thread, and what was said in it."""

    def __init__(self, number: int, callers: list[Caller], record: Record) -> None:
        self.number = number
        self.callers = callers
        self.record = record
        self.said: Said = []

    async def run(self) -> None:
        thread_id = str((await self.callers[0].create_thread()).id)
        turns = [door for door in DOORS if door.ask is not None]
        turns += random.choices(turns, k=TURNS - len(turns))
        random.shuffle(turns)
        for turn, door in enumerate(turns):
            await self.ask(thread_id, door, f"question {self.number}-{turn}")
            for other in random.sample(DOORS, 3):
                await self.look(thread_id, other, door)
        for door in DOORS:
            await self.look(thread_id, door, NATIVE)
        count = (await self.callers[0].get(thread_id)).messageCount
        self.record.check(count == len(self.said), f"{count} messages of {len(self.said)} that were said")

    async def ask(self, thread_id: str, door: Door, text: str) -> None:
        assert door.ask is not None
        senders = [random.choice(self.callers)]
        if door.has_ids and random.random() < REPEATED_SHARE:
            senders += random.choices(self.callers, k=random.choice([1, 2]))
            self.record.fault("questions sent several times at once")
        for answer in await asyncio.gather(*(door.ask(each, thread_id, text) for each in senders)):
            self.record.check(answer.status == 200, f"{door.name}: a question was answered {answer!r}")
        self.record.count(f"turns through {door.name}")
        self.said += [("user", text), ("assistant", f"said {text}")]

    async def look(self, thread_id: str, door: Door, written: Door) -> None:
        shown = await door.read(random.choice(self.callers), thread_id)
        self.record.count(f"reads through {door.name}")
        wrong = f"{door.name} shows {shown[-4:]} of {self.said[-4:]}, written through {written.name}"
        self.record.check(shown == self.said, wrong)
