"""Fills a database for measuring: one organization and its threads.

The oldest threads are the long ones, which only their own measurements touch; then come the conversations of some
messages each; the others have none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from benchmarks.places import SECRET
from threadkeep.database import open_database
from threadkeep.database.driver import Database, Transaction
from threadkeep.database.statement import everywhere
from threadkeep.operations import metadata
from threadkeep.operations.organizations import administration
from threadkeep.operations.paging import encode_position
from threadkeep.server.cursors import CursorSeal
from threadkeep.settings import Settings

USERS_COUNT = 1_000
TOPICS_COUNT = 10
FIRST_MS = 1_700_000_000_000
ORGANIZATION_ID = "ORG_bench"
USER_ID = "uid_bench"
BATCH_COUNT = 50_000
CONVERSATIONS_COUNT = 1_000
CONVERSATION_MESSAGES_COUNT = 20
# One thread in so many has this topic instead.
RARE_EVERY = 10_000
RARE = "rare"
TOPICS = (*map(str, range(TOPICS_COUNT)), RARE)
TEXT = ("The quick brown fox jumps over the lazy dog. " * 5)[:192]
PAYLOAD = ("payload " * 128)[:1000]
PAYLOADS_COUNT = 100
CONTENT = f'[{{"type":"text","text":"{TEXT}"}}]'

# Ids are as long as real ones and, like them, ascend with time.
SERIES = {
    "sqlite": "(with recursive c (n) as (values (:first) union all select n + 1 from c where n < :last) "
    "select n from c) s",
    "postgres": "generate_series(:first::bigint, :last::bigint) s (n)",
}
NUMBERED = {"sqlite": "printf('%026d', {})", "postgres": "lpad(({})::text, 26, '0')"}

THREADS = """
    insert into threads (organization, id, user_id, title, title_folded, metadata, visible_in_ui, message_count,
        last_seq, created_ms, updated_ms, revision)
    select o.key, 'thread_' || {numbered}, 'uid_' || (s.n % {users}), 'How do I change the address of order ' || s.n,
        'how do i change the address of order ' || s.n,
        '{{"topic":"' || case when s.n % {rare_every} = 0 then '{rare}' else cast(s.n % {topics} as text) end
            || '"}}',
        1, 0, 0, {first_ms} + s.n * 1000, {first_ms} + s.n * 1000, 1
    from organizations o, {series} where o.id = '{organization}'
    """

PAIRS = everywhere("""
    insert into thread_metadata (organization, pair, shelf, created_ms, thread, user_id)
    select t.organization, :pair, t.shelf, t.created_ms, t.key, t.user_id from threads t where t.metadata = :metadata
    """)

MESSAGES = """
    insert into messages (organization, thread, seq, id, role, content, preview, size_bytes, status, user_id, metadata,
        created_ms, updated_ms, revision)
    select t.organization, t.key, s.n, 'msg_' || {numbered}, case when s.n % 2 = 1 then 'user' else 'assistant' end,
        '{content}', '{preview}', {size_bytes}, 'completed', t.user_id, '{{}}', t.created_ms + s.n, t.created_ms + s.n,
        1
    from threads t, {series} where t.id between '{first_thread}' and '{last_thread}'
    """

# A message that has a payload says so as well: MARK.
PAYLOADS = """
    insert into payloads (organization, thread, seq, data, size_bytes)
    select t.organization, t.key, s.n, '{payload}', {payload_bytes} from threads t, {series}
    where t.id between '{first_thread}' and '{last_thread}'
    """
MARK = everywhere("""
    update messages set payload_format = 'bench'
    where thread in (select t.key from threads t where t.id between :first_thread and :last_thread) returning seq
    """)

COUNT = everywhere("""
    update threads set message_count = :count, last_seq = :count, last_message_ms = created_ms + :count
    where id between :first_thread and :last_thread returning id
    """)

FIND = everywhere("select t.created_ms, t.key from threads t where t.id = :thread")

ANALYZE = everywhere("analyze")


@dataclass(frozen=True)
class Filled:
    """A database with rows in it, and what is needed to ask for them."""

    threads_count: int
    api_key: str
    organization: int
    # The numbers of the threads that have so many messages.
    of_length: dict[int, range]
    conversations: range
    # As many messages each, all with payloads.
    with_payloads: range
    # The position in the middle of the list.
    middle_cursor: str

    @property
    def plain(self) -> range:
        """The numbers of the threads that have no messages at first."""
        return range(self.with_payloads.stop, self.threads_count + 1)


def thread_id(number: int) -> str:
    return f"thread_{number:026d}"


def message_cursor(seq: int) -> str:
    """Return the position in a thread behind the message with this number."""
    return CursorSeal(SECRET).seal(encode_position("seq", [seq]))


async def fill(
    kind: str, settings: Settings, threads_count: int, lengths: Mapping[int, int] = MappingProxyType({})
) -> Filled:
    """Make the schema and the rows; `lengths` says how many threads there are of each number of messages."""
    of_length, first = {}, 1
    for length, count in lengths.items():
        of_length[length] = range(first, first + count)
        first += count
    conversations = range(first, first + min(CONVERSATIONS_COUNT, threads_count // 10))
    with_payloads = range(conversations.stop, conversations.stop + min(PAYLOADS_COUNT, threads_count // 20))
    database = await open_database(settings, serving=True)
    try:
        first_run = await database.write(administration.first_run, ORGANIZATION_ID, USER_ID)
        assert first_run is not None
        await insert(database, kind, THREADS, threads_count, "s.n")
        await database.write(insert_pairs)
        for length, numbers in of_length.items():
            await insert_messages(database, kind, numbers, length)
        for numbers in (conversations, with_payloads):
            await insert_messages(database, kind, numbers, CONVERSATION_MESSAGES_COUNT)
        await insert_payloads(database, kind, with_payloads, CONVERSATION_MESSAGES_COUNT)
        middle = await database.write(finish, threads_count)
    finally:
        await database.close()
    cursor = CursorSeal(SECRET).seal(encode_position("createdAt", middle))
    return Filled(threads_count, first_run.key, 1, of_length, conversations, with_payloads, cursor)


async def insert(database: Database, kind: str, template: str, count: int, number: str, **given: str) -> None:
    statement = everywhere(
        template.format(
            numbered=NUMBERED[kind].format(number),
            series=SERIES[kind],
            users=USERS_COUNT,
            topics=TOPICS_COUNT,
            rare=RARE,
            rare_every=RARE_EVERY,
            first_ms=FIRST_MS,
            organization=ORGANIZATION_ID,
            content=CONTENT,
            preview=TEXT,
            size_bytes=len(CONTENT) + 2,
            payload=PAYLOAD,
            payload_bytes=len(PAYLOAD),
            **given,
        )
    )

    async def insert_range(tx: Transaction, first: int, last: int) -> None:
        await tx.fetch(statement, {"first": first, "last": last})

    for first in range(1, count + 1, BATCH_COUNT):
        await database.write(insert_range, first, min(first + BATCH_COUNT - 1, count))


async def insert_messages(database: Database, kind: str, numbers: range, count: int) -> None:
    """Give each thread of these numbers so many messages."""
    threads = {"first_thread": thread_id(numbers[0]), "last_thread": thread_id(numbers[-1])}
    await insert(database, kind, MESSAGES, count, "t.key * 1000000 + s.n", **threads)

    async def count_messages(tx: Transaction) -> None:
        await tx.fetch(COUNT, {"count": count, **threads})

    await database.write(count_messages)


async def insert_payloads(database: Database, kind: str, numbers: range, count: int) -> None:
    threads = {"first_thread": thread_id(numbers[0]), "last_thread": thread_id(numbers[-1])}
    await insert(database, kind, PAYLOADS, count, "s.n", **threads)

    async def mark(tx: Transaction) -> None:
        await tx.fetch(MARK, threads)

    await database.write(mark)


async def insert_pairs(tx: Transaction) -> None:
    for topic in TOPICS:
        pair = metadata.pair_hash("topic", topic)
        await tx.fetch(PAIRS, {"pair": pair, "metadata": f'{{"topic":"{topic}"}}'})


async def finish(tx: Transaction, threads_count: int) -> list[int]:
    """Let the planner look, and return the place in the middle of the list."""
    await tx.fetch(ANALYZE, {})
    [row] = await tx.fetch(FIND, {"thread": thread_id(threads_count // 2)})
    return list(row)
