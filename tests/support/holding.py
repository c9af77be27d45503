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
    async with held(database, await locks_of(database, thread_id)) as run:
        yield run


async def locks_of(database: Database, thread_id: str) -> str:
    """Return what locks the thread's row. The organization is named: a cluster locks on one machine only."""
    if database.kind != "postgres":
        return ""
    async with connected(database.url) as connection:
        key = await connection.fetchval("select organization from threads where id = $1", thread_id)
    return f"select 1 from threads where organization = {key} and id = '{thread_id}' for update"


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
