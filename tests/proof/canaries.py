"""Words that stand nowhere else, each put into one place, and where they are found afterwards."""

import asyncio
import itertools
import os
import re
import subprocess
import time
from collections import defaultdict
from pathlib import Path

import apsw

from proof.place import Place

WORD = re.compile(r"canary[a-z]+\d+x")
WORD_BYTES = re.compile(WORD.pattern.encode())
BUSY_MS = 2_000
CHECKPOINTS_MAX = 30
CHECKPOINT_PAUSE_S = 0.3
DUMP_S = 120
# Where old copies of rows may lie, which SQLite does not overwrite.
GAPS = "gaps between rows"
# The kinds of pages that hold rows: the first byte of each.
INNER_INDEX, INNER_TABLE, LEAF_INDEX, LEAF_TABLE = 2, 5, 10, 13

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
    await asyncio.to_thread(checkpoint, path)
    left: Found = defaultdict(set)
    # Whatever SQLite keeps beside its file, by whatever name.
    for file in path.parent.glob(f"{path.name}*"):
        content = file.read_bytes()
        if file == path:
            left[GAPS] = words_in(content)
            content = without_gaps(content)
        left[file.name.replace(path.name, "file")] = words_in(content)
    left[GAPS] -= set().union(*(words for name, words in left.items() if name != GAPS))
    return left


def words_in(content: bytes) -> set[str]:
    return {word.decode() for word in WORD_BYTES.findall(content)}


def without_gaps(content: bytes) -> bytes:
    """Return a database file with zeros between the list of cells and the cells of each page, as its format has them.

    When SQLite spreads the rows of a page over several, it leaves old copies there, also with `secure_delete`; what
    is deleted later is overwritten where it stands, and nowhere else. See docs/security.md.
    """
    page_bytes = int.from_bytes(content[16:18]) or 65536
    cleared = bytearray(content)
    for page in range(0, len(content), page_bytes):
        head = page + 100 if page == 0 else page
        kind = content[head]
        if kind not in (INNER_INDEX, INNER_TABLE, LEAF_INDEX, LEAF_TABLE):
            continue
        cells = int.from_bytes(content[head + 3 : head + 5])
        start = head + (12 if kind in (INNER_INDEX, INNER_TABLE) else 8) + 2 * cells
        end = page + (int.from_bytes(content[head + 5 : head + 7]) or 65536)
        if start < end <= page + page_bytes:
            cleared[start:end] = bytes(end - start)
    return bytes(cleared)


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


def checkpoint(path: Path) -> None:
    """Bring the whole write-ahead log into the file, and cut it to nothing."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(BUSY_MS)
    try:
        # Somebody may be reading, or making a checkpoint too.
        for _ in range(CHECKPOINTS_MAX):
            [(is_busy, _, _)] = connection.execute("pragma wal_checkpoint(truncate)").fetchall()
            if not is_busy:
                return
            time.sleep(CHECKPOINT_PAUSE_S)
        raise RuntimeError("no checkpoint came to its end")
    finally:
        connection.close()
