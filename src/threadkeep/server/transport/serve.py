"""Runs the server: opens the database, listens, and ends cleanly on SIGTERM."""

import asyncio
import errno
import logging
import math
import resource
import signal
import socket
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn
import uvloop

from threadkeep import clock
from threadkeep.database import is_sqlite, open_database, sqlite_path
from threadkeep.database.driver import Database
from threadkeep.providers.catalogue import Catalogue
from threadkeep.runtime.runtime import Runtime
from threadkeep.runtime.tally import Tally
from threadkeep.server.app import App
from threadkeep.server.connection_limits import Crowd
from threadkeep.server.tokens import server_secret
from threadkeep.server.transport.protocol import LimitedHttpProtocol
from threadkeep.server.transport.turn import Turn
from threadkeep.settings import SettingError, Settings

BACKLOG = 2048
KEEP_ALIVE_S = 75
SIGNALS = (signal.SIGTERM, signal.SIGINT)

Started = Callable[[Database, str], Any]  # Any: awaitable; called with the database and the secret before listening.

logger = logging.getLogger(__name__)


class StopSignals:
    """SIGTERM and SIGINT: one handler from the first step to the last, so that no hand-over can lose a signal."""

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._server: Server | None = None
        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._hear, number)

    def end(self, server: "Server") -> None:
        """From now on a signal ends `server`; until now it cancelled the start."""
        self._server = server

    def _hear(self, number: signal.Signals) -> None:
        if self._server is None:
            self._task.cancel()
        else:
            self._server.handle_exit(number, None)


class Server(uvicorn.Server):
    """uvicorn's server, which tells the application when it is ready and when it stops."""

    def __init__(self, config: uvicorn.Config, app: App, runtime: Runtime) -> None:
        super().__init__(config)
        self._app = app
        self._runtime = runtime

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield  # StopSignals hears them.

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._app.metrics.is_ready = self.started

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.metrics.is_ready = False
        # Before uvicorn waits: it would wait for open streams, which end only when their answers do.
        begun_s = clock.monotonic_s()
        await self._runtime.drain()
        # Other requests had the same time; one second more is for clients who do not read what they asked for.
        left_s = (self.config.timeout_graceful_shutdown or 0) - (clock.monotonic_s() - begun_s)
        self.config.timeout_graceful_shutdown = max(1, math.ceil(left_s))
        await super().shutdown(sockets)


def limited_protocol(settings: Settings, app: App) -> type[LimitedHttpProtocol]:
    return type(
        "ConfiguredProtocol",
        (LimitedHttpProtocol,),
        {
            "HEADER_BYTES_MAX": settings.header_bytes_max,
            "HEADER_READ_S": settings.header_read_s,
            "WRITE_STALL_S": settings.write_stall_s,
            "WAY_OF": staticmethod(app.way_of),
            "TURN": Turn(),
            "CROWD": Crowd(connections_possible(settings.connections_max), settings.transfer_bytes_max),
            "__slots__": (),
        },
    )


def connections_possible(wanted: int) -> int:
    """Return how many connections this process may have; let it open as many files as its user may."""
    _, files_max = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # Not every system takes its own answer.
        resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))
    files_max, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The others are for the database, for models, and for what comes while one connection gives way to another.
    return wanted if files_max == resource.RLIM_INFINITY else min(wanted, files_max * 3 // 4)


def run(
    settings: Settings,
    sockets: list[socket.socket],
    before_listening: Started | None = None,
    tally: Tally | None = None,
) -> None:
    """Serve on `sockets` until SIGTERM or SIGINT; one that comes before the server is ready ends it too."""
    run_until_signal(serve(settings, sockets, before_listening, tally))


def run_until_signal(work: Coroutine[Any, Any, None]) -> bool:
    """Run `work`, which makes its `StopSignals` first. Return whether it came to its end."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(work)
        except asyncio.CancelledError:
            return False
    return True


async def serve(
    settings: Settings, sockets: list[socket.socket], before_listening: Started | None, tally: Tally | None
) -> None:
    signals = StopSignals()
    # A model that cannot be used ends the program before anything is made or said.
    catalogue = Catalogue(settings)
    path = sqlite_path(settings) if is_sqlite(settings) else None
    # One that is missing is said before anything is made. SQLite's is beside the file, once that may be touched.
    secret = server_secret(settings, None) if path is None else ""
    database = await open_database(settings, serving=True)
    try:
        secret = secret or server_secret(settings, path)
        if before_listening is not None:
            await before_listening(database, secret)
        runtime = Runtime(database, settings, catalogue, tally)
        app = App(database, settings, secret, runtime)
        config = uvicorn.Config(
            app,
            http=limited_protocol(settings, app),
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
        try:
            await runtime.start()
            server = Server(config, app, runtime)
            signals.end(server)
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
    """Bind and listen, so that a taken port is a clear error before anything else happens. Raises SettingError."""
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
