"""`make bench`: threadkeep beside the least that its work can cost, in growth, in streams, and beside others."""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import alternatives_part, growth_part, instructions, operations_part, page, record, streams
from benchmarks.alternatives import ENVIRONMENTS
from benchmarks.alternatives_part import GROUPS
from benchmarks.load import Generator

KINDS = ("sqlite", "postgres")
PARTS = ("operations", "instructions", "growth", "streams", "alternatives")
CLIENTS = (1, 16, 64)
THREADS_COUNT, QUICK_THREADS_COUNT = 100_000, 5_000


def options() -> argparse.Namespace:
    words = (*PARTS, *KINDS, *GROUPS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", default=(), choices=words, metavar="WHAT",
        help=f"measure these alone: parts ({', '.join(PARTS)}), databases ({', '.join(KINDS)}), others "
        f"({', '.join(GROUPS)})",
    )  # fmt: skip
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one run (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=4, help="runs of each case (default: %(default)s)")
    parser.add_argument("--clients", type=int, nargs="+", default=CLIENTS, help="how many (default: 1 16 64)")
    parser.add_argument("--quick", action="store_true", help="fewer rows and short runs, to try the benchmark itself")
    parser.add_argument(
        "--into", type=Path, metavar="FOLDER",
        help="write benchmarks.md, its figures and its plots there, with what was measured into it before",
    )  # fmt: skip
    parser.add_argument("--write", action="store_true", help="measure nothing, only write what is in FOLDER anew")
    given = parser.parse_args()
    given.kinds = tuple(kind for kind in KINDS if kind in given.only) or KINDS
    given.groups = tuple(group for group in GROUPS if group in given.only) or tuple(GROUPS)
    given.parts = tuple(part for part in PARTS if part in given.only) or PARTS
    given.clients = tuple(given.clients)
    given.threads = QUICK_THREADS_COUNT if given.quick else THREADS_COUNT
    if given.quick:
        given.seconds, given.repeats = min(given.seconds, 0.2), min(given.repeats, 1)
    return given


def main() -> None:
    given = options()
    if not given.write:
        for made in measured(given):
            print(page.section_of(made), end="\n\n", flush=True)
            if given.into is not None:
                record.save(made, given.into / "benchmarks")
    if given.into is not None:
        page.write(given.into)


def measured(given: argparse.Namespace) -> Iterator[record.Record]:
    """Measure what was asked for, one part after the other."""
    with generating() as generator:
        if "operations" in given.parts:
            for kind in given.kinds:
                with folder() as place:
                    yield operations_part.measure(kind, given, generator, place, say)
        if "instructions" in given.parts:
            for kind in given.kinds:
                with folder() as place:
                    if (counted := instructions.measure(kind, given, place, say)) is not None:
                        yield counted
        if "growth" in given.parts:
            for kind in given.kinds:
                with folder() as place:
                    yield growth_part.measure(kind, given, generator, place, say)
        if "alternatives" in given.parts:
            for group in given.groups:
                if is_installed(group):
                    with folder() as place:
                        yield alternatives_part.measure(group, given, generator, place, say)
    if "streams" in given.parts:
        yield streams.record_of(given, streams.measure(given.kinds, given, say))


def is_installed(group: str) -> bool:
    if (ENVIRONMENTS / group / ".installed").exists():
        return True
    print(f"{group}: not installed; make bench-alternatives does that.\n")
    return False


@contextmanager
def generating() -> Iterator[Generator]:
    generator = Generator()
    try:
        yield generator
    finally:
        generator.close()


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="threadkeep-bench-") as name:
        yield Path(name)


def say(text: str) -> None:
    """Show what is going on, if somebody watches."""
    if sys.stderr.isatty() or os.environ.get("BENCH_SAY"):
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
