"""`make planted-bugs`: plants each bug into a copy of the package, and lets the proofs that should catch it run.

    python -m proof.planted                       # all bugs, both databases
    python -m proof.planted --write               # and writes the table into docs/proof.md
    python -m proof.planted innerHTML fence       # only bugs whose description holds one of these words; the rows of
                                                  # others stay as they are with --write

A bug is caught when the proof reports a broken promise; that it broke off, or that a fault did not happen, is not
enough. The status is 1 if a bug went uncaught.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from proof.bug import Bug, all_bugs, plant
from proof.documented import read_block, write_block
from proof.one import load_proofs
from proof.record import DATABASES, PROOFS, Record
from proof.running import run_apart

JOBS = 3
SENTENCE_CHARACTERS_MAX = 110


@dataclass(frozen=True)
class Trial:
    """One bug against one proof on one database."""

    bug: Bug
    id: str
    database: str
    record: Record

    @property
    def is_caught(self) -> bool:
        return bool(self.record.violations)

    def __str__(self) -> str:
        first = (self.record.violations or self.record.missing or self.record.error.splitlines()[-1:] or ["-"])[0]
        verdict = "caught" if self.is_caught else "NOT CAUGHT"
        return f"{verdict:<11}{self.id:<4}{self.database:<9}{self.record.took_s:4.0f} s  {self.bug.what}: {first[:200]}"


async def try_all(bugs: list[Bug], databases: list[str], jobs: int) -> list[Trial]:
    """Try every bug on every proof that should catch it; print each trial as it ends."""
    free = asyncio.Semaphore(jobs)

    async def attempt(bug: Bug, id: str, database: str) -> Trial:
        async with free:
            with tempfile.TemporaryDirectory(prefix="threadkeep-planted-") as folder:
                # The system user that runs PostgreSQL need not come in here: only servers import the copy.
                package = plant(bug, Path(folder))
                record = await run_apart(id, database, bug.scale, package=package)
        trial = Trial(bug, id, database, record)
        print(trial, flush=True)
        return trial

    return await asyncio.gather(
        *(
            attempt(bug, id, database)
            for bug in bugs
            for id in bug.caught_by
            for database in bug.databases
            if database in databases and database in PROOFS[id].databases
        )
    )


HEAD = ["| planted bug | proof | database | caught | what the proof said first |", "|---|---|---|---|---|"]


def table(trials: list[Trial]) -> str:
    """Return the table bug × proof, in Markdown: which proof caught it where, and what it said first.

    What was not tried this time stays as it is in the page, if there is such a bug still.
    """
    lines = {}
    for line in read_block("bugs").splitlines()[len(HEAD) :]:
        what, id, database = line.split(" | ")[:3]
        lines[what.removeprefix("| "), id, database] = line
    for each in trials:
        said = (each.record.violations or ["-"])[0].replace("|", "\\|").replace("\n", " ")
        caught = "yes" if each.is_caught else "**no**"
        name = (each.bug.what, each.id, each.database)
        lines[name] = f"| {' | '.join(name)} | {caught} | {said[:SENTENCE_CHARACTERS_MAX]} |"
    names = [
        (bug.what, id, database)
        for bug in all_bugs()
        for id in bug.caught_by
        for database in bug.databases
        if database in PROOFS[id].databases
    ]
    return "\n".join([*HEAD, *(lines[name] for name in names if name in lines)]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m proof.planted", description=__doc__.split("\n")[0])
    parser.add_argument("words", nargs="*", help="only bugs whose description holds one of these")
    parser.add_argument("--database", choices=DATABASES, action="append", help="both if none is named")
    parser.add_argument("--jobs", type=int, default=JOBS, help="how many at a time")
    parser.add_argument("--write", action="store_true", help="write the table into docs/proof.md")
    arguments = parser.parse_args()
    # Whoever ends this ends what it started as well.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    load_proofs()
    bugs = [each for each in all_bugs() if not arguments.words or any(word in each.what for word in arguments.words)]
    trials = asyncio.run(try_all(bugs, arguments.database or list(DATABASES), arguments.jobs))
    if arguments.write:
        write_block("bugs", table(trials))
    caught = sum(each.is_caught for each in trials)
    print(f"{caught} of {len(trials)} trials caught their bug")
    sys.exit(caught < len(trials))


if __name__ == "__main__":
    main()
