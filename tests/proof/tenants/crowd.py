"""Requests of several tenants at the same time, many of them given up in the middle; whoever is answered gets its own.

Each thread has a word that stands in its title and in all of its messages: an answer that holds another is mixed up.
"""

import asyncio
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from proof.record import Record
from proof.tenants.worlds import CANARY, numbers
from support.cast import Answer, Caller

TENANTS = 6
THREADS = 4
AT_A_TIME = 16
CANCELLED_SHARE = 0.4
TURNS_MAX = 12
# Of the usual time that a request takes.
LATE = 0.8


class Usual:
    """How long a request takes, here and now."""

    def __init__(self) -> None:
        self.seconds = 0.01

    def note(self, seconds: float) -> None:
        self.seconds += (seconds - self.seconds) / 20


@dataclass
class Tenant:
    who: Caller
    word: str
    threads: dict[str, str] = field(default_factory=dict)
    # What was said: the text of each message that was answered, and of each that was given up.
    answered: set[str] = field(default_factory=set)
    given_up: set[str] = field(default_factory=set)

    async def settle_in(self) -> None:
        for number in range(THREADS):
            word = f"{self.word}t{number}"
            await self.create(word)

    async def create(self, word: str) -> Answer:
        said = [{"role": "user", "content": f"{word} first"}]
        made = await self.who.create_thread(title=word, metadata={"word": word}, messages=said)
        if made.status == 201:
            self.threads[made.id] = word
        return made


async def crowd(tenants: list[Tenant], requests: int, how: str, record: Record) -> None:
    """Send so many requests; `how` says what becomes of those that are given up."""
    free, usual = asyncio.Semaphore(AT_A_TIME), Usual()

    async def one() -> None:
        async with free:
            await send(random.choice(tenants), how, usual, record)

    await asyncio.gather(*(one() for _ in range(requests)))
    record.need(record.faults[how], how, round(requests * CANCELLED_SHARE / 6))


async def send(tenant: Tenant, how: str, usual: Usual, record: Record) -> None:
    """Send one request, give it up at a random moment if it is one of those, and look at its answer if it has one."""
    thread, word = random.choice(list(tenant.threads.items()))
    kind = random.choices(list(KINDS), weights=[weight for _, weight in KINDS.values()])[0]
    text = f"{word} says {next(numbers)}"
    task = asyncio.create_task(KINDS[kind][0](tenant.who, thread, word, text))
    record.count("requests of a crowd")
    begun_s = time.monotonic()
    if random.random() < CANCELLED_SHARE:
        await random_moment(usual)
        task.cancel()
    try:
        answer = await task
    except asyncio.CancelledError:
        if not task.cancelled():
            raise
        record.fault(how)
        tenant.given_up.add(text)
        return
    usual.note(time.monotonic() - begun_s)
    tenant.answered |= {text} if kind == "append" else set()
    check_own(answer, kind, tenant, word, record)


async def random_moment(usual: Usual) -> None:
    """Some turns of the loop, or some time: the one finds the first steps of a request, the other what waits."""
    if random.random() < 0.5:
        for _ in range(random.randrange(TURNS_MAX)):
            await asyncio.sleep(0)
    else:
        await asyncio.sleep(random.uniform(0, LATE * usual.seconds))


def check_own(answer: Answer, kind: str, tenant: Tenant, word: str, record: Record) -> None:
    found = set(CANARY.findall(answer.text))
    if not record.check(answer.status < 300, f"a request that nobody gave up ({kind}) was answered {answer!r}"):
        return
    own = {each for each in found if each.startswith(tenant.word)} if kind in LISTS else {word}
    others = found - own
    record.check(not others, f"{kind} for {word} was answered with words of others: {sorted(others)[:3]}")
    record.check(bool(found), f"{kind} for {word} was answered without its word: {answer!r}")


async def check_stored(tenants: list[Tenant], record: Record) -> None:
    """What was answered is there once; what was given up is there whole or not at all; nothing is where it is not."""
    stored_all_the_same = 0
    for tenant in tenants:
        texts: Counter[str] = Counter()
        for thread in await tenant.who.walk("/v1/threads", limit=100):
            word = thread["title"]
            messages = await tenant.who.walk(f"/v1/threads/{thread['id']}/messages", limit=100)
            record.check(messages != [], f"a thread without the message that came with it: {thread['id']}")
            for message in messages:
                found = set(CANARY.findall(json.dumps(message)))
                record.check(found == {word}, f"a message in the thread of {word} holds {sorted(found)}")
                texts["".join(part["text"] for part in message["content"])] += 1
        lost = [text for text in tenant.answered if texts[text] != 1]
        doubled = [text for text in tenant.given_up if texts[text] > 1]
        record.check(not lost, f"{len(lost)} messages of {tenant.word} that were answered are not there once")
        record.check(not doubled, f"{len(doubled)} messages of {tenant.word} that were given up are there twice")
        stored_all_the_same += sum(texts[text] for text in tenant.given_up)
    record.count("messages stored although their sender had gone", stored_all_the_same)


async def read(who: Caller, thread: str, word: str, text: str) -> Answer:
    return await who.get(thread)


async def messages(who: Caller, thread: str, word: str, text: str) -> Answer:
    return await who.list_messages(thread, limit=20, order="desc")


async def threads(who: Caller, thread: str, word: str, text: str) -> Answer:
    return await who.list_threads(limit=20)


async def search(who: Caller, thread: str, word: str, text: str) -> Answer:
    return await who.list_threads(titleContains=word, includeTotal="true")


async def append(who: Caller, thread: str, word: str, text: str) -> Answer:
    return await who.post_message(thread, text)


async def append_with_key(who: Caller, thread: str, word: str, text: str) -> Answer:
    return await who.retrying(text).post_message(thread, text)


async def append_two(who: Caller, thread: str, word: str, text: str) -> Answer:
    return await who.post_messages(thread, [{"role": "user", "content": each} for each in (text, f"{text} too")])


async def change(who: Caller, thread: str, word: str, text: str) -> Answer:
    return await who.update(thread, metadata={"word": word, "said": text})


async def create(who: Caller, thread: str, word: str, text: str) -> Answer:
    said: list[dict[str, Any]] = [{"role": "user", "content": text}]
    return await who.create_thread(title=word, metadata={"word": word}, messages=said)


KINDS = {
    "read": (read, 6),
    "messages": (messages, 4),
    "threads": (threads, 3),
    "search": (search, 2),
    "append": (append, 6),
    "append with a key": (append_with_key, 3),
    "append two": (append_two, 3),
    "change": (change, 3),
    "create": (create, 2),
}
LISTS = ("threads", "search")
