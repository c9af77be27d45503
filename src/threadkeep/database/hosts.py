"""Connects to one of several PostgreSQL hosts: a primary and the standbys that may take its place."""

from collections.abc import Mapping
from typing import Any

import asyncpg

from threadkeep.database.postgres_url import read_url

PROGRAM = "threadkeep"
# The last of these is a host that is there and the wrong one.
REFUSALS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Hosts:
    """The hosts of one URL; the one that was connected to last is asked first.

    Each gets its share of the time. asyncpg gives all of it to the first: a machine that is silent, as one without
    power is, would keep it from ever asking the next.
    """

    def __init__(self, url: str) -> None:
        address = read_url(url)
        self._urls = list(address.urls)
        self._connect_timeout_s = address.connect_timeout_s or float("inf")
        self._application_name = address.application_name or PROGRAM
        self._options: dict[str, Any] = {}
        # The server that takes writes is wanted, whichever it is, unless the URL says otherwise.
        if len(self._urls) > 1 and address.target_session_attrs is None:
            self._options["target_session_attrs"] = "read-write"
        if address.servicefile is not None:
            self._options["servicefile"] = address.servicefile

    async def connect(self, timeout_s: float, session: Mapping[str, str], **options: Any) -> Any:
        """Open a connection with the settings of `session`. Raises the refusal of the last host when none can be used.

        Any: asyncpg has no types.
        """
        share_s = min(timeout_s / len(self._urls), self._connect_timeout_s)
        settings = {"application_name": self._application_name, **session}
        refusal: Exception = OSError("no host")
        for url in tuple(self._urls):
            try:
                connection = await asyncpg.connect(
                    url, timeout=share_s, server_settings=settings, **self._options, **options
                )
            except REFUSALS as error:
                refusal = error
            else:
                self._urls.remove(url)
                self._urls.insert(0, url)
                return connection
        raise refusal
