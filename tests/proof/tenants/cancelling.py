"""The application in the proof's own process, on a pool of few connections, so that its tasks can really be cancelled.

A client that goes away cancels nothing in a server: uvicorn tells the handler, and lets it end. What does cancel tasks
is a time limit, the end of a server, or another server than ours under the application.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from proof.record import Record
from support.server import SECRET, Database
from threadkeep.database import open_database
from threadkeep.providers.catalogue import Catalogue
from threadkeep.runtime.runtime import Runtime
from threadkeep.server.app import App
from threadkeep.settings import Settings

POOL_SIZE = 4
UNLIMITED = 10**9
CANCELLED = "handlers cancelled in the middle"


class Watched:
    """The application; it notes which of its handlers were really inside when they were cancelled."""

    def __init__(self, app: App, record: Record) -> None:
        self._app = app
        self._record = record

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            self._record.fault(CANCELLED)
            raise


@asynccontextmanager
async def application(database: Database, record: Record) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client whose requests run in the task that sends them: who cancels that cancels the handler."""
    settings = Settings(
        database_url=database.url,
        secret=SECRET,
        pool_size=POOL_SIZE,
        rate_key_per_minute=UNLIMITED,
        # A busy machine is no fault of a search.
        slow_read_s=30.0,
    )
    catalogue = Catalogue(settings)
    opened = await open_database(settings, serving=True)
    try:
        runtime = Runtime(opened, settings, catalogue)
        app = App(opened, settings, SECRET, runtime)
        await runtime.start()
        try:
            transport = httpx.ASGITransport(Watched(app, record), raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url="http://inside") as client:
                yield client
        finally:
            await runtime.close()
    finally:
        await opened.close()
