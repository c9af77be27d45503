"""Stops processes for a while, also in the middle of a transaction, and looks whether they really are in one."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import apsw
import psutil

from proof.place import Place
from support.postgres import connected
from support.server import Server

STOPPED_S = 5
# A statement that was under way comes to its end in the database, though nobody takes the answer.
STATEMENT_S = 0.004
HUNT_S = 6
INSIDE = """
    select count(*) from pg_stat_activity where state = 'idle in transaction' and client_port = any($1::int[])
    """


async def freeze(server: Server) -> None:
    """Stop the process; return when it has stopped."""
    pid = pid_of(server)
    os.kill(pid, signal.SIGSTOP)
    until_s = time.monotonic() + STOPPED_S
    while not has_stopped(pid):
        assert time.monotonic() < until_s, "a process does not stop"
        await asyncio.sleep(0)


def has_stopped(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_STOPPED


def thaw(server: Server) -> None:
    os.kill(pid_of(server), signal.SIGCONT)


def pid_of(server: Server) -> int:
    assert server.process is not None
    return server.process.pid


class Looker:
    """Sees whether a frozen process is inside a transaction: an open one on PostgreSQL, a writing one on SQLite."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    @classmethod
    @asynccontextmanager
    async def at(cls, place: Place) -> AsyncIterator["Looker"]:
        if place.kind == "postgres":
            async with connected(place.database.url) as connection:
                yield cls(connection)
            return
        connection = apsw.Connection(place.database.url.removeprefix("sqlite:///"))
        try:
            yield cls(connection)
        finally:
            connection.close()

    async def is_inside(self, server: Server) -> bool:
        if isinstance(self.connection, apsw.Connection):
            return self._is_locked()
        await asyncio.sleep(STATEMENT_S)
        ports = [each.laddr.port for each in psutil.Process(pid_of(server)).net_connections("tcp") if each.raddr]
        return bool(await self.connection.fetchval(INSIDE, ports))

    def _is_locked(self) -> bool:
        try:
            self.connection.execute("begin immediate")
        except apsw.BusyError:
            return True
        self.connection.execute("rollback")
        return False

    async def freeze_inside(self, server: Server) -> bool:
        """Stop the process again and again until it is caught inside a transaction; return whether it was, and is."""
        until_s = time.monotonic() + HUNT_S
        while True:
            await freeze(server)
            if await self.is_inside(server):
                return True
            if time.monotonic() > until_s:
                return False
            thaw(server)
            await asyncio.sleep(random.uniform(0, 0.01))
