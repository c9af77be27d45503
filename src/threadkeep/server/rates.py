"""Limits the requests that a credential or an address may send in a minute. Each process counts for itself."""

import ipaddress
import time

from threadkeep.errors import RateLimited

WINDOW_S = 60
# After this many callers in a minute, all further ones share one count.
CALLERS_MAX = 100_000
IPV6_PREFIX = 64


class RateLimit:
    """A limit for each caller in each minute of the clock. All counts start anew with the next minute."""

    def __init__(self, requests_max: int, message: str = "") -> None:
        self._requests_max = requests_max
        self._message = message
        self._ends_s = 0.0
        self._counts: dict[str, int] = {}

    def count(self, caller: str) -> None:
        """Count one request. Raises RateLimited when it is one too many in this minute."""
        now_s = time.time()
        if not self._ends_s - WINDOW_S <= now_s < self._ends_s:
            self._ends_s = (now_s // WINDOW_S + 1) * WINDOW_S
            self._counts.clear()
        counts = self._counts
        if caller not in counts and len(counts) >= CALLERS_MAX:
            caller = ""
        count = counts[caller] = counts.get(caller, 0) + 1
        if count > self._requests_max:
            raise RateLimited(self._message, headers=self._headers(now_s))

    def _headers(self, now_s: float) -> dict[str, str]:
        wait_s = str(int(self._ends_s - now_s) + 1)
        return {
            "Retry-After": wait_s,
            "RateLimit-Limit": str(self._requests_max),
            "RateLimit-Remaining": "0",
            "RateLimit-Reset": wait_s,
        }


def network_of(client: tuple[str, int] | None) -> str:
    """Return what counts as one address: an IPv4 address, or an IPv6 /64 network, since anybody has many in one."""
    if client is None:
        return ""
    try:
        address = ipaddress.ip_address(client[0].partition("%")[0])
    except ValueError:
        return client[0]
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, IPV6_PREFIX), strict=False))
