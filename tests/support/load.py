"""Appends that go on through faults, and the check that nothing answered was lost, doubled or made up afterwards."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType

import httpx

from support.cast import Answer, Caller
from support.waiting import eventually

RETRY_S = 0.05
END_S = 60


class Load:
    """Clients that append without a pause. Every second append has a key and is repeated until it is answered 201."""

    def __init__(self, who: Caller, threads: list[str], clients: int, characters: int = 1) -> None:
        self.who = who
        self.threads = threads
        self.characters = characters
        self.answered: dict[str, str] = {}  # text → id of the message, after a 201
        self.refused: set[str] = set()  # texts without a key whose answer says that nothing was written
        self.unknown: set[str] = set()  # texts without a key that were answered 503, or not at all
        self.seen: Counter[str] = Counter()  # answers: the status and code, or the name of what cut them off
        self.slowest_s = 0.0
        self._clients = clients
        self._numbers = itertools.count()
        self._is_over = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Load":
        self._tasks = [asyncio.create_task(self._client()) for _ in range(self._clients)]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        """Let each client finish what it began; after a failure, give everything up."""
        self._is_over = True
        if kind is not None:
            for task in self._tasks:
                task.cancel()
        async with asyncio.timeout(END_S):
            await asyncio.gather(*self._tasks, return_exceptions=kind is not None)

    async def goes_on(self, more: int = 20, within_s: float = 60) -> None:
        """Wait until so many more were answered 201."""
        await self._reaches(lambda: len(self.answered), len(self.answered) + more, within_s)

    async def meets(self, *kinds: str, more: int, within_s: float = 60) -> None:
        """Wait until clients have got so many more answers of these kinds."""

        def count() -> int:
            return sum(self.seen[kind] for kind in kinds)

        await self._reaches(count, count() + more, within_s)

    async def _reaches(self, count: Callable[[], int], size: int, within_s: float) -> None:
        async def ask() -> int:
            for task in self._tasks:
                if task.done():
                    task.result()  # A client that failed fails the test at once.
            return count()

        await eventually(ask, lambda reached: reached >= size, within_s)

    async def _client(self) -> None:
        while not self._is_over:
            number = next(self._numbers)
            text = f"{number}".ljust(self.characters, ".")
            who = self.who if number % 2 else self.who.retrying(f"work-{number}")
            while not await self._send(who, number, text):  # noqa: ASYNC110 - sending is what is repeated.
                await asyncio.sleep(RETRY_S)

    async def _send(self, who: Caller, number: int, text: str) -> bool:
        """Send one append; return whether it is settled: answered 201, or not to be repeated because it has no key."""
        started_s = time.monotonic()
        try:
            answer = await who.post_message(self.threads[number % len(self.threads)], text)
        except httpx.TransportError as error:
            assert not isinstance(error, httpx.TimeoutException), "an append hangs"
            answer = None
            self.seen[type(error).__name__] += 1
        self.slowest_s = max(self.slowest_s, time.monotonic() - started_s)
        return self._note(answer, text, is_keyed=who is not self.who)

    def _note(self, answer: Answer | None, text: str, *, is_keyed: bool) -> bool:
        if answer is not None:
            self.seen[f"{answer.status} {answer.code or ''}".strip()] += 1
            if answer.status == 201:
                self.answered[text] = answer.id
                return True
            # Retry-After and the one shape of errors are checked by the caller itself.
            assert (answer.status, answer.code) in ((503, "unavailable"), (507, "storage_full")), answer
        if not is_keyed:
            (self.refused if answer is not None and answer.status == 507 else self.unknown).add(text)
        return not is_keyed


async def check(load: Load, who: Caller) -> None:
    """Hold what is stored against what was answered; `who` may reach another process than the load did."""
    stored: dict[str, str] = {}
    for thread in load.threads:
        messages = await who.walk(f"/v1/threads/{thread}/messages", limit=100)
        # Nothing was deleted, and what was rolled back gave its number back: no gap, no number twice, in list order.
        assert [message["seq"] for message in messages] == list(range(1, len(messages) + 1))
        assert (await who.get(thread)).messageCount == len(messages)
        for message in messages:
            text = message["content"][0]["text"]
            assert text not in stored, f"stored twice: {text[:20]}"
            stored[text] = message["id"]
    lost = {text[:20]: id for text, id in load.answered.items() if stored.get(text) != id}
    assert not lost, f"{len(lost)} of {len(load.answered)} answered messages are not stored: {lost}"
    assert not load.refused & stored.keys(), "stored although it was answered that nothing was written"
    invented = stored.keys() - load.answered.keys() - load.unknown
    assert not invented, f"stored although never sent, or sent and refused: {[text[:20] for text in invented]}"
