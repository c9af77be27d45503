"""Where the server's time goes: `python -m benchmarks.profile OPERATION [--database sqlite|postgres]`.

The server runs in this process, the load in another. A timer on the process's CPU time looks at the stacks of the
event loop and of SQLite's writer; what a function in C takes counts for the Python line that called it.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import FrameType

import uvloop

from benchmarks.cases import Load
from benchmarks.filling import fill
from benchmarks.load import Generator, Measurement
from benchmarks.operations import OPERATIONS, ask
from benchmarks.places import open_place
from benchmarks.servers import UNLIMITED, Address
from threadkeep.server import serve as server

INTERVAL_S = 0.001
THREADS_COUNT = 10_000


class Sampler:
    """Counts which functions are on the stack: on top of it, and anywhere in it."""

    def __init__(self) -> None:
        self.on_top: dict[str, Counter[str]] = {}
        self.anywhere: dict[str, Counter[str]] = {}

    def start(self) -> None:
        self._names = {each.ident: each.name for each in threading.enumerate()}
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)

    def stop(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _look(self, _signal: int, frame: FrameType | None) -> None:
        self._count("event loop", frame)
        for thread, top in sys._current_frames().items():
            if self._names.get(thread) == "writer" and top.f_code.co_name != "run":
                self._count("writer", top)

    def _count(self, thread: str, frame: FrameType | None) -> None:
        seen: set[str] = set()
        top = name_of(frame) if frame is not None else "?"
        while frame is not None:
            seen.add(name_of(frame))
            frame = frame.f_back
        self.on_top.setdefault(thread, Counter())[top] += 1
        self.anywhere.setdefault(thread, Counter()).update(seen)

    def print(self, top_count: int) -> None:
        for thread, tops in self.on_top.items():
            total = sum(tops.values())
            print(f"\n{thread}: {total} samples\n   own  with callees")
            for name, count in tops.most_common(top_count):
                print(f"{count / total:6.1%}  {self.anywhere[thread][name] / total:6.1%}  {name}")


def name_of(frame: FrameType) -> str:
    path = Path(frame.f_code.co_filename)
    return f"{'/'.join(path.parts[-2:])}:{frame.f_code.co_qualname}"


async def serve_under_load(given: argparse.Namespace, folder: Path) -> Measurement:
    place = open_place(given.database, folder)
    try:
        await place.create("main")
        settings = replace(place.settings("main"), rate_key_per_minute=int(UNLIMITED))
        filled = await fill(place.kind, settings, THREADS_COUNT)
        listener = server.listen("127.0.0.1", 0)
        address = Address("threadkeep", listener.getsockname()[1], os.getpid(), filled.api_key)
        generator, sampler = Generator(), Sampler()
        asked = ask(given.operation, address, filled)
        case = Load(generator, given.seconds, place.pid).case(given.operation, address, asked, given.clients)
        serving = asyncio.ensure_future(server.serve(settings, [listener], None, None))
        await asyncio.sleep(1)
        sampler.start()
        measurement = await asyncio.to_thread(case.measure)
        sampler.stop()
        generator.close()
        os.kill(os.getpid(), signal.SIGTERM)
        await serving
        sampler.print(given.top)
        return measurement
    finally:
        place.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("operation", choices=OPERATIONS)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--top", type=int, default=40, help="how many functions to print")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: None)
    with (
        tempfile.TemporaryDirectory(prefix="threadkeep-profile-") as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        measurement = runner.run(serve_under_load(given, Path(folder)))
    print(f"\n{measurement.per_second:,.0f}/s, {measurement.cpu_us:.0f} µs of CPU each, sampling included")


if __name__ == "__main__":
    main()
