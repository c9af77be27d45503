"""Server processes on a primary and its standby, people who write through each of them, and what is told of a trial."""

import asyncio
import copy
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from conftest import connect
from operations.clusters import Node, be_confirmed_by, start_standby, url_of
from support.cast import Caller
from support.load import Load
from support.people import People
from support.server import Database, Server, run_threadkeep
from support.zygote import Zygote

THREADS = 8
CLIENTS = 8
DATABASE = "threadkeep_1"


@dataclass
class Pair:
    """A primary, its standby, and two server processes; `callers` are the same owner, at each process."""

    primary: Node
    standby: Node
    servers: list[Server]
    callers: list[Caller]

    @property
    def database(self) -> Database:
        return self.servers[0].database

    async def loads(self) -> list[Load]:
        """Make threads for each process, and clients that write into them through it."""
        made = []
        for caller in self.callers:
            threads = [(await caller.create_thread()).id for _ in range(THREADS)]
            made.append(Load(caller, threads, CLIENTS))
        return made


@asynccontextmanager
async def open_pair(folder: Path, zygote: Zygote, *, confirmed_by: str = "", **settings: str) -> AsyncIterator[Pair]:
    """Start a primary with a standby, and two processes whose URL names both. All ends with the block."""
    primary, standby = Node(folder / "primary"), None
    servers: list[Server] = []
    try:
        await asyncio.to_thread(primary.start)
        await primary.create_database()
        standby = await asyncio.to_thread(start_standby, primary, folder / "standby")
        if confirmed_by:
            await be_confirmed_by(primary, confirmed_by)
        database = Database("postgres", url_of(DATABASE, primary, standby), folder)
        servers = [Server(database, settings, f"server-{number}") for number in (1, 2)]
        for server in servers:
            await server.start()
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(connect(server)) for server in servers]
            owner = await People(servers[0], clients[0], zygote).owner()
            yield Pair(primary, standby, servers, [at(owner, client) for client in clients])
    finally:
        for server in servers:
            server.kill()
        for node in filter(None, (primary, standby)):
            await asyncio.to_thread(node.remove)


def at(who: Caller, client: httpx.AsyncClient) -> Caller:
    other = copy.copy(who)
    other.client = client
    return other


async def lost_of(loads: list[Load], caller: Caller) -> int:
    """Return how many messages were answered 201 and are not there."""
    lost = 0
    for load in loads:
        stored: set[str] = set()
        for thread in load.threads:
            stored |= {each["id"] for each in await caller.walk(f"/v1/threads/{thread}/messages", limit=100)}
        lost += len(set(load.answered.values()) - stored)
    return lost


async def verified(database: Database) -> str:
    """Return what `threadkeep verify` says; fail unless everything holds."""
    finished = await asyncio.to_thread(run_threadkeep, "verify", database=database)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout.strip()


class Watch:
    """A stop-watch."""

    def __init__(self) -> None:
        self.begun_s = time.monotonic()

    @property
    def s(self) -> float:
        return time.monotonic() - self.begun_s


def tell(trial: str, **figures: Any) -> None:
    """Print what a trial measured: the documentation quotes these lines."""
    shown = ", ".join(
        f"{name.replace('_', ' ')} {value:.1f}" if isinstance(value, float) else f"{name.replace('_', ' ')} {value}"
        for name, value in figures.items()
    )
    print(f"\n  {trial}: {shown}", flush=True)
