"""Streamed answers: what a token costs from the upstream's byte to the reader's, beside a relay that stores nothing."""

import argparse
import asyncio
import json
import multiprocessing
import resource
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

from benchmarks import machine, record, stream_readers
from benchmarks.filling import fill
from benchmarks.places import SECRET, Place, for_filling, free_port, open_place
from benchmarks.servers import UNLIMITED, Address, Server
from benchmarks.stream_readers import Job, Run

RELAY = "bare relay"
PER_SECOND = 50.0
# How many streams, and how many tokens a second of each.
FLOWS = ((1, PER_SECOND), (100, PER_SECOND), (200, PER_SECOND), (1_000, 10.0), (1_000, PER_SECOND))
QUICK_FLOWS = FLOWS[:2]
SECONDS = 3.0
REPEATS_MAX = 3
FIRST_DELTAS_COUNT = 20
# Models that begin at once, just after the claim's own writes, and after a pause.
MODEL_WAITS_MS = (0, 20, 200)
IDLE_READERS = 1_000
THREADS_COUNT = 100
FILES_MAX = 65_536


@dataclass
class Side:
    """A server under test and what was measured of it."""

    name: str
    server: Server
    database_pid: int | None
    runs: dict[str, list[Run]] = field(default_factory=dict)
    first_deltas_ms: dict[int, list[float]] = field(default_factory=dict)
    idle_reader_bytes: list[float] = field(default_factory=list)
    answer_bytes: list[float] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "runs": {flow: [asdict(run) for run in runs] for flow, runs in self.runs.items()},
            "first_deltas_ms": self.first_deltas_ms,
            "idle_reader_bytes": self.idle_reader_bytes,
            "answer_bytes": self.answer_bytes,
        }


def record_of(given: argparse.Namespace, sides: list[Side]) -> record.Record:
    settings = {"databases": given.kinds, "seconds": seconds_of(given), "repeats": min(REPEATS_MAX, given.repeats)}
    made = {"part": "streams", "kind": "", "machine": machine.describe(), "settings": settings}
    # As it comes back from a file: numbers of streams are texts there.
    return made | {"sides": json.loads(json.dumps({side.name: side.as_json() for side in sides}))}


def seconds_of(given: argparse.Namespace) -> float:
    return min(SECONDS, float(given.seconds)) if given.quick else SECONDS


def name_of(streams: int, per_second: float) -> str:
    return f"{streams} × {per_second:g}"


def measure(kinds: tuple[str, ...], given: argparse.Namespace, say: Callable[[str], None]) -> list[Side]:
    """Measure the databases `kinds` and the relay in turns, through one upstream and one process of readers."""
    allow_files()
    with ExitStack() as stack:
        upstream_port = start_upstream(stack)
        sides = [start_relay(upstream_port, stack), *(start_threadkeep(kind, upstream_port, stack) for kind in kinds)]
        readers = stack.enter_context(multiprocessing.get_context("spawn").Pool(1))
        measure_idle(sides, upstream_port, given, readers, say)
        measure_flow(sides, upstream_port, given, readers, say)
    return sides


def allow_files() -> None:
    """Let this process, and those that it starts, have as many connections open as the measurement takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = FILES_MAX if hard == resource.RLIM_INFINITY else min(FILES_MAX, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))


def start_upstream(stack: ExitStack) -> int:
    port = free_port()
    stack.callback(Server("upstream", ["benchmarks.stream_upstream", str(port)], port, "", {}).stop)
    return port


def start_relay(upstream_port: int, stack: ExitStack) -> Side:
    port = free_port()
    server = Server(RELAY, ["benchmarks.stream_relay", model_url(upstream_port), str(port)], port, "", {})
    stack.callback(server.stop)
    return Side(RELAY, server, None)


def start_threadkeep(kind: str, upstream_port: int, stack: ExitStack) -> Side:
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="threadkeep-bench-"))
    place = open_place(kind, Path(folder))
    stack.callback(place.close)
    api_key = asyncio.run(prepare(place))
    port = free_port()
    environment = {
        "THREADKEEP_DATABASE_URL": place.settings("streams").database_url,
        "THREADKEEP_SECRET": SECRET,
        "THREADKEEP_RATE_KEY_PER_MINUTE": UNLIMITED,
        "THREADKEEP_RESPONSES_PER_ORGANIZATION_MAX": UNLIMITED,
        "THREADKEEP_MODEL_URL": model_url(upstream_port),
        "THREADKEEP_MODEL": "bench",
        # Answers are measured, and no names after them.
        "THREADKEEP_AUTO_NAME": "false",
    }
    arguments = ["threadkeep", "serve", "--host", "127.0.0.1", "--port", str(port)]
    server = Server("threadkeep", arguments, port, api_key, environment)
    stack.callback(server.stop)
    return Side(place.version.split(" (")[0], server, place.pid)


def model_url(upstream_port: int) -> str:
    return f"http://127.0.0.1:{upstream_port}/v1"


async def prepare(place: Place) -> str:
    """Return the key of an organization in a new database."""
    await place.create("streams")
    filled = await fill(place.kind, for_filling(place.settings("streams")), THREADS_COUNT)
    return filled.api_key


def job_for(
    side: Side, upstream_port: int, streams: int = 1, per_second: float = PER_SECOND, seconds: float = 0
) -> Job:
    server = Address(side.server.name, side.server.port, side.server.pid, side.server.api_key)
    return Job(server, upstream_port, streams, per_second, seconds, side.database_pid)


def measure_idle(
    sides: list[Side], upstream_port: int, given: argparse.Namespace, readers: Pool, say: Callable[[str], None]
) -> None:
    """Measure what needs a server that does nothing else; memory first, as long as it has used little."""
    for side in sides:
        say(f"idle readers: {side.name}")
        job = job_for(side, upstream_port)
        count = IDLE_READERS // 5 if given.quick else IDLE_READERS
        side.idle_reader_bytes.append(readers.apply(stream_readers.idle_reader_bytes, (job, count)))
        side.answer_bytes.append(readers.apply(stream_readers.answer_bytes, (job, count)))
    for side in sides:
        for wait_ms in MODEL_WAITS_MS:
            say(f"first deltas: {side.name}")
            job = job_for(side, upstream_port)
            count = FIRST_DELTAS_COUNT // 4 if given.quick else FIRST_DELTAS_COUNT
            side.first_deltas_ms[wait_ms] = readers.apply(stream_readers.first_deltas_ms, (job, count, wait_ms))


def measure_flow(
    sides: list[Side], upstream_port: int, given: argparse.Namespace, readers: Pool, say: Callable[[str], None]
) -> None:
    """Let tokens flow: each number of streams on every side, then all again."""
    seconds = seconds_of(given)
    repeats = min(REPEATS_MAX, given.repeats)
    for repeat in range(repeats):
        for flow in QUICK_FLOWS if given.quick else FLOWS:
            for side in sides:
                say(f"run {repeat + 1} of {repeats}: {name_of(*flow)} tokens, {side.name}")
                job = job_for(side, upstream_port, *flow, seconds)
                side.runs.setdefault(name_of(*flow), []).append(readers.apply(stream_readers.measure, (job,)))
