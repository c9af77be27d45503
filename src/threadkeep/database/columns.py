"""Takes the first or the last column off rows: much quicker than to unpack all others by name, in long lists."""

from collections.abc import Sequence
from typing import Any

from threadkeep.database.driver import Row


def firsts(rows: Sequence[Row]) -> list[Any]:  # Any: a column's values.
    return [row[0] for row in rows]


def lasts(rows: Sequence[Row]) -> list[Any]:  # Any: a column's values.
    return [row[-1] for row in rows]


def without_last(rows: Sequence[Row]) -> list[Row]:
    return [row[:-1] for row in rows]
