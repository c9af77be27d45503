"""Where a copy comes from, as far as the caller may see that thread."""

from collections.abc import Sequence

from threadkeep.contract.threads import CopiedFrom, Thread
from threadkeep.database.driver import Row
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.operations.threads.rows import COLUMNS

COPIED_THREAD_AT = [column.strip() for column in COLUMNS.split(",")].index("t.copied_thread")

READ = scoped("""
    select s.id, t.copied_message from threads t
    join threads s on s.organization = :organization and s.key = t.copied_thread
        and s.user_id = coalesce(:member, s.user_id)
    where t.organization = :organization and t.key = :thread and t.user_id = coalesce(:member, t.user_id)
    """)


async def add(tx: ScopedTransaction, threads: Sequence[Thread], rows: Sequence[Row]) -> None:
    """Give threads that are copies their origin; `rows` begin with COLUMNS."""
    for thread, row in zip(threads, rows, strict=False):
        if row[COPIED_THREAD_AT] is not None:
            key, *_ = row
            found = await tx.fetch_one(READ, thread=key)
            thread.copied_from = None if found is None else CopiedFrom(*found)
