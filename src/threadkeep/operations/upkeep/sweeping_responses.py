"""The sweeper's steps for responses: those of deleted threads, and events whose time is over."""

from typing import Any

from threadkeep import clock
from threadkeep.database.driver import Transaction
from threadkeep.database.statement import everywhere, finder
from threadkeep.operations.responses import events

RESPONSES_AT_ONCE = 20

THEIR_RESPONSES_TEXT = """
    select r.id from responses r
    where r.organization = :organization and r.thread in (select cast(j.value as bigint) from {source} j)
    limit :limit
    """
THEIR_RESPONSES = everywhere(
    THEIR_RESPONSES_TEXT.format(source="json_each(:threads)"),
    postgres=THEIR_RESPONSES_TEXT.format(source="json_array_elements_text(cast(:threads as json))"),
)

WITH_EVENTS = everywhere("""
    select r.id from responses r
    where r.organization = :organization and r.thread = :thread and r.message_seq <= :last_seq
      and r.events_until_ms is not null
    limit :limit
    """)

OLD_EVENTS = finder(
    "select r.organization, r.id from responses r where {within} and r.events_until_ms <= :now_ms limit :limit",
    "r.organization",
)

DELETE_EVENTS = everywhere(events.DELETE_TEXT)

FORGET = everywhere(events.FORGET_TEXT)

DELETE = everywhere("delete from responses where organization = :organization and id = :response_id")


async def purge_of_threads(tx: Transaction, threads: dict[str, Any]) -> int:
    """Delete some responses of deleted threads, which `threads` names: an organization, and keys as JSON."""
    rows = await tx.fetch(THEIR_RESPONSES, {**threads, "limit": RESPONSES_AT_ONCE})
    for (response_id,) in rows:
        its = {"organization": threads["organization"], "response_id": response_id}
        await tx.fetch(DELETE_EVENTS, its)
        await tx.fetch(DELETE, its)
    return len(rows)


async def purge_events(tx: Transaction, organization: int, thread: int, last_seq: int) -> int:
    """Delete the events of some answers up to `last_seq` in an emptied thread."""
    rows = await tx.fetch(
        WITH_EVENTS, {"organization": organization, "thread": thread, "last_seq": last_seq, "limit": RESPONSES_AT_ONCE}
    )
    for (response_id,) in rows:
        its = {"organization": organization, "response_id": response_id}
        await tx.fetch(DELETE_EVENTS, its)
        await tx.fetch(FORGET, its)
    return len(rows)


async def prune_events(tx: Transaction, within: int | None) -> int:
    """Delete the events of responses that ended more than 10 minutes ago."""
    given = {"organization": within, "now_ms": clock.now_ms(), "limit": RESPONSES_AT_ONCE}
    rows = await tx.fetch(OLD_EVENTS.of(within), given)
    for organization, response_id in rows:
        its = {"organization": organization, "response_id": response_id}
        await tx.fetch(FORGET, its)
        await tx.fetch(DELETE_EVENTS, its)
    return len(rows)
