"""Limits slow reads: few at a time, never all for one organization, in fair turns."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from threadkeep.database.connections import give_up
from threadkeep.errors import RateLimited, Unavailable
from threadkeep.scope import Scope

PER_USER_MAX = 8

# An organization, and a user of it or None for all; the service itself is a user without an id.
Key: TypeAlias = tuple[int, str | None]


@dataclass(eq=False, slots=True)
class Waiting:
    organization: Key
    user: Key
    turn: asyncio.Future[None]


class SlowReads:
    """The places for slow reads (that no index bounds) in one process."""

    def __init__(self, places: int, wait_s: float) -> None:
        self._free = places
        # One organization always leaves a place for others.
        self._share = max(1, places - 1)
        self._wait_s = wait_s
        self._running: Counter[Key] = Counter()
        # How many reads each user has, waiting or running.
        self._asked: Counter[Key] = Counter()
        self._waiting: list[Waiting] = []
        # The number of the last turn of each organization and user that waits or reads.
        self._turns: dict[Key, int] = {}
        self._turns_count = 0

    @asynccontextmanager
    async def place(self, scope: Scope) -> AsyncIterator[None]:
        """Wait for a place and hold it. Raises Unavailable after a long wait, RateLimited for too many of one user."""
        who = Waiting(
            (scope.organization, None), (scope.organization, scope.user_id), asyncio.get_running_loop().create_future()
        )
        if scope.is_one_user and self._asked[who.user] >= PER_USER_MAX:
            raise RateLimited(
                f"This user has {PER_USER_MAX} searches under way, as many as may: wait for one to end.",
                headers={"Retry-After": "1"},
            )
        self._asked[who.user] += 1
        self._waiting.append(who)
        try:
            self._hand_out()
            await self._wait(who)
            yield
        finally:
            self._leave(who)

    async def _wait(self, who: Waiting) -> None:
        # Not `asyncio.timeout`, which needs a task: a read of SQLite may run without one.
        timer = asyncio.get_running_loop().call_later(self._wait_s, give_up, who.turn)
        try:
            await who.turn
        except TimeoutError:
            raise Unavailable("Too many searches run at the moment: try again.") from None
        finally:
            timer.cancel()

    def _hand_out(self) -> None:
        """Hand out free places: to the organization whose last turn is longest ago, and there to such a user."""
        while self._free:
            # One that was given up a moment ago is still in the list.
            next_ones = [
                each
                for each in self._waiting
                if self._running[each.organization] < self._share and not each.turn.done()
            ]
            if not next_ones:
                return
            chosen = min(
                next_ones, key=lambda each: (self._turns.get(each.organization, 0), self._turns.get(each.user, 0))
            )
            self._waiting.remove(chosen)
            self._free -= 1
            self._running[chosen.organization] += 1
            self._turns_count += 1
            self._turns[chosen.organization] = self._turns[chosen.user] = self._turns_count
            chosen.turn.set_result(None)

    def _leave(self, who: Waiting) -> None:
        if who in self._waiting:
            self._waiting.remove(who)
        else:
            self._free += 1
            self._running[who.organization] -= 1
        self._asked[who.user] -= 1
        self._forget(who)
        self._hand_out()

    def _forget(self, who: Waiting) -> None:
        """Drop the counts of a user or organization that neither waits nor reads."""
        if not self._asked[who.user]:
            del self._asked[who.user]
            self._turns.pop(who.user, None)
        if not self._running[who.organization]:
            del self._running[who.organization]
            if all(each.organization != who.organization for each in self._waiting):
                self._turns.pop(who.organization, None)
