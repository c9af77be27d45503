"""Clients that append, delete and look at a few threads through several processes, and write down what they saw."""

import asyncio
import itertools
import random
import time
from collections.abc import Sequence
from typing import Any

import httpx

from proof.history import NEVER_S, Append, Count, Delete, History, Look, Place
from proof.record import Record
from support.cast import Answer, Caller

CLIENTS = 16
BATCH_MAX = 5
BURST = 8
PAGE_MAX = 20
HALF_AN_HOUR_S = 1_800


class Load:
    """So many appends and looks by all clients together. `callers` are one person, at each of the processes."""

    def __init__(self, callers: Sequence[Caller], threads: Sequence[str], history: History, record: Record) -> None:
        self.callers = callers
        self.threads = threads
        self.history = history
        self.record = record
        self.refused_count = 0
        self._appends_left = 0
        self._looks_left = 0

    async def run(self, appends: int, looks: int) -> None:
        self._appends_left, self._looks_left = appends, looks
        await asyncio.gather(*(self._client() for _ in range(CLIENTS)))

    async def look_at_the_end(self) -> None:
        """Read every thread from beginning to end, by whichever process."""
        for thread in self.threads:
            path = f"/v1/threads/{thread}/messages"
            self.history.final[thread] = places(await random.choice(self.callers).walk(path, limit=100))

    async def _client(self) -> None:
        client = _Client(self)
        while (left := self._appends_left + self._looks_left) > 0:
            if random.randrange(left) < self._appends_left:
                await client.write()
            else:
                self._looks_left -= 1
                await client.look()

    def take_appends(self, wanted: int) -> int:
        """Return how many of the appends that are left the client may do."""
        taken = min(wanted, self._appends_left)
        self._appends_left -= taken
        return taken


class _Client:
    numbers = itertools.count(1)

    def __init__(self, load: Load) -> None:
        self.load = load
        self.history = load.history
        self.record = load.record
        self.own: dict[str, list[tuple[int, str]]] = {thread: [] for thread in load.threads}
        self.texts = (f"{number}/{turn}" for number in [next(self.numbers)] for turn in itertools.count(1))

    @property
    def who(self) -> Caller:
        return random.choice(self.load.callers)

    async def write(self) -> None:
        thread = random.choice(self.load.threads)
        chance = random.random()
        if chance < 0.04:
            # To one process, where they wait together.
            who = self.who
            await asyncio.gather(*(self.append(who, thread, 1) for _ in range(self.load.take_appends(BURST))))
        elif self.load.take_appends(1):
            await self.append(self.who, thread, 1 if chance < 0.9 else random.randint(2, BATCH_MAX))
        if chance > 0.97 and self.own[thread]:
            await self.delete(thread, *self.own[thread].pop())

    async def append(self, who: Caller, thread: str, count: int) -> None:
        texts = tuple(itertools.islice(self.texts, count))
        began_s = time.monotonic()
        try:
            if count == 1:
                answer = await who.post_message(thread, texts[0])
            else:
                answer = await who.post_messages(thread, [{"role": "user", "content": text} for text in texts])
        except httpx.TransportError:
            answer = None
        self.note(answer, thread, texts, began_s)

    def note(self, answer: Answer | None, thread: str, texts: tuple[str, ...], began_s: float) -> None:
        self.record.count("appends")
        if answer is None or answer.status != 201:
            self.load.refused_count += 1
            self.history.appends.append(Append(thread, texts, began_s))
            return
        messages = [answer.body] if len(texts) == 1 else answer.data
        seqs = tuple(each["seq"] for each in messages)
        self.history.appends.append(Append(thread, texts, began_s, time.monotonic(), seqs))
        self.own[thread] += zip(seqs, (each["id"] for each in messages), strict=True)
        ahead_s = messages[0]["createdAt"] - time.time()
        if abs(ahead_s) > HALF_AN_HOUR_S:
            self.record.fault(f"appends by a clock that is {'fast' if ahead_s > 0 else 'slow'}")

    async def delete(self, thread: str, seq: int, message: str) -> None:
        began_s = time.monotonic()
        answer = await self.who.delete_message(thread, message)
        ended_s = time.monotonic() if answer.status == 200 else NEVER_S
        self.history.deletes.append(Delete(thread, seq, began_s, ended_s))
        self.record.count("deletions")

    async def look(self) -> None:
        thread = random.choice(self.load.threads)
        began_s = time.monotonic()
        self.record.count("reads")
        if random.random() < 0.2:
            read = await self.who.get(thread)
            if self.was_answered(read):
                count, changed = read.messageCount, read.updatedAt
                self.history.counts.append(Count(thread, count, changed, began_s, time.monotonic()))
            return
        limit = random.randint(1, PAGE_MAX)
        if self.own[thread] and random.random() < 0.5:
            after, message = random.choice(self.own[thread][-PAGE_MAX:])
            page = await self.who.list_messages(thread, limit=limit, after=message)
            window: dict[str, Any] = {"first": after + 1, "descending": False}
            if page.status == 400:
                self.record.violation(
                    f"stale: number {after} of {thread} was answered, and then was no position: {page}"
                )
                return
        else:
            page = await self.who.list_messages(thread, limit=limit, order="desc")
            window = {"first": 1, "descending": True}
        if self.was_answered(page):
            self.history.looks.append(look_of(thread, page, began_s, time.monotonic(), **window))

    def was_answered(self, answer: Answer) -> bool:
        return self.record.check(answer.status == 200, f"a read was refused: {answer}")


def look_of(thread: str, page: Answer, began_s: float, ended_s: float, *, first: int, descending: bool) -> Look:
    """Return what a page says of the numbers that it covers: a page that is full ends at its last message."""
    shown = places(page.data)
    if descending:
        first = shown[-1].seq if page.hasMore else first
        return Look(thread, shown[::-1], began_s, ended_s, first)
    return Look(thread, shown, began_s, ended_s, first, shown[-1].seq if page.hasMore else None)


def places(messages: Sequence[dict[str, Any]]) -> tuple[Place, ...]:
    return tuple(Place(each["seq"], each["content"][0]["text"]) for each in messages)
