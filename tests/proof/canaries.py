"""Words that stand nowhere else, each put into one place, and where they are found afterwards."""

import asyncio
import itertools
import os
import re
import subprocess
from collections import defaultdict
from pathlib import Path

from proof.place import Place
from support.waiting import eventually

WORD = re.compile(r"canary[a-z]+\d+x")
WORD_BYTES = re.compile(WORD.pattern.encode())
EMPTIED_S = 30
DUMP_S = 120

# Which words stand in which table or file.
Found = dict[str, set[str]]


class Canaries:
    """Makes the words. The place's name is part of a word, so whoever finds it knows what was forgotten."""

    def __init__(self) -> None:
        self.numbers = itertools.count(1)

    def word(self, place: str) -> str:
        return f"canary{place}{next(self.numbers)}x"


def places_of(words: set[str]) -> set[str]:
    return {re.sub(r"^canary|\d+x$", "", word) for word in words}


async def in_tables(place: Place) -> Found:
    """Read every table through a connection of its own."""
    found = {}
    async with place.stored() as stored:
        for table in await stored.tables():
            rows = await stored.rows(f'select * from "{table}"')
            found[table] = {word for row in rows for word in WORD.findall(str(row))}
    return found


async def in_what_is_left(place: Place) -> Found:
    """Search what somebody would get who takes the files (SQLite, after a checkpoint) or a dump (PostgreSQL)."""
    if place.kind == "postgres":
        return {"pg_dump": set(WORD.findall(await asyncio.to_thread(dumped, place)))}
    path = Path(place.database.url.removeprefix("sqlite:///"))
    await log_emptied(path)
    left: Found = defaultdict(set)
    # Whatever SQLite keeps beside its file, by whatever name.
    for file in path.parent.glob(f"{path.name}*"):
        left[file.name.replace(path.name, "file")] = {word.decode() for word in WORD_BYTES.findall(file.read_bytes())}
    return left


def dumped(place: Place) -> str:
    assert place.postgres is not None
    program = Path(place.postgres.wheel.bin_path) / "pg_dump"
    return subprocess.run(
        [program, "--no-password", place.database.url],
        env={**os.environ, "PGCLIENTENCODING": "UTF8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DUMP_S,
        check=True,
    ).stdout


async def log_emptied(path: Path) -> None:
    """Wait for the server's own checkpoint: soon after the last write it empties its log."""
    log = path.with_name(f"{path.name}-wal")

    async def size_bytes() -> int:
        return log.stat().st_size if log.exists() else 0

    await eventually(size_bytes, lambda size: size == 0, EMPTIED_S)
