"""Connects to one of several PostgreSQL hosts: a primary and the standbys that may take its place."""

import asyncio
from collections.abc import Mapping
from typing import Any

import asyncpg

from threadkeep import clock
from threadkeep.database.postgres_url import read_url

PROGRAM = "threadkeep"
# A host that has not answered within this time is not waited for alone: the next one is asked as well.
HEAD_START_S = 1.0
# The last is asyncpg's error for a host that answers but is not of the wanted kind, such as a standby.
REFUSALS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Hosts:
    """The hosts of one URL; the one that was connected to last is asked first.

    asyncpg alone would spend all of the time on the first host: if that machine is without power and stays silent, the
    next one would never be asked. Here the next one is asked a second later, and whichever can be used first is.
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
        """Open a connection with the settings of `session`. Raises the last refusal when no host can be used.

        Any: asyncpg has no types.
        """
        settings = {"application_name": self._application_name, **session}
        until_s = clock.monotonic_s() + timeout_s

        async def ask(url: str) -> Any:
            left_s = min(until_s - clock.monotonic_s(), self._connect_timeout_s)
            return await asyncpg.connect(url, timeout=left_s, server_settings=settings, **self._options, **options)

        refusal: BaseException = OSError("no host")
        asked: dict[asyncio.Task[Any], str] = {}
        waiting = list(self._urls)
        try:
            while waiting or asked:
                if waiting:
                    url = waiting.pop(0)
                    asked[asyncio.ensure_future(ask(url))] = url
                # A host that is silent keeps its time; only the next one need not wait for that.
                ended, _ = await asyncio.wait(
                    asked, timeout=HEAD_START_S if waiting else None, return_when=asyncio.FIRST_COMPLETED
                )
                for task in ended:
                    url = asked.pop(task)
                    error = task.exception()
                    if error is None:
                        self._urls.remove(url)
                        self._urls.insert(0, url)
                        return task.result()
                    if not isinstance(error, REFUSALS):
                        raise error
                    refusal = error
        finally:
            for task in asked:
                task.add_done_callback(end)
                task.cancel()
        raise refusal


def end(task: asyncio.Task[Any]) -> None:
    """Close the connection of a host that was asked as well and came too late."""
    if not task.cancelled() and task.exception() is None:
        task.result().terminate()
