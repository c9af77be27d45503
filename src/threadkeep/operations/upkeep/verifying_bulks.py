"""What `threadkeep verify` checks of bulks: their counts, what is left to do, and what is kept to undo them."""

from collections.abc import Iterator
from typing import Any

import msgspec

from threadkeep.database.driver import Row
from threadkeep.decoding import decode
from threadkeep.operations.bulk.jobs import CANCELLED, COMPLETED, IN_PROGRESS, UNDOING, UNDONE
from threadkeep.operations.upkeep.walks import walk

STATUSES = (IN_PROGRESS, COMPLETED, CANCELLED, UNDOING, UNDONE)


def broken_in_bulk(row: Row) -> Iterator[str]:
    _, bulk_id, organization_id, status, matched, done, changed, undone, refused, lease_until, has_change, left = row
    if organization_id is None:
        yield f"{bulk_id} is a bulk of an organization that does not exist"
    if status not in STATUSES:
        yield f"{bulk_id} is a bulk with a status that does not exist"
    if (lease_until is not None) != (status in (IN_PROGRESS, UNDOING)):
        yield f"{bulk_id} is a bulk that goes on and nobody works at, or the other way"
    refused_count = sum(decode(refused, dict[str, int]).values())
    if not undone <= changed <= done - refused_count <= done <= matched:
        yield f"{bulk_id} counts more threads than it has"
    if status == IN_PROGRESS and left != matched - done:
        yield f"{bulk_id} has {matched - done} threads to do, but {left} are stored"
    if has_change and status != IN_PROGRESS:
        yield f"what {bulk_id} has changed is left, though it has ended"


def broken_in_bulk_part(row: Row) -> Iterator[str]:
    _, bulk, _, _, bulk_id, thread_count, threads = row
    if bulk_id is None:
        yield f"threads are left of a bulk that does not exist (number {bulk})"
    keys: Any = msgspec.json.decode(threads)  # Any: JSON.
    if len(set(keys)) != thread_count:
        yield f"{bulk_id} has a part of {thread_count} threads that names {len(set(keys))}"


def broken_in_bulk_undo(row: Row) -> Iterator[str]:
    _, thread, _, thread_id, bulk_id, revision, thread_revision, _ = row
    if thread_id is None:
        yield f"what a bulk has changed is left of a thread that does not exist (number {thread})"
    elif revision > thread_revision:
        yield "a bulk has changed it at a revision that it has not reached"
    if bulk_id is None:
        yield f"what a bulk has changed is left, but no such bulk (number {thread})"


BULKS = walk(
    "bulks",
    {"organization": 0, "id": ""},
    "select {columns} from bulks b {batch} left join organizations o on o.key = b.organization",
    """o.id, b.status, b.matched, b.done, b.changed, b.undone, b.refused, b.lease_until, b.change is not null,
        (select coalesce(sum(q.thread_count), 0) from bulk_parts q
            where q.organization = b.organization and q.bulk = b.key)""",
    broken_in_bulk,
    lambda _, id, organization_id, *rest: (organization_id, None, None),
)

BULK_PARTS = walk(
    "bulk_parts",
    {"organization": 0, "bulk": 0, "part": 0},
    """select {columns} from bulk_parts b {batch}
    left join bulks c on c.organization = b.organization and c.key = b.bulk
    left join organizations o on o.key = b.organization""",
    "o.id, c.id, b.thread_count, b.threads",
    broken_in_bulk_part,
    lambda _, bulk, part, organization_id, *rest: (organization_id, None, None),
)

BULK_UNDO = walk(
    "bulk_undo",
    {"organization": 0, "thread": 0},
    """select {columns} from bulk_undo b {batch}
    left join threads t on t.organization = b.organization and t.key = b.thread
    left join bulks c on c.organization = b.organization and c.key = b.bulk
    left join organizations o on o.key = b.organization""",
    "o.id, t.id, c.id, b.revision, t.revision, b.was",
    broken_in_bulk_undo,
    lambda _, thread, organization_id, thread_id, *rest: (organization_id, thread_id, None),
)

WALKS = [BULKS, BULK_PARTS, BULK_UNDO]
