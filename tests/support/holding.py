"""Holds what a server wants to write, from outside, as another process would."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import apsw

from support.postgres import connected
from support.server import Database
from support.stored import BUSY_MS

Run = Callable[[str], Awaitable[Any]]


@asynccontextmanager
async def holding(database: Database, thread_id: str) -> AsyncIterator[Run]:
    """Hold a thread's row, on SQLite the file, until the block ends; what is run in it counts from then on."""
    async with held(database, f"select 1 from threads where id = '{thread_id}' for update") as run:
        yield run


@asynccontextmanager
async def held(database: Database, locks: str) -> AsyncIterator[Run]:
    """Do the same with what a statement of PostgreSQL locks."""
    if database.kind == "postgres":
        async with connected(database.url) as connection, connection.transaction():
            await connection.execute(locks)
            yield connection.execute
        return
    file = apsw.Connection(database.url.removeprefix("sqlite:///"), flags=apsw.SQLITE_OPEN_READWRITE)
    file.set_busy_timeout(BUSY_MS)

    async def run(sql: str) -> None:
        file.execute(sql)

    try:
        file.execute("begin immediate")
        yield run
        file.execute("commit")
    finally:
        file.close()
