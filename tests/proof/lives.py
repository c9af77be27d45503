"""Responses whose worker dies: how they begin, how long others show them as running, and what is left of them."""

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from proof.place import Place
from proof.record import Record
from support.cast import Answer, Caller
from support.scripted_model import STALL, Call
from support.server import Server
from support.streams import FAILED, TEXT, Stream, check_whole, responses_path
from support.waiting import SOON_S, eventually

SHOWN_S = 20
LOOK_S = 0.1
WORD_S = 0.05
# A model that talks without a pause, one that fell silent, and one that has not said anything yet.
KINDS = ("talks", "fell silent", "says nothing")


@dataclass
class Life:
    """One response. Times are of this process's own clock."""

    kind: str
    thread: str
    response: str
    # Who reads it at its worker, if anybody does.
    reader: Stream | None
    died_s: float = math.inf
    # When somebody asked last and was told that it streams.
    shown_s: float = -math.inf
    is_over: bool = False
    # Whether somebody holds its thread, so that nobody can end it.
    is_held: bool = False

    @property
    def was_shown(self) -> bool:
        return self.shown_s > -math.inf


def talk(call: Call) -> Sequence[Any]:
    match call.last_user_text:
        case "talks":
            return [*(step for number in range(2_000) for step in (f"word{number} ", WORD_S)), STALL]
        case "fell silent":
            return ["Hel", STALL]
    return [STALL]


async def begin_lives(place: Place, ada: Caller, server: Server, count: int) -> list[Life]:
    """Begin so many responses at a server, for a user of its own, since one may not run as many as all of these."""
    # A server's port is used by nobody else.
    who = place.at(ada.as_user(f"uid_{server.port}"), server)
    called = len(place.model.calls)
    lives = await asyncio.gather(*(begin(who, KINDS[number % 3], has_reader=number < 3) for number in range(count)))
    await place.model.called(called + count)
    return lives


async def begin(who: Caller, kind: str, *, has_reader: bool) -> Life:
    thread = (await who.create_thread(title=kind)).id
    if not has_reader:
        answer = await who.respond(thread, input=kind, background=True)
        assert answer.status == 202, answer
        return Life(kind, thread, answer.id, None)
    reader = await Stream.post(who, responses_path(thread), input=kind)
    created = await reader.until("response.created")
    if kind != "says nothing":
        await reader.until(TEXT)
    return Life(kind, thread, created.response_id, reader)


async def until_shown(who: Caller, lives: list[Life]) -> None:
    """Ask until each was shown as streaming."""

    async def shown() -> bool:
        await look(who, lives)
        return all(life.was_shown for life in lives)

    await eventually(shown, bool, SOON_S)


async def watch(who: Caller, lives: list[Life], record: Record) -> None:
    """Ask until everybody is shown as ended, or the time of all is over."""
    is_last = False
    while not is_last and (running := [life for life in lives if not life.is_over]):
        is_last = time.monotonic() > max(life.died_s for life in lives) + SHOWN_S
        await look(who, running)
        record.count("looks", len(running))
        await asyncio.sleep(LOOK_S)


async def look(who: Caller, running: list[Life]) -> None:
    """Ask for the list of what streams, and for each thread and response by itself."""
    asked_s = time.monotonic()
    listed = {thread["id"] for thread in await who.walk("/v1/threads", status="streaming", limit=100)}
    for life in running:
        if life.thread in listed:
            life.shown_s = asked_s
    await asyncio.gather(*(look_at(who, life) for life in running))


async def look_at(who: Caller, life: Life) -> None:
    asked_s = time.monotonic()
    if (await who.get(life.thread))["status"] == "streaming":
        life.shown_s = asked_s
    elif life.is_held:
        life.is_over = True
    else:
        life.is_over = (await who.get_response(life.thread, life.response))["status"] != "in_progress"


async def bury(who: Caller, lives: list[Life], record: Record) -> None:
    """Note who was shown too long; of all the text that was shown is kept, readers hear of the end, threads go on."""
    for life in lives:
        after_s = life.shown_s - life.died_s
        record.check(after_s <= SHOWN_S, f"a thread is shown streaming {after_s:.1f} s after its worker died")
        record.check(
            life.is_over or after_s > SHOWN_S,
            f"the response of a worker that died is in progress {SHOWN_S} s later ({life.kind})",
        )
    await asyncio.gather(*(bury_one(who, life, record) for life in lives if life.is_over))
    for life in lives:
        if life.reader is not None:
            life.reader.cut()


async def bury_one(who: Caller, life: Life, record: Record) -> None:
    response = await eventually(
        lambda: who.get_response(life.thread, life.response), lambda answer: answer["status"] != "in_progress", SOON_S
    )
    code = response.error and response.error["code"]
    record.check((response["status"], code) == ("failed", "interrupted"), f"the worker died, and {response}")
    record.check((response.messageId is None) == (life.kind == "says nothing"), f"the message of {response}")
    if life.reader is not None:
        shown = await shown_to(life.reader)
        record.check(response.outputText.startswith(shown), f"{shown[-50:]!r} was shown and is not in {response}")
    await check_end(who, life, response, record)
    appended = await who.post_message(life.thread, "are you there?")
    record.check(appended.status == 201, f"a thread whose worker died takes no message: {appended}")
    record.count("responses of dead workers")


async def shown_to(reader: Stream) -> str:
    """Return all that a reader was sent, to the break."""
    await reader.rest()
    return reader.text


async def check_end(who: Caller, life: Life, response: Answer, record: Record) -> None:
    async with await Stream.follow(who, life.thread, life.response) as stream:
        events = await stream.rest()
    check_whole(events)
    record.check(events[-1].type == FAILED, f"whoever follows a dead response is told {events[-1].type}")
    record.check(stream.text == response.outputText, f"{stream.text!r} was streamed, {response.outputText!r} is kept")
