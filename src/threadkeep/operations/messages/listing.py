"""The list of a thread's messages, in the order of their numbers."""

from functools import lru_cache
from typing import Any

from threadkeep import clock
from threadkeep.contract.answers import ListPage
from threadkeep.contract.lifecycle import Action
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import Statement, scoped
from threadkeep.errors import InvalidCursor
from threadkeep.operations import paging
from threadkeep.operations.idempotency import KEPT_MS
from threadkeep.operations.messages.rows import COLUMNS, StoredMessage, messages_of
from threadkeep.operations.paging import KEY_MAX, PAGE_BYTES_MAX, Window
from threadkeep.operations.responses import events
from threadkeep.operations.threads.rows import explain

SORT = "seq"

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


THREAD = """select t.key, t.cleared_seq from threads t
            where t.organization = :organization and t.id = :thread_id and t.user_id = coalesce(:member, t.user_id)"""


async def list_messages(tx: ScopedTransaction, thread_id: str, window: Window, role: str | None) -> ListPage:
    """Return one page. Raises ThreadNotFound or InvalidCursor."""
    position = await find_position(tx, thread_id, window)
    rows = await tx.fetch(
        page_statement(window.reads_descending, role is not None),
        thread_id=thread_id,
        role=role,
        at_seq=position,
        limit=window.limit + 1,
        page_bytes=PAGE_BYTES_MAX,
    )
    if not rows:
        await explain(tx, thread_id, Action.READ)
    found = messages_of(rows, thread_id)
    page = paging.page(found, window, SORT, lambda message: (message.seq,), size_of=size_of)
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
    row = await tx.fetch_one(FIND_BY_ID, thread_id=thread_id, message_id=cursor)
    if row is None:
        row = await tx.fetch_one(
            FIND_DELETED_BY_ID, thread_id=thread_id, message_id=cursor, since_ms=clock.now_ms() - KEPT_MS
        )
    if row is None:
        await explain(tx, thread_id, Action.READ)
        raise InvalidCursor(param=window.param)
    [seq] = row
    return int(seq)


@lru_cache
def page_statement(descending: bool, of_role: bool) -> Statement:
    """Return the statement that reads no more content than a page may hold.

    The inner query adds up sizes without reading content. Whole messages are read only if they begin within the
    page, plus one more, which shows that the list goes on.
    """
    direction = "desc" if descending else "asc"
    role = "and m.role = :role" if of_role else ""

    cleared = "(select h.cleared_seq from h)"

    def within(above: str, greatest: str) -> str:
        # A single lower bound: given two, SQLite seeks the first and scans every row up to the second.
        return f"> {above} and m.seq < :at_seq" if descending else f"> {greatest}({above}, :at_seq)"

    def text(greatest: str) -> str:
        bounds = within(cleared, greatest)
        # The thread is a subquery: with a join, PostgreSQL would read all of its messages and sort them.
        return f"""
        with h as ({THREAD})
        select {COLUMNS} from (
            select s.thread, s.seq,
                sum(s.size_bytes) over (order by s.seq {direction} rows unbounded preceding) - s.size_bytes as before
            from (
                select m.thread, m.seq, m.size_bytes from messages m
                where m.organization = :organization and m.thread = (select h.key from h) and m.seq {bounds} {role}
                order by m.seq {direction} limit :limit
            ) s
        ) p
        join messages m on m.organization = :organization and m.thread = p.thread and m.seq = p.seq
        where p.before <= :page_bytes
        order by m.seq {direction}
        """

    # Each step asks one table, which Citus plans fastest. The content of a row is not read before it is returned.
    results = " ".join(f"r{place} := message.{name};" for place, name in enumerate(StoredMessage._fields, 1))
    function = f"""
    declare
        held record;
        message record;
        before bigint = 0;
    begin
        {THREAD.replace(" from threads", " into held from threads")};
        for message in
            select {COLUMNS}, m.size_bytes from messages m
            where m.organization = :organization and m.thread = held.key
              and m.seq {within("held.cleared_seq", "greatest")} {role}
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


# Compiled at import, like every other statement.
STATEMENTS = [page_statement(descending, of_role) for descending in (False, True) for of_role in (False, True)]
