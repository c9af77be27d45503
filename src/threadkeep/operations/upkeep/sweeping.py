"""The steps of the sweeper. Each does a bounded piece of work and returns how much; 0 when nothing is left.

They cross organizations on purpose: no caller asks for them. The rows they change are unreachable already, or mean the
same afterwards.
"""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeAlias

from threadkeep import clock
from threadkeep.database.driver import Transaction
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import everywhere, finder
from threadkeep.operations.bulk import working
from threadkeep.operations.idempotency import KEPT_MS
from threadkeep.operations.organizations import members
from threadkeep.operations.responses import settling
from threadkeep.operations.threads import threads
from threadkeep.operations.upkeep import expiring, purging, sweeping_responses
from threadkeep.scope import system_scope

# Each looks in all organizations, or within one.
Step: TypeAlias = Callable[[Transaction, int | None], Coroutine[Any, Any, int]]

ROWS_AT_ONCE = 1000
THREADS_AT_ONCE = 100
# Other processes may cache credentials for some seconds, and their clocks may differ.
FORGOTTEN_MS = 60_000

OLD_KEYS = finder(
    """
    select i.organization, i.caller, i.request, i.key from idempotency i
    where {within} and i.expires_ms <= :now_ms
    limit :limit
    """,
    "i.organization",
)

DELETE_OLD_KEY = everywhere("""
    delete from idempotency
    where organization = :organization and caller = :caller and request = :request and key = :key
      and expires_ms <= :now_ms
    """)

OLD_THREADS = finder(
    "select d.organization, d.key from deleted_threads d where {within} and d.deleted_ms <= :until_ms limit :limit",
    "d.organization",
)

DELETE_OLD_THREAD = everywhere("delete from deleted_threads where organization = :organization and key = :key")

OLD_MESSAGES = finder(
    """
    select d.organization, d.thread, d.seq from deleted_messages d
    where {within} and d.deleted_ms <= :until_ms
    limit :limit
    """,
    "d.organization",
)

DELETE_OLD_MESSAGE = everywhere("""
    delete from deleted_messages where organization = :organization and thread = :thread and seq = :seq
    """)

OLD_TOKENS = finder(
    """
    select u.organization, u.user_id from token_users u
    where {within} and u.expires_ms <= :until_ms
    limit :limit
    """,
    "u.organization",
)

# Another token may have been made meanwhile.
DELETE_OLD_TOKENS = everywhere("""
    delete from token_users where organization = :organization and user_id = :user_id and expires_ms <= :until_ms
    """)

NEXT_ERASURE = finder("select e.organization, e.user_id from erasures e where {within} limit 1", "e.organization")

NEXT_ORGANIZATION = finder(
    """
    select o.key from organizations o
    where {within} and o.deleted_ms is not null and o.deleted_ms <= :until_ms
    limit 1
    """,
    "o.key",
)

ITS_THREADS = everywhere("select t.id from threads t where t.organization = :organization limit :limit")

DELETE_ITS_ROWS = [
    everywhere(f"delete from {table} where organization = :organization")
    # Single rows of usage before sums by day: a sweeper that is summing locks the rows, so its new day is deleted too.
    for table in (
        "idempotency",
        "deleted_threads",
        "erasures",
        "bulk_parts",
        "bulk_undo",
        "bulks",
        "members",
        "api_keys",
        "token_users",
        "assistants",
        "usage_rows",
        "usage_days",
    )
]

ITS_PURGES = everywhere("select 1 from purges p where p.organization = :organization limit 1")

DELETE_ORGANIZATION = everywhere("delete from organizations where key = :organization and deleted_ms is not null")

NEXT_USAGE = finder("select u.organization from usage_rows u where {within} limit 1", "u.organization")

ORGANIZATIONS = everywhere("select o.key from organizations o")

# Rows that another sweeper has locked are left to it. Exactly the deleted rows are summed, each of them once.
TAKE_USAGE = everywhere("""
    delete from usage_rows
    where organization = :organization and key in (
        select u.key from usage_rows u where u.organization = :organization limit :limit for update skip locked
    )
    returning day, user_id, assistant_id, model, responses, input_tokens, output_tokens, estimated_tokens
    """)

USAGE_DAY = ("organization", "day", "user_id", "assistant_id", "model",
             "responses", "input_tokens", "output_tokens", "estimated_tokens")  # fmt: skip

ADD_USAGE = everywhere("""
    insert into usage_days (organization, day, user_id, assistant_id, model, responses, input_tokens, output_tokens,
        estimated_tokens)
    values (:organization, :day, :user_id, :assistant_id, :model, :responses, :input_tokens, :output_tokens,
        :estimated_tokens)
    on conflict (organization, day, user_id, assistant_id, model) do update set
        responses = usage_days.responses + excluded.responses,
        input_tokens = usage_days.input_tokens + excluded.input_tokens,
        output_tokens = usage_days.output_tokens + excluded.output_tokens,
        estimated_tokens = usage_days.estimated_tokens + excluded.estimated_tokens
    """)


async def prune_keys(tx: Transaction, within: int | None) -> int:
    """Delete stored answers of idempotency keys after 24 hours."""
    now_ms = clock.now_ms()
    given = {"organization": within, "now_ms": now_ms, "limit": ROWS_AT_ONCE}
    rows = await tx.fetch(OLD_KEYS.of(within), given)
    columns = ("organization", "caller", "request", "key")
    await tx.execute_many(DELETE_OLD_KEY, [{**dict(zip(columns, row, strict=True)), "now_ms": now_ms} for row in rows])
    return len(rows)


async def prune_places(tx: Transaction, within: int | None) -> int:
    """Delete the ids of threads and messages that were deleted more than 24 hours ago."""
    given = {"organization": within, "until_ms": clock.now_ms() - KEPT_MS, "limit": ROWS_AT_ONCE}
    old_threads = await tx.fetch(OLD_THREADS.of(within), given)
    await tx.execute_many(
        DELETE_OLD_THREAD, [{"organization": organization, "key": key} for organization, key in old_threads]
    )
    old_messages = await tx.fetch(OLD_MESSAGES.of(within), given)
    await tx.execute_many(
        DELETE_OLD_MESSAGE,
        [{"organization": organization, "thread": thread, "seq": seq} for organization, thread, seq in old_messages],
    )
    return len(old_threads) + len(old_messages)


async def prune_tokens(tx: Transaction, within: int | None) -> int:
    """Forget users for whom keys made tokens, when the last of these has expired."""
    until_ms = clock.now_ms() - FORGOTTEN_MS
    given = {"organization": within, "until_ms": until_ms, "limit": ROWS_AT_ONCE}
    rows = await tx.fetch(OLD_TOKENS.of(within), given)
    await tx.execute_many(
        DELETE_OLD_TOKENS,
        [{"organization": organization, "user_id": user_id, "until_ms": until_ms} for organization, user_id in rows],
    )
    return len(rows)


async def finish_erasure(tx: Transaction, within: int | None) -> int:
    """Finish erasing a user's threads after a crash."""
    erasures = await tx.fetch(NEXT_ERASURE.of(within), {"organization": within})
    if not erasures:
        return 0
    [[organization, user_id]] = erasures
    return await members.erase_some(ScopedTransaction(tx, system_scope(organization)), user_id) + 1


async def delete_organization(tx: Transaction, within: int | None = None) -> int:
    """Delete some rows of a deleted organization, and its own row at the end."""
    given = {"organization": within, "until_ms": clock.now_ms() - FORGOTTEN_MS}
    organizations = await tx.fetch(NEXT_ORGANIZATION.of(within), given)
    if not organizations:
        return 0
    [[organization]] = organizations
    where = {"organization": organization}
    scoped_tx = ScopedTransaction(tx, system_scope(organization))
    found = await tx.fetch(ITS_THREADS, {**where, "limit": THREADS_AT_ONCE})
    await threads.erase_if_there(scoped_tx, [thread_id for (thread_id,) in found])
    if found:
        return len(found)
    if await tx.fetch(ITS_PURGES, where):
        return await purging.purge_messages(tx, organization)
    for statement in DELETE_ITS_ROWS:
        await tx.fetch(statement, where)
    await tx.fetch(DELETE_ORGANIZATION, where)
    return 1


async def sum_usage(tx: Transaction, within: int | None = None) -> int:
    """Replace rows of usage of one organization by sums for each day."""
    found = await tx.fetch(NEXT_USAGE.of(within), {"organization": within})
    if not found:
        return 0
    [[organization]] = found
    rows = await tx.fetch(TAKE_USAGE, {"organization": organization, "limit": ROWS_AT_ONCE})
    sums: dict[Sequence[str], list[int]] = {}
    for day, user_id, assistant_id, model, *counts in rows:
        key = (day, user_id, assistant_id, model)
        sums[key] = [old + new for old, new in zip(sums.get(key, (0, 0, 0, 0)), counts, strict=True)]
    # In the order of their keys, so that two sweepers cannot deadlock.
    await tx.execute_many(
        ADD_USAGE,
        [dict(zip(USAGE_DAY, (organization, *key, *counts), strict=True)) for key, counts in sorted(sums.items())],
    )
    return len(rows)


async def organizations(tx: Transaction) -> list[int]:
    """Return the keys of all organizations, deleted ones too."""
    return [key for (key,) in await tx.fetch(ORGANIZATIONS, {})]


def system_transaction(tx: Transaction, organization: int) -> ScopedTransaction:
    """Return a transaction within one organization for the service's own work."""
    return ScopedTransaction(tx, system_scope(organization))


STEPS: list[Step] = [
    settling.settle_one_expired,
    expiring.expire_threads,
    finish_erasure,
    purging.purge_messages,
    prune_keys,
    prune_places,
    prune_tokens,
    sweeping_responses.prune_events,
    working.sweep,
    sum_usage,
    delete_organization,
]
