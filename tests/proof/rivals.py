"""Who talks in the threads of a race: rivals for each thread's turn, at any process, and what they saw end."""

import asyncio
import itertools
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx

from proof.record import Record
from support.cast import Caller
from support.quick_client import QuickClient
from support.scripted_model import Call, answer_of
from support.server import Server
from support.stored import Stored

# Short answers and long ones.
WORDS, WORD_S = (4, 40), 0.06
# Shorter than a process is frozen: then another is asked.
REQUEST_S = 1
PAUSE_S = 0.1
LOOK_S = 0.15
ENDED_S = 60
# One question in so many interrupts whoever talks.
INTERRUPTS = 12

# All that is stored of a response that has ended; nobody writes to it any more.
RESPONSE = """
    select r.status, r.error_code, r.ended_ms, r.last_n, r.input_tokens, r.output_tokens,
        m.content, m.status, m.revision, (
            select count(*) from response_events e where e.organization = r.organization and e.response = r.key
        )
    from responses r
    left join messages m on m.organization = r.organization and m.thread = r.thread and m.seq = r.message_seq
    where r.id = '{}'
    """


def words_of(question: str) -> list[str]:
    least, most = WORDS
    return [f"{question}.{number} " for number in range(least + int(question[1:]) * 7 % (most - least + 1))]


def speak(call: Call) -> Sequence[Any]:
    """Say words that no other call says."""
    words = words_of(call.last_user_text)
    return [step for word in words[:-1] for step in (word, random.uniform(0, WORD_S))] + answer_of(words[-1])


class Office:
    """The threads, the processes, and all that is known of responses so far."""

    def __init__(self, callers: dict[int, Caller], threads: list[str], stored: Stored, record: Record) -> None:
        self.callers = callers
        self.threads = threads
        self.record = record
        self.is_over = False
        self.questions = (f"q{number}" for number in itertools.count())
        # By the port of the process that generates them.
        self.running: defaultdict[int, set[str]] = defaultdict(set)
        self.ended: dict[str, tuple[Any, Any]] = {}
        self._stored = stored
        self._looking = asyncio.Lock()

    async def rows(self, response_id: str) -> list[tuple[Any, ...]]:
        async with self._looking:
            return await self._stored.rows(RESPONSE.format(response_id))

    async def talk(self, thread: str) -> None:
        """Be one of a thread's rivals."""
        while not self.is_over:
            response_id = await self.begin(thread, random.choice(list(self.callers)), next(self.questions))
            if response_id is not None:
                await self.see_end(thread, response_id)
            await asyncio.sleep(random.uniform(0, PAUSE_S))

    async def begin(self, thread: str, port: int, question: str) -> str | None:
        """Ask, at another process if this one is silent; return the response, or None if another has the turn."""
        busy = {"whenBusy": "interrupt"} if int(question[1:]) % INTERRUPTS == 0 else {}
        while not self.is_over:
            who = self.callers[port].retrying(question)
            try:
                answer = await who.respond(thread, input=question, background=True, **busy)
            except httpx.TransportError:
                self.record.count("questions whose result was unknown (asked again)")
                port = random.choice(list(self.callers))
                await asyncio.sleep(LOOK_S)
                continue
            if answer.status == 202:
                if "idempotent-replayed" not in answer.headers:
                    self.running[port].add(answer.id)
                return str(answer.id)
            if answer.code == "thread_busy":
                self.record.count("questions refused as busy")
                return None
            self.record.check(answer.status == 503, f"a question was answered {answer}")
        return None

    async def see_end(self, thread: str, response_id: str) -> None:
        until_s = time.monotonic() + ENDED_S
        while time.monotonic() < until_s:
            try:
                answer = await random.choice(list(self.callers.values())).get_response(thread, response_id)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status == 200 and answer["status"] != "in_progress":
                for each in self.running.values():
                    each.discard(response_id)
                self.ended[response_id] = (answer.body, await self.rows(response_id))
                return
            await asyncio.sleep(LOOK_S)
        self.record.violation(f"a response did not end within {ENDED_S} s")

    def busy_ports(self) -> list[int]:
        return [port for port, running in self.running.items() if running]

    @asynccontextmanager
    async def crowded(self, port: int) -> AsyncIterator[None]:
        """Let many ask this one process meanwhile, so that it is inside transactions often."""
        asking = [asyncio.create_task(self._ask(port)) for _ in range(4)]
        try:
            yield
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)

    async def _ask(self, port: int) -> None:
        while True:
            await self.begin(random.choice(self.threads), port, next(self.questions))


@asynccontextmanager
async def impatient(who: Caller, servers: list[Server]) -> AsyncIterator[dict[int, Caller]]:
    """Give one caller for each process, who does not wait for one that is frozen."""
    async with AsyncExitStack() as stack:
        callers = {}
        for server in servers:
            callers[server.port] = who.with_headers({})
            callers[server.port].client = await stack.enter_async_context(QuickClient(server.url, REQUEST_S))
        yield callers
