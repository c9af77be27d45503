"""The counters of a server: in the memory of its one process, or in a file that its workers share."""

import json
import mmap
import os
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing.reduction import DupFd
from typing import Any, TypeAlias, cast

Label: TypeAlias = tuple[str, ...]
Cells: TypeAlias = list[float]

CELLS_COUNT = 14
READY: Label = ("ready",)
RUNNING: Label = ("responses running",)
READERS: Label = ("stream readers",)
FLUSHES: Label = ("journal flushes",)
# Current states, not counts: they end with their process.
GAUGES = {READY, RUNNING, READERS}
# The label of the last row, which counts everything for which there is no room.
OTHER: Label = ("other",)


class Tally:
    """The numbers of one process, for itself."""

    def __init__(self) -> None:
        self._rows: dict[Label, Cells] = {}

    def cells(self, label: Label) -> Cells:
        """Return the numbers of a label. The caller changes them in place; other processes must not."""
        found = self._rows.get(label)
        if found is None:
            found = self._rows[label] = self._new(label)
        return found

    def _new(self, _label: Label) -> Cells:
        return [0.0] * CELLS_COUNT

    def sums(self) -> dict[Label, Cells]:
        """Return the numbers of all processes, added up."""
        return {label: list(cells) for label, cells in self._rows.items()}

    def process_ids(self) -> list[int]:
        return [os.getpid()]


# A row is its label, as JSON padded with zero bytes, and its numbers. The first row of a process has no label; its
# numbers are the count of the rows that follow, and the process's id.
LABEL_BYTES = 256
ROW_BYTES = LABEL_BYTES + 8 * CELLS_COUNT
# More than all routes with all methods and their few status codes need.
ROWS_MAX = 3_072
PROCESS_BYTES = ROW_BYTES * ROWS_MAX
ROWS_COUNT, PROCESS_ID = range(2)


class SharedTally(Tally):
    """The numbers of one of several processes, in a file without a name that all of them map into memory.

    Each writes to its own place and reads all. The successor of a dead process goes on counting in its place.
    """

    def __init__(self, file: int, place: int, places_count: int) -> None:
        super().__init__()
        self._file = file
        self._place = place
        self._places_count = places_count
        mapped = memoryview(mmap.mmap(file, PROCESS_BYTES * places_count))
        self._places = [mapped[at : at + PROCESS_BYTES] for at in range(0, len(mapped), PROCESS_BYTES)]
        self._head = cells_at(self._places[place], 0)
        self._rows = dict(rows_in(self._places[place]))

    @classmethod
    def made(cls, places_count: int) -> "SharedTally":
        """Return the first place of a new file."""
        with tempfile.TemporaryFile(prefix="threadkeep-tally-") as file:
            # Written, not only extended: to touch a page for which the disk has no room would kill the process.
            file.write(bytes(PROCESS_BYTES * places_count))
            file.flush()
            return cls(os.dup(file.fileno()), 0, places_count)

    def at(self, place: int) -> "SharedTally":
        return SharedTally(self._file, place, self._places_count)

    def __reduce__(self) -> tuple[Callable[..., "SharedTally"], tuple[Any, ...]]:
        # Any: passes the open file to a process that is being spawned.
        return taken_along, (DupFd(self._file), self._place, self._places_count)

    def enter(self) -> None:
        """Note that this process counts here now."""
        self._head[PROCESS_ID] = os.getpid()

    def leave(self) -> None:
        """Set the gauges to zero after the process that counted here has ended."""
        self._head[PROCESS_ID] = 0
        for label, cells in rows_in(self._places[self._place]):
            if label in GAUGES:
                cells[0] = 0

    def _new(self, label: Label) -> Cells:
        place, row = self._places[self._place], int(self._head[ROWS_COUNT]) + 1
        if row == ROWS_MAX - 1:
            label = OTHER
        elif row == ROWS_MAX:
            return cells_at(place, ROWS_MAX - 1)
        at = row * ROW_BYTES
        text = json.dumps(label).encode()
        place[at : at + LABEL_BYTES] = text.ljust(LABEL_BYTES, b"\0")
        # Last: from now on other processes read the row.
        self._head[ROWS_COUNT] = row
        return cells_at(place, row)

    def sums(self) -> dict[Label, Cells]:
        sums: dict[Label, Cells] = {}
        for place in self._places:
            for label, cells in rows_in(place):
                known = sums.get(label, [0.0] * CELLS_COUNT)
                sums[label] = [one + other for one, other in zip(known, cells, strict=True)]
        return sums

    def process_ids(self) -> list[int]:
        ids = (int(cells_at(place, 0)[PROCESS_ID]) for place in self._places)
        return [id for id in ids if id]


def taken_along(file: Any, place: int, places_count: int) -> SharedTally:
    return SharedTally(file.detach(), place, places_count)


def cells_at(place: memoryview, row: int) -> Cells:
    at = row * ROW_BYTES + LABEL_BYTES
    # Not a list, but used as one only by index and iteration.
    return cast(Cells, place[at : at + 8 * CELLS_COUNT].cast("d"))


def rows_in(place: memoryview) -> Iterator[tuple[Label, Cells]]:
    for row in range(1, int(cells_at(place, 0)[ROWS_COUNT]) + 1):
        text = bytes(place[row * ROW_BYTES : row * ROW_BYTES + LABEL_BYTES]).rstrip(b"\0")
        yield tuple(json.loads(text)), cells_at(place, row)
