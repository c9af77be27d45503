"""Where a proof runs: an empty database, server processes on it that it may kill and freeze, a model, people."""

import asyncio
import copy
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx

from conftest import connect
from proof.record import Record
from support.answering import NOT_ENDED, RUNNING
from support.cast import Caller
from support.people import People
from support.postgres import Postgres
from support.scripted_model import ScriptedModel
from support.server import SECRET, ZYGOTE, Database, Server, run_forked
from support.stored import WRONG_COUNTS, Stored, stored_in
from support.waiting import SWEPT_S, eventually

# What a server writes when something happened that its code did not foresee.
UNFORESEEN = ("Traceback (most recent call last)", "Internal Server Error")


class Place:
    """What a proof attacks. `postgres` is the cluster of the database, None on SQLite."""

    def __init__(self, database: Database, postgres: Postgres | None, model: ScriptedModel) -> None:
        self.database = database
        self.postgres = postgres
        self.model = model
        self.servers: list[Server] = []
        self.secrets = {SECRET, model.settings["THREADKEEP_MODEL_KEY"]}
        # Set by proofs that break the stored data on purpose, or leave no process to end what runs.
        self.is_left_as_it_is = False
        self._clients: dict[str, httpx.AsyncClient] = {}

    @property
    def kind(self) -> str:
        return self.database.kind

    @property
    def folder(self) -> Path:
        return self.database.folder

    async def serve(self, count: int = 1, **settings: str) -> list[Server]:
        """Start so many server processes on the database; SQLite has one, however many are wanted."""
        count = count if self.kind == "postgres" else 1
        settings = {"THREADKEEP_CREDENTIAL_CACHE_S": "0.2", **self.model.settings, **settings}
        # The first one migrates.
        started = [await self._start(settings)]
        started += await asyncio.gather(*(self._start(settings) for _ in range(count - 1)))
        return started

    async def serve_anew(self, count: int = 1, **settings: str) -> list[Server]:
        """Stop all processes, and start others with these settings."""
        for server in self.servers:
            server.stop()
        self.servers.clear()
        return await self.serve(count, **settings)

    async def _start(self, settings: dict[str, str]) -> Server:
        server = Server(self.database, settings, f"server-{len(self.servers) + 1}")
        self.servers.append(server)
        return await server.start()

    def client(self, server: Server) -> httpx.AsyncClient:
        """Return the one client of a server; it goes on to work when the server is started again."""
        if server.url not in self._clients:
            self._clients[server.url] = connect(server)
        return self._clients[server.url]

    def people(self, server: Server) -> People:
        """Make organizations and credentials for callers of this server."""
        return _People(self, server)

    def at(self, who: Caller, server: Server | str) -> Caller:
        """Return the same caller, who now calls this server, or whatever listens at this URL (a proxy)."""
        other = copy.copy(who)
        if isinstance(server, Server):
            other.client = self.client(server)
        else:
            other.client = self._clients.setdefault(server, httpx.AsyncClient(base_url=server, trust_env=False))
        return other

    def stored(self) -> AbstractAsyncContextManager[Stored]:
        """Look at what is stored, past the service."""
        return stored_in(self.database)

    async def check_at_rest(self, record: Record) -> None:
        """Note what must hold after every attack, whatever it was: P1, P9, P19, and all that `verify` knows."""
        for server in self.servers:
            if server.process is None:
                await server.start()
            server.process.send_signal(signal.SIGCONT)  # type: ignore[union-attr]
        async with self.stored() as stored:
            await eventually(lambda: stored.rows(RUNNING), lambda rows: rows == [], SWEPT_S)
            record.check(await stored.rows(NOT_ENDED) == [], "P9: a response never ended")
            record.check(await stored.rows(WRONG_COUNTS) == [], "P1: messageCount is wrong at rest")
        for server in self.servers:
            server.stop()
        verified = await asyncio.to_thread(run_forked, "verify", database=self.database)
        record.check(verified.returncode == 0, f"verify: {verified.stdout}{verified.stderr}")
        for log in self.folder.glob("*.log"):
            text = log.read_text(errors="replace")
            record.check(not any(secret in text for secret in self.secrets), f"P19: a secret is in {log.name}")
            record.check(not any(each in text for each in UNFORESEEN), f"P13: an unforeseen error is in {log.name}")

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()
        for server in self.servers:
            if server.process is not None:
                server.process.send_signal(signal.SIGCONT)
                server.kill()


class _People(People):
    """People whose secrets the place remembers, to look for them later where they must not be."""

    def __init__(self, place: Place, server: Server) -> None:
        super().__init__(server, place.client(server), ZYGOTE)
        self._place = place

    def issued(self, secret: str) -> str:
        self._place.secrets.add(secret)
        return secret


@asynccontextmanager
async def open_place(kind: str, folder: Path, postgres: Postgres | None) -> AsyncIterator[Place]:
    """Make an empty database with nothing running on it yet; all that was started ends with the block."""
    url = f"sqlite:///{folder / 'threadkeep.db'}" if postgres is None else await postgres.create_database()
    model = await ScriptedModel.start()
    place = Place(Database(kind, url, folder), postgres, model)
    try:
        yield place
    finally:
        await place.close()
        await model.stop()
