"""Previews of a thread's last message. Blank messages, which hold a payload alone, are passed over."""

from collections.abc import Sequence

from threadkeep.contract.threads import LastMessage, Thread
from threadkeep.database.driver import Row
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.operations.messages import lines

CLEARED = scoped("""
    select t.cleared_seq from threads t
    where t.organization = :organization and t.key = :thread and t.user_id = coalesce(:member, t.user_id)
    """)

SAYING = lines.within("""
    select m.seq, m.role, m.preview, m.created_ms from {runs}
    and m.is_blank = 0
    order by m.seq desc limit :limit
    """)


async def pass_over_blanks(tx: ScopedTransaction, threads: Sequence[Thread], rows: Sequence[Row]) -> None:
    """Give threads whose newest message is blank the preview of the newest one of the current line that is not."""
    for thread, row in zip(threads, rows, strict=False):
        key, *_, is_blank = row
        if not is_blank:
            continue
        thread.last_message = None
        for (cleared_seq,) in await tx.fetch(CLEARED, thread=key):
            spans = lines.line_to(await lines.forks_of(tx, key, cleared_seq), cleared_seq)
            for _, role, preview, created_ms in await lines.newest_on(tx, key, spans, SAYING, 1):
                thread.last_message = LastMessage(role, preview, created_ms // 1000)
