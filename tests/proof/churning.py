"""Writers that never let a list rest: objects come, go, change and hide while others walk."""

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence

from proof.record import Record
from proof.walking import NEVER_S, Life, Span
from support.cast import Answer, Caller

LOOSE_MAX = 120


class Churn(ABC):
    """Objects of the list at `path`: the steady ones stay as they are, the others go and come."""

    path = "/v1/threads"

    def __init__(self, callers: Sequence[Caller], record: Record) -> None:
        self.callers = callers
        self.record = record
        self.lives: dict[str, Life] = {}
        self.loose: list[str] = []
        self.is_over = False
        # How many walks go on: what is written meanwhile is what attacks them.
        self.walks = 0

    @property
    def who(self) -> Caller:
        return random.choice(self.callers)

    @property
    def oldest(self) -> str:
        return next(iter(self.lives))

    @abstractmethod
    async def make(self, *, steady: bool = False) -> str:
        """Make an object and return its id."""

    @abstractmethod
    async def delete(self, id: str) -> None:
        """Delete an object that was taken."""

    @abstractmethod
    async def run(self) -> None:
        """Write until it is over."""

    def born(self, made: Answer, began_s: float, *, steady: bool = False) -> str:
        id = str(self.expect(made, 201).id)
        self.lives[id] = Life(Span(began_s, time.monotonic()))
        if not steady:
            self.loose.append(id)
        self.wrote("creations")
        return id

    @property
    def is_full(self) -> bool:
        """Whether there are so many loose objects that one must go: lists that grow would be walked ever longer."""
        return len(self.loose) >= LOOSE_MAX

    def take(self) -> str | None:
        """Return a loose object that nobody else changes meanwhile."""
        if not self.loose:
            return None
        place = random.randrange(len(self.loose))
        self.loose[place], self.loose[-1] = self.loose[-1], self.loose[place]
        return self.loose.pop()

    async def end(self, id: str, deleting: Awaitable[Answer]) -> None:
        began_s = time.monotonic()
        self.lives[id].gone = Span(began_s, NEVER_S)
        self.expect(await deleting, 200)
        self.lives[id].gone = Span(began_s, time.monotonic())
        self.wrote("deletions")

    def expect(self, answer: Answer, status: int) -> Answer:
        assert answer.status == status, f"a write was refused: {answer}"
        return answer

    def wrote(self, what: str) -> None:
        if self.walks:
            self.record.fault(f"{what} during walks")


class ThreadChurn(Churn):
    """Threads that are made, deleted, changed, given messages, and put into the archive for a moment."""

    async def make(self, *, steady: bool = False) -> str:
        began_s = time.monotonic()
        messages = [{"role": "user", "content": "hello"}]
        made = await self.who.create_thread(metadata={"kind": "walked"}, messages=messages)
        return self.born(made, began_s, steady=steady)

    async def delete(self, id: str) -> None:
        await self.end(id, self.who.delete(id))

    async def run(self) -> None:
        while not self.is_over:
            chance = random.random()
            id = self.take() if self.is_full or chance > 0.35 else None
            if id is None:
                await self.make()
            elif chance < 0.6:
                await self.delete(id)
            else:
                await (self.change(id) if chance < 0.9 else self.hide(id))
                self.loose.append(id)

    async def change(self, id: str) -> None:
        began_s = time.monotonic()
        # Known before it is sent: a walk may see the change before its answer has come.
        self.lives[id].changes.append(Span(began_s, NEVER_S))
        if random.random() < 0.5:
            self.expect(await self.who.post_message(id, "once more"), 201)
        else:
            self.expect(await self.who.update(id, title=f"Changed at {began_s}"), 200)
        self.lives[id].changes[-1] = Span(began_s, time.monotonic())
        self.wrote("changes")

    async def hide(self, id: str) -> None:
        began_s = time.monotonic()
        life = self.lives[id]
        life.changes.append(Span(began_s, NEVER_S))
        life.absences.append(Span(began_s, NEVER_S))
        self.expect(await self.who.archive(id), 200)
        self.expect(await self.who.unarchive(id), 200)
        life.changes[-1] = life.absences[-1] = Span(began_s, time.monotonic())
        self.wrote("moments in the archive")


class MessageChurn(Churn):
    """Messages of one thread."""

    def __init__(self, callers: Sequence[Caller], record: Record, thread: str) -> None:
        super().__init__(callers, record)
        self.thread = thread

    @property
    def path(self) -> str:  # type: ignore[override]
        return f"/v1/threads/{self.thread}/messages"

    async def make(self, *, steady: bool = False) -> str:
        began_s = time.monotonic()
        return self.born(await self.who.post_message(self.thread), began_s, steady=steady)

    async def delete(self, id: str) -> None:
        await self.end(id, self.who.delete_message(self.thread, id))

    async def run(self) -> None:
        while not self.is_over:
            id = self.take() if self.is_full or random.random() < 0.5 else None
            await (self.make() if id is None else self.delete(id))
