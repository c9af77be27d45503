"""`make prove`: attacks every promise on both databases and prints one line for each.

    python -m proof                          # all of them, at full size
    python -m proof P4 P5 --scale 0.2 --database sqlite

A line says what was done, which faults really happened, and whether the promise was kept. The status is 1 if any was
broken, if a fault that should have happened did not, or if a proof broke off.
"""

import argparse
import asyncio
import sys
import time

from proof.one import DATABASES, load_proofs
from proof.record import PROOFS, Record
from proof.running import run_apart

# Proofs wait more than they compute.
JOBS = 3


async def run_all(ids: list[str], databases: list[str], scale: float, jobs: int) -> bool:
    """Run the proofs, so many at a time; print each as it ends; return whether all promises were kept."""
    free = asyncio.Semaphore(jobs)

    async def run(id: str, database: str) -> bool:
        async with free:
            record = await run_apart(id, database, scale)
        print(line(id, database, record), flush=True)
        return record.is_kept

    return all(await asyncio.gather(*(run(id, database) for id in ids for database in databases)))


def line(id: str, database: str, record: Record) -> str:
    """Say what became of one proof, in one line; what is broken stands below it."""
    verdict = "kept" if record.is_kept else "BROKEN" if record.violations else "NOT PROVED"
    workload = ", ".join(f"{count} {what}" for what, count in record.counts.items()) or "-"
    faults = ", ".join(f"{count} {what}" for what, count in record.faults.items()) or "none"
    found = [*record.violations, *(f"not enough {each}" for each in record.missing), *record.error.splitlines()]
    return "\n".join(
        [
            f"{id:<4}{database:<9}{verdict:<11}{record.took_s:5.0f} s  {workload}; faults: {faults}",
            *(f"      {each}" for each in found),
        ]
    )


def by_number(id: str) -> int:
    return int(id.removeprefix("P"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m proof", description=__doc__.split("\n")[0])
    parser.add_argument("ids", nargs="*", metavar="P4", help="which promises; all if none is named")
    parser.add_argument("--database", choices=DATABASES, action="append", help="both if none is named")
    parser.add_argument("--scale", type=float, default=1.0, metavar="0.2", help="cuts sizes, never faults")
    parser.add_argument("--jobs", type=int, default=JOBS, help="how many at a time")
    arguments = parser.parse_args()
    load_proofs()
    ids = arguments.ids or sorted(PROOFS, key=by_number)
    if unknown := [id for id in ids if id not in PROOFS]:
        parser.error(f"there is no proof of {', '.join(unknown)}")
    started_s = time.monotonic()
    is_kept = asyncio.run(run_all(ids, arguments.database or list(DATABASES), arguments.scale, arguments.jobs))
    print(f"{len(ids)} promises, {time.monotonic() - started_s:.0f} s: {'all kept' if is_kept else 'NOT ALL KEPT'}")
    sys.exit(not is_kept)


if __name__ == "__main__":
    main()
