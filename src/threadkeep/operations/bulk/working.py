"""The steps of bulks. Each is one transaction: what it changed and how far the bulk is are stored together.

So a process that dies leaves no half of a step, and another one goes on where its lease ran out.
"""

from collections import Counter
from typing import NamedTuple

import msgspec

from threadkeep import clock
from threadkeep.database.driver import Transaction
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import everywhere, finder, scoped
from threadkeep.decoding import decode
from threadkeep.errors import AuthenticationError, PermissionDenied, ThreadNotFound
from threadkeep.operations.bulk import acting, undoing
from threadkeep.operations.bulk.finding import Part, held_statement
from threadkeep.operations.bulk.jobs import CANCELLED, COMPLETED, IN_PROGRESS, UNDOING, UNDONE, BulkCaller, change_of
from threadkeep.operations.organizations.credentials import judge
from threadkeep.operations.threads import threads
from threadkeep.operations.threads.rows import HeldThread
from threadkeep.scope import system_scope

# A worker that has not come back for so long is dead.
LEASE_MS = 5_000
FOUND_MAX = 20
ROWS_AT_ONCE = 1000

# Without a lock, since it crosses organizations. The oldest lease first: so all have their turn.
FIND_DUE = finder(
    """
    select b.organization, b.key from bulks b
    where {within} and b.lease_until is not null and (b.worker = :worker or b.lease_until < lease_clock())
    order by b.lease_until limit :limit
    """,
    "b.organization",
)

HOLD_DUE = scoped("""
    select b.key, b.action, b.status, b.matched, b.done, b.changed, b.refused, b.undone, b.step_size, b.position,
        b.caller, b.change
    from bulks b
    where b.organization = :organization and b.key = :bulk and b.lease_until is not null
      and (b.worker = :worker or b.lease_until < lease_clock())
    for update skip locked
    """)

SAVE = scoped("""
    update bulks set status = :status, done = :done, changed = :changed, refused = :refused, undone = :undone,
        position = :position, worker = :worker,
        lease_until = case when :is_left = 1 then statement_clock() + :lease_ms end,
        change = case when :is_left = 1 then change end
    where organization = :organization and key = :key
    """)

NEXT_PART = scoped("""
    select p.part, p.thread_count, p.threads from bulk_parts p
    where p.organization = :organization and p.bulk = :bulk and p.part > :position
    order by p.part limit 1
    """)

DELETE_PART = scoped("""
    delete from bulk_parts where organization = :organization and bulk = :bulk and part = :part
    """)

HOLD = held_statement("for update of t")

OLD = finder(
    """
    select b.organization, b.key from bulks b
    where {within} and b.until_ms <= :now_ms and b.lease_until is null
    limit 1
    """,
    "b.organization",
)

ITS_ROWS = {
    "bulk_parts": everywhere("""
        select p.part from bulk_parts p where p.organization = :organization and p.bulk = :bulk
        order by p.part limit :limit
        """),
    "bulk_undo": everywhere("""
        select u.thread from bulk_undo u where u.organization = :organization and u.bulk = :bulk
        order by u.thread limit :limit
        """),
}
DELETE_ITS_ROW = {
    "bulk_parts": everywhere("""
        delete from bulk_parts where organization = :organization and bulk = :bulk and part = :place
        """),
    "bulk_undo": everywhere("""
        delete from bulk_undo where organization = :organization and bulk = :bulk and thread = :place
        """),
}
DELETE_OLD = everywhere("delete from bulks where organization = :organization and key = :bulk")


class HeldBulk(NamedTuple):
    """A bulk's row, locked, as its work needs it."""

    key: int
    action: str
    status: str
    matched: int
    done: int
    changed: int
    refused: str
    undone: int
    step_size: int
    position: int
    caller: str
    change: str | None


async def work(tx: Transaction, within: int | None, *, worker: str) -> int:
    """Do one step of a bulk that no other worker has; return 0 when there is none."""
    for organization, key in await tx.fetch(
        FIND_DUE.of(within), {"organization": within, "worker": worker, "limit": FOUND_MAX}
    ):
        service = ScopedTransaction(tx, system_scope(organization))
        row = await service.fetch_one(HOLD_DUE, bulk=key, worker=worker)
        if row is not None:
            done = await step(tx, organization, HeldBulk(*row))
            is_left = int(done.status in (IN_PROGRESS, UNDOING))
            await service.fetch(SAVE, worker=worker, lease_ms=LEASE_MS, is_left=is_left, **done._asdict())
            return 1
    return 0


async def step(tx: Transaction, organization: int, job: HeldBulk) -> HeldBulk:
    """Do one step with the rights that the caller has now, and return how far the bulk is then."""
    caller = decode(job.caller, BulkCaller)
    inside = ScopedTransaction(tx, caller.scope(organization))
    try:
        await judge(inside, caller.membership(organization))
    except (AuthenticationError, PermissionDenied) as refusal:
        return without_rights(job, refusal.code)
    return await undo_some(inside, job) if job.status == UNDOING else await do_some(inside, job)


def without_rights(job: HeldBulk, code: str) -> HeldBulk:
    """Return the bulk at its end: its caller may do nothing any more."""
    if job.status == UNDOING:
        return job._replace(status=CANCELLED)
    refused = refused_by(job) + Counter({code: job.matched - job.done})
    return job._replace(status=COMPLETED, done=job.matched, refused=encoded(refused))


async def do_some(tx: ScopedTransaction, job: HeldBulk) -> HeldBulk:
    """Work off the next part: each thread as the call for it does, with the same refusals."""
    row = await tx.fetch_one(NEXT_PART, bulk=job.key, position=job.position)
    if row is None:
        return job._replace(status=COMPLETED)
    place, *columns = row
    part = Part(*columns)
    held = [HeldThread(*each) for each in await tx.fetch(HOLD, threads=part.threads)]
    refused = refused_by(job)
    refused[ThreadNotFound.code] += part.thread_count - len(held)
    changed = await do_with(tx, job, held, refused)
    await tx.fetch(DELETE_PART, bulk=job.key, part=place)
    done = job.done + part.thread_count
    return job._replace(
        status=COMPLETED if done == job.matched else IN_PROGRESS,
        done=done,
        changed=job.changed + changed,
        refused=encoded(refused),
        position=place,
    )


async def do_with(tx: ScopedTransaction, job: HeldBulk, held: list[HeldThread], refused: Counter[str]) -> int:
    """Change locked threads; return how many are other than before, and add to `refused` those that may not be."""
    if job.action == "delete":
        # Allowed in every state.
        await threads.erase_all(tx, held)
        return len(held)
    former = await acting.act_all(tx, held, job.action, change_of(job.change), refused)
    await acting.remember(tx, job.key, former)
    return len(former)


async def undo_some(tx: ScopedTransaction, job: HeldBulk) -> HeldBulk:
    """Take back what was changed in the next threads, where nothing else has changed since."""
    kept = await undoing.next_kept(tx, job.key, job.position, job.step_size)
    if not kept:
        return job._replace(status=UNDONE)
    keys = msgspec.json.encode([each.thread for each in kept]).decode()
    held = {each.key: each for each in (HeldThread(*row) for row in await tx.fetch(HOLD, threads=keys))}
    undone = await undoing.undo_all(tx, held, kept)
    await undoing.forget(tx, job.key, kept)
    return job._replace(undone=job.undone + undone, position=kept[-1].thread)


def refused_by(job: HeldBulk) -> Counter[str]:
    return Counter(decode(job.refused, dict[str, int]))


def encoded(refused: Counter[str]) -> str:
    # `+` leaves out what was counted to nothing.
    return msgspec.json.encode(dict(+refused)).decode()


async def sweep(tx: Transaction, within: int | None) -> int:
    """Delete some rows of a bulk that can be undone no more, and its own row at the end."""
    found = await tx.fetch(OLD.of(within), {"organization": within, "now_ms": clock.now_ms()})
    if not found:
        return 0
    [[organization, bulk]] = found
    where = {"organization": organization, "bulk": bulk}
    for table, statement in ITS_ROWS.items():
        rows = await tx.fetch(statement, {**where, "limit": ROWS_AT_ONCE})
        if rows:
            await tx.execute_many(DELETE_ITS_ROW[table], [{**where, "place": place} for (place,) in rows])
            return len(rows)
    await tx.fetch(DELETE_OLD, where)
    return 1
