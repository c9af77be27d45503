"""P7: a locked or archived thread never gains or changes a message, even in races, nor while a model is talking."""

import asyncio
import itertools
import random
import time
from bisect import bisect
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

from proof.place import Place
from proof.record import Record, proof
from proof.toggling import Thread, Toggler, check_revisions
from support.cast import Answer, Caller
from support.scripted_model import Call, answer_of

WRITERS = 8
TALKING_THREADS = 3
# Between two states a thread is open for so long at most: to writers, and to a model that talks for half a second.
OPENED_S = 0.008
OPENED_TO_TALK_S = 0.06
WORDS, WORD_S = 100, 0.005
END_S = 900

REFUSED = {"thread_locked", "thread_archived"}
# What writers do to one another.
IN_THE_WAY = {"thread_busy", "message_not_found", "thread_empty", "unavailable"}


@proof("P7", "A locked or archived thread never gains or changes a message")
async def attack(place: Place, record: Record) -> None:
    place.model.script = talk
    servers = await place.serve(2)
    ada = await place.people(servers[0]).owner("ORG_ACME", "uid_ada")
    callers = [place.at(ada, server) for server in servers]
    toggles = record.size(3_000, 200)
    talking = toggles // 5
    async with asyncio.timeout(END_S):
        await race_writers(place, callers, toggles - talking, record)
        await asyncio.gather(
            *(race_model(place, callers, talking // TALKING_THREADS, record) for _ in range(TALKING_THREADS))
        )
    await count_interrupted(place, record)


def talk(call: Call) -> Sequence[Any]:
    if "long" not in call.last_user_text:
        return answer_of("A Short Answer")
    return [step for number in range(WORDS) for step in (f"word{number} ", WORD_S)] + answer_of("end")


async def race_writers(place: Place, callers: list[Caller], toggles: int, record: Record) -> None:
    """Two togglers and eight writers in one thread."""
    thread = Thread((await callers[0].create_thread(title="race", messages=[message("first")])).id)
    writers = [Writer(who, thread, record) for who, _ in zip(itertools.cycle(callers), range(WRITERS), strict=False)]
    tasks = [asyncio.create_task(writer.write()) for writer in writers]
    try:
        await toggle(place, callers, thread, toggles, OPENED_S, record)
    finally:
        for writer in writers:
            writer.is_over = True
        await asyncio.gather(*tasks)
    check_revisions(thread, record)
    check_times(thread, [each for writer in writers for each in writer.written], record)
    record.need(record.counts["writes"], "writes that were done", toggles // 4)
    record.need(record.counts["writes refused"], "writes that were refused", toggles // 4)
    record.need(record.faults["states set in mid-write"], "states set in mid-write", toggles // 8)


async def race_model(place: Place, callers: list[Caller], toggles: int, record: Record) -> None:
    """Two togglers and a model that talks whenever it may."""
    thread = Thread((await callers[0].create_thread(title="talk")).id)
    talking = asyncio.create_task(keep_talking(random.choice(callers), thread))
    try:
        await toggle(place, callers, thread, toggles, OPENED_TO_TALK_S, record)
    finally:
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)


async def toggle(
    place: Place, callers: list[Caller], thread: Thread, toggles: int, opened_s: float, record: Record
) -> None:
    """Set and lift both states so many times together."""
    async with AsyncExitStack() as stack:
        togglers = [
            Toggler(who, thread, await stack.enter_async_context(place.stored()), record, archives=archives)
            for who, archives in ((callers[0], False), (callers[-1], True))
        ]
        await asyncio.gather(*(each.toggle(toggles // 4, opened_s) for each in togglers))


async def keep_talking(who: Caller, thread: Thread) -> None:
    while True:
        response = await who.respond(thread.id, input="a long one", background=True)
        assert response.status == 202 or response.code in REFUSED | IN_THE_WAY, response
        await asyncio.sleep(0.01)


async def count_interrupted(place: Place, record: Record) -> None:
    async with place.stored() as stored:
        [[cancelled]] = await stored.rows("select count(*) from responses r where r.status = 'cancelled'")
    record.fault("states set while a model was talking", cancelled)
    record.need(cancelled, "states set while a model was talking", max(5, record.counts["toggles"] // 50))


Write = Callable[[Caller, str, str], Awaitable[Answer]]


def message(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


class Writer:
    """Writes to one thread without a pause, whatever its state. `written`: from when to when each write took."""

    keys = itertools.count()

    def __init__(self, who: Caller, thread: Thread, record: Record) -> None:
        self.who = who
        self.thread = thread
        self.record = record
        self.is_over = False
        self.written: list[tuple[float, float, str]] = []

    async def write(self) -> None:
        while not self.is_over:
            [(name, write)] = random.choices(list(WRITES.items()), WEIGHTS)
            began_s = time.monotonic()
            known = random.choice(self.thread.known) if self.thread.known else "msg_none"
            answer = await write(self.who, self.thread.id, known)
            self.note(name, answer, began_s)

    def note(self, name: str, answer: Answer, began_s: float) -> None:
        if name == "metadata" and answer.status == 200:
            self.thread.explain(answer)
            self.record.count("labels of the thread")
        elif answer.status in (200, 201, 202):
            self.written.append((began_s, time.monotonic(), name))
            self.record.count("writes")
            if name == "append":
                self.thread.known.append(answer.id)
        elif answer.code in REFUSED:
            self.record.count("writes refused")
        else:
            self.record.check(answer.code in IN_THE_WAY, f"a write in a race was answered {answer}")


# Every way to change a thread's messages or its title; and its metadata, which a lock leaves alone.
WRITES: dict[str, Write] = {
    "append": lambda who, thread, known: who.post_message(thread, "hello"),
    "append several": lambda who, thread, known: who.post_messages(thread, [message("a"), message("b")]),
    "append with a key": lambda who, thread, known: who.retrying(f"p7-{next(Writer.keys)}").post_message(thread, "k"),
    "edit": lambda who, thread, known: who.update_message(thread, known, content=f"edit {next(Writer.keys)}"),
    "label": lambda who, thread, known: who.update_message(thread, known, metadata={"n": next(Writer.keys)}),
    "delete": lambda who, thread, known: who.delete_message(thread, known),
    "delete all": lambda who, thread, known: who.delete_messages(thread),
    "respond": lambda who, thread, known: who.respond(thread, input="hi", background=True),
    "name": lambda who, thread, known: who.generate_name(thread, [message("bread")]),
    "title": lambda who, thread, known: who.update(thread, title=f"title {next(Writer.keys)}"),
    "metadata": lambda who, thread, known: who.update(thread, metadata={"n": next(Writer.keys)}),
}
WEIGHTS = [20, 8, 8, 10, 5, 5, 2, 2, 2, 3, 3]


def check_times(thread: Thread, written: list[tuple[float, float, str]], record: Record) -> None:
    """A write that was asked for and answered while a state held was refused."""
    written.sort()
    longest_s = max((ended_s - began_s for began_s, ended_s, _ in written), default=0)
    for span in thread.spans:
        first, last = bisect(written, (span.asked_s - longest_s,)), bisect(written, (span.until_s,))
        during = [each for each in written[first:last] if each[1] > span.asked_s]
        if any(began_s < span.from_s for began_s, _, _ in during):
            record.fault("states set in mid-write")
        for began_s, ended_s, name in during:
            is_inside = began_s > span.from_s and ended_s < span.until_s
            record.check(not is_inside, f"'{name}' was asked for and done while the thread was {span.what}")
