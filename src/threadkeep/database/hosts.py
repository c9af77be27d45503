"""Connects to one of several PostgreSQL hosts: a primary and the standbys that may take its place."""

from collections.abc import Mapping
from typing import Any

import asyncpg

from threadkeep.database.postgres_url import read_url

PROGRAM = "threadkeep"
# The last is asyncpg's error for a host that answers but is not of the wanted kind, such as a standby.
REFUSALS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Hosts:
    """The hosts of one URL; the one that was connected to last is asked first.

    Each host gets an equal share of the time. asyncpg alone would spend all of it on the first host: if that machine
    is without power and stays silent, the next one would never be asked.
    """

    def __init__(self, url: str) -> None:
        address = read_url(url)
        self._urls = list(address.urls)
        self._connect_timeout_s = address.connect_timeout_s or float("inf")
        self._application_name = address.application_name or PROGRAM
        self._options: dict[str, Any] = {}
        # Unless the URL says otherwise, the host that takes writes is wanted.
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
