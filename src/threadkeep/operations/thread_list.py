"""The list of threads: filters, sorting, positions."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from msgspec import structs

from threadkeep import clock
from threadkeep.database.driver import Row
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import InsufficientPermissions, InvalidCursor
from threadkeep.lifecycle import STATES, State
from threadkeep.objects import LastMessage, Page, Thread
from threadkeep.operations import paging
from threadkeep.operations.idempotency import KEPT_MS
from threadkeep.operations.paging import Position, Window
from threadkeep.operations.thread_list_sql import Shape, page_statement, total_statement
from threadkeep.operations.thread_rows import fold, thread_of
from threadkeep.scope import Scope

LIKE_SPECIAL = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_"})

FIND_BY_ID = scoped("""
    select t.created_ms, t.key from threads t
    where t.organization = :organization and t.id = :thread_id and t.user_id = coalesce(:member, t.user_id)
    """)

FIND_DELETED_BY_ID = scoped("""
    select d.created_ms, d.key from deleted_threads d
    where d.organization = :organization and d.id = :thread_id and d.user_id = coalesce(:member, d.user_id)
      and d.deleted_ms > :since_ms
    order by d.key desc limit 1
    """)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which threads of the organization are asked for. None means that it does not matter."""

    user_id: str | None = None
    assistant_id: str | None = None
    visible_in_ui: bool | None = None
    state: State | None = None
    every_state: bool = False
    is_streaming: bool | None = None
    pairs: tuple[bytes, ...] = ()
    title_contains: str | None = None
    created_after_ms: int | None = None
    created_before_ms: int | None = None

    @property
    def has_default_state(self) -> bool:
        return self.state is None and not self.every_state

    @property
    def shelves(self) -> tuple[int, ...]:
        """The shelves (see the migration) on which matching threads stand."""
        return tuple(
            2 * STATES.index(state) + visible
            for state in STATES
            for visible in (0, 1)
            if (self.every_state or state is self.state or (self.has_default_state and state is not State.ARCHIVED))
            and self.visible_in_ui in (None, bool(visible))
        )

    @property
    def count(self) -> int:
        """How many filters there are besides the user and the default state."""
        singles = (self.assistant_id, self.visible_in_ui, self.is_streaming, self.title_contains)
        created = (self.created_after_ms, self.created_before_ms)
        return (
            sum(each is not None for each in singles)
            + any(each is not None for each in created)
            + (not self.has_default_state)
            + len(self.pairs)
        )


class Bounds(NamedTuple):
    """The open interval of the list's order within which threads are read, as (milliseconds, key)."""

    low: tuple[int, int] | None
    high: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Query:
    """One request for a page of threads."""

    filter: Filter
    window: Window
    sort: str = "createdAt"
    with_last_message: bool = False
    with_total: bool = False

    @property
    def is_slow(self) -> bool:
        """Whether no index bounds the rows that it visits; it then runs aside, with a time limit."""
        filters = self.filter.count
        return (
            self.with_total
            or self.filter.title_contains is not None
            or filters > 1
            or (self.sort == "updatedAt" and filters > 0)
        )


async def list_threads(tx: ScopedTransaction, query: Query) -> Page:
    """Return one page. Raises InvalidCursor, InsufficientPermissions for a member who asks for others' threads."""
    user_id = tx.scope.member or query.filter.user_id
    if tx.scope.member is not None and query.filter.user_id not in (None, tx.scope.member):
        raise InsufficientPermissions("Members list their own threads only: leave userId out.", param="userId")
    bounds = bounds_of(query, await find_position(tx, query))
    parameters = {
        "user_id": user_id,
        "limit": query.window.limit + 1,
        **parameters_of(query.filter, bounds),
    }
    statement = page_statement(shape_of(query, user_id, bounds), query.with_last_message)
    rows = await tx.fetch(statement, **parameters)
    column = 1 if query.sort == "createdAt" else 2
    scope = tx.scope
    result = paging.page(
        rows,
        query.window,
        query.sort,
        make_with_preview(scope) if query.with_last_message else lambda row: thread_of(row, scope),
        lambda row: (row[column], row[15]),
        size_of=lambda row: 2 * len(row[3]) + 4 * len(row[6] or ""),
    )
    if query.with_total:
        whole = bounds_of(query, None)
        parameters |= parameters_of(query.filter, whole)
        [[total]] = await tx.fetch(total_statement(shape_of(query, user_id, whole)), **parameters)
        return structs.replace(result, total=total)
    return result


async def list_own_threads(tx: ScopedTransaction, query: Query) -> Page:
    """Return one page of the caller's own threads, whatever the caller's role."""
    if query.filter.user_id not in (None, tx.scope.user_id):
        raise InsufficientPermissions("This path lists your own threads only: leave userId out.", param="userId")
    own = replace(query.filter, user_id=tx.scope.user_id)
    return await list_threads(tx, replace(query, filter=own))


def make_with_preview(scope: Scope) -> Callable[[Row], Thread]:
    """Return what makes a thread with the preview of its last message of a row that has both."""

    def make(row: Row) -> Thread:
        role, preview, created_ms = row[-3:]
        last_message = None if role is None else LastMessage(role, preview, created_ms // 1000)
        return structs.replace(thread_of(row, scope), last_message=last_message)

    return make


def bounds_of(query: Query, position: Position | None) -> Bounds:
    """Return the part of the order that is walked: from the position, within the filters on creation."""
    low: tuple[int, int] | None = None
    high: tuple[int, int] | None = None
    if query.sort == "createdAt":
        # No key is as small as -1: the bound itself lies before all threads of its millisecond.
        low = None if query.filter.created_after_ms is None else (query.filter.created_after_ms, -1)
        high = None if query.filter.created_before_ms is None else (query.filter.created_before_ms, -1)
    if position is not None:
        at = (int(position[0]), int(position[1]))
        if query.window.reads_descending:
            high = at if high is None else min(high, at)
        else:
            low = at if low is None else max(low, at)
    return Bounds(low, high)


async def find_position(tx: ScopedTransaction, query: Query) -> Position | None:
    """Return the values after (or before) which the page begins."""
    cursor = query.window.cursor
    if cursor is None:
        return None
    if paging.is_position(cursor):
        return paging.read_position(query.window, query.sort, (int, int))
    if query.sort != "createdAt":
        raise InvalidCursor("With sort=updatedAt send a nextCursor: ids may move.", param=query.window.param)
    row = await tx.fetch_one(FIND_BY_ID, thread_id=cursor)
    if row is None:
        row = await tx.fetch_one(FIND_DELETED_BY_ID, thread_id=cursor, since_ms=clock.now_ms() - KEPT_MS)
    if row is None:
        raise InvalidCursor(param=query.window.param)
    return list(row)


def shape_of(query: Query, user_id: str | None, bounds: Bounds) -> Shape:
    """Return which statement the query takes."""
    filter = query.filter
    by_creation = query.sort == "createdAt"
    default = filter.has_default_state and filter.visible_in_ui is None
    return Shape(
        sort=query.sort,
        descending=query.window.reads_descending,
        of_user=user_id is not None,
        of_assistant=filter.assistant_id is not None,
        is_streaming=filter.is_streaming,
        shelves=None if default else filter.shelves,
        pairs=len(filter.pairs),
        title=filter.title_contains is not None,
        from_low=bounds.low is not None,
        from_high=bounds.high is not None,
        created_after=filter.created_after_ms is not None and not by_creation,
        created_before=filter.created_before_ms is not None and not by_creation,
    )


def parameters_of(filter: Filter, bounds: Bounds) -> dict[str, Any]:
    needle = filter.title_contains
    low_ms, low_key = bounds.low or (None, None)
    high_ms, high_key = bounds.high or (None, None)
    return {
        "assistant_id": filter.assistant_id,
        "title_pattern": None if needle is None else f"%{fold(needle).translate(LIKE_SPECIAL)}%",
        "created_after_ms": filter.created_after_ms,
        "created_before_ms": filter.created_before_ms,
        "low_ms": low_ms,
        "low_key": low_key,
        "high_ms": high_ms,
        "high_key": high_key,
        **{f"pair_{'abcdefgh'[position]}": pair for position, pair in enumerate(filter.pairs)},
    }
