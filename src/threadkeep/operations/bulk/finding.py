"""Which threads a bulk is about, and what it would do with them: all that is read before it is stored."""

import asyncio
from collections import Counter
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from threadkeep import clock
from threadkeep.contract.bulk import BulkCreate, BulkPreview
from threadkeep.contract.limits import BULK_THREADS_MAX
from threadkeep.database.driver import Row
from threadkeep.database.scoped import ScopedDatabase, ScopedTransaction
from threadkeep.database.statement import Statement, scoped
from threadkeep.errors import InvalidField, ThreadNotFound
from threadkeep.operations.bulk import acting
from threadkeep.operations.threads.listing import Filter, all_keys
from threadkeep.operations.threads.rows import HELD_COLUMNS, HeldThread, expiry_ms

# So many threads go in one step: nobody waits for long, and a job of many threads is not held up by single commits.
STEP_SIZE = 50
# A dry run locks nothing.
JUDGED_AT_ONCE = 100
# Payloads have up to 4 MiB each.
STEP_SIZE_WITH_PAYLOAD = 2

FIND_BY_ID_TEXT = """
    select t.key from {source} j
    cross join threads t
    where t.organization = :organization and t.id = {value} and t.user_id = coalesce(:member, t.user_id)
    """
FIND_BY_ID = scoped(
    FIND_BY_ID_TEXT.format(source="json_each(:ids)", value="j.value"),
    postgres=FIND_BY_ID_TEXT.format(source="json_array_elements_text(cast(:ids as json))", value="j.value"),
)


class Part(NamedTuple):
    """The threads of one step: how many, and their keys as JSON."""

    thread_count: int
    threads: str


class FoundThreads(NamedTuple):
    """The threads of a bulk, as they were found at one moment."""

    parts: list[Part]
    # How many of the ids that were named are of no thread that the caller may see.
    missing_count: int
    step_size: int

    @property
    def matched(self) -> int:
        return self.missing_count + sum(each.thread_count for each in self.parts)


class Prepared(NamedTuple):
    """What was found out before anything is stored, and the status of the answer that comes of it."""

    value: FoundThreads | BulkPreview
    status: int


def held_statement(lock: str) -> Statement:
    text = f"""
    select {HELD_COLUMNS} from {{source}} j
    cross join threads t
    where t.organization = :organization and t.key = cast(j.value as bigint)
      and t.user_id = coalesce(:member, t.user_id)
    order by t.key {lock}
    """
    return scoped(
        text.format(source="json_each(:threads)"),
        postgres=text.format(source="json_array_elements_text(cast(:threads as json))"),
    )


READ = held_statement("")


async def prepare(db: ScopedDatabase, body: BulkCreate, filter: Filter | None) -> Prepared:
    """Find the threads that match now; for a dry run, also what would become of each.

    Raises InvalidField for what cannot be asked, InsufficientPermissions, or Unavailable if too much has to be visited.
    """
    check(body)
    found = await db.read_slowly(find, body, filter)
    if not body.dry_run:
        return Prepared(found, 202)
    changed = 0
    refused = Counter({ThreadNotFound.code: found.missing_count})
    # Each part is a read of its own: together they may take longer than one may. Between them others have their turn.
    for part in found.parts:
        began_s = clock.monotonic_s()
        changed += await db.read_slowly(judge, body, part, refused)
        await asyncio.sleep(clock.monotonic_s() - began_s)
    return Prepared(BulkPreview("bulk.preview", found.matched, changed, dict(+refused)), 200)


def check(body: BulkCreate) -> None:
    """Raise InvalidField unless the body says which threads, and what to do with them."""
    if (body.filter is UNSET) == (body.ids is UNSET):
        raise InvalidField("Say which threads: by `filter`, or by `ids`, not both.", param="filter")
    if (body.action == "update") != (body.change is not UNSET):
        raise InvalidField("`change` says what `update` changes: it goes with that action alone.", param="change")
    if body.change is not UNSET and body.change.expires_at is not UNSET:
        expiry_ms(body.change.expires_at)


async def find(tx: ScopedTransaction, body: BulkCreate, filter: Filter | None) -> FoundThreads:
    """Find the threads, by one statement: so they match all at the same moment."""
    has_payload = body.change is not UNSET and body.change.payload is not UNSET
    step_size = JUDGED_AT_ONCE if body.dry_run else STEP_SIZE_WITH_PAYLOAD if has_payload else STEP_SIZE
    if filter is not None:
        rows = await all_keys(tx, filter, step_size, BULK_THREADS_MAX + 1)
        found = FoundThreads([Part(*row) for row in rows], 0, step_size)
        if found.matched > BULK_THREADS_MAX:
            raise InvalidField(f"More than {BULK_THREADS_MAX} threads match: narrow the filter.", param="filter")
        return found
    ids = sorted(set(body.ids or ()))
    keys = sorted(key for (key,) in await tx.fetch(FIND_BY_ID, ids=msgspec.json.encode(ids).decode()))
    parts = [keys[place : place + step_size] for place in range(0, len(keys), step_size)]
    encoded = [Part(len(part), msgspec.json.encode(part).decode()) for part in parts]
    return FoundThreads(encoded, len(ids) - len(keys), step_size)


async def judge(tx: ScopedTransaction, body: BulkCreate, part: Part, refused: Counter[str]) -> int:
    """Return how many threads of a part would be changed; add to `refused` those that would not."""
    rows: list[Row] = list(await tx.fetch(READ, threads=part.threads))
    refused[ThreadNotFound.code] += part.thread_count - len(rows)
    changed = 0
    for row in rows:
        try:
            changed += await acting.would_change(tx, HeldThread(*row), body.action, body.change)
        except acting.REFUSALS as refusal:
            refused[refusal.code] += 1
    return changed
