"""`make bench`: fill two databases, serve them, measure everything in turns, print the tables."""

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import machine, report, streams
from benchmarks.cases import Case, alone, over_http, run_in_turns
from benchmarks.filling import Filled, fill
from benchmarks.load import Generator
from benchmarks.places import Place, for_filling, open_place
from benchmarks.servers import Server, start_bare, start_threadkeep
from benchmarks.sqlite_loop import sqlite_appends_per_second

KINDS = ("sqlite", "postgres")
PARTS = ("requests", "streams")
CLIENTS = (1, 16, 64)
STARTS_COUNT = 5
GROWTH = (("list, middle", "list, first page"), ("append, long thread", "append, short threads"))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", default=(), choices=(*KINDS, *PARTS), metavar="WHAT",
        help=f"measure these alone, of {', '.join(KINDS)} and of {', '.join(PARTS)}",
    )  # fmt: skip
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one run (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each case (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="fewer rows and short runs, to try the benchmark itself")
    parser.add_argument("--full", action="store_true", help="also the list at depth 500 000 of 1 000 000 threads")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run to FILE as well")
    given = parser.parse_args()
    given.kinds = tuple(kind for kind in KINDS if kind in given.only) or KINDS
    given.parts = tuple(part for part in PARTS if part in given.only) or PARTS
    given.threads, given.long = (10_000, 10_000) if given.quick else (100_000, 100_000)
    if given.quick:
        given.seconds, given.repeats = min(given.seconds, 0.5), min(given.repeats, 2)
    return given


CURSOR = re.compile(rb'"nextCursor":"(?:[^"\\]|\\.)*"')


def main() -> None:
    given = options()
    print(machine.describe())
    results: dict[str, Any] = {"machine": machine.describe()}
    if "requests" in given.parts:
        results |= measure_requests(given)
    if "streams" in given.parts:
        sides = streams.measure(given.kinds, given, say)
        say("")
        print(report.streams(sides))
        results["streams"] = {side.name: side.as_json() for side in sides}
    if given.json:
        given.json.write_text(json.dumps(results, indent=1))


def measure_requests(given: argparse.Namespace) -> dict[str, Any]:
    print(f"{given.threads:,} threads of one organization; median of {given.repeats} alternating runs of "
          f"{given.seconds:g} s each (smallest–largest)\n")  # fmt: skip
    generator = Generator()
    results = {}
    try:
        for kind in given.kinds:
            with tempfile.TemporaryDirectory(prefix="threadkeep-bench-") as folder:
                place = open_place(kind, Path(folder))
                try:
                    results[kind] = measure(place, Path(folder), given, generator)
                finally:
                    place.close()
    finally:
        generator.close()
    return results


def measure(place: Place, folder: Path, given: argparse.Namespace, generator: Generator) -> dict[str, Any]:
    """Measure one kind of database and print its tables."""
    print(f"## {place.version}\n")
    say(f"filling {given.threads:,} threads")
    filled = asyncio.run(prepare(place, "main", given.threads, given.long, copies=("bare", "loop")))
    cases, resident_mb, starts_s = measure_cases(place, folder, filled, given, generator)
    say("")
    print(report.reads(cases), report.appends(cases, place.kind), report.growth(cases, GROWTH), sep="\n\n")
    figures = {
        "start_s": starts_s, "resident_mb": resident_mb, "cases": report.as_json(cases)
    }  # fmt: skip
    if given.full:
        figures["deep"] = measure_deep(place, given, generator)
    print(
        f"\nReady {median(starts_s):.2f} s after the command ({min(starts_s):.2f}–{max(starts_s):.2f}; "
        f"aim ≤ 1 s: {report.verdict(median(starts_s) <= 1)}). Resident: {resident_mb[0]:.0f} MB at the start, "
        f"{resident_mb[1]:.0f} MB after the load (aim ≤ 90 MB: {report.verdict(resident_mb[1] <= 90)}).\n"
    )
    return figures


async def prepare(place: Place, name: str, threads: int, long: int, copies: tuple[str, ...] = ()) -> Filled:
    await place.create(name)
    filled = await fill(place.kind, for_filling(place.settings(name)), threads, long)
    for copy in copies:
        await place.copy(name, copy)
    return filled


def measure_cases(
    place: Place, folder: Path, filled: Filled, given: argparse.Namespace, generator: Generator
) -> tuple[list[Case], tuple[float, float], list[float]]:
    """Return the cases with their runs, the memory before and after them, and the times that starting took."""
    ours = start_threadkeep(place.settings("main"), filled)
    bare = start_bare(place.settings("bare"), filled)
    try:
        resident_before_mb = ours.resident_mb
        require_equal_answers(ours, bare, given.threads)
        cases = build_cases(place, folder, filled, given, generator, ours, bare)
        run_in_turns(cases, given.repeats, lambda repeat, case: say(
            f"run {repeat + 1} of {given.repeats}: {case.operation}, {case.side}, {case.clients} clients"
        ))  # fmt: skip
        resident_mb = (resident_before_mb, ours.resident_mb)
    finally:
        bare.stop()
        ours.stop()
    say("starting again and again")
    starts_s = []
    for _ in range(STARTS_COUNT):
        again = start_threadkeep(place.settings("main"), filled)
        starts_s.append(again.start_s)
        again.stop()
    return cases, resident_mb, starts_s


def build_cases(
    place: Place,
    folder: Path,
    filled: Filled,
    given: argparse.Namespace,
    generator: Generator,
    ours: Server,
    bare: Server,
) -> list[Case]:
    """Return all cases in the order in which they take turns: what is compared stands side by side."""

    def http(operation: str, server: Server, clients: int) -> Case:
        return over_http(operation, server, filled, clients, generator, place.pid, given.seconds)

    cases = [
        http(operation, server, clients)
        for clients in CLIENTS
        for operation in ("get", "list")
        for server in (ours, bare)
    ]
    appends_per_second = append_loop(place, folder, filled, given.seconds)
    for clients in CLIENTS:
        cases.append(http("append", ours, clients))
        if clients == 64 or place.kind == "postgres":
            cases.append(alone("append", report.BESIDE[place.kind], clients, partial(appends_per_second, clients)))
    return [*cases, *(http(operation, ours, 1) for pair in GROWTH for operation in pair)]


def append_loop(place: Place, folder: Path, filled: Filled, seconds: float) -> Callable[[int], float]:
    """Return what appends without a server of ours, from so many clients, and gives the appends per second."""
    if place.kind == "sqlite":
        return lambda clients: sqlite_appends_per_second(folder / "loop.db", filled, clients, seconds)
    from benchmarks import postgres

    assert isinstance(place, postgres.PostgresPlace)
    return lambda clients: postgres.pgbench_appends_per_second(place, "loop", filled, clients, seconds)


def require_equal_answers(ours: Server, bare: Server, threads: int) -> None:
    """Raise RuntimeError unless both give the same bytes: otherwise they would not do the same work.

    The cursor alone differs: the bare application does not seal it.
    """
    for path in ("/v1/threads", f"/v1/threads/thread_{threads // 3:026d}"):
        answers = [server.get(path) for server in (ours, bare)]
        bodies = [CURSOR.sub(b"", body) for _, body in answers]
        if [status for status, _ in answers] != [200, 200] or bodies[0] != bodies[1]:
            raise RuntimeError(f"The bare application does not answer {path} as threadkeep does.")


def measure_deep(place: Place, given: argparse.Namespace, generator: Generator) -> list[dict[str, Any]]:
    """Measure the list in the middle of a million threads, in a database of its own."""
    say("filling 1,000,000 threads")
    filled = asyncio.run(prepare(place, "million", 1_000_000, 1))
    server = start_threadkeep(place.settings("million"), filled)
    try:
        pair = GROWTH[:1]
        cases = [over_http(name, server, filled, 1, generator, place.pid, given.seconds) for name in pair[0]]
        run_in_turns(cases, given.repeats, lambda repeat, case: say(f"run {repeat + 1}: a million, {case.operation}"))
    finally:
        server.stop()
    say("")
    print("\nOf 1 000 000 threads:\n", report.growth(cases, pair), sep="")
    return report.as_json(cases)


def say(text: str) -> None:
    """Show what is going on, if somebody watches."""
    if sys.stderr.isatty() or os.environ.get("BENCH_SAY"):
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
