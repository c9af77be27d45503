"""The list of threads: filters, sorting, positions. Its statements are put together here from constant fragments."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from msgspec import structs

from threadkeep import clock
from threadkeep.database.driver import Row
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import Statement, scoped
from threadkeep.errors import InsufficientPermissions, InvalidCursor
from threadkeep.lifecycle import STATES, State
from threadkeep.objects import LastMessage, Page, Thread
from threadkeep.operations import metadata, paging
from threadkeep.operations.idempotency import KEPT_MS
from threadkeep.operations.paging import Position, Window
from threadkeep.operations.thread_rows import COLUMNS, fold, thread_of
from threadkeep.scope import Scope

ALL_SHELVES = frozenset(range(6))
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

LAST_MESSAGES = """
    select p.*, m.role, m.preview, m.created_ms from ({page}) p
    left join messages m on m.organization = :organization and m.thread = p.key and m.seq = (
        select max(n.seq) from messages n
        where n.organization = :organization and n.thread = p.key and n.seq > p.cleared_seq
    )
    order by p.{column} {direction}, p.key {direction}
    """


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
    def shelves(self) -> frozenset[int]:
        """The shelves (see the migration) on which matching threads stand."""
        return frozenset(
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
    position = await find_position(tx, query)
    parameters = {"user_id": user_id, "limit": query.window.limit + 1, **filter_parameters(query.filter)}
    if position is not None:
        parameters["at_ms"], parameters["at_key"] = position
    statement = page_statement(
        shape(query.filter, user_id), query.sort, query.window.reads_descending, position is not None,
        query.with_last_message,
    )  # fmt: skip
    rows = await tx.fetch(statement, **parameters)
    column = 1 if query.sort == "createdAt" else 2
    result = paging.page(
        rows,
        query.window,
        query.sort,
        lambda row: (
            with_preview(thread_of(row, tx.scope), row) if query.with_last_message else thread_of(row, tx.scope)
        ),
        lambda row: (row[column], row[15]),
        size_of=lambda row: 2 * len(row[3]) + 4 * len(row[6] or ""),
    )
    if query.with_total:
        [[total]] = await tx.fetch(total_statement(shape(query.filter, user_id)), **parameters)
        return structs.replace(result, total=total)
    return result


async def list_own_threads(tx: ScopedTransaction, query: Query) -> Page:
    """Return one page of the caller's own threads, whatever the caller's role."""
    if query.filter.user_id not in (None, tx.scope.user_id):
        raise InsufficientPermissions("This path lists your own threads only: leave userId out.", param="userId")
    own = replace(query.filter, user_id=tx.scope.user_id)
    return await list_threads(tx, replace(query, filter=own))


def make(row: Row, scope: Scope, query: Query) -> Thread:
    thread = thread_of(row, scope)
    return with_preview(thread, row) if query.with_last_message else thread


def with_preview(thread: Thread, row: Row) -> Thread:
    role, preview, created_ms = row[17:20]
    last_message = None if role is None else LastMessage(role, preview, created_ms // 1000)
    return structs.replace(thread, last_message=last_message)


async def find_position(tx: ScopedTransaction, query: Query) -> Position | None:
    """Return the values after (or before) which the page begins."""
    cursor = query.window.cursor
    if cursor is None:
        return None
    if paging.is_cursor(cursor):
        return paging.decode_cursor(query.window, query.sort, (int, int))
    if query.sort != "createdAt":
        raise InvalidCursor("With sort=updatedAt send a nextCursor: ids may move.", param=query.window.param)
    row = await tx.fetch_one(FIND_BY_ID, thread_id=cursor)
    if row is None:
        row = await tx.fetch_one(FIND_DELETED_BY_ID, thread_id=cursor, since_ms=clock.now_ms() - KEPT_MS)
    if row is None:
        raise InvalidCursor(param=query.window.param)
    return list(row)


# --- statements: each distinct shape of a query is compiled once


@dataclass(frozen=True, slots=True)
class Shape:
    """Which conditions a statement has; the values are parameters."""

    of_user: bool
    of_assistant: bool
    is_streaming: bool | None
    shelves: frozenset[int] | None
    pairs: int
    title: bool
    created_after: bool
    created_before: bool


def shape(filter: Filter, user_id: str | None) -> Shape:
    default = filter.has_default_state and filter.visible_in_ui is None
    return Shape(
        user_id is not None,
        filter.assistant_id is not None,
        filter.is_streaming,
        None if default else filter.shelves,
        len(filter.pairs),
        filter.title_contains is not None,
        filter.created_after_ms is not None,
        filter.created_before_ms is not None,
    )


def filter_parameters(filter: Filter) -> dict[str, Any]:
    needle = filter.title_contains
    return {
        "assistant_id": filter.assistant_id,
        "title_pattern": None if needle is None else f"%{fold(needle).translate(LIKE_SPECIAL)}%",
        "created_after_ms": filter.created_after_ms,
        "created_before_ms": filter.created_before_ms,
        "now_ms": clock.now_ms(),
        **{f"pair_{'abcdefgh'[position]}": pair for position, pair in enumerate(filter.pairs)},
    }


@lru_cache(maxsize=4096)
def page_statement(
    shape: Shape, sort: str, descending: bool, from_position: bool, with_last_message: bool
) -> Statement:
    column = "created_ms" if sort == "createdAt" else "updated_ms"
    direction = "desc" if descending else "asc"
    order = f"order by {column} {direction}, key {direction}"
    after = [f"(t.{column}, t.key) {'<' if descending else '>'} (:at_ms, :at_key)"] if from_position else []
    columns = f"{COLUMNS}, t.cleared_seq"
    branches = [
        f"select {columns} from {tables(shape)} where {' and '.join(conditions + after)}"
        for conditions in shelf_conditions(shape, sort)
    ]
    # Each branch is one range of an index in the wanted order; both databases merge the branches as they go.
    text = f"select * from ({' union all '.join(branches)}) b {order} limit :limit" if len(branches) > 1 else (
        f"{branches[0]} order by t.{column} {direction}, t.key {direction} limit :limit"
    )  # fmt: skip
    if with_last_message:
        text = LAST_MESSAGES.format(page=text, column=column, direction=direction)
    return scoped(text, every_user=not shape.of_user)


@lru_cache(maxsize=1024)
def total_statement(shape: Shape) -> Statement:
    branches = [
        f"select t.key from {tables(shape)} where {' and '.join(conditions)}"
        for conditions in shelf_conditions(shape, "createdAt")
    ]
    return scoped(f"select count(*) from ({' union all '.join(branches)}) b", every_user=not shape.of_user)


def tables(shape: Shape) -> str:
    if not shape.pairs:
        return "threads t"
    return "thread_metadata a join threads t on t.organization = a.organization and t.key = a.thread"


def shelf_conditions(shape: Shape, sort: str) -> list[list[str]]:
    """Return the conditions of each branch of the statement."""
    conditions = ["t.organization = :organization"]
    if shape.of_user:
        conditions.append("t.user_id = :user_id")
    if shape.of_assistant:
        conditions.append("t.assistant_id = :assistant_id")
    if shape.is_streaming is True:
        conditions.append("t.response_id is not null and t.lease_until >= :now_ms")
    if shape.is_streaming is False:
        conditions.append("(t.response_id is null or t.lease_until < :now_ms)")
    if shape.title:
        conditions.append(r"t.title_folded like :title_pattern escape '\'")
    if shape.created_after:
        conditions.append("t.created_ms >= :created_after_ms")
    if shape.created_before:
        conditions.append("t.created_ms < :created_before_ms")
    conditions += pair_conditions(shape)
    if shape.shelves is None and not (shape.pairs or shape.of_assistant):
        return [[*conditions, "t.archived_ms is null"]]
    shelves = sorted(range(4) if shape.shelves is None else shape.shelves)
    alias = "a" if shape.pairs else "t"
    if sort == "updatedAt":
        return [[*conditions, f"t.shelf in ({', '.join(map(str, shelves))})"]]
    return [[*conditions, f"{alias}.shelf = {shelf}"] for shelf in shelves]


def pair_conditions(shape: Shape) -> list[str]:
    if not shape.pairs:
        return []
    conditions = ["a.organization = :organization", "a.pair = :pair_a", "a.created_ms = t.created_ms"]
    if shape.of_user:
        conditions.append("a.user_id = :user_id")
    for letter in "bcdefgh"[: shape.pairs - 1]:
        conditions.append(
            f"exists (select 1 from thread_metadata {letter} where {letter}.organization = :organization "
            f"and {letter}.pair = :pair_{letter} and {letter}.shelf = a.shelf and {letter}.created_ms = a.created_ms "
            f"and {letter}.thread = a.thread)"
        )
    return conditions


def pair_of(key: str, value: str) -> bytes:
    """Return what a filter `metadata.<key>=<value>` looks for."""
    return metadata.pair_hash(key, value)
