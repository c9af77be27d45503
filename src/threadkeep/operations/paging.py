"""Positions in lists: what `after` and `before` take, what `nextCursor` carries, and how a page is cut."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from threadkeep import ids
from threadkeep.contract.answers import ListPage
from threadkeep.database.statement import Statement, scoped
from threadkeep.decoding import decoder
from threadkeep.errors import InvalidCursor, InvalidParameter

PAGE_BYTES_MAX = 4 * 1024 * 1024
# The size of an object without its texts; a high estimate, so that a page never exceeds its limit.
OBJECT_BYTES = 1024
KEY_MAX = 2**63 - 1
TEXT_CHARACTERS_MAX = 128
# Sorts after every id: no id has this character.
LAST_TEXT = "~"

T = TypeVar("T")

# A position is the values by which the list is sorted, e.g. [created_ms, key], [seq], ["uid_user123"].
Position = list[int | str]
decode_position: Any = decoder(tuple[str, list[int | str]]).decode


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a list that was asked for."""

    limit: int
    descending: bool
    after: str | None
    before: str | None

    @property
    def cursor(self) -> str | None:
        return self.before if self.after is None else self.after

    @property
    def param(self) -> str:
        return "before" if self.after is None else "after"

    @property
    def reads_descending(self) -> bool:
        """Whether rows are read in descending order. With `before` a page is read backwards, then reversed."""
        return self.descending != (self.before is not None)


def both_ways(text: str) -> dict[bool, Statement]:
    """Return a list's statements, descending or not, with `{compare}` and `{direction}` in `text` filled in."""
    return {
        False: scoped(text.format(compare=">", direction="asc")),
        True: scoped(text.format(compare="<", direction="desc")),
    }


def window(limit: int, order: str, after: str | None, before: str | None) -> Window:
    if after is not None and before is not None:
        raise InvalidParameter("Send either after or before, not both.", param="before")
    return Window(limit, order == "desc", after, before)


def encode_position(sort: str, position: Sequence[Any]) -> str:
    """Return a position as text. The server seals it before it leaves, and opens what comes back."""
    return msgspec.json.encode((sort, position)).decode()


def is_position(text: str) -> bool:
    return text.startswith("[")


def read_position(window: Window, sort: str, kinds: tuple[type, ...]) -> Position:
    """Return the position in a `nextCursor` of a list with this sort. Raises InvalidCursor for anything else."""
    position: Position
    try:
        its_sort, position = decode_position(window.cursor or "")
    except msgspec.DecodeError:
        raise InvalidCursor(param=window.param) from None
    if its_sort != sort or len(position) != len(kinds) or not all(map(is_within, position, kinds)):
        raise InvalidCursor(param=window.param)
    return position


def text_position(window: Window, sort: str, prefix: str | None = None) -> str:
    """Return the position of a page in a list sorted by id: ids of ours have `prefix`, users' own ids have None.

    Raises InvalidCursor.
    """
    cursor = window.cursor
    if cursor is None:
        return LAST_TEXT if window.reads_descending else ""
    if is_position(cursor):
        [text] = read_position(window, sort, (str,))
        return str(text)
    is_id = ids.OPAQUE.fullmatch(cursor) if prefix is None else ids.is_ours(cursor, prefix)
    if not is_id:
        raise InvalidCursor(param=window.param)
    return cursor


def is_within(value: int | str, kind: type) -> bool:
    if isinstance(value, str):
        return kind is str and len(value) <= TEXT_CHARACTERS_MAX and "\0" not in value
    return kind is int and -KEY_MAX <= value <= KEY_MAX


def own_id(each: Any) -> str:
    return str(each.id)


def page(
    found: list[T],
    window: Window,
    sort: str,
    position_of: Callable[[T], Sequence[Any]],
    id_of: Callable[[T], str] = own_id,
    size_of: Callable[[T], int] | None = None,
) -> ListPage:
    """Make a page of the objects `found`, up to one more than the limit: the one more shows that there is more."""
    kept = found[: window.limit]
    if size_of is not None:
        kept = fitting(kept, size_of)
    next_cursor = encode_position(sort, position_of(kept[-1])) if len(kept) < len(found) else None
    return page_of(kept, window, next_cursor, id_of)


def fitting(found: list[T], size_of: Callable[[T], int]) -> list[T]:
    """Return as many of the first objects as take PAGE_BYTES_MAX together, but at least one."""
    return found[: count_fitting(map(size_of, found))]


def count_fitting(sizes: Iterable[int]) -> int:
    """Return how many of the first objects with texts of these sizes a page holds: at least one."""
    total_bytes = place = 0
    for place, size_bytes in enumerate(sizes, 1):
        total_bytes += size_bytes + OBJECT_BYTES
        if total_bytes > PAGE_BYTES_MAX and place > 1:
            return place - 1
    return place


def page_of(data: list[T], window: Window, next_cursor: str | None, id_of: Callable[[T], str] = own_id) -> ListPage:
    """Make a page of the objects that were kept, in the order in which they were read."""
    if window.before is not None:
        data = data[::-1]
    first_id, last_id = (id_of(data[0]), id_of(data[-1])) if data else (None, None)
    return ListPage("list", data, first_id, last_id, next_cursor is not None, next_cursor)
