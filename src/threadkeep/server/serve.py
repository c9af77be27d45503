"""Runs the server: opens the database, listens, and ends cleanly on SIGTERM."""

import asyncio
import logging
import math
import signal
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import uvicorn
import uvloop

from threadkeep.database import is_sqlite, open_database, sqlite_path
from threadkeep.database.driver import Database
from threadkeep.runtime.sweeper import Sweeper
from threadkeep.server.app import App
from threadkeep.server.protocol import LimitedHttpProtocol
from threadkeep.server.tokens import server_secret
from threadkeep.settings import Settings

BACKLOG = 2048
KEEP_ALIVE_S = 75
SIGNALS = (signal.SIGTERM, signal.SIGINT)

Started = Callable[[Database, str], Any]  # Any: awaitable; called with the database and the secret before listening.

logger = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """uvicorn's server, which tells the application when it is ready and when it stops."""

    def __init__(self, config: uvicorn.Config, app: App) -> None:
        super().__init__(config)
        self._app = app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._app.metrics.is_ready = self.started

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.metrics.is_ready = False
        await super().shutdown(sockets)


def limited_protocol(settings: Settings) -> type[LimitedHttpProtocol]:
    return type(
        "ConfiguredProtocol",
        (LimitedHttpProtocol,),
        {"HEADER_BYTES_MAX": settings.header_bytes_max, "HEADER_READ_S": settings.header_read_s, "__slots__": ()},
    )


def run(settings: Settings, sockets: list[socket.socket], before_listening: Started | None = None) -> None:
    """Serve on `sockets` until SIGTERM or SIGINT; one that comes before the server is ready ends it too."""
    run_until_signal(serve(settings, sockets, before_listening))


def run_until_signal(work: Coroutine[Any, Any, None]) -> bool:
    """Run `work`, which calls `cancel_on_signals` first. Return whether it came to its end."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(work)
        except asyncio.CancelledError:
            return False
    return True


def cancel_on_signals() -> None:
    """Have a signal end the start of the server."""
    task = asyncio.current_task()
    assert task is not None
    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


async def leave_signals_to_server() -> None:
    # A signal that came while nothing was awaited is still to be heard: removing its handler would lose it.
    await asyncio.sleep(0.01)
    for number in SIGNALS:
        asyncio.get_running_loop().remove_signal_handler(number)
        # uvicorn raises the signal again when it has ended; by then it has been dealt with.
        signal.signal(number, lambda *_: None)


async def serve(settings: Settings, sockets: list[socket.socket], before_listening: Started | None) -> None:
    cancel_on_signals()
    path = sqlite_path(settings) if is_sqlite(settings) else None
    database = await open_database(settings, serving=True)
    try:
        secret = server_secret(settings, path)
        if before_listening is not None:
            await before_listening(database, secret)
        app = App(database, settings, secret)
        config = uvicorn.Config(
            app,
            http=limited_protocol(settings),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=math.ceil(settings.drain_s),
        )
        sweeper = Sweeper(database)
        sweeper.start()
        await leave_signals_to_server()
        try:
            await Server(config, app).serve(sockets)
        finally:
            await sweeper.stop()
    finally:
        await database.close()


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen, so that a taken port is a clear error before anything else happens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.set_inheritable(True)
    return listener
