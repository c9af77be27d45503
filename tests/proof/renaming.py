"""Clients who give threads titles that count up: none of them may ever fall behind what was answered."""

import asyncio
from dataclasses import dataclass
from types import TracebackType

import httpx

from proof.record import Record
from support.cast import Caller

RETRY_S = 0.05
END_S = 60


@dataclass
class Title:
    """The numbers that were sent to one thread last, and answered last."""

    thread: str
    sent: int = 0
    answered: int = 0


class Renaming:
    """So many clients, each with a thread of its own, rename without a pause while the block runs."""

    def __init__(self, who: Caller, clients: int) -> None:
        self._who = who
        self._clients = clients
        self._is_over = False
        self._tasks: list[asyncio.Task[None]] = []
        self.titles: list[Title] = []

    async def __aenter__(self) -> "Renaming":
        self.titles = [Title((await self._who.create_thread(title="0")).id) for _ in range(self._clients)]
        self._tasks = [asyncio.create_task(self._rename(title)) for title in self.titles]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._is_over = True
        async with asyncio.timeout(END_S):
            await asyncio.gather(*self._tasks, return_exceptions=kind is not None)

    async def _rename(self, title: Title) -> None:
        while not self._is_over:
            title.sent += 1
            try:
                answer = await self._who.update(title.thread, title=str(title.sent))
            except httpx.TransportError as error:
                assert not isinstance(error, httpx.TimeoutException), "a rename hangs"
                await asyncio.sleep(RETRY_S)
                continue
            if answer.status == 200:
                title.answered = title.sent
            else:
                assert (answer.status, answer.code) == (503, "unavailable"), answer
                await asyncio.sleep(RETRY_S)

    @property
    def answered_count(self) -> int:
        return sum(title.answered for title in self.titles)

    async def check(self, who: Caller, record: Record) -> None:
        """An answered title stands, or one that was sent after it and whose answer never came."""
        for title in self.titles:
            stored = int((await who.get(title.thread)).title)
            if stored < title.answered:
                record.violation(f"the title {stored} stands, although {title.answered} was answered")
            record.check(stored <= title.sent, f"the title {stored} was never sent: the last was {title.sent}")
