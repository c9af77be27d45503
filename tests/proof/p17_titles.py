"""P17: a title that a person sets while a name is being made is never overwritten."""

import asyncio
import random
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from proof.place import Place
from proof.record import Record, proof
from support.cast import Answer, Caller
from support.scripted_model import Call, answer_of
from support.waiting import eventually

CLIENTS = 6
# A name takes so long at most; the person renames at a random moment of it.
NAMING_S = 0.15
NAMED_S = 10
IN_TIME = "renames answered while the model was making a name"


@proof("P17", "A title that a person sets while a name is being made always wins")
async def attack(place: Place, record: Record) -> None:
    names = Names()
    place.model.script = names.script
    servers = await place.serve(2)
    ada = await place.people(servers[0]).owner("ORG_ACME", "uid_ada")
    renamers = [place.at(ada, server) for server in servers]
    free = asyncio.Semaphore(CLIENTS)

    async def race(number: int) -> None:
        async with free:
            await rename_while_naming(ada, random.choice(renamers), names, str(number), record)

    races = record.size(300, 40)
    await asyncio.gather(*(race(number) for number in range(races)))
    record.need(
        record.faults["renames answered while the model was making a name"], "renames in mid-naming", races // 4
    )
    await name_automatically(place, ada, record)


class Names:
    """A slow model, which lets it be known that it was asked: who renames before that has named first, and may lose.

    Every second name comes only after the rename was answered, the others at a random moment around it.
    """

    def __init__(self) -> None:
        self.begun: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.renamed: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def script(self, call: Call) -> Sequence[Any]:
        waits: list[Any] = [random.uniform(0, NAMING_S)]
        for number in re.findall(r"bread no\. (\d+)", str(call.body)):
            self.begun[number].set()
            waits = [self.renamed[number]] if is_held(number) else waits
        return [*waits, *answer_of("Generated Model Title")]


def is_held(number: str) -> bool:
    return int(number) % 2 == 0


async def rename_while_naming(namer: Caller, person: Caller, names: Names, number: str, record: Record) -> None:
    """Ask for a name and, while it is made, set a title; afterwards the person's title stands."""
    thread = await namer.create_thread(messages=[{"role": "user", "content": f"How do I bake bread no. {number}?"}])
    naming = asyncio.create_task(namer.generate_name(thread))
    await asyncio.wait_for(names.begun[number].wait(), NAMED_S)
    await asyncio.sleep(random.uniform(0, NAMING_S))
    mine = f"Mine {number}"
    renamed = await person.update(thread, title=mine)
    was_being_named = not naming.done()
    names.renamed[number].set()
    named = await naming
    record.count("races")
    record.check(renamed.status == 200, f"the person's rename was answered {renamed}")
    if is_held(number):
        record.fault(IN_TIME)
        record.check(named.name == mine, f"generateName answered {named.name!r} although the person had won")
    elif was_being_named:
        record.fault("renames at about the time when a name was saved")
    stored = await person.get(thread)
    record.check(stored.title == mine, f"the title is {stored.title!r} and not the person's {mine!r}")


async def name_automatically(place: Place, ada: Caller, record: Record) -> None:
    """Automatic naming fills a title that is null, and leaves every other as it is."""
    [server] = await place.serve_anew(1, THREADKEEP_AUTO_NAME="true")
    ada = place.at(ada, server)

    async def answer(number: int) -> None:
        given = {} if number % 2 else {"title": f"Kept {number}"}
        thread = await ada.create_thread(**given)
        await ada.respond(thread, input="How do I bake bread?")
        # Naming goes on after the answer.
        title = await eventually(lambda: title_of(ada, thread), bool, NAMED_S)
        await asyncio.sleep(2 * NAMING_S)
        title = await title_of(ada, thread)
        record.count("answers with automatic naming")
        record.check(title == given.get("title", title), f"automatic naming made {title!r} of {given}")

    await asyncio.gather(*(answer(number) for number in range(record.size(40, 8))))


async def title_of(who: Caller, thread: Answer) -> str | None:
    return (await who.get(thread)).title
