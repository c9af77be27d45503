"""P17: a title that a person sets while a name is being made is never overwritten."""

import asyncio
import random
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


@proof("P17", "A title that a person sets while a name is being made always wins")
async def attack(place: Place, record: Record) -> None:
    place.model.script = slow_name
    servers = await place.serve(2)
    ada = await place.people(servers[0]).owner("ORG_ACME", "uid_ada")
    renamers = [place.at(ada, server) for server in servers]
    free = asyncio.Semaphore(CLIENTS)

    async def race(number: int) -> None:
        async with free:
            await rename_while_naming(ada, random.choice(renamers), number, record)

    races = record.size(300, 40)
    await asyncio.gather(*(race(number) for number in range(races)))
    record.need(record.faults["renames while the model was making a name"], "renames in mid-naming", races // 4)
    await name_automatically(place, ada, record)


def slow_name(call: Call) -> Sequence[Any]:
    return [random.uniform(0, NAMING_S), *answer_of("Generated Model Title")]


async def rename_while_naming(namer: Caller, person: Caller, number: int, record: Record) -> None:
    """Ask for a name and, at a random moment, set a title; afterwards the person's title stands."""
    thread = await namer.create_thread(messages=[{"role": "user", "content": f"How do I bake bread? {number}"}])
    naming = asyncio.create_task(namer.generate_name(thread))
    await asyncio.sleep(random.uniform(0, NAMING_S))
    was_being_named = not naming.done()
    mine = f"Mine {number}"
    renamed = await person.update(thread, title=mine)
    was_being_named = was_being_named and not naming.done()
    named = await naming
    record.count("races")
    record.check(renamed.status == 200, f"the person's rename was answered {renamed}")
    if was_being_named:
        record.fault("renames while the model was making a name")
        record.check(named.name == mine, f"generateName answered {named.name!r} although the person had won")
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
