"""uvicorn's server with our protocol. It handles signals from the start, and reports when it is ready and stops."""

import asyncio
import math
import resource
import signal
import socket
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import uvicorn

from threadkeep import clock
from threadkeep.server.connection_limits import ConnectionLimits
from threadkeep.server.transport.batch import Batch
from threadkeep.server.transport.cycle import Handler
from threadkeep.server.transport.protocol import LimitedHttpProtocol
from threadkeep.settings import Settings

BACKLOG = 2048
KEEP_ALIVE_S = 75
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Application(Protocol):
    """An ASGI application, with two more methods that the server calls."""

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]: ...

    def handler_of(self, scope: Any) -> tuple[Handler | None, bool]: ...

    def set_ready(self, is_ready: bool) -> None: ...


class StopSignals:
    """Handles SIGTERM and SIGINT from start to end: replacing a handler midway could lose a signal."""

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
    """uvicorn's server for one application; `drain` ends what would keep connections open."""

    def __init__(self, app: Application, settings: Settings, drain: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config_of(app, settings))
        self._app = app
        self._drain = drain

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield  # StopSignals hears them.

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._app.set_ready(self.started)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.set_ready(False)
        # Before uvicorn's own wait, which would wait for open streams: they end only with their responses.
        begun_s = clock.monotonic_s()
        await self._drain()
        # Other requests have had the same time; clients that are slow to read get one second at least.
        left_s = (self.config.timeout_graceful_shutdown or 0) - (clock.monotonic_s() - begun_s)
        self.config.timeout_graceful_shutdown = max(1, math.ceil(left_s))
        await super().shutdown(sockets)


def config_of(app: Application, settings: Settings) -> uvicorn.Config:
    protocol = limited_protocol(settings, app)

    async def close_idle() -> None:
        protocol.CONNECTIONS.close_idle(KEEP_ALIVE_S)

    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        callback_notify=close_idle,
        timeout_notify=1,
        timeout_graceful_shutdown=math.ceil(settings.drain_s),
    )


def limited_protocol(settings: Settings, app: Application) -> type[LimitedHttpProtocol]:
    return type(
        "ConfiguredProtocol",
        (LimitedHttpProtocol,),
        {
            "HEADER_BYTES_MAX": settings.header_bytes_max,
            "HEADER_READ_S": settings.header_read_s,
            "WRITE_STALL_S": settings.write_stall_s,
            "HANDLER_OF": staticmethod(app.handler_of),
            "BATCH": Batch(),
            "CONNECTIONS": ConnectionLimits(
                connections_possible(settings.connections_max), settings.transfer_bytes_max
            ),
            "__slots__": (),
        },
    )


def connections_possible(wanted: int) -> int:
    """Raise the limit of open files as far as the user may; return how many connections fit into it."""
    _, files_max = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # Some systems refuse the limit that they report.
        resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))
    files_max, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The other files are for the database, for models, and for new connections while old ones are closing.
    return wanted if files_max == resource.RLIM_INFINITY else min(wanted, files_max * 3 // 4)
