"""Fills a database for measuring: one organization, its threads, and one thread that is very long."""

from dataclasses import dataclass

from benchmarks.places import SECRET
from threadkeep.database import open_database
from threadkeep.database.driver import Transaction
from threadkeep.database.statement import everywhere
from threadkeep.operations import administration, metadata
from threadkeep.operations.paging import encode_position
from threadkeep.server.cursors import CursorSeal
from threadkeep.settings import Settings

USERS_COUNT = 1_000
TOPICS_COUNT = 10
FIRST_MS = 1_700_000_000_000
ORGANIZATION_ID = "ORG_bench"
USER_ID = "uid_bench"
BATCH_COUNT = 50_000

# Ids are as long as real ones and, like them, ascend with time.
SERIES = {
    "sqlite": "(with recursive c (n) as (values (:first) union all select n + 1 from c where n < :last) "
    "select n from c) s",
    "postgres": "generate_series(:first::bigint, :last::bigint) s (n)",
}
NUMBERED = {"sqlite": "printf('%026d', s.n)", "postgres": "lpad(s.n::text, 26, '0')"}

THREADS = """
    insert into threads (organization, id, user_id, title, title_folded, metadata, visible_in_ui, message_count,
        last_seq, created_ms, updated_ms, revision)
    select o.key, 'thread_' || {numbered}, 'uid_' || (s.n % {users}), 'How do I change the address of order ' || s.n,
        'how do i change the address of order ' || s.n, '{{"topic":"' || (s.n % {topics}) || '"}}', 1, 0, 0,
        {first_ms} + s.n * 1000, {first_ms} + s.n * 1000, 1
    from organizations o, {series} where o.id = '{organization}'
    """

PAIRS = everywhere("""
    insert into thread_metadata (organization, pair, shelf, created_ms, thread, user_id)
    select t.organization, :pair, t.shelf, t.created_ms, t.key, t.user_id from threads t where t.metadata = :metadata
    """)

MESSAGES = """
    insert into messages (organization, thread, seq, id, role, content, preview, size_bytes, status, user_id, metadata,
        created_ms, updated_ms, revision)
    select t.organization, t.key, s.n, 'msg_' || {numbered}, 'user', '[{{"type":"text","text":"Hello"}}]', 'Hello', 34,
        'completed', t.user_id, '{{}}', t.created_ms + s.n, t.created_ms + s.n, 1
    from threads t, {series} where t.id = '{thread}'
    """

COUNT_LONG = everywhere("update threads set message_count = :count, last_seq = :count where id = :thread returning id")

FIND = everywhere("select t.created_ms, t.key from threads t where t.id = :thread")

ANALYZE = everywhere("analyze")


@dataclass(frozen=True)
class Filled:
    """A database with rows in it, and what is needed to ask for them."""

    threads_count: int
    api_key: str
    organization: int
    long_thread_id: str
    long_count: int
    # The position in the middle of the list.
    middle_cursor: str


def thread_id(number: int) -> str:
    return f"thread_{number:026d}"


async def fill(kind: str, settings: Settings, threads_count: int, long_count: int) -> Filled:
    """Make the schema and the rows. The long thread is the oldest, which no other measurement touches."""
    database = await open_database(settings, serving=True)
    try:
        first_run = await database.write(administration.first_run, ORGANIZATION_ID, USER_ID)
        assert first_run is not None
        await insert(database, kind, THREADS, threads_count)
        await database.write(insert_pairs)
        await insert(database, kind, MESSAGES, long_count)
        middle = await database.write(finish, threads_count, long_count)
    finally:
        await database.close()
    return Filled(
        threads_count,
        first_run.key,
        1,
        thread_id(1),
        long_count,
        CursorSeal(SECRET).seal(encode_position("createdAt", middle)),
    )


async def insert(database: object, kind: str, template: str, count: int) -> None:
    statement = everywhere(
        template.format(
            numbered=NUMBERED[kind],
            series=SERIES[kind],
            users=USERS_COUNT,
            topics=TOPICS_COUNT,
            first_ms=FIRST_MS,
            organization=ORGANIZATION_ID,
            thread=thread_id(1),
        )
    )

    async def insert_range(tx: Transaction, first: int, last: int) -> None:
        await tx.fetch(statement, {"first": first, "last": last})

    for first in range(1, count + 1, BATCH_COUNT):
        await database.write(insert_range, first, min(first + BATCH_COUNT - 1, count))


async def insert_pairs(tx: Transaction) -> None:
    for topic in range(TOPICS_COUNT):
        pair = metadata.pair_hash("topic", str(topic))
        await tx.fetch(PAIRS, {"pair": pair, "metadata": f'{{"topic":"{topic}"}}'})


async def finish(tx: Transaction, threads_count: int, long_count: int) -> list[int]:
    """Note the long thread's length, let the planner look, and return the place in the middle of the list."""
    await tx.fetch(COUNT_LONG, {"count": long_count, "thread": thread_id(1)})
    await tx.fetch(ANALYZE, {})
    [row] = await tx.fetch(FIND, {"thread": thread_id(threads_count // 2)})
    return list(row)
