"""How many requests a credential may send in a minute, counted by each process for itself."""

import time

from threadkeep.errors import RateLimited

WINDOW_S = 60


class RateLimit:
    """A limit for each caller in windows of one minute of the clock. All counts are forgotten with their window."""

    def __init__(self, requests_max: int) -> None:
        self._requests_max = requests_max
        self._window = 0
        self._counts: dict[str, int] = {}

    def count(self, caller: str) -> None:
        """Count one request. Raises RateLimited when it is one too many in this minute."""
        now_s = time.time()
        window = int(now_s) // WINDOW_S
        if window != self._window:
            self._window = window
            self._counts.clear()
        count = self._counts[caller] = self._counts.get(caller, 0) + 1
        if count > self._requests_max:
            raise RateLimited(headers=self._headers(now_s))

    def _headers(self, now_s: float) -> dict[str, str]:
        wait_s = str(int((self._window + 1) * WINDOW_S - now_s) + 1)
        return {
            "Retry-After": wait_s,
            "RateLimit-Limit": str(self._requests_max),
            "RateLimit-Remaining": "0",
            "RateLimit-Reset": wait_s,
        }
