"""The service inside the caller's own process: one file, no port, for as long as its client is open.

It runs on an event loop of its own, in a thread, and takes requests as if they came from a socket.
"""

import asyncio
import atexit
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import uvloop

from threadkeep import clock
from threadkeep import settings as settings_module
from threadkeep.client import AsyncClient, Client
from threadkeep.database import open_database, sqlite_path
from threadkeep.database.driver import Database, Transaction
from threadkeep.embedded.transport import AsyncInProcessTransport, Bridge, InProcessTransport
from threadkeep.errors import InvalidCredentials
from threadkeep.ids import new_id
from threadkeep.operations.organizations import administration
from threadkeep.operations.organizations.credentials import find_memberships
from threadkeep.operations.organizations.owners import find_owners
from threadkeep.providers.catalogue import Catalogue
from threadkeep.runtime.runtime import Runtime
from threadkeep.scope import Credential
from threadkeep.server.auth import Authenticator, Caller
from threadkeep.server.cursors import CursorSeal
from threadkeep.server.metrics import Metrics
from threadkeep.server.pipeline import Limits, Pipeline
from threadkeep.server.routes import ENDPOINTS
from threadkeep.server.tokens import TokenVerifier, server_secret
from threadkeep.settings import SettingError, Settings

ADDRESS = "http://embedded"
# The client must send some credential, which this service ignores.
NO_CREDENTIAL = "embedded"
UNLIMITED = 1_000_000_000
C = TypeVar("C", Client, AsyncClient)
# How long requests under way may take when the client is closed, after responses have had `drain_s`.
LAST_REQUESTS_S = 1.0


def open(
    path: str | os.PathLike[str] = "threadkeep.db",
    *,
    settings: Settings | None = None,
    model_url: str | None = None,
    model_key: str | None = None,
    model: str | None = None,
    user_id: str | None = None,
    organization_id: str | None = None,
    timeout_s: float = 30.0,
    total_timeout_s: float = 120.0,
) -> Client:
    """Open a SQLite file and return a client with the service inside this process. Close it, or use `with`.

    A new file gets an organization and its owner. The client calls as the owner or, if given, for the user `user_id`.
    Settings come from the environment as they do for `threadkeep serve`, or from `settings`. Without a model, `echo`
    answers. Raises SettingError, DatabaseInUse while another process serves the file, and SchemaMismatch.
    """
    service = Service(settings_for(path, settings, model_url, model_key, model), organization_id)
    http_client = httpx.Client(transport=InProcessTransport(service.bridge), trust_env=False)
    return made(service, partial(Client, http_client=http_client), user_id, timeout_s, total_timeout_s)


def open_async(
    path: str | os.PathLike[str] = "threadkeep.db",
    *,
    settings: Settings | None = None,
    model_url: str | None = None,
    model_key: str | None = None,
    model: str | None = None,
    user_id: str | None = None,
    organization_id: str | None = None,
    timeout_s: float = 30.0,
    total_timeout_s: float = 120.0,
) -> AsyncClient:
    """Like `open`, for asyncio; close it with `aclose()`, or use `async with`. Opening blocks the loop for a moment."""
    service = Service(settings_for(path, settings, model_url, model_key, model), organization_id)
    http_client = httpx.AsyncClient(transport=AsyncInProcessTransport(service.bridge), trust_env=False)
    return made(service, partial(AsyncClient, http_client=http_client), user_id, timeout_s, total_timeout_s)


def made(
    service: "Service", kind: Callable[..., C], user_id: str | None, timeout_s: float, total_timeout_s: float
) -> C:
    """Return a client of this kind that also closes the service. If it cannot be made, close the service at once."""
    try:
        client = kind(
            ADDRESS,
            api_key=NO_CREDENTIAL,
            user_id=user_id,
            organization_id=service.organization_id,
            timeout_s=timeout_s,
            total_timeout_s=total_timeout_s,
        )
    except (TypeError, ValueError):
        service.bridge.close()
        raise
    # Closing the client closes its transport, which closes the service.
    client._connection.pool.own()
    return client


def settings_for(
    path: str | os.PathLike[str],
    settings: Settings | None,
    model_url: str | None,
    model_key: str | None,
    model: str | None,
) -> Settings:
    """Return the settings of a service with one caller, who needs no limits for each user."""
    text = os.fspath(path).removeprefix("sqlite:///")
    if "://" in text or not text:
        raise SettingError("open() takes the path of a SQLite file; a PostgreSQL database is served by a server.")
    base = settings or settings_module.load()
    return replace(
        base,
        database_url=f"sqlite:///{Path(text).absolute()}",
        model_url=base.model_url if model_url is None else model_url,
        model_key=base.model_key if model_key is None else model_key,
        model=base.model if model is None else model,
        rate_key_per_minute=UNLIMITED,
        rate_token_per_minute=UNLIMITED,
        responses_per_user_max=base.responses_per_organization_max,
        waiting_per_user_max=base.waiting_per_organization_max,
        names_per_user_max=base.waiting_per_organization_max,
    )


async def find_or_create(tx: Transaction, organization_id: str | None) -> tuple[str, str]:
    """Return an organization and its first owner; a new database gets both. Raises SettingError."""
    if await administration.is_empty(tx):
        created = await administration.create_organization(
            tx, organization_id or new_id("ORG"), "My organization", new_id("uid")
        )
        organization_id = created
    found = await find_owners(tx, organization_id)
    if len(found) > 1:
        raise SettingError("This database has several organizations: name one with organization_id.")
    for id, owner in found:
        if owner is not None:
            return id, owner
    raise SettingError("This database has no such organization, or none with an owner: see `threadkeep admin`.")


class OwnerAuthenticator(Authenticator):
    """Takes every caller for the owner: in person or, with X-User-Id, a program that acts for its users."""

    def __init__(self, database: Database, tokens: TokenVerifier, cache_s: float, owner: str) -> None:
        super().__init__(database, tokens, cache_s)
        self._owner = owner

    async def caller(self, headers: dict[bytes, bytes]) -> Caller:
        return self.remembered(headers) or await self._verify(kind_of(headers))

    def remembered(self, headers: dict[bytes, bytes]) -> Caller | None:
        return self._remembered(kind_of(headers))

    async def _verify(self, credential: bytes) -> Caller:
        memberships = await self._database.read(find_memberships, self._owner)
        if not memberships:
            raise InvalidCredentials("The owner of this database is no member of an organization any more.")
        fresh_until_s = clock.monotonic_s() + self._cache_s
        caller = Caller(Credential(credential.decode()), self._owner, memberships, fresh_until_s)
        self._callers[credential] = caller
        return caller


def kind_of(headers: dict[bytes, bytes]) -> bytes:
    return (Credential.KEY if b"x-user-id" in headers else Credential.TOKEN).encode()


class Inline(ThreadPoolExecutor):
    """Runs work in the calling thread: while the interpreter exits, no thread can be started."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **more: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(work(*arguments, **more))
        return future


class Service:
    """The service on its thread. Once it is created, the file is open and migrated. Any thread may use it."""

    def __init__(self, settings: Settings, organization_id: str | None) -> None:
        self._settings = settings
        self._wanted = organization_id
        self._is_exiting = False
        self._started: Future[Bridge] = Future()
        self._loop: asyncio.AbstractEventLoop
        self._closing: asyncio.Event
        self.organization_id = ""
        # A daemon: a program that forgets to close its client must end all the same.
        self._thread = threading.Thread(target=self._run, name="threadkeep", daemon=True)
        self._thread.start()
        self.bridge = self._started.result()
        atexit.register(self._exit)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            try:
                runner.run(self._serve())
            except BaseException as error:  # Where a thread ends: `__init__`, which waits for the start, raises it.
                if self._started.done():
                    raise
                self._started.set_exception(error)

    async def _serve(self) -> None:
        catalogue = Catalogue(self._settings)
        database = await open_database(self._settings, serving=True)
        try:
            self.organization_id, owner = await database.write(find_or_create, self._wanted)
            runtime = Runtime(database, self._settings, catalogue)
            try:
                await runtime.start()
                await self._take_requests(self._pipeline(database, owner, runtime), runtime)
            finally:
                await runtime.close()
        finally:
            if self._is_exiting:
                asyncio.get_running_loop().set_default_executor(Inline())
            await database.close()

    def _pipeline(self, database: Database, owner: str, runtime: Runtime) -> Pipeline:
        settings = self._settings
        secret = server_secret(settings, sqlite_path(settings))
        tokens = TokenVerifier(settings, secret)
        authenticator = OwnerAuthenticator(database, tokens, settings.credential_cache_s, owner)
        seal, metrics = CursorSeal(secret), Metrics(runtime.tally)
        limits = Limits(settings)
        return Pipeline(ENDPOINTS, database, authenticator, settings, metrics, seal, runtime.answering, limits)

    async def _take_requests(self, pipeline: Pipeline, runtime: Runtime) -> None:
        """Answer requests until the client is closed; then give running responses and requests time to end."""
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        bridge = Bridge(pipeline, self._close)
        self._started.set_result(bridge)
        try:
            await self._closing.wait()
            await runtime.drain()
            if bridge.exchanges:
                await asyncio.wait(bridge.exchanges, timeout=LAST_REQUESTS_S)
        finally:
            bridge.end()

    def _close(self) -> None:
        if self._thread.is_alive():
            with suppress(RuntimeError):  # The loop has ended meanwhile.
                self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()
        atexit.unregister(self._exit)

    def _exit(self) -> None:
        self._is_exiting = True
        self.bridge.close()
