"""Runs the server: opens the database, listens, and ends cleanly on SIGTERM."""

import asyncio
import errno
import gc
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from threadkeep.database import is_sqlite, open_database, sqlite_path
from threadkeep.database.driver import Database
from threadkeep.providers.catalogue import Catalogue
from threadkeep.runtime.runtime import Runtime
from threadkeep.runtime.tally import Tally
from threadkeep.server.app import App
from threadkeep.server.tokens import server_secret
from threadkeep.server.transport.server import BACKLOG, Server, StopSignals
from threadkeep.settings import SettingError, Settings

Started = Callable[[Database, str], Any]  # Any: awaitable; called with the database and the secret.


def run(
    settings: Settings,
    sockets: list[socket.socket],
    before_serving: Started | None = None,
    tally: Tally | None = None,
) -> None:
    """Serve on `sockets` until SIGTERM or SIGINT, which also end a server that is still starting."""
    run_until_signal(serve(settings, sockets, before_serving, tally))


def run_until_signal(work: Coroutine[Any, Any, None]) -> bool:
    """Run `work`, which makes its `StopSignals` first. Return False if it was cancelled by a signal."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(work)
        except asyncio.CancelledError:
            return False
    return True


async def serve(
    settings: Settings, sockets: list[socket.socket], before_serving: Started | None, tally: Tally | None
) -> None:
    signals = StopSignals()
    # First: a model that cannot be used must end the program before anything is created or printed.
    catalogue = Catalogue(settings)
    path = sqlite_path(settings) if is_sqlite(settings) else None
    # PostgreSQL's must be set: if not, fail before anything is created. SQLite's is beside the file, which opens next.
    secret = server_secret(settings, None) if path is None else ""
    database = await open_database(settings, serving=True)
    try:
        secret = secret or server_secret(settings, path)
        runtime = Runtime(database, settings, catalogue, tally)
        app = App(database, settings, secret, runtime)
        # Whoever reads that it serves may connect at once, and waits for the little that is left to do.
        for each in sockets:
            each.listen(BACKLOG)
        if before_serving is not None:
            await before_serving(database, secret)
        try:
            await runtime.start()
            server = Server(app, settings, runtime.drain)
            signals.end(server)
            # What is there by now stays: the collector need not look at it again with every few hundred requests.
            gc.collect()
            gc.freeze()
            await server.serve(sockets)
        finally:
            await runtime.close()
    finally:
        await database.close()


def reason_of(error: OSError) -> str:
    """Return what to do about an address that cannot be listened on."""
    if error.errno == errno.EADDRINUSE:
        return (
            "another program listens there; choose another with --port (make serve PORT=8001), or 0 for any free one."
        )
    if error.errno == errno.EACCES:
        return "ports below 1024 are for programs with the right to them; choose another --port."
    return "--host takes an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all of them."


def listen(host: str, port: int) -> socket.socket:
    """Bind a socket early, so that a taken port is a clear error before anything else happens. Raises SettingError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SettingError(f"{host}:{port} cannot be listened on: {reason_of(error)}") from None
    listener.set_inheritable(True)
    return listener
