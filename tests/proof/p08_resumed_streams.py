"""P8: a resumed stream loses and repeats nothing; streamed text = stored text = what the model sent.

Beside each reader another one follows the same answer in a front end's words, which tell it from its start each time.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Iterator

from proof.onlookers import CALL, REASONING, TEXT, TONGUES, Onlooker
from proof.place import Place
from proof.reading import arguments_of, broken, difference, reasoning_of
from proof.record import Record, proof
from proof.spoken import speak, spoken
from proof.wandering import Door, Wanderer
from support.cast import Caller
from support.cutting_proxy import Cut, CuttingProxy
from support.server import Server
from support.streams import Stream, text_of

STREAMS, STREAMS_AT_ONCE = 300, 50
LEASE_S = "4"
# A cut comes within so many bytes of an answer; whole streams have about ten thousand.
CUT_BYTES_MAX = 2500
# Half of those under way have seen so many events when a process is killed.
KILLED_AFTER_EVENTS = 6
LOOK_S = 0.02
RIPE_S = 10


@proof("P8", "A resumed stream loses and repeats nothing: what is streamed is what is stored is what the model sent")
async def attack(place: Place, record: Record) -> None:
    place.model.script = speak
    servers = await place.serve(3, THREADKEEP_LEASE_S=LEASE_S)
    ada = await place.people(servers[0]).owner("ORG_ACME", "uid_ada")
    streams = record.size(STREAMS, 30)
    at_once = min(STREAMS_AT_ONCE, streams // 3)
    # Whoever is killed generates a share of what is under way; a good third of all streams is to lose its process.
    kills = max(1, round(streams / 2.4 / (at_once / len(servers))))
    proxies = [await CuttingProxy.start(server.port, random_cuts()) for server in servers]
    doors = [Door(server.port, proxy.port) for server, proxy in zip(servers, proxies, strict=True)]
    wanderers = [Wanderer(ada, doors, number) for number in range(streams)]
    onlookers = [Onlooker(ada, doors, wanderer) for wanderer in wanderers]
    killing = asyncio.create_task(kill_in_the_middle(servers, wanderers, kills, record))
    try:
        await read_all(wanderers, onlookers, at_once, record)
        await killing
        await check_all(place, servers, ada, wanderers, onlookers, record)
    finally:
        killing.cancel()
        for proxy in proxies:
            await proxy.stop()
    record.fault("connections cut", sum(proxy.cuts_count for proxy in proxies))
    record.need(record.faults["connections cut"], "cuts", streams)
    record.need(record.faults["streams whose process was killed"], "streams whose process was killed", streams // 6)


def random_cuts() -> Iterator[Cut]:
    for _ in itertools.count():
        yield Cut(answer_bytes=random.randint(1, CUT_BYTES_MAX), by_reset=random.random() < 0.5)


async def read_all(wanderers: list[Wanderer], onlookers: list[Onlooker], at_once: int, record: Record) -> None:
    free = asyncio.Semaphore(at_once)

    async def read(wanderer: Wanderer, onlooker: Onlooker) -> None:
        async with free:
            await asyncio.gather(wanderer.read(), onlooker.look_on())
        record.count("streams")
        record.check(not wanderer.trouble, f"stream {wanderer.number} {wanderer.trouble}")

    await asyncio.gather(*map(read, wanderers, onlookers))


async def kill_in_the_middle(servers: list[Server], wanderers: list[Wanderer], kills: int, record: Record) -> None:
    """Kill the processes in turn while their models talk, and start them again."""
    for kill in range(kills):
        # The last ones have the rest of the streams to come.
        begun = (len(wanderers) * (kill + 1)) // (kills + 1)
        await wait_until_ripe(wanderers, begun)
        server = servers[kill % len(servers)]
        server.kill()
        record.fault("processes killed and started again")
        await server.start()


async def wait_until_ripe(wanderers: list[Wanderer], begun: int) -> None:
    """Wait until so many have begun, and half of those under way have been shown something.

    On a loaded machine the second may never be: then the first is enough.
    """
    deadline = time.monotonic() + RIPE_S
    while True:
        under_way = [each.seen_count for each in wanderers if each.has_begun and not each.is_over]
        are_ripe = sum(seen >= KILLED_AFTER_EVENTS for seen in under_way) >= len(under_way) / 2
        if sum(each.has_begun for each in wanderers) < begun:
            deadline = time.monotonic() + RIPE_S
        elif (under_way and are_ripe) or time.monotonic() > deadline:
            return
        await asyncio.sleep(LOOK_S)


async def check_all(
    place: Place,
    servers: list[Server],
    ada: Caller,
    wanderers: list[Wanderer],
    onlookers: list[Onlooker],
    record: Record,
) -> None:
    free = asyncio.Semaphore(8)

    async def check(wanderer: Wanderer, onlooker: Onlooker) -> None:
        if wanderer.trouble:
            return
        async with free:
            await check_one(place.at(ada, random.choice(servers)), wanderer, record)
        check_onlooker(wanderer, onlooker, record)

    await asyncio.gather(*map(check, wanderers, onlookers))
    for tongue in TONGUES:
        for what in ("streams", "whole streams"):
            name = f"{what} of {tongue.name}"
            record.need(record.counts[name], name, len(wanderers) // 10)


async def check_one(who: Caller, wanderer: Wanderer, record: Record) -> None:
    """Hold what a wanderer saw against a reader that nothing disturbs, what is stored, and what the model sent."""
    name, seen = f"stream {wanderer.number}", wanderer.events
    if not record.check(not (found := broken(seen, is_over=True)), f"{name} {found}"):
        return
    response_id = seen[0].response_id
    async with await Stream.follow(who, wanderer.thread_id, response_id) as stream:
        undisturbed = await stream.rest()
    record.check(not (found := difference(seen, undisturbed)), f"{name} differs from one read at once: {found}")
    response = await who.get_response(wanderer.thread_id, response_id)
    text = text_of(seen)
    record.check(response.outputText == text, f"{name} showed {text[-60:]!r}, stored is {response.outputText[-60:]!r}")
    if response.messageId is not None:
        message = await who.get_message(wanderer.thread_id, response.messageId)
        stored = "".join(part["text"] for part in message.content)
        record.check(stored == text, f"{name} showed {text[-60:]!r}, its message has {stored[-60:]!r}")
    sent = spoken(wanderer.number)
    shown = (text, reasoning_of(seen), arguments_of(seen))
    if response["status"] == "completed":
        record.check(shown == sent, f"{name} is completed but is not what the model sent")
        return
    record.fault("streams whose process was killed")
    code = response.error and response.error["code"]
    record.check((response["status"], code) == ("failed", "interrupted"), f"{name} ended {response['status']}, {code}")
    is_beginning = all(whole.startswith(part) for whole, part in zip(sent, shown, strict=True))
    record.check(is_beginning, f"{name} was cut off by a kill and is not how the model's words began")


def check_onlooker(wanderer: Wanderer, onlooker: Onlooker, record: Record) -> None:
    """Hold what each stream told in a front end's words against what was read natively."""
    seen = wanderer.events
    native = {TEXT: text_of(seen), REASONING: reasoning_of(seen), CALL: arguments_of(seen)}
    name = f"stream {wanderer.number} of {onlooker.tongue.name}"
    # Not begun, over, or too much to do just now.
    record.check(onlooker.refusals <= {204, 404, 503}, f"{name} was answered {onlooker.refusals}")
    for told in onlooker.told:
        record.count(f"streams of {onlooker.tongue.name}")
        record.check(not told.trouble, f"{name} {told.trouble}")
        for part, whole in native.items():
            said = told.parts[part]
            record.check(whole.startswith(said), f"{name} told {said[-60:]!r}, which is not how its {part} begins")
        if told.is_over:
            record.count(f"whole streams of {onlooker.tongue.name}", told.is_live)
            # A front end that comes too late is shown the text that is stored.
            is_whole = told.parts == native if told.is_live else told.parts[TEXT] == native[TEXT]
            record.check(is_whole, f"{name} came to its end with {told.parts[TEXT][-60:]!r} of {native[TEXT][-60:]!r}")
