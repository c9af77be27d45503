"""Appends to a server, and on PostgreSQL its cluster, whose every write and sync is watched.

`kill -9` does not prove that a write survives the loss of power: the system's page cache survives the process. Only a
sync between the write to the log and the answer does.
"""

import asyncio
import bisect
import re
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from proof.place import Place
from proof.record import Record
from proof.system_calls import Strace, SystemCall, find_strace, has_ended, system_calls
from support.cast import Caller
from support.postgres import Postgres, start_postgres
from support.server import Database, Server
from support.waiting import eventually

CLIENTS = 8
POSTGRES_TRACE = "postgres.strace"
STRACE_ENDS_S = 60
# Pages of the logs cut what lies across their ends: of so many copies most are found.
COPIES = 5
MARK = re.compile(r"mark-[0-9a-f]{16}-")
ANSWERED = "HTTP/1.1 201"
LOG = re.compile(r"^\d+<[^>]*(?:\.db-wal|/pg_wal/[0-9A-F]{24})>")
WRITES = ("write", "writev", "pwrite64", "pwritev")
SYNCS = ("fsync", "fdatasync")


async def trace_appends(place: Place, record: Record) -> None:
    """Append one after the other, then many at a time; each needs a sync before its answer."""
    strace, what_to_do = await asyncio.to_thread(find_strace)
    if strace is None:
        record.need(0, f"traced appends, for {what_to_do}; traced appends")
        return
    count = record.size(200, 20)
    folder = place.folder / "traced"
    folder.mkdir()
    async with traced_server(place, strace, folder) as (server, traces):
        ada = await place.people(server).owner("ORG_TRACED", "uid_ada")
        threads = [(await ada.create_thread()).id for _ in range(CLIENTS)]
        alone = [await append(ada, threads[0], number) for number in range(count)]
        together = await append_together(ada, threads, count)
    watched = await asyncio.to_thread(watch, traces)
    judge(watched, alone, record, is_alone=True)
    judge(watched, together, record, is_alone=False)
    record.need(watched.syncs_count, "syncs of the log that strace saw", count)


async def append(ada: Caller, thread: str, number: int) -> str:
    """Append a message with a mark of its own, every second time with a key; return the mark."""
    mark = f"mark-{secrets.token_hex(8)}-"
    who = ada.retrying(mark) if number % 2 else ada
    answer = await who.post_message(thread, mark * COPIES)
    assert answer.status == 201, answer
    return mark


async def append_together(ada: Caller, threads: list[str], count: int) -> list[str]:
    async def client(thread: str) -> list[str]:
        return [await append(ada, thread, number) for number in range(count // len(threads) + 1)]

    return [mark for marks in await asyncio.gather(*map(client, threads)) for mark in marks]


@asynccontextmanager
async def traced_server(place: Place, strace: Strace, folder: Path) -> AsyncIterator[tuple[Server, list[Path]]]:
    """Serve a database of its own; after the block the traces are complete."""
    cluster = await asyncio.to_thread(start_traced_cluster, strace, folder) if place.kind == "postgres" else None
    traces = {folder / "server.strace": 0}
    try:
        url = f"sqlite:///{folder / 'threadkeep.db'}" if cluster is None else await cluster.create_database()
        if cluster is not None:
            traces[folder / POSTGRES_TRACE] = int((cluster.folder / "postmaster.pid").read_text().split()[0])
        wrapper = strace.around(folder / "server.strace")
        server = Server(Database(place.kind, url, folder), place.model.settings, wrapper=wrapper)
        try:
            await server.start()
            assert server.process is not None
            traces[folder / "server.strace"] = server.process.pid
            yield server, list(traces)
        finally:
            await asyncio.to_thread(server.stop)
    finally:
        if cluster is not None:
            await asyncio.to_thread(cluster.remove)
    for trace, process in traces.items():
        await until_ended(trace, process)


def start_traced_cluster(strace: Strace, folder: Path) -> Postgres:
    """Start a cluster that syncs, as one in earnest does."""
    program = Postgres(folder / "postgres").wheel.bin_path / "postgres"
    script = strace.script(program, folder / POSTGRES_TRACE, folder / "postgres.sh")
    return start_postgres(folder / "postgres", is_durable=True, program=script)


async def until_ended(trace: Path, process: int) -> None:
    async def look() -> bool:
        return has_ended(trace, process)

    await eventually(look, bool, STRACE_ENDS_S)


@dataclass
class Watched:
    """What was seen, each kind in the order of time; times are microseconds of one clock."""

    # When the first answer with a mark began to go out, and which write brought that mark to the log first.
    answered_us: dict[str, int] = field(default_factory=dict)
    logged: dict[str, SystemCall] = field(default_factory=dict)
    # When the writes of each thread to the log had ended.
    written_us: dict[int, list[int]] = field(default_factory=dict)
    # When each sync of the log began and ended, in the order in which they began.
    syncs_us: list[tuple[int, int]] = field(default_factory=list)

    @property
    def syncs_count(self) -> int:
        return len(self.syncs_us)

    def take(self, call: SystemCall) -> None:
        is_log = LOG.match(call.arguments) is not None
        if is_log and call.name in SYNCS:
            self.syncs_us.append((call.begun_us, call.ended_us))
        elif is_log and call.name in WRITES:
            self.written_us.setdefault(call.thread, []).append(call.ended_us)
            for mark in MARK.findall(call.arguments):
                self.logged.setdefault(mark, call)
        elif ANSWERED in call.arguments:
            for mark in MARK.findall(call.arguments):
                self.answered_us.setdefault(mark, call.begun_us)

    def is_synced(self, after_us: int, before_us: int) -> bool:
        """Return whether a whole sync of the log lies between two moments."""
        first = bisect.bisect_left(self.syncs_us, (after_us, 0))
        return any(ended_us <= before_us for _, ended_us in self.syncs_us[first:])

    def last_written_us(self, thread: int, before_us: int) -> int:
        """Return when the last write of a thread to the log that had ended before a moment had ended."""
        written_us = self.written_us[thread]
        return written_us[bisect.bisect_right(written_us, before_us) - 1]


def watch(traces: Sequence[Path]) -> Watched:
    watched = Watched()
    for call in sorted((call for trace in traces for call in system_calls(trace)), key=lambda call: call.ended_us):
        watched.take(call)
    watched.syncs_us.sort()
    return watched


def judge(watched: Watched, marks: list[str], record: Record, *, is_alone: bool) -> None:
    """Alone, the sync follows the last write to the log before the answer. Among others, who go on writing, it follows
    the write that holds the message."""
    how = "one at a time" if is_alone else f"{CLIENTS} at a time"
    for mark in marks:
        answered_us, write = watched.answered_us.get(mark), watched.logged.get(mark)
        if answered_us is None:
            record.need(0, f"appends whose answer strace saw ({mark})")
        elif write is None or write.ended_us > answered_us:
            record.violation(f"an append ({how}) was answered before it was written to the log")
        else:
            written_us = watched.last_written_us(write.thread, answered_us) if is_alone else write.ended_us
            is_synced = watched.is_synced(written_us, answered_us)
            record.check(is_synced, f"no sync stands between the log's last write and an answer (appends {how})")
        record.count(f"answers traced ({how})")
