"""A threadkeep server as its users start it: a process of its own, a database, a port, a log file."""

import asyncio
import atexit
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from support.ports import free_port
from support.zygote import Forked, Zygote

SECRET = "the-tests-sign-their-own-tokens-with-this-text-which-is-long-enough-for-any-hash"
READY_S = 60
STOP_S = 20
ADMIN_S = 60
UNLIMITED = "10000000"

# The one of this process: each costs a second.
ZYGOTE = Zygote()
atexit.register(ZYGOTE.close)


@dataclass
class Database:
    """An empty place to keep threads in; `folder` is the working folder of whoever serves it."""

    kind: str
    url: str
    folder: Path


class Server:
    """One `threadkeep serve` process; it may be stopped, killed and started again on the same database.

    `wrapper` stands before its command, and must leave it its process id.
    """

    # Fork it from a process that has imported everything: a second less for each.
    forks = False

    def __init__(
        self,
        database: Database,
        settings: dict[str, str] | None = None,
        name: str = "server",
        wrapper: Sequence[str] = (),
    ) -> None:
        self.wrapper = wrapper
        self.database = database
        self.port = free_port()
        self.log = database.folder / f"{name}-{self.port}.log"
        self.settings = settings or {}
        self.process: subprocess.Popen[bytes] | Forked | None = None

    @property
    def kind(self) -> str:
        return self.database.kind

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> "Server":
        self.spawn()
        await self.wait_until_ready()
        return self

    def spawn(self, *arguments: str) -> None:
        """Start the process without waiting for it."""
        variables = environment(self.database.url, self.settings)
        # A variable of another program, such as LD_PRELOAD, is read when a process starts.
        if self.forks and not self.wrapper and all(name.startswith("THREADKEEP_") for name in self.settings):
            command = ("serve", "--host", "127.0.0.1", "--port", str(self.port), *arguments)
            self.process = ZYGOTE.begin(*command, cwd=self.database.folder, environment=variables, log=self.log)
            return
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *self.wrapper,
                    sys.executable,
                    "-m",
                    "threadkeep",
                    "serve",
                    "--host",
                    "127.0.0.1",
                    "--port",
                    str(self.port),
                    *arguments,
                ],
                cwd=self.database.folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def wait_until_ready(self) -> None:
        assert self.process is not None
        until = time.monotonic() + READY_S
        async with httpx.AsyncClient(base_url=self.url, timeout=5) as client:
            while time.monotonic() < until:
                if self.process.poll() is not None:
                    raise RuntimeError(f"The server ended with {self.process.returncode}:\n{self.log_text()}")
                try:
                    if (await client.get("/readyz")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.02)
        raise RuntimeError(f"The server was not ready within {READY_S} s:\n{self.log_text()}")

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def stop(self) -> int:
        """Ask it to end (SIGTERM) and return its exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """End it like a power cut of the process: no handler runs."""
        return self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> int:
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_S)
            raise
        finally:
            self.process = None


def run_threadkeep(
    *arguments: str, database: Database, settings: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; the caller looks at the exit status."""
    return subprocess.run(
        [sys.executable, "-m", "threadkeep", *arguments],
        cwd=database.folder,
        env=environment(database.url, settings or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=ADMIN_S,
        check=False,
    )


def run_forked(
    *arguments: str, database: Database, settings: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Do the same in a second less, where nobody looks at the process from outside."""
    ran = ZYGOTE.run(*arguments, cwd=database.folder, environment=environment(database.url, settings or {}))
    return subprocess.CompletedProcess(arguments, ran["returncode"], ran["stdout"], ran["stderr"])


def environment(database_url: str, settings: dict[str, str]) -> dict[str, str]:
    """Return the variables of a threadkeep process: the tests' own, and none that happens to be set outside."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("THREADKEEP_")}
    return {
        **inherited,
        "THREADKEEP_DATABASE_URL": database_url,
        "THREADKEEP_SECRET": SECRET,
        "THREADKEEP_RATE_KEY_PER_MINUTE": UNLIMITED,
        "THREADKEEP_RATE_TOKEN_PER_MINUTE": UNLIMITED,
        "THREADKEEP_RATE_REFUSED_PER_MINUTE": UNLIMITED,
        # Tests count the calls of their models. Those of names that come by themselves take it back.
        "THREADKEEP_AUTO_NAME": "false",
        **settings,
    }
