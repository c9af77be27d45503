"""Which responses wrote messages, and how these ended: for readers to whom an answer is not natively told."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped

TEXT = """
    select r.id, coalesce(f.id, r.id), r.status, r.finish_reason, r.ended_ms from {source}
    cross join responses r
    left join responses f on f.organization = r.organization and f.key = r.first
    where r.organization = :organization and r.id = {id}
    """
READ = scoped(
    TEXT.format(source="json_each(:ids) j", id="j.value"),
    postgres=TEXT.format(source="json_array_elements(cast(:ids as json)) j", id="j.value #>> '{}'"),
)


class Origin(NamedTuple):
    """The response that wrote a message."""

    response_id: str
    # The first response of its chain.
    first_id: str
    status: str
    finish_reason: str | None
    ended_ms: int | None


async def find(tx: ScopedTransaction, response_ids: Iterable[str | None]) -> dict[str, Origin]:
    """Return the responses with these ids, which come from messages that the caller may see."""
    wanted = sorted({each for each in response_ids if each is not None})
    if not wanted:
        return {}
    rows = await tx.fetch(READ, ids=msgspec.json.encode(wanted).decode())
    return {origin.response_id: origin for origin in (Origin(*row) for row in rows)}
