"""The list of threads: filters, sorting, positions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from msgspec import structs

from threadkeep import clock
from threadkeep.contract.answers import ListPage
from threadkeep.contract.lifecycle import STATES, State
from threadkeep.contract.limits import (
    METADATA_KEY_CHARACTERS_MAX,
    METADATA_PAIRS_MAX,
    METADATA_VALUE_CHARACTERS_MAX,
    TITLE_CHARACTERS_MAX,
)
from threadkeep.contract.threads import LastMessage, Thread
from threadkeep.database.driver import Row
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import Statement, scoped
from threadkeep.errors import InsufficientPermissions, InvalidCursor
from threadkeep.operations import paging, payloads
from threadkeep.operations.idempotency import KEPT_MS
from threadkeep.operations.paging import Position, Window
from threadkeep.operations.threads import origins, previews
from threadkeep.operations.threads.listing_sql import (
    PAIR_LETTERS,
    Shape,
    keys_statement,
    page_statement,
    total_statement,
)
from threadkeep.operations.threads.rows import fold, threads_of
from threadkeep.scope import Scope

# As stored: an escaped character takes six, and each pair adds four quotes, a colon and a comma.
PAIR_CHARACTERS_MAX = 6 * (METADATA_KEY_CHARACTERS_MAX + METADATA_VALUE_CHARACTERS_MAX) + 6
METADATA_CHARACTERS_MAX = 2 + METADATA_PAIRS_MAX * PAIR_CHARACTERS_MAX
# This many threads fit a page even if each is as large as possible.
FITTING_COUNT = paging.PAGE_BYTES_MAX // (paging.OBJECT_BYTES + 2 * METADATA_CHARACTERS_MAX + 4 * TITLE_CHARACTERS_MAX)
LIKE_SPECIAL = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_"})

# Of a list that is not paged.
WHOLE = Window(1, descending=True, after=None, before=None)

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
    """Which threads of the organization are asked for. None means any."""

    user_id: str | None = None
    assistant_id: str | None = None
    external_id: str | None = None
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
        singles = (self.assistant_id, self.external_id, self.visible_in_ui, self.is_streaming, self.title_contains)
        created = (self.created_after_ms, self.created_before_ms)
        return (
            sum(each is not None for each in singles)
            + any(each is not None for each in created)
            + (not self.has_default_state)
            + len(self.pairs)
        )


class Bounds(NamedTuple):
    """The open interval of (milliseconds, key) in which threads are read."""

    low: tuple[int, int] | None
    high: tuple[int, int] | None


# Compared by identity, which is fast as a cache key: requests with the same parameters share one object.
@dataclass(frozen=True, eq=False)
class Query:
    """One request for a page of threads."""

    filter: Filter
    window: Window
    sort: str = "createdAt"
    with_last_message: bool = False
    with_payload: bool = False
    with_total: bool = False

    @cached_property
    def is_slow(self) -> bool:
        """Whether no index bounds the rows that are read. It then runs as a slow read, with a time limit."""
        filters = self.filter.count
        return (
            self.with_total
            or self.filter.title_contains is not None
            or filters > 1
            or (self.sort == "updatedAt" and filters > 0)
        )


async def list_threads(tx: ScopedTransaction, query: Query) -> ListPage:
    """Return one page. Raises InvalidCursor, InsufficientPermissions for a member who asks for others' threads."""
    user_id = user_of(tx.scope, query.filter)
    if query.window.cursor is None:
        statement, parameters = plan_first(query, user_id)
    else:
        statement, parameters = plan(query, user_id, await find_position(tx, query))
    rows = await tx.fetch(statement, **parameters)
    make = threads_with_last_message if query.with_last_message else threads_of
    threads = make(rows[: query.window.limit], tx.scope)
    if query.window.limit > FITTING_COUNT:
        threads = paging.fitting(threads, size_of)
    await origins.add(tx, threads, rows)
    if query.with_payload:
        places = [(key, payloads.OF_THREAD) for (key, *_), _ in zip(rows, threads, strict=False)]
        threads = await payloads.add(tx, threads, places, size_of)
    if query.with_last_message:
        await previews.pass_over_blanks(tx, threads, rows)
    next_cursor = None
    if len(threads) < len(rows):
        key, created_ms, updated_ms, *_ = rows[len(threads) - 1]
        sorted_ms = created_ms if query.sort == "createdAt" else updated_ms
        next_cursor = paging.encode_position(query.sort, (sorted_ms, key))
    result = paging.page_of(threads, query.window, next_cursor)
    if query.with_total:
        whole = bounds_of(query, None)
        parameters = parameters | parameters_of(query.filter, whole)
        [[total]] = await tx.fetch(total_statement(shape_of(query, user_id, whole)), **parameters)
        return structs.replace(result, total=total)
    return result


def user_of(scope: Scope, filter: Filter) -> str | None:
    """Return whose threads are asked for; None means everybody's. Raises InsufficientPermissions."""
    if scope.member is not None and filter.user_id not in (None, scope.member):
        raise InsufficientPermissions("Members list their own threads only: leave userId out.", param="userId")
    return scope.member or filter.user_id


async def all_keys(tx: ScopedTransaction, filter: Filter, step_size: int, keys_max: int) -> Sequence[Row]:
    """Return the keys of all threads that match, `step_size` at a time: how many, and the keys as JSON.

    They are of one moment, and in their order. Raises InsufficientPermissions as the list does.
    """
    user_id = user_of(tx.scope, filter)
    query = Query(filter, WHOLE)
    bounds = bounds_of(query, None)
    return await tx.fetch(
        keys_statement(shape_of(query, user_id, bounds)),
        user_id=user_id,
        limit=keys_max,
        step_size=step_size,
        **parameters_of(filter, bounds),
    )


def plan(query: Query, user_id: str | None, position: Position | None) -> tuple[Statement, dict[str, Any]]:
    """Return the statement for the page from `position` on, and its parameters."""
    bounds = bounds_of(query, position)
    parameters = {"user_id": user_id, "limit": query.window.limit + 1, **parameters_of(query.filter, bounds)}
    return page_statement(shape_of(query, user_id, bounds), query.with_last_message), parameters


@lru_cache(maxsize=512)
def plan_first(query: Query, user_id: str | None) -> tuple[Statement, dict[str, Any]]:
    """Return what `plan` gives for the first page; cached, since most requests ask for it."""
    return plan(query, user_id, None)


def size_of(thread: Thread) -> int:
    return 2 * len(thread.metadata) + 4 * len(thread.title or "")


async def list_own_threads(tx: ScopedTransaction, query: Query) -> ListPage:
    """Return one page of the caller's own threads, whatever the caller's role."""
    if query.filter.user_id not in (None, tx.scope.user_id):
        raise InsufficientPermissions("This path lists your own threads only: leave userId out.", param="userId")
    own = replace(query.filter, user_id=tx.scope.user_id)
    return await list_threads(tx, replace(query, filter=own))


def threads_with_last_message(rows: Sequence[Row], scope: Scope) -> list[Thread]:
    """Make the objects of rows that end with role, preview, time and blankness of the thread's last message."""
    threads = threads_of([columns for *columns, _, _, _, _ in rows], scope)
    for thread, (*_, role, preview, created_ms, _) in zip(threads, rows, strict=True):
        thread.last_message = None if role is None else LastMessage(role, preview, created_ms // 1000)
    return threads


def bounds_of(query: Query, position: Position | None) -> Bounds:
    """Return the interval to read: from the position on, within the filters on creation."""
    low: tuple[int, int] | None = None
    high: tuple[int, int] | None = None
    if query.sort == "createdAt":
        # Every key is greater than -1, so this bound lies before all threads of its millisecond.
        low = None if query.filter.created_after_ms is None else (query.filter.created_after_ms, -1)
        high = None if query.filter.created_before_ms is None else (query.filter.created_before_ms, -1)
    if position is not None:
        sorted_ms, key = position
        at = (int(sorted_ms), int(key))
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
    """Return the shape of the statement for the query."""
    filter = query.filter
    by_creation = query.sort == "createdAt"
    default = filter.has_default_state and filter.visible_in_ui is None
    return Shape(
        sort=query.sort,
        descending=query.window.reads_descending,
        of_user=user_id is not None,
        of_assistant=filter.assistant_id is not None,
        of_external_id=filter.external_id is not None,
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
        "external_id": filter.external_id,
        "title_pattern": None if needle is None else f"%{fold(needle).translate(LIKE_SPECIAL)}%",
        "created_after_ms": filter.created_after_ms,
        "created_before_ms": filter.created_before_ms,
        "low_ms": low_ms,
        "low_key": low_key,
        "high_ms": high_ms,
        "high_key": high_key,
        **{f"pair_{letter}": pair for letter, pair in zip(PAIR_LETTERS, filter.pairs, strict=False)},
    }
