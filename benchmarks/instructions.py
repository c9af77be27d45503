"""Instructions and memory a request, counted by valgrind: unlike time, they do not change with other work beside them.

`python -m benchmarks.instructions FILE FIRST LAST GROUPS` does so many groups of appends in SQLite's driver alone.
"""

import argparse
import asyncio
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.client import HTTPResponse
from pathlib import Path

from benchmarks import record
from benchmarks.filling import Filled
from benchmarks.operations import OPERATIONS, OURS_ALONE, ask, endless
from benchmarks.operations_part import BARE, DRIVER, OURS, prepare
from benchmarks.places import Place, open_place
from benchmarks.servers import Server, start_bare, start_threadkeep

CLIENTS = 64
# What a few rounds take is subtracted from what many take: starting, warming and counting are in both.
FEW, MANY = 1, 4
DRIVER_FEW, DRIVER_MANY = 1, 7
COUNTED = [operation for operation in OPERATIONS if operation != "stream"]
IDLE_S = 5.0
LINE_BYTES = 64
# The same caches on every machine: 32 KiB for instructions, 32 KiB for data, 1 MiB behind both.
CACHES = ("--cache-sim=yes", "--I1=32768,8,64", "--D1=32768,8,64", "--LL=1048576,16,64")
MISSING = "valgrind is not installed: instructions are not counted. The system's package `valgrind` brings it."

Say = Callable[[str], None]
Counts = dict[str, float]


def measure(kind: str, given: argparse.Namespace, folder: Path, say: Say) -> record.Record | None:
    """Count what threadkeep, the bare application and, for appends, SQLite's driver take; None without valgrind."""
    if shutil.which("valgrind") is None:
        print(MISSING, end="\n\n")
        return None
    place = open_place(kind, folder)
    try:
        say(f"filling {given.threads:,} threads")
        filled = asyncio.run(prepare(place, given.threads))
        cases = [*of_servers(place, filled, folder, say)]
        if kind == "sqlite":
            say("counting: append, driver alone")
            cases.append(case("append", DRIVER, of_driver(folder, filled)))
    finally:
        place.close()
    version = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    settings = {"database": place.version, "threads": filled.threads_count, "clients": CLIENTS, "counter": version}
    return record.new("instructions", kind, settings, []) | {"cases": cases}


def case(operation: str, side: str, counts: Counts) -> record.Record:
    """Return what is written: instructions, and kB that were not in the caches of the first level."""
    missed = sum(counts[name] for name in ("I1mr", "D1mr", "D1mw"))
    return {"operation": operation, "side": side, "clients": CLIENTS, "among": 0,
            "instructions": [round(counts["Ir"])], "kilobytes": [record.short(missed * LINE_BYTES / 1000)]}  # fmt: skip


def callgrind(out: Path, *more: str) -> tuple[str, ...]:
    """Return the words before a module's name that have what it does counted."""
    counter = ("valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}", *CACHES, *more)
    return (*counter, sys.executable, "-m", "benchmarks.slowed")


def of_servers(place: Place, filled: Filled, folder: Path, say: Say) -> Iterator[record.Record]:
    """Yield the cases of both servers, one after the other: a count does not depend on what happens meanwhile."""
    starts = (
        (OURS, lambda under: start_threadkeep(place.settings("main"), filled, under=under)),
        (BARE, lambda under: start_bare(place.settings("bare"), filled, under=under)),
    )
    for number, (side, start) in enumerate(starts):
        out = folder / f"counts-{number}"
        # Not counted from the start, which takes minutes if it is.
        with ExitStack() as stack:
            server = start(callgrind(out, "--instr-atstart=no"))
            stack.callback(server.stop)
            counter = Counter(server, out)
            for operation in COUNTED:
                if side == BARE and operation in OURS_ALONE:
                    continue
                say(f"counting: {operation}, {side}")
                requests = endless(ask(operation, server, filled).requests)
                counter.rounds(requests, FEW)
                few, many = counter.rounds(requests, FEW), counter.rounds(requests, MANY)
                yield case(operation, side, difference(few, many, (MANY - FEW) * CLIENTS))


class Counter:
    """Counts what a server does for requests."""

    def __init__(self, server: Server, out: Path) -> None:
        self._server = server
        self._out = out
        self._dumps_count = 0
        self._tell("instrumentation", "on")
        # What a server does all the time counts for no request, however slow the machine makes it.
        self._idle: Counts = {}
        self._idle = self._counted(lambda: time.sleep(IDLE_S), 1 / IDLE_S)

    def rounds(self, requests: Iterator[bytes], count: int) -> Counts:
        """Send a request on each of CLIENTS connections and read all answers, `count` times; return all counts."""
        with ExitStack() as stack:
            places = [("127.0.0.1", self._server.port)] * CLIENTS
            connections = [stack.enter_context(closing(socket.create_connection(each))) for each in places]

            def ask_all() -> None:
                for _ in range(count):
                    for connection in connections:
                        connection.sendall(next(requests))
                    for connection in connections:
                        read_answer(connection)

            return self._counted(ask_all)

    def _counted(self, act: Callable[[], None], factor: float = 1.0) -> Counts:
        self._tell("zero")
        started_s = time.perf_counter()
        act()
        took_s = time.perf_counter() - started_s
        self._tell("dump")
        self._dumps_count += 1
        found = counts_in(self._out.with_name(f"{self._out.name}.{self._dumps_count}"))
        return {name: (value - took_s * self._idle.get(name, 0.0)) * factor for name, value in found.items()}

    def _tell(self, *words: str) -> None:
        command = ["vgdb", f"--pid={self._server.pid}", *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def read_answer(connection: socket.socket) -> None:
    with closing(HTTPResponse(connection)) as response:
        response.begin()
        body = response.read()
    if response.status // 100 != 2:
        raise RuntimeError(f"A request was not answered as it should be: {body.decode(errors='replace')}")


def counts_in(path: Path) -> Counts:
    """Return the total of each event in a file of callgrind's."""
    text = path.read_text()
    events, totals = (re.search(rf"^{name}: (.+)$", text, re.M) for name in ("events", "totals"))
    assert events is not None and totals is not None
    return dict(zip(events[1].split(), map(float, totals[1].split()), strict=False))


def difference(few: Counts, many: Counts, count: int) -> Counts:
    return {name: (many[name] - few[name]) / count for name in many}


def of_driver(folder: Path, filled: Filled) -> Counts:
    """Count the loop of appends that the rates are compared with: as many to a commit as there are clients."""

    def groups(count: int) -> Counts:
        out = folder / f"counts-driver-{count}"
        numbers = (str(filled.plain.start), str(filled.plain.stop), str(count))
        subprocess.run([*callgrind(out), "benchmarks.instructions", str(folder / "driver.db"), *numbers], check=True)
        return counts_in(out)

    return difference(groups(DRIVER_FEW), groups(DRIVER_MANY), (DRIVER_MANY - DRIVER_FEW) * CLIENTS)


def main(file: str, first: str, last: str, groups: str) -> None:
    from benchmarks.sqlite_loop import write_group
    from threadkeep.database.sqlite import connect

    connection = connect(Path(file))
    for _ in range(int(groups)):
        write_group(connection, "append", range(int(first), int(last)), CLIENTS)
    connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
