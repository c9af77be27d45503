"""The sweeper's step for threads whose expiry has passed. They go as by a deletion, in every state."""

from collections import defaultdict

from threadkeep import clock
from threadkeep.database.driver import Transaction
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import finder, keyed
from threadkeep.errors import ThreadNotFound
from threadkeep.operations.threads import threads
from threadkeep.operations.threads.rows import hold
from threadkeep.operations.threads.threads import DeletedThread
from threadkeep.scope import system_scope

# So few that nobody who wants to write meanwhile has to wait for long.
THREADS_AT_ONCE = 100

# Locks nothing, since it crosses organizations: what follows locks, and looks again.
FIND = finder(
    """
    select t.organization, t.key, t.id, t.response_id from threads t
    where {within} and t.expires_ms <= :now_ms
    order by t.expires_ms limit :limit
    """,
    "t.organization",
)

# A thread that somebody is writing to is left for the next time: perhaps its expiry is being moved.
DELETE_IDLE = keyed(
    f"""
    delete from threads
    where organization = :organization and key = :key and expires_ms <= :now_ms and response_id is null
    returning {", ".join(DeletedThread._fields)}
    """,
    rows={"key": "bigint", "now_ms": "bigint"},
    postgres=f""", held as (
        select t.organization, t.key from threads t
        join given g on t.organization = g.organization and t.key = g.key
        where t.expires_ms <= g.now_ms and t.response_id is null
        order by t.organization, t.key
        for update of t skip locked
    )
    delete from threads t using held h where t.organization = h.organization and t.key = h.key
    returning {", ".join(f"t.{name}" for name in DeletedThread._fields)}
    """,
)


async def expire_threads(tx: Transaction, within: int | None) -> int:
    """Delete threads that have expired: many idle ones, or one in which a response runs."""
    now_ms = clock.now_ms()
    found = await tx.fetch(FIND.of(within), {"organization": within, "now_ms": now_ms, "limit": THREADS_AT_ONCE})
    idle: dict[int, list[int]] = defaultdict(list)
    for organization, key, thread_id, response_id in found:
        if response_id is not None:
            # Alone: its row is waited for, and who waits holds no other.
            await delete_running(ScopedTransaction(tx, system_scope(organization)), thread_id, now_ms)
            return 1
        idle[organization].append(key)
    count = 0
    for organization, keys in sorted(idle.items()):
        count += await delete_idle(tx, organization, keys, now_ms)
    return count


async def delete_running(tx: ScopedTransaction, thread_id: str, now_ms: int) -> None:
    """Delete a thread together with its response, unless its expiry was moved."""
    try:
        held = await hold(tx, thread_id)
    except ThreadNotFound:
        return
    if held.expires_ms is not None and held.expires_ms <= now_ms:
        await threads.erase(tx, thread_id, held)


async def delete_idle(tx: Transaction, organization: int, keys: list[int], now_ms: int) -> int:
    """Delete those of the threads that still have expired, and in which no response runs; return how many."""
    rows = await tx.fetch_many(
        DELETE_IDLE, [{"organization": organization, "key": key, "now_ms": now_ms} for key in keys]
    )
    inside = ScopedTransaction(tx, system_scope(organization))
    await threads.clear_up(inside, sorted(DeletedThread(*row) for row in rows))
    return len(rows)
