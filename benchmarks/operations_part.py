"""Every operation beside the least that it can cost: the driver alone, a bare ASGI application, threadkeep."""

import argparse
import asyncio
import multiprocessing
import re
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import record
from benchmarks.cases import Case, Load, run_in_turns
from benchmarks.filling import Filled, fill, thread_id
from benchmarks.load import Generator, Measurement
from benchmarks.operations import OPERATIONS, OURS_ALONE, TOPIC, ask
from benchmarks.places import Place, for_filling, open_place
from benchmarks.servers import Server, start_bare, start_threadkeep

DRIVER = "driver alone"
PGBENCH = "pgbench"
BARE = "bare ASGI"
OURS = "threadkeep"
TWO_PROCESSES = "threadkeep, 2 processes"
STARTS_COUNT = 5
CURSOR = re.compile(rb'"nextCursor":"(?:[^"\\]|\\.)*"')

Say = Callable[[str], None]


def measure(kind: str, given: argparse.Namespace, generator: Generator, folder: Path, say: Say) -> record.Record:
    place = open_place(kind, folder)
    try:
        say(f"filling {given.threads:,} threads")
        filled = asyncio.run(prepare(place, given.threads))
        return measure_place(place, filled, given, Load(generator, given.seconds, place.pid), folder, say)
    finally:
        place.close()


async def prepare(place: Place, threads: int) -> Filled:
    """Fill one database for threadkeep, and make copies for the others: each has its own rows to write to."""
    await place.create("main")
    filled = await fill(place.kind, for_filling(place.settings("main")), threads)
    for copy in ("bare", "driver"):
        await place.copy("main", copy)
    return filled


def measure_place(
    place: Place, filled: Filled, given: argparse.Namespace, load: Load, folder: Path, say: Say
) -> record.Record:
    with ExitStack() as stack:
        servers = start_all(place, filled, stack)
        ours, bare = servers[0], servers[1]
        require_equal_answers(ours, bare, filled)
        resident_mb = {server.name: server.resident_mb for server in servers}
        driver = driver_of(place, filled, given.seconds, folder, stack)
        cases = build_cases(place.kind, given.clients, filled, load, servers, driver)
        run_in_turns(cases, given.repeats, say)
        memory_mb = {server.name: [resident_mb[server.name], server.peak_mb] for server in servers}
    settings = {
        "database": place.version, "threads": filled.threads_count, "seconds": given.seconds,
        "repeats": given.repeats,
    }  # fmt: skip
    starts_s = [started_s(place, filled, say) for _ in range(1 if given.quick else STARTS_COUNT)]
    return record.new("operations", place.kind, settings, cases) | {"memory_mb": memory_mb, "start_s": starts_s}


def start_all(place: Place, filled: Filled, stack: ExitStack) -> list[Server]:
    starts: list[Callable[[], Server]] = [
        lambda: start_threadkeep(place.settings("main"), filled),
        lambda: start_bare(place.settings("bare"), filled),
    ]
    if place.kind == "postgres":
        starts.append(lambda: start_threadkeep(place.settings("main"), filled, workers=2))
    servers = []
    for start in starts:
        servers.append(start())
        # At once: one that cannot start leaves none behind.
        stack.callback(servers[-1].stop)
    return servers


def build_cases(
    kind: str,
    clients_counts: tuple[int, ...],
    filled: Filled,
    load: Load,
    servers: list[Server],
    driver: Callable[[str, int], Measurement],
) -> list[Case]:
    """Return all cases in the order in which they take turns: what is compared stands side by side."""
    cases = []
    for clients in clients_counts:
        for operation in OPERATIONS:
            is_ours_alone = operation in OURS_ALONE
            cases += [
                load.case(operation, server, ask(operation, server, filled), clients)
                for server in servers
                if not (is_ours_alone and server.name == BARE)
            ]
            if not is_ours_alone:
                cases.append(Case(operation, DRIVER, clients, partial(driver, operation, clients)))
        if kind == "postgres":
            cases.append(Case("append", PGBENCH, clients, partial(driver, PGBENCH, clients)))
    return cases


def driver_of(
    place: Place, filled: Filled, seconds: float, folder: Path, stack: ExitStack
) -> Callable[[str, int], Measurement]:
    """Return what does an operation from so many clients without any server of ours, in a process of its own."""
    workers = stack.enter_context(multiprocessing.get_context("spawn").Pool(1))
    if place.kind == "sqlite":
        from benchmarks import sqlite_loop

        path = folder / "driver.db"
        return lambda operation, clients: workers.apply(
            sqlite_loop.measure, (path, filled, operation, clients, seconds)
        )
    from benchmarks import postgres, postgres_loop

    assert isinstance(place, postgres.PostgresPlace)
    url = place.settings("driver").database_url

    def in_driver(operation: str, clients: int) -> Measurement:
        if operation == PGBENCH:
            return rate_only(postgres.pgbench_appends_per_second(place, "driver", filled, clients, seconds))
        return workers.apply(postgres_loop.measure, (url, filled, operation, clients, seconds, place.pid))

    return in_driver


def rate_only(per_second: float) -> Measurement:
    nothing = float("nan")
    return Measurement(per_second, nothing, nothing, nothing, nothing)


def require_equal_answers(ours: Server, bare: Server, filled: Filled) -> None:
    """Raise RuntimeError unless both give the same bytes: otherwise they would not do the same work.

    The cursor alone differs: the bare application does not seal it.
    """
    conversation = thread_id(filled.conversations[0])
    paths = ("/v1/threads", f"/v1/threads?metadata.topic={TOPIC}", f"/v1/threads/{conversation}",
             f"/v1/threads/{conversation}/messages")  # fmt: skip
    for path in paths:
        answers: list[tuple[int, Any]] = [server.get(path) for server in (ours, bare)]
        bodies = [CURSOR.sub(b"", body) for _, body in answers]
        if [status for status, _ in answers] != [200, 200] or bodies[0] != bodies[1]:
            raise RuntimeError(f"The bare application does not answer {path} as threadkeep does.")


def started_s(place: Place, filled: Filled, say: Say) -> float:
    """Return how long after the command the server was ready."""
    say("starting again and again")
    server = start_threadkeep(place.settings("main"), filled)
    server.stop()
    return server.start_s
