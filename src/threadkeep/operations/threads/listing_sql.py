"""The statements of the list of threads, put together from constant fragments; each distinct shape is compiled once.

A statement first finds keys, in branches: each reads at most a page of one range of one index, in the list's order.
Only then it reads the threads of the page. So the rows it reads are bounded, however many the organization has.
"""

from functools import lru_cache
from string import ascii_lowercase
from typing import NamedTuple

from threadkeep.contract.limits import METADATA_FILTERS_MAX
from threadkeep.database.statement import Statement, scoped
from threadkeep.operations.threads.rows import COLUMNS, IS_LEASED

# Table aliases, one for each metadata pair in the filter. The first is the one that is scanned.
PAIR_LETTERS = ascii_lowercase[:METADATA_FILTERS_MAX]

LAST_MESSAGE = """
    left join messages m on m.organization = :organization and m.thread = t.key and m.seq = (
        select max(n.seq) from messages n
        where n.organization = :organization and n.thread = t.key and n.seq > t.cleared_seq
    )"""


class Shape(NamedTuple):
    """Which conditions a statement has; the values are parameters."""

    sort: str
    descending: bool
    of_user: bool
    of_assistant: bool
    of_external_id: bool
    is_streaming: bool | None
    # None: all threads that are not archived; indexes exist for these.
    shelves: tuple[int, ...] | None
    pairs: int
    title: bool
    from_low: bool
    from_high: bool
    # Set only with sort=updatedAt; otherwise the interval that is read covers them.
    created_after: bool
    created_before: bool

    @property
    def column(self) -> str:
        return "created_ms" if self.sort == "createdAt" else "updated_ms"

    @property
    def needs_thread(self) -> bool:
        """Whether the conditions look at more than metadata pairs."""
        return bool(
            not self.pairs
            or self.of_assistant
            or self.of_external_id
            or self.is_streaming is not None
            or self.title
            or self.sort == "updatedAt"
        )

    def order(self, alias: str = "", key: str = "key") -> str:
        direction = "desc" if self.descending else "asc"
        dot = f"{alias}." if alias else ""
        return f"order by {dot}{self.column} {direction}, {dot}{key} {direction}"


@lru_cache(maxsize=256)
def page_statement(shape: Shape, with_last_message: bool) -> Statement:
    """Return the statement for a page: rows of COLUMNS, with role, preview and time of the last message if asked."""
    columns = f"{COLUMNS}, m.role, m.preview, m.created_ms, m.is_blank" if with_last_message else COLUMNS
    join = LAST_MESSAGE if with_last_message else ""
    if shape.shelves is None and not shape.pairs and not with_last_message:
        # The plain list needs no separate query for keys.
        text = f"select {columns} from {tables(shape)} where {conditions(shape)} {shape.order('t')} limit :limit"
    else:
        text = f"""
    select {columns} from ({keys(shape)}) k
    join threads t on t.organization = :organization and t.key = k.key {join}
    {shape.order("k")}"""
    return scoped(text, every_user=not shape.of_user)


@lru_cache(maxsize=64)
def total_statement(shape: Shape) -> Statement:
    """Return the statement that counts all matching threads, whichever page is asked for."""
    return scoped(f"select count(*) from ({matching(shape)}) b", every_user=not shape.of_user)


@lru_cache(maxsize=64)
def keys_statement(shape: Shape) -> Statement:
    """Return the statement for the keys of all matching threads, `step_size` at a time: how many, and they as JSON."""
    text = f"""
    select count(*), {{array}} from (
        select b.key, (row_number() over (order by b.key) - 1) / :step_size as part
        from ({matching(shape)} limit :limit) b
    ) n
    group by n.part order by n.part"""
    return scoped(
        text.format(array="json_group_array(n.key)"),
        postgres=text.format(array="cast(json_agg(n.key) as text)").replace(":step_size", "cast(:step_size as bigint)"),
        every_user=not shape.of_user,
    )


def matching(shape: Shape) -> str:
    """Return the query for the keys of all matching threads, each of them once."""
    key = "a.thread" if shape.pairs else "t.key"
    return " union all ".join(
        f"select {key} as key from {tables(shape)} where {each}" for each in branch_conditions(shape)
    )


def keys(shape: Shape) -> str:
    """Return the query for the keys of a page."""
    alias, key = ("a", "thread") if not shape.needs_thread else ("t", "key")
    # A pair's index is in the order of creation. In a join with threads, only its own columns make that usable.
    ordered = ("a", "thread") if shape.pairs and shape.sort == "createdAt" else (alias, key)
    branches = [
        f"select {alias}.{shape.column}, {alias}.{key} as key from {tables(shape)} where {each} "
        f"{shape.order(*ordered)} limit :limit"
        for each in branch_conditions(shape)
    ]
    if len(branches) == 1:
        return branches[0]
    united = " union all ".join(f"select * from ({branch}) b{place}" for place, branch in enumerate(branches))
    return f"select * from ({united}) u {shape.order()} limit :limit"


def tables(shape: Shape) -> str:
    if not shape.pairs:
        # A cross join keeps its order on SQLite, which has no statistics: the index of external ids is read first.
        return "threads x cross join threads t" if shape.of_external_id else "threads t"
    threads = " join threads t on t.organization = a.organization and t.key = a.thread"
    return f"thread_metadata a{threads if shape.needs_thread else ''}"


def branch_conditions(shape: Shape) -> list[str]:
    """Return the conditions of each branch. There is one for each shelf, so that each is one range of an index."""
    if shape.shelves is None and not (shape.pairs or shape.of_assistant):
        return [conditions(shape)]
    shelves = shape.shelves if shape.shelves is not None else (0, 1, 2, 3)
    alias = "a" if shape.pairs else "t"
    if shape.sort == "updatedAt":
        return [f"{conditions(shape)} and {alias}.shelf in ({', '.join(map(str, shelves))})"]
    return [f"{conditions(shape)} and {alias}.shelf = {shelf}" for shelf in shelves]


def conditions(shape: Shape) -> str:
    """Return all conditions but the shelf's."""
    alias, key = ("a", "thread") if shape.pairs and shape.sort == "createdAt" else ("t", "key")
    found = [f"{'a' if shape.pairs else 't'}.organization = :organization"]
    if shape.shelves is None and not (shape.pairs or shape.of_assistant):
        found.append("t.archived_ms is null")
    if shape.of_user:
        # Members get their own threads, whatever they ask for; admins and owners may ask for one user's.
        found.append(f"{'a' if shape.pairs else 't'}.user_id = coalesce(:member, :user_id)")
    if shape.of_assistant:
        found.append("t.assistant_id = :assistant_id")
    if shape.of_external_id:
        found.append(
            "t.external_id = :external_id"
            if shape.pairs
            else "x.organization = :organization and x.external_id = :external_id and t.key = x.key"
        )
    if shape.is_streaming is True:
        found.append(IS_LEASED)
    if shape.is_streaming is False:
        found.append(f"not coalesce({IS_LEASED}, false)")
    if shape.title:
        found.append(r"t.title_folded like :title_pattern escape '\'")
    if shape.created_after:
        found.append("t.created_ms >= :created_after_ms")
    if shape.created_before:
        found.append("t.created_ms < :created_before_ms")
    if shape.from_low:
        found.append(f"({alias}.{shape.column}, {alias}.{key}) > (:low_ms, :low_key)")
    if shape.from_high:
        found.append(f"({alias}.{shape.column}, {alias}.{key}) < (:high_ms, :high_key)")
    return " and ".join(found + pair_conditions(shape))


def pair_conditions(shape: Shape) -> list[str]:
    """Return the conditions on metadata pairs: the first is scanned, the others are looked up for each of its rows."""
    if not shape.pairs:
        return []
    others = [
        f"exists (select 1 from thread_metadata {letter} where {letter}.organization = :organization "
        f"and {letter}.pair = :pair_{letter} and {letter}.shelf = a.shelf and {letter}.created_ms = a.created_ms "
        f"and {letter}.thread = a.thread)"
        for letter in PAIR_LETTERS[1 : shape.pairs]
    ]
    return ["a.pair = :pair_a", *others]
