"""Whether anything costs more among more threads, or in a longer thread: one client, threadkeep alone."""

import argparse
import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks import record
from benchmarks.cases import Case, Load, run_in_turns
from benchmarks.filling import Filled, fill
from benchmarks.load import Generator
from benchmarks.operations import ask_among_threads, ask_in_long_thread
from benchmarks.places import Place, for_filling, open_place
from benchmarks.servers import Server, start_threadkeep

THREADS = (10_000, 100_000, 1_000_000)
# How many threads there are of each number of messages: so many that the appends themselves lengthen them little.
MESSAGES = {10: 1_000, 1_000: 100, 100_000: 1}
QUICK_THREADS = (1_000, 10_000)
QUICK_MESSAGES = {10: 100, 1_000: 10}
AMONG_THREADS = ("get", "list", "list, middle", "filter", "filter, rare", "append")
IN_LONG_THREAD = ("get", "messages, first page", "messages, middle", "messages, role=user", "append")
THREADS_SIDE = "among threads"
MESSAGES_SIDE = "in one thread"


def measure(
    kind: str, given: argparse.Namespace, generator: Generator, folder: Path, say: Callable[[str], None]
) -> record.Record:
    """Measure databases of several sizes, and in the smallest of them threads of several lengths, in turns."""
    sizes, lengths = (QUICK_THREADS, QUICK_MESSAGES) if given.quick else (THREADS, MESSAGES)
    place = open_place(kind, folder)
    load = Load(generator, given.seconds, place.pid)
    try:
        with ExitStack() as stack:
            cases: list[Case] = []
            for size in sizes:
                say(f"filling {size:,} threads")
                filled = asyncio.run(prepare(place, size, lengths if size == sizes[0] else {}))
                server = start_threadkeep(place.settings(name_of(size)), filled)
                stack.callback(server.stop)
                cases += cases_of(server, filled, load)
            run_in_turns(cases, given.repeats, say)
    finally:
        place.close()
    settings = {
        "database": place.version, "threads": sizes, "messages": list(lengths), "seconds": given.seconds,
        "repeats": given.repeats,
    }  # fmt: skip
    return record.new("growth", kind, settings, cases)


def name_of(size: int) -> str:
    return f"threads_{size}"


async def prepare(place: Place, size: int, lengths: dict[int, int]) -> Filled:
    await place.create(name_of(size))
    return await fill(place.kind, for_filling(place.settings(name_of(size))), size, lengths)


def cases_of(server: Server, filled: Filled, load: Load) -> list[Case]:
    among = [
        (operation, THREADS_SIDE, ask_among_threads(operation, server, filled), filled.threads_count)
        for operation in AMONG_THREADS
    ]
    inside = [
        (operation, MESSAGES_SIDE, ask_in_long_thread(operation, server, filled, length), length)
        for length in filled.of_length
        for operation in IN_LONG_THREAD
    ]
    cases = []
    for operation, side, asked, size in [*among, *inside]:
        case = load.case(operation, server, asked, 1, size)
        case.side = side
        cases.append(case)
    return cases
