"""Connects to one of several PostgreSQL hosts: a primary and the standbys that may take its place."""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from threadkeep.settings import SettingError

MALFORMED = "THREADKEEP_DATABASE_URL is no address: write postgresql://user:password@host:5432/name."
# The server that takes writes is wanted, whichever it is, unless the URL says otherwise.
WANTED = "target_session_attrs"
# The last of these is a host that is there and the wrong one.
REFUSALS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Hosts:
    """The hosts of one URL; the one that was connected to last is asked first.

    Each gets its share of the time. asyncpg gives all of it to the first: a machine that is silent, as one without
    power is, would keep it from ever asking the next.
    """

    def __init__(self, url: str) -> None:
        self._urls = one_by_one(url)
        self._options = {WANTED: "read-write"} if len(self._urls) > 1 and WANTED not in url else {}

    async def connect(self, timeout_s: float, **options: Any) -> Any:  # Any: asyncpg has no types.
        """Open a connection. Raises the refusal of the last host when none can be used."""
        share_s = timeout_s / len(self._urls)
        refusal: Exception = OSError("no host")
        for url in tuple(self._urls):
            try:
                connection = await asyncpg.connect(url, timeout=share_s, **self._options, **options)
            except REFUSALS as error:
                refusal = error
            else:
                self._urls.remove(url)
                self._urls.insert(0, url)
                return connection
        raise refusal


def one_by_one(url: str) -> list[str]:
    """Split `postgresql://user@a:5432,b:5432/name` into a URL for each host. Raises SettingError."""
    try:
        parts = urlsplit(url)
        credentials, at, hosts = parts.netloc.rpartition("@")
        urls = [urlunsplit(parts._replace(netloc=f"{credentials}{at}{host}")) for host in hosts.split(",")]
        for each in urls:
            _ = urlsplit(each).port
    except ValueError:
        # Without the reason: it may hold the password.
        raise SettingError(MALFORMED) from None
    return urls if "," in hosts else [url]
