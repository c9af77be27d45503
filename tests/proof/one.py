"""Runs one proof on one database in a process of its own: `python -m proof.one P4 sqlite --scale 0.2`.

The last line of standard output is the record, as JSON. `make prove` runs all proofs so.
"""

import argparse
import asyncio
import importlib
import json
import pkgutil
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import proof
from proof.place import open_place
from proof.record import DATABASES, PROOFS, Record
from support.postgres import start_postgres


def load_proofs(only: str = "") -> None:
    """Import the modules p01_… and so on, which register their proofs, or that of one: all take two seconds."""
    begins = f"p{int(only[1:]):02}_" if only else r"p\d\d_"
    for module in pkgutil.iter_modules(proof.__path__):
        if re.match(begins, module.name):
            importlib.import_module(f"proof.{module.name}")


async def prove(id: str, kind: str, scale: float, folder: Path) -> Record:
    """Attack one promise on one database, and check what must hold after every attack."""
    record = Record(scale)
    started_s = time.monotonic()
    postgres = start_postgres(folder / "postgres") if kind == "postgres" else None
    work = folder / "work"
    work.mkdir(mode=0o755)
    try:
        async with open_place(kind, work, postgres) as place:
            await PROOFS[id].attack(place, record)
            if not place.is_left_as_it_is:
                await place.check_at_rest(record)
    except AssertionError as error:
        record.violation(f"{str(error)[:400]} ({where(error)})")
    except Exception:
        record.error = traceback.format_exc()
    finally:
        if postgres is not None:
            postgres.remove()
    record.took_s = time.monotonic() - started_s
    return record


def where(error: BaseException) -> str:
    """Name the line of the proof, or of what it uses, that failed."""
    frames = traceback.extract_tb(error.__traceback__)
    return ", ".join(f"{Path(each.filename).name}:{each.lineno}" for each in frames[-2:])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m proof.one")
    parser.add_argument("id", help="as in docs/proof.md: P1, P2 …; not every number has a program")
    parser.add_argument("database", choices=DATABASES)
    parser.add_argument("--scale", type=float, default=1.0, metavar="0.2")
    parser.add_argument("--keep", action="store_true", help="leave the folder with logs and database")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    load_proofs(arguments.id)
    folder = Path(tempfile.mkdtemp(prefix=f"threadkeep-{arguments.id}-{arguments.database}-"))
    # The system user that runs PostgreSQL comes in here.
    folder.chmod(0o755)
    record = Record()
    try:
        record = asyncio.run(prove(arguments.id, arguments.database, arguments.scale, folder))
    finally:
        if arguments.keep or not record.is_kept:
            print(f"What it left is in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(record.to_json()))


if __name__ == "__main__":
    main()
