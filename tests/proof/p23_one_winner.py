"""P23: of all writers that name one revision exactly one wins; a reader never sees a replacement half done."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from proof.place import Place
from proof.record import Record, proof
from support.cast import Answer, Caller

PROCESSES = 3
WRITERS, ROUNDS = 8, 200
READERS, READS = 8, 10_000
HISTORY_MAX = 40
USER = {"role": "user"}

Write = Callable[[Caller, str, str], Awaitable[Answer]]
# Every way to name the revision of a thread; each is given the thread and a text of its own.
WRITES: dict[str, Write] = {
    "one message": lambda who, thread, text: who.post_message(thread, text),
    "several messages": lambda who, thread, text: who.post_messages(thread, [{**USER, "content": text}] * 2),
    "a message at the root": lambda who, thread, text: who.post_message(thread, text, parentId=None),
    "messages and a title": lambda who, thread, text: who.post_messages(
        thread, [{**USER, "content": text}], thread={"title": text}
    ),
    "a replacement of all": lambda who, thread, text: who.post_messages(
        thread, [{**USER, "content": text}], replaces="all"
    ),
    "a title": lambda who, thread, text: who.update(thread, title=text),
}


@proof("P23", "Of all writers of one revision exactly one wins; a reader never sees a replacement half done")
async def attack(place: Place, record: Record) -> None:
    servers = await place.serve(PROCESSES)
    ada = await place.people(servers[0]).owner("ORG_ACME", "uid_ada")
    callers = [place.at(ada, server) for server in servers]
    await let_one_win(callers, record)
    await replace_and_read(callers, record)


# One winner


async def let_one_win(callers: Sequence[Caller], record: Record) -> None:
    thread = await callers[0].create_thread()
    tag, wins = thread.etag, 0
    rounds = record.size(ROUNDS, 20)
    for number in range(rounds):
        texts = [f"round {number}, writer {writer}" for writer in range(WRITERS)]
        kinds = random.choices(list(WRITES), k=WRITERS)
        before = await shown(callers[0], thread.id)
        answers = await asyncio.gather(
            *(
                WRITES[kind](random.choice(callers).if_match(tag), thread.id, text)
                for kind, text in zip(kinds, texts, strict=True)
            )
        )
        won = [(text, answer) for text, answer in zip(texts, answers, strict=True) if answer.status < 300]
        if not record.check(len(won) == 1, f"of {WRITERS} writers {len(won)} won: {answers}"):
            return
        refused = [answer for answer in answers if answer.status == 412 and answer.code == "precondition_failed"]
        record.check(len(refused) == WRITERS - 1, f"losers were told something else: {answers}")
        record.fault("writers refused", len(refused))
        [(text, answer)] = won
        tag = await check_round(random.choice(callers), thread.id, before, text, answer, record)
        wins += 1
        record.count(f"wins of {kinds[texts.index(text)]}")
    record.need(wins, "rounds", rounds)


async def check_round(
    who: Caller, thread: str, before: set[str], text: str, answer: Answer, record: Record
) -> str:  # fmt: skip
    """Check that of all that was sent the winner's alone is there; return the thread's tag."""
    read = await who.get(thread)
    told = answer.headers.get("thread-etag") or answer.etag
    record.check(read.etag == told, f"the winner was told {told}, and the thread has {read.etag}")
    new = await shown(who, thread) - before
    record.check(new == {text}, f"the winner wrote {text!r}, and new is {new}")
    return str(read.etag)


async def shown(who: Caller, thread: str) -> set[str]:
    """Return all texts of a thread: of its messages and its title."""
    listed = await who.walk(f"/v1/threads/{thread}/messages", limit=100)
    return {text_of(each) for each in listed} | {(await who.get(thread)).title}


# Replacements that are read


async def replace_and_read(callers: Sequence[Caller], record: Record) -> None:
    thread = (await callers[0].create_thread(messages=history(0))).id
    reads = itertools.count()
    total = record.size(READS, 1_000)
    seen: set[str] = set()
    is_over = asyncio.Event()

    async def read_on() -> None:
        while next(reads) < total:
            text = await read_once(random.choice(callers), thread, record)
            seen.add(text)

    replacing = asyncio.create_task(replace_on(callers, thread, is_over, record))
    try:
        await asyncio.gather(*(read_on() for _ in range(READERS)))
    finally:
        is_over.set()
        await replacing
    record.fault("histories seen by readers", len(seen))
    record.need(len(seen), "histories seen by readers", total // 100)


async def replace_on(callers: Sequence[Caller], thread: str, is_over: asyncio.Event, record: Record) -> None:
    """Replace the whole history over and over: by another one of another length."""
    for number in itertools.count(1):
        if is_over.is_set():
            return
        answer = await random.choice(callers).post_messages(thread, history(number), replaces="all")
        record.check(answer.status == 201, f"a replacement was refused: {answer}")
        record.count("replacements")


async def read_once(who: Caller, thread: str, record: Record) -> str:
    """Read the history in one of the ways; return its text if it is whole."""
    way = random.choice(["list", "list", "line", "backwards", "context", "count"])
    match way:
        case "context":
            messages = (await who.context(thread, contextMode="full")).messages
        case "line":
            messages = (await who.list_messages(thread, limit=100, branch="current")).data
        case "backwards":
            messages = (await who.list_messages(thread, limit=100, order="desc")).data
        case "count":
            count = (await who.get(thread)).messageCount
            record.check(0 < count <= HISTORY_MAX, f"a reader saw a thread with {count} messages")
            record.count("reads")
            return ""
        case _:
            messages = (await who.list_messages(thread, limit=100)).data
    texts = [text_of(each) for each in messages]
    record.count("reads")
    is_whole = bool(texts) and len(set(texts)) == 1 and texts[0].endswith(f" of {len(texts)}")
    record.check(is_whole, f"a reader ({way}) saw {len(texts)} messages, of the histories {sorted(set(texts))}")
    return texts[0] if texts else ""


def history(number: int) -> list[dict[str, Any]]:
    """Return messages that all say which history they are of, and how many it has."""
    count = 1 + number * 7 % HISTORY_MAX
    return [{**USER, "content": f"history {number} of {count}"}] * count


def text_of(message: dict[str, Any]) -> str:
    return "".join(part.get("text", "") for part in message["content"])
