"""Others beside threadkeep: the same operations, as many threads, the same clients, in turns."""

import argparse
import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks import record
from benchmarks.alternatives import HERE, Alternative
from benchmarks.alternatives.adk import ON_POSTGRES, ON_SQLITE
from benchmarks.alternatives.agent_protocol import AEGRA, LANGGRAPH
from benchmarks.cases import Case, Load, run_in_turns
from benchmarks.filling import fill
from benchmarks.load import Generator
from benchmarks.operations import OPERATIONS, Asked, ask
from benchmarks.places import Place, SqlitePlace, for_filling
from benchmarks.postgres import POSTGRES_SETTINGS, PostgresPlace
from benchmarks.servers import Server, start_threadkeep

# Which are measured together, and beside which databases of ours.
GROUPS: dict[str, tuple[tuple[Alternative, ...], tuple[str, ...]]] = {
    "langgraph": ((LANGGRAPH,), ("sqlite",)),
    "aegra": ((AEGRA,), ("postgres",)),
    "adk": ((ON_SQLITE, ON_POSTGRES), ("sqlite", "postgres")),
}
NAMES = {"sqlite": "threadkeep, SQLite", "postgres": "threadkeep, PostgreSQL"}
THREADS_COUNT = 1_000
REPEATS_MAX = 3
# One client of a server that takes a second for an answer needs some to show it.
STREAM_S = 3.0

Say = Callable[[str], None]


def measure(group: str, given: argparse.Namespace, generator: Generator, folder: Path, say: Say) -> record.Record:
    """Measure one of GROUPS, which must be installed."""
    alternatives, kinds = GROUPS[group]
    threads = THREADS_COUNT // 10 if given.quick else THREADS_COUNT
    versions = {each.name: each.versions() for each in alternatives}
    postgres = PostgresPlace(folder, f"{POSTGRES_SETTINGS} -c extension_control_path={HERE}/postgres")
    load = Load(generator, given.seconds, postgres.pid)
    try:
        with ExitStack() as stack:
            cases, servers = [], []
            for kind in kinds:
                place = postgres if kind == "postgres" else SqlitePlace(folder)
                servers.append(add_ours(cases, place, threads, given, load, stack, say))
            for number, alternative in enumerate(alternatives):
                asyncio.run(postgres.create(f"other_{number}"))
                url = postgres.url(f"other_{number}")
                server = start(alternative, url, folder / f"other_{number}", stack, say)
                servers.append(server)
                add_theirs(cases, alternative, server, threads, given, load, say)
            in_turns = sorted(
                cases, key=lambda case: (given.clients.index(case.clients), OPERATIONS.index(case.operation))
            )
            run_in_turns(in_turns, min(REPEATS_MAX, given.repeats), say)
            memory_mb = {server.name: [server.resident_mb, server.peak_mb] for server in servers}
    finally:
        postgres.close()
    settings = {"database": f"{SqlitePlace.version}; {postgres.version}", "threads": threads,
                "seconds": given.seconds, "repeats": min(REPEATS_MAX, given.repeats)}  # fmt: skip
    others = {
        each.name: {"versions": versions[each.name], "licence": each.licence, "keeps": each.keeps,
                    "remarks": each.remarks} for each in alternatives
    }  # fmt: skip
    made = record.new("alternatives", group, settings, in_turns)
    return made | {"memory_mb": memory_mb, "others": others, "ours": [NAMES[kind] for kind in kinds]}


def add_ours(
    cases: list[Case], place: Place, threads: int, given: argparse.Namespace, load: Load, stack: ExitStack, say: Say
) -> Server:
    say(f"filling threadkeep, {place.kind}")
    asyncio.run(place.create("main"))
    filled = asyncio.run(fill(place.kind, for_filling(place.settings("main")), threads))
    server = start_threadkeep(place.settings("main"), filled)
    stack.callback(server.stop)
    server.name = NAMES[place.kind]
    add(cases, server, lambda operation: ask(operation, server, filled), given, load)
    return server


def start(alternative: Alternative, url: str, folder: Path, stack: ExitStack, say: Say) -> Server:
    say(f"starting {alternative.name}")
    folder.mkdir()
    server = alternative.start(alternative, url, folder)
    stack.callback(server.stop)
    return server


def add_theirs(
    cases: list[Case], alternative: Alternative, server: Server, threads: int, given: argparse.Namespace, load: Load,
    say: Say,
) -> None:  # fmt: skip
    say(f"filling {alternative.name}")
    filled = alternative.fill(server, threads)
    add(cases, server, lambda operation: alternative.ask(operation, server, filled), given, load)


def add(
    cases: list[Case], server: Server, asked_for: Callable[[str], Asked | None], given: argparse.Namespace, load: Load
) -> None:
    """Add the cases of one server; what it has no operation for has none."""
    for clients in given.clients:
        for operation in OPERATIONS:
            asked = asked_for(operation)
            if asked is not None:
                seconds = max(STREAM_S, load.seconds) if operation == "stream" and not given.quick else load.seconds
                longer = Load(load.generator, seconds, load.database_pid)
                cases.append(longer.case(operation, server, asked, clients))
