"""Limits what one user and one organization may have open at the same time. Each process counts for itself."""

import math
from collections import Counter

from threadkeep.errors import RateLimited
from threadkeep.scope import Scope

RETRY_S = "5"


class Slot:
    """One of those that are open; whoever took it leaves it once."""

    __slots__ = ("_owners", "_taken")

    def __init__(self, taken: Counter[tuple[int, str]], owners: list[tuple[int, str]]) -> None:
        self._taken = taken
        self._owners = owners
        taken.update(owners)

    def leave(self) -> None:
        for owner in self._owners:
            self._taken[owner] -= 1
            if not self._taken[owner]:
                del self._taken[owner]


class ConcurrencyLimit:
    """So many for each. A program with an admin's or owner's plain key speaks for many, and has no limit of its own."""

    def __init__(self, what: str, per_user_max: int, per_organization_max: float = math.inf) -> None:
        self._what = what
        self._per_user_max = per_user_max
        self._per_organization_max = per_organization_max
        self._taken: Counter[tuple[int, str]] = Counter()

    def take(self, scope: Scope) -> Slot:
        """Take a place, which the caller must leave. Raises RateLimited if all are taken."""
        whole, own = (scope.organization, ""), (scope.organization, scope.user_id)
        if self._taken[whole] >= self._per_organization_max:
            raise self._full("organization", self._per_organization_max)
        if not scope.is_one_user:
            # A program may have a person's user id; it must not use up that person's places.
            return Slot(self._taken, [whole])
        if self._taken[own] >= self._per_user_max:
            raise self._full("user", self._per_user_max)
        return Slot(self._taken, [whole, own])

    def _full(self, whose: str, limit: float) -> RateLimited:
        return RateLimited(
            f"This {whose} has {limit} {self._what} in this process, as many as may: wait for one to end, or end one.",
            headers={"Retry-After": RETRY_S},
        )
