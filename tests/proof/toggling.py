"""Who sets a state and lifts it again, and what a thread must look like from the one to the other."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from proof.record import Record
from support.cast import Answer, Caller
from support.stored import Stored

# A state is kept, and left, for so long at most; writes that come late come within this time.
HELD_S = 0.008
ANSWERED_S = 30
# The API is asked in every so manieth span, the database in all of them.
LISTED_EVERY = 10

MESSAGES = """
    select t.message_count, t.last_seq, t.cleared_seq, t.title, t.response_id,
        m.seq, m.id, m.role, m.content, m.tool_calls, m.metadata, m.status, m.revision
    from threads t
    left join messages m on m.organization = t.organization and m.thread = t.key and m.seq > t.cleared_seq
    where t.id = '{}' order by m.seq
    """
# Of answers that are there: those of deleted ones go in the background.
EVENTS = """
    select count(*), max(e.n) from threads t
    join messages m on m.organization = t.organization and m.thread = t.key and m.seq > t.cleared_seq
    join responses r on r.organization = m.organization and r.thread = m.thread and r.message_seq = m.seq
    join response_events e on e.organization = r.organization and e.response = r.key
    where t.id = '{}'
    """


@dataclass
class Span:
    """From the answer that a state is set to the request that lifts it; revisions are those of both answers."""

    what: str
    asked_s: float
    from_s: float
    until_s: float
    first_revision: int
    last_revision: int


@dataclass
class Thread:
    """A thread in a race: `explained` are the revisions that came of changes which its state allowed.

    `known` are some messages of it, for those who change them.
    """

    id: str
    spans: list[Span] = field(default_factory=list)
    explained: set[int] = field(default_factory=set)
    known: deque[str] = field(default_factory=lambda: deque(maxlen=20))

    def explain(self, answer: Answer) -> int:
        revision = int(answer.etag.strip('"'))
        self.explained.add(revision)
        return revision


class Toggler:
    """Sets one of the two states and lifts it, again and again; the other toggler of the thread sets the other."""

    def __init__(self, who: Caller, thread: Thread, stored: Stored, record: Record, *, archives: bool) -> None:
        self.who = who
        self.thread = thread
        self.stored = stored
        self.record = record
        self.set, self.lift = (who.archive, who.unarchive) if archives else (who.lock, who.unlock)
        self.what = "archived" if archives else "locked"

    async def toggle(self, times: int, opened_s: float) -> None:
        for number in range(times):
            await self.toggle_once(with_list=number % LISTED_EVERY == 0)
            await asyncio.sleep(random.uniform(0, opened_s))

    async def toggle_once(self, *, with_list: bool) -> None:
        asked_s, answer = await self.done(self.set)
        from_s, first_revision = time.monotonic(), self.thread.explain(answer)
        before = await self.look(with_list=with_list)
        await asyncio.sleep(random.uniform(0, HELD_S))
        after = await self.look(with_list=with_list)
        until_s, lifted = await self.done(self.lift)
        last_revision = self.thread.explain(lifted)
        self.thread.spans.append(Span(self.what, asked_s, from_s, until_s, first_revision, last_revision))
        self.record.count("toggles", 2)
        counts = answer.messageCount, lifted.messageCount
        self.record.check(counts[0] == counts[1], f"messageCount of the {self.what} thread went {counts}")
        if before != after:
            rows = sorted(set(before[-1]) ^ set(after[-1]), key=repr)
            self.record.violation(f"the {self.what} thread changed: {before[:-1]} became {after[:-1]}; {rows[:2]}")

    async def done(self, act: Callable[[Any], Awaitable[Answer]]) -> tuple[float, Answer]:
        """Act, again while the other toggler has the thread archived; return when the request that counted began."""
        async with asyncio.timeout(ANSWERED_S):
            while True:
                began_s = time.monotonic()
                answer = await act(self.thread.id)
                if answer.status == 200:
                    return began_s, answer
                assert answer.code in ("thread_archived", "unavailable"), answer
                await asyncio.sleep(random.uniform(0, HELD_S))

    async def look(self, *, with_list: bool) -> tuple[Any, ...]:
        """Return the number of messages, the last number given, and hashes of all that they hold."""
        rows = await self.stored.rows(MESSAGES.format(self.thread.id))
        events = await self.stored.rows(EVENTS.format(self.thread.id))
        listed = (await self.who.list_messages(self.thread.id, limit=100)).text if with_list else ""
        return *rows[0][:2], *events, hash_of(rows), hash_of(listed), rows


def hash_of(value: object) -> str:
    return sha256(repr(value).encode()).hexdigest()[:12]


def check_revisions(thread: Thread, record: Record) -> None:
    """Every change moves the revision by one: between setting and lifting a state only allowed changes did."""
    for span in thread.spans:
        moved = set(range(span.first_revision, span.last_revision + 1)) - thread.explained
        record.check(not moved, f"{len(moved)} changes were committed to a thread while it was {span.what}")
