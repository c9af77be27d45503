"""The list of a thread's messages, in the order of their numbers: of all of them, or of one line."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from threadkeep import clock
from threadkeep.contract.answers import ListPage
from threadkeep.contract.lifecycle import Action
from threadkeep.contract.messages import MessagesQuery
from threadkeep.database.columns import firsts, lasts, without_last
from threadkeep.database.driver import Row
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import Statement, scoped
from threadkeep.errors import InvalidCursor, InvalidParameter, MessageNotFound, ThreadNotFound
from threadkeep.operations import paging, payloads
from threadkeep.operations.idempotency import KEPT_MS
from threadkeep.operations.messages import lines, placing, siblings
from threadkeep.operations.messages.lines import Fork
from threadkeep.operations.messages.rows import COLUMNS, StoredMessage, messages_of
from threadkeep.operations.paging import KEY_MAX, PAGE_BYTES_MAX, Window
from threadkeep.operations.responses import events
from threadkeep.operations.threads.rows import explain

SORT = "seq"
LINE_SORT = "line"
CURRENT = "current"
# Stands for the parent of the first message of a page when all parents must be looked up.
BRANCHED = ""

FIND_BY_ID = scoped("""
    select m.seq from threads t
    join messages m on m.organization = t.organization and m.thread = t.key
    where t.organization = :organization and t.id = :thread_id and t.user_id = coalesce(:member, t.user_id)
      and m.id = :message_id
    """)

FIND_DELETED_BY_ID = scoped("""
    select d.seq from threads t
    join deleted_messages d on d.organization = t.organization and d.thread = t.key
    where t.organization = :organization and t.id = :thread_id and t.user_id = coalesce(:member, t.user_id)
      and d.id = :message_id and d.deleted_ms > :since_ms
    """)

THREAD = scoped("""
    select t.key, t.cleared_seq, t.last_seq from threads t
    where t.organization = :organization and t.id = :thread_id and t.user_id = coalesce(:member, t.user_id)
    """)

FOUND = """select t.key, t.cleared_seq, t.is_branched from threads t
            where t.organization = :organization and t.id = :thread_id and t.user_id = coalesce(:member, t.user_id)"""


class MessageQuery(NamedTuple):
    """One request for a page of messages."""

    window: Window
    role: str | None = None
    external_id: str | None = None
    branch: str | None = None
    through: str | None = None
    with_payload: bool = False
    with_siblings: bool = False

    @property
    def form(self) -> tuple[bool, bool, bool]:
        """What tells the statements of a list apart: direction and filters."""
        return self.window.reads_descending, self.role is not None, self.external_id is not None

    @property
    def begins_current(self) -> bool:
        """Whether this is a page of the whole current line whose end is not known from the page before."""
        cursor = self.window.cursor
        is_whole = self.branch == CURRENT and self.role is None and self.external_id is None
        return is_whole and (cursor is None or not paging.is_position(cursor))

    @property
    def filters(self) -> dict[str, str | None]:
        return {"role": self.role, "external_id": self.external_id}


def query_of(given: MessagesQuery) -> MessageQuery:
    if given.branch is not None and given.through is not None:
        raise InvalidParameter("branch and through name two lines: send one of them.", param="through")
    window = paging.window(given.limit, given.order, given.after, given.before)
    return MessageQuery(
        window,
        given.role,
        given.external_id,
        given.branch,
        given.through,
        with_payload="payload" in given.include,
        with_siblings="siblings" in given.include,
    )


async def list_messages(tx: ScopedTransaction, thread_id: str, query: MessageQuery) -> ListPage:
    """Return one page. Raises ThreadNotFound, InvalidCursor, or MessageNotFound for a line that ends nowhere."""
    if query.through is not None or (query.branch is not None and not query.begins_current):
        return await list_line(tx, thread_id, query)
    descending, *filters = query.form
    place = {"thread_id": thread_id, "at_seq": await find_position(tx, thread_id, query.window)}
    bounds = {"limit": query.window.limit + 1, "page_bytes": PAGE_BYTES_MAX}
    looks_up = any(filters)
    rows = await tx.fetch(page_statement(*query.form, looks_up), **place, **bounds, **query.filters)
    last = lasts(rows)
    is_branched = not looks_up and last[:1] == [BRANCHED]
    if query.branch is not None and (not rows or is_branched):
        return await list_line(tx, thread_id, query)
    if not rows:
        await explain(tx, thread_id, Action.READ)
        return paging.page_of([], query.window, None)
    if is_branched:
        looks_up = True
        rows = await tx.fetch(page_statement(*query.form, looks_up), **place, **bounds, **query.filters)
        last = lasts(rows)
    if not looks_up:
        # A thread that never branched: each message follows the one before it.
        ids = firsts(rows)
        last = [*ids[1:], None] if descending else [*last[:1], *ids[:-1]]
    rows = without_last(rows)
    if query.branch is None:
        return await page_of(tx, thread_id, query, rows, last, SORT, ())
    # The thread never branched, so its current line is all of it. Its cursors keep where the line ends now.
    newest_seq = StoredMessage(*rows[0]).seq
    if query.window.cursor is not None or not descending:
        _, _, newest_seq = await tx.fetch_one(THREAD, thread_id=thread_id) or (0, 0, newest_seq)
    return await page_of(tx, thread_id, query, rows, last, LINE_SORT, (newest_seq,))


async def list_line(tx: ScopedTransaction, thread_id: str, query: MessageQuery) -> ListPage:
    """Return one page of the line that is asked for. Its cursors keep the line on which the walk began."""
    thread = await tx.fetch_one(THREAD, thread_id=thread_id)
    if thread is None:
        raise ThreadNotFound()
    key, cleared_seq, newest_seq = thread
    forks = await lines.forks_of(tx, key, cleared_seq)
    cursor = query.window.cursor
    if cursor is not None and paging.is_position(cursor):
        at_seq, last_seq = (int(each) for each in paging.read_position(query.window, LINE_SORT, (int, int)))
    else:
        last_seq = await find_end(tx, thread_id, query, forks, cleared_seq, int(newest_seq))
        at_seq = await find_position(tx, thread_id, query.window)
    spans = lines.line_to(forks, cleared_seq, last_seq)
    if cursor is not None and not any(low <= at_seq <= high for low, high in spans):
        raise InvalidCursor(param=query.window.param)
    descending = query.window.reads_descending
    spans = lines.clip(spans, 0, at_seq - 1) if descending else lines.clip(spans, at_seq + 1, KEY_MAX)
    if query.external_id is not None:
        place = {"thread": key, "cleared_seq": cleared_seq, "name": query.external_id}
        [its_seq, *_] = await tx.fetch_one(placing.FIND_BY_EXTERNAL_ID, **place) or (0,)
        spans = lines.clip(spans, its_seq, its_seq)
    rows: list[Row] = []
    parent_ids: list[str | None] = []
    wanted, bytes_left = query.window.limit + 1, PAGE_BYTES_MAX
    count = wanted
    while spans and len(rows) < wanted and bytes_left >= 0:
        some = lines.part(spans, count, from_oldest=not descending)
        found = await tx.fetch(
            LINE_STATEMENTS[query.form],
            thread=key,
            cleared_seq=cleared_seq,
            spans=lines.encoded(some),
            limit=wanted - len(rows),
            page_bytes=bytes_left,
            **query.filters,
        )
        parent_ids += lasts(found)
        sized = without_last(found)
        bytes_left -= sum(lasts(sized))
        rows += without_last(sized)
        spans = lines.clip(spans, 0, some[-1][0] - 1) if descending else lines.clip(spans, some[0][1] + 1, KEY_MAX)
        # Where many messages were deleted, or few have the role, fewer and fewer looks reach over the gap.
        count *= 2
    return await page_of(tx, thread_id, query, rows, parent_ids, LINE_SORT, (last_seq,))


async def find_end(
    tx: ScopedTransaction, thread_id: str, query: MessageQuery, forks: Sequence[Fork], cleared_seq: int, newest_seq: int
) -> int:
    """Return the number at which the asked line ends. Raises MessageNotFound."""
    if query.branch == CURRENT:
        return newest_seq
    seq = await find_seq(tx, thread_id, query.branch or query.through or CURRENT) or 0
    if seq <= cleared_seq:
        raise MessageNotFound(param="branch" if query.through is None else "through")
    if query.through is None:
        return seq
    # The newest that descends from it ends the last of the runs that do.
    *_, (_, last_seq) = lines.descent_of(forks, seq)
    return min(last_seq, newest_seq)


async def page_of(
    tx: ScopedTransaction, thread_id: str, query: MessageQuery, rows: Sequence[Row], parent_ids: Sequence[str | None],
    sort: str, more: tuple[int, ...],
) -> ListPage:  # fmt: skip
    """Make the page of rows of COLUMNS. A position is a number with `more` behind it."""
    found = messages_of(rows, thread_id, parent_ids)
    kept = paging.fitting(found[: query.window.limit], size_of)
    if query.with_payload:
        for thread, *_ in await tx.fetch(THREAD, thread_id=thread_id):
            kept = await payloads.add(tx, kept, [(thread, each.seq) for each in kept], size_of)
    if query.with_siblings:
        await siblings.add(tx, thread_id, kept)
    cursor = paging.encode_position(sort, (kept[-1].seq, *more)) if len(kept) < len(found) else None
    page = paging.page_of(kept, query.window, cursor)
    page.data = await events.with_texts_so_far(tx, page.data)
    return page


def size_of(message: Any) -> int:  # Any: a message whose longest fields are the JSON that is stored.
    return len(message.content) + len(message.tool_calls) + len(message.metadata)


async def find_position(tx: ScopedTransaction, thread_id: str, window: Window) -> int:
    """Return the message number that the page begins after, in reading direction."""
    cursor = window.cursor
    if cursor is None:
        return KEY_MAX if window.reads_descending else 0
    if paging.is_position(cursor):
        [seq] = paging.read_position(window, SORT, (int,))
        return int(seq)
    found = await find_seq(tx, thread_id, cursor)
    if found is None:
        row = await tx.fetch_one(
            FIND_DELETED_BY_ID, thread_id=thread_id, message_id=cursor, since_ms=clock.now_ms() - KEPT_MS
        )
        if row is None:
            await explain(tx, thread_id, Action.READ)
            raise InvalidCursor(param=window.param)
        [found] = row
    return int(found)


async def find_seq(tx: ScopedTransaction, thread_id: str, message_id: str) -> int | None:
    [seq] = await tx.fetch_one(FIND_BY_ID, thread_id=thread_id, message_id=message_id) or (None,)
    return None if seq is None else int(seq)


def conditions(of_role: bool, of_external_id: bool) -> str:
    role = "and m.role = :role " if of_role else ""
    return f"{role}and m.external_id = :external_id" if of_external_id else role


@lru_cache
def page_statement(descending: bool, of_role: bool, of_external_id: bool, looks_up: bool) -> Statement:
    """Return the statement that reads no more content than a page may hold.

    The inner query adds up sizes without reading content. Whole messages are read only if they begin within the
    page, plus one more, which shows that the list goes on. The last column is the parent of each if `looks_up`; else
    the message before the page, if it is read from the oldest on, or BRANCHED.
    """
    direction = "desc" if descending else "asc"
    cleared = "(select h.cleared_seq from h)"
    filters = conditions(of_role, of_external_id)

    def parent(key: str, cleared: str, is_branched: str) -> str:
        if looks_up:
            return lines.PARENT_ID.format(cleared=cleared)
        before = f"""(
            select p.id from messages p
            where p.organization = :organization and p.thread = {key} and p.seq > {cleared} and p.seq <= :at_seq
            order by p.seq desc limit 1
        )"""
        return f"case when {is_branched} = 1 then '{BRANCHED}' {'' if descending else f'else {before}'} end"

    def within(above: str, greatest: str) -> str:
        # A single lower bound: given two, SQLite seeks the first and scans every row up to the second.
        return f"> {above} and m.seq < :at_seq" if descending else f"> {greatest}({above}, :at_seq)"

    def text(greatest: str) -> str:
        bounds = within(cleared, greatest)
        # The thread is a subquery: with a join, PostgreSQL would read all of its messages and sort them.
        return f"""
        with h as ({FOUND})
        select {COLUMNS}, {parent("(select h.key from h)", cleared, "(select h.is_branched from h)")} from (
            select s.thread, s.seq,
                sum(s.size_bytes) over (order by s.seq {direction} rows unbounded preceding) - s.size_bytes as before
            from (
                select m.thread, m.seq, m.size_bytes from messages m
                where m.organization = :organization and m.thread = (select h.key from h) and m.seq {bounds} {filters}
                order by m.seq {direction} limit :limit
            ) s
        ) p
        join messages m on m.organization = :organization and m.thread = p.thread and m.seq = p.seq
        where p.before <= :page_bytes
        order by m.seq {direction}
        """

    # Each step asks one table, which Citus plans fastest. The content of a row is not read before it is returned.
    names = [*(f"message.{name}" for name in StoredMessage._fields), "message.parent_id"]
    results = " ".join(f"r{place} := {name};" for place, name in enumerate(names, 1))
    function = f"""
    declare
        held record;
        message record;
        before bigint = 0;
    begin
        {FOUND.replace(" from threads", " into held from threads")};
        for message in
            select {COLUMNS}, m.size_bytes, {parent("held.key", "held.cleared_seq", "held.is_branched")} as parent_id
            from messages m
            where m.organization = :organization and m.thread = held.key
              and m.seq {within("held.cleared_seq", "greatest")} {filters}
            order by m.seq {direction} limit :limit
        loop
            exit when before > :page_bytes;
            before := before + message.size_bytes;
            {results}
            return next;
        end loop;
    end
    """
    return scoped(text("max"), postgres=text("greatest"), function=function)


def line_statement(descending: bool, of_role: bool, of_external_id: bool) -> Statement:
    """Return the same for messages of given runs, all of them behind what was cleared; a row has its size as well."""
    direction = "desc" if descending else "asc"
    # A cross join keeps its order on SQLite, which could choose to read the whole organization first.
    return lines.within(f"""
        select {COLUMNS}, m.size_bytes, {lines.PARENT_ID.format(cleared=":cleared_seq")} from (
            select s.thread, s.seq,
                sum(s.size_bytes) over (order by s.seq {direction} rows unbounded preceding) - s.size_bytes as before
            from (
                select m.thread, m.seq, m.size_bytes from {{runs}}
                {conditions(of_role, of_external_id)}
                order by m.seq {direction} limit :limit
            ) s
        ) p
        cross join messages m
        where m.organization = :organization and m.thread = p.thread and m.seq = p.seq and p.before <= :page_bytes
        order by m.seq {direction}
        """)


# Compiled at import, like every other statement.
BOTH = (False, True)
FORMS = [(descending, of_role, of_id) for descending in BOTH for of_role in BOTH for of_id in BOTH]
STATEMENTS = [page_statement(*form, looks_up) for form in FORMS for looks_up in ({any(form[1:]), True})]
LINE_STATEMENTS = {form: line_statement(*form) for form in FORMS}
