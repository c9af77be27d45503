"""`make prove`: attacks every promise on both databases and prints one line for each.

    python -m proof                          # all of them, at full size
    python -m proof P4 P5 --scale 0.2 --database sqlite
    python -m proof --write                  # and writes the table of docs/proof.md

A line says what was done, which faults really happened, and whether the promise was kept. The status is 1 if any was
broken, if a fault that should have happened did not, or if a proof broke off.
"""

import argparse
import asyncio
import os
import platform
import signal
import sys
import time
from datetime import UTC, datetime

from proof.documented import write_block
from proof.one import load_proofs
from proof.record import DATABASES, PROOFS, Record
from proof.running import run_apart

# Proofs wait more than they compute.
JOBS = 3
# Of what a broken proof found, so many lines stand at the end as well.
SAID_AGAIN = 3

Attempt = tuple[str, str, Record]


async def run_all(ids: list[str], databases: list[str], scale: float, jobs: int) -> list[Attempt]:
    """Run the proofs, so many at a time; print each as it ends."""
    free = asyncio.Semaphore(jobs)

    async def run(id: str, database: str) -> Attempt:
        async with free:
            record = await run_apart(id, database, scale)
        print(line(id, database, record), flush=True)
        return id, database, record

    # The last ones take longest: begun last, they would run alone.
    pairs = [(id, each) for id in reversed(ids) for each in databases if PROOFS[id].runs_on(each, scale)]
    return sorted(await asyncio.gather(*(run(*each) for each in pairs)), key=lambda each: ids.index(each[0]))


def line(id: str, database: str, record: Record) -> str:
    """Say what became of one proof, in one line; what is broken stands below it."""
    did = f"{listed(record.counts)}; faults: {listed(record.faults)}"
    return "\n".join(
        [
            f"{id:<4}{database:<9}{record.verdict:<11}{record.took_s:5.0f} s  {did}",
            *(f"      {each}" for each in found(record)),
        ]
    )


def found(record: Record) -> list[str]:
    return [*record.violations, *(f"not enough {each}" for each in record.missing), *record.error.splitlines()]


def listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {what}".replace(",", "\u202f") for what, count in counts.items()) or "none"


def table(attempts: list[Attempt], scale: float) -> str:
    """Return the lines as a table in Markdown, and when, where and at which scale they were run."""
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    lines = [
        f"Run on {datetime.now(UTC):%Y-%m-%d}, {machine}, scale {scale:g}:\n",
        "| | promise | database | result | what was done | faults that happened |",
        "|---|---|---|---|---|---|",
    ]
    for id, database, record in attempts:
        told = f"{PROOFS[id].promise} | {database} | {record.verdict}, {record.took_s:.0f} s"
        lines.append(f"| {id} | {told} | {listed(record.counts)} | {listed(record.faults)} |")
    return "\n".join(lines) + "\n"


def by_number(id: str) -> int:
    return int(id.removeprefix("P"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m proof", description=__doc__.split("\n")[0])
    parser.add_argument("ids", nargs="*", metavar="P4", help="which promises; all if none is named")
    parser.add_argument("--database", choices=DATABASES, action="append", help="both if none is named")
    parser.add_argument("--scale", type=float, default=1.0, metavar="0.2", help="cuts sizes, never faults")
    parser.add_argument("--jobs", type=int, default=JOBS, help="how many at a time")
    parser.add_argument("--write", action="store_true", help="write the table into docs/proof.md")
    arguments = parser.parse_args()
    # Whoever ends this ends what it started as well.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    load_proofs()
    ids = arguments.ids or sorted(PROOFS, key=by_number)
    if unknown := [id for id in ids if id not in PROOFS]:
        parser.error(f"there is no proof of {', '.join(unknown)}")
    started_s = time.monotonic()
    attempts = asyncio.run(run_all(ids, arguments.database or list(DATABASES), arguments.scale, arguments.jobs))
    is_kept = all(record.is_kept for _, _, record in attempts)
    if arguments.write:
        write_block("run", table(attempts, arguments.scale))
    # Said again, where who looks at the end of a long log finds it.
    for id, database, record in attempts:
        for each in found(record)[:SAID_AGAIN]:
            print(f"{id} {database} {record.verdict}: {each}")
    print(f"{len(ids)} promises, {time.monotonic() - started_s:.0f} s: {'all kept' if is_kept else 'NOT ALL KEPT'}")
    sys.exit(not is_kept)


if __name__ == "__main__":
    main()
