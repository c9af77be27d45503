"""P28: no history is unusable: whatever has happened in a thread, every model's server takes its next question."""

import asyncio
import random

from proof.happenings import History, Mouth
from proof.place import Place
from proof.record import Record, proof
from support.cast import Caller
from support.strict_model import FAMILIES, StrictModel

HISTORIES = 300
AT_ONCE = 8
STEPS = (4, 16)
OTHERS_ASKED = 3


@proof("P28", "Whatever has happened in a thread, no server of models refuses its next question, however strict")
async def attack(place: Place, record: Record) -> None:
    model = await StrictModel.start()
    assert isinstance(model, StrictModel)
    mouth = Mouth(model, record)
    models = place.folder / "models.toml"
    models.write_text(model.models_file)
    servers = await place.serve(2, THREADKEEP_MODELS_FILE=str(models), THREADKEEP_AUTO_NAME="false")
    ada = await place.people(servers[0]).owner("ORG_ACME", "uid_ada")
    free = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with free:
            await happen(place.at(ada, random.choice(servers)), mouth, record)

    try:
        await asyncio.gather(*(one() for _ in range(record.size(HISTORIES))))
    finally:
        await model.stop()
    for family, sentence in model.refusals:
        record.violation(f"{family}: {sentence}")
    record.count("requests to strict servers", len(model.calls))
    record.count("calls whose reasoning or signature came back", model.returned_count)
    record.need(model.returned_count, "calls whose reasoning or signature came back", record.size(HISTORIES) // 10)
    for happened in ("edit", "delete", "give results", "cancel", "interrupt", "answer anew", "post", "change model"):
        record.need(record.faults[happened], happened)


async def happen(who: Caller, mouth: Mouth, record: Record) -> None:
    """Let things happen in a thread, then ask its own server once more, and some of others."""
    history = History(who, await who.create_thread(), mouth, record)
    for _ in range(random.randint(*STEPS)):
        await history.go_on()
    record.count("histories")
    for family in (history.family, *random.sample(list(FAMILIES), OTHERS_ASKED)):
        await history.end(family)
