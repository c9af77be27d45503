"""Looks at what is stored, past the service: for promises that must hold at every commit, and for secrets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import apsw

from support.postgres import connected
from support.server import Database

BUSY_MS = 30_000

# Threads whose count is not that of their live messages, or whose messages have numbers that were never given.
WRONG_COUNTS = """
    select t.id, t.message_count, t.last_seq from threads t
    where t.message_count <> (
        select count(*) from messages m
        where m.organization = t.organization and m.thread = t.key and m.seq > t.cleared_seq
    ) or t.last_seq < (
        select coalesce(max(m.seq), 0) from messages m
        where m.organization = t.organization and m.thread = t.key
    )
    """

# Forks in threads that are said to have none, and those whose message, or what it follows, is not there or comes later.
WRONG_PARENTS = """
    select t.id, f.seq, f.parent_seq from forks f
    join threads t on t.organization = f.organization and t.key = f.thread and t.cleared_seq < f.seq
    where t.is_branched = 0 or f.parent_seq >= f.seq or not exists (
        select 1 from messages m where m.organization = f.organization and m.thread = f.thread and m.seq = f.seq
    ) or f.parent_seq > 0 and not exists (
        select 1 from messages m
        where m.organization = f.organization and m.thread = f.thread and m.seq = f.parent_seq and m.seq > t.cleared_seq
    )
    """


class Stored:
    """A connection of its own that only reads. Each `rows` is one statement, so it sees one commit's state."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        if isinstance(self.connection, apsw.Connection):
            return list(self.connection.execute(sql))
        return [tuple(row) for row in await self.connection.fetch(sql)]

    async def tables(self) -> list[str]:
        if isinstance(self.connection, apsw.Connection):
            sql = "select name from sqlite_schema where type = 'table'"
        else:
            sql = "select tablename from pg_tables where schemaname = 'public'"
        return [name for (name,) in await self.rows(sql)]

    async def everything(self) -> str:
        """Return all that is in all tables, as text."""
        return "\n".join(
            [str(row) for table in await self.tables() for row in await self.rows(f'select * from "{table}"')]
        )


@asynccontextmanager
async def stored_in(database: Database) -> AsyncIterator[Stored]:
    if database.kind == "postgres":
        async with connected(database.url) as connection:
            yield Stored(connection)
        return
    connection = apsw.Connection(database.url.removeprefix("sqlite:///"), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(BUSY_MS)
    try:
        yield Stored(connection)
    finally:
        connection.close()
