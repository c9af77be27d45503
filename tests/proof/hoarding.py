"""One member who opens all that he can, and the others, who must not notice."""

import asyncio
import time
from collections import Counter

from proof.place import Place
from proof.record import Record
from support.cast import Answer, Caller
from support.streams import Stream, events_path

# More than anybody may have, and in all more than the process takes.
STREAMS, WAITING, NAMES = 120, 20, 40
CONNECTIONS_MAX = 160
STREAMS_MAX, NAMES_MAX = 32, 8
ROUNDS = 3
# A connection whose request has not come yet gives way to others when there are too many.
NO_ANSWER = 0
# On a machine that has much else to do; alone they take a tenth of a second.
ANSWERED_S = 10.0


async def status_of(opening: asyncio.Task[Stream]) -> int:
    try:
        return (await opening).status
    except ConnectionError:
        return NO_ANSWER


async def hoard(place: Place, record: Record) -> None:
    """Let one member take streams, waiting calls and names, and see that everybody else is answered all the time.

    The model must be one that does not answer what is slow.
    """
    [server] = await place.serve_anew(1, THREADKEEP_CONNECTIONS_MAX=str(CONNECTIONS_MAX))
    people = place.people(server)
    owner = await people.owner("ORG_HOARDED", "uid_hoarded")
    hoarder, colleague = await people.member(owner), await people.member(owner)
    stranger = await people.owner("ORG_BESIDE", "uid_beside")
    begun = await hoarder.respond_new(thread={}, input="a slow question", background=True)
    named = await hoarder.create_thread(messages=[{"role": "user", "content": "a slow question"}])
    path = events_path(begun.threadId, begun.id)
    streams = [asyncio.create_task(Stream.open(hoarder, "GET", path)) for _ in range(STREAMS)]
    calls = [asyncio.create_task(hoarder.respond_new(thread={}, input="a slow question")) for _ in range(WAITING)]
    calls += [asyncio.create_task(hoarder.generate_name(named)) for _ in range(NAMES)]
    try:
        opened = Counter([await status_of(stream) for stream in streams])
        record.fault("streams opened by one member", opened[200])
        record.check(opened[200] <= STREAMS_MAX, f"one member has {opened[200]} streams")
        record.check(set(opened) <= {200, 429, NO_ANSWER}, f"streams of one member were answered {dict(opened)}")
        for _ in range(ROUNDS):
            await asyncio.gather(*(is_served(each, record) for each in (colleague, stranger, owner.with_token())))
        waiting = [call for call in calls[WAITING:] if not call.done()]
        record.fault("names and calls of one member refused", sum(call.done() for call in calls))
        record.check(len(waiting) <= NAMES_MAX, f"one member has {len(waiting)} names made at once")
        record.need(
            record.faults["names and calls of one member refused"], "names and calls refused", NAMES - NAMES_MAX
        )
    finally:
        for task in calls:
            task.cancel()
        for stream in streams:
            if stream.done() and not stream.exception():
                stream.result().cut()
        await asyncio.gather(*calls, return_exceptions=True)


async def is_served(who: Caller, record: Record) -> None:
    """Somebody else writes, reads, follows an answer and gets one; and the process is said to live."""
    started_s = time.monotonic()
    thread = await who.create_thread(organizationId=who.organization)
    answers = [thread, await who.post_message(thread, "hello"), await who.list_messages(thread)]
    answers += [await who.respond(thread, input="hello"), await who.generate_name(thread)]
    alive = await who.client.get("/healthz")
    took_s = time.monotonic() - started_s
    refused = [answer for answer in answers if not is_ok(answer)]
    record.check(not refused and alive.status_code == 200, f"somebody else was refused: {refused} {alive.status_code}")
    record.check(took_s < ANSWERED_S, f"somebody else's calls took {took_s:.1f} s")
    record.count("calls of others meanwhile", len(answers) + 1)


def is_ok(answer: Answer) -> bool:
    return answer.status in (200, 201)
