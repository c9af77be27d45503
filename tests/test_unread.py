"""What a list does not show it does not read: payloads without `include`, and all but one row of an external id."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from support.many_threads import CountingPostgres, CountingSqlite
from support.postgres import connected
from support.server import Database
from threadkeep.contract.assistants import Configuration
from threadkeep.contract.basis import Payload
from threadkeep.contract.messages import MessageCreate, MessagesCreate
from threadkeep.contract.threads import ThreadCreate
from threadkeep.database import migrate
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.sqlite import apply_migrations
from threadkeep.operations.messages import appending
from threadkeep.operations.messages import listing as message_list
from threadkeep.operations.paging import window
from threadkeep.operations.responses import context
from threadkeep.operations.threads import listing as thread_list
from threadkeep.operations.threads import threads
from threadkeep.scope import Credential, Role, make_scope

Counting = CountingSqlite | CountingPostgres

ADMIN = make_scope(1, "O", "uid_admin", Role.ADMIN, Credential.KEY)
MEMBER = make_scope(1, "O", "uid_1", Role.MEMBER, Credential.KEY)
THREADS, MESSAGES = 20_000, 3_000
ROWS_MAX = 200
LONG = "thread_7"
FILL = f"""
    with recursive n (i) as (select 1 union all select i + 1 from n where i < {THREADS})
    insert into threads (organization, id, user_id, metadata, visible_in_ui, message_count, last_seq, created_ms,
        updated_ms, revision, external_id)
    select 1, 'thread_' || i, 'uid_' || (i % 2), '{{}}', 1, 0, 0, i, i, i, 'own-' || i from n
    """
FILL_LONG = f"""
    with recursive n (i) as (select 1 union all select i + 1 from n where i < {MESSAGES})
    insert into messages (organization, thread, seq, id, role, content, preview, size_bytes, status, metadata,
        created_ms, updated_ms, revision, external_id)
    select 1, t.key, i, 'msg_' || i, 'user', '[]', '', 4, 'completed', '{{}}', 1, 1, 1, 'own-' || i
    from n, threads t where t.id = '{LONG}'
    """
COUNT = f"update threads set message_count = {MESSAGES}, last_seq = {MESSAGES} where id = '{LONG}'"
ORGANIZATION = "insert into organizations (id, name, created_ms, updated_ms, revision) values ('O', 'O', 1, 1, 1)"


@pytest.fixture(scope="module")
async def counting(
    database_kind: str, tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[], Awaitable[Database]]
) -> AsyncIterator[Counting]:
    if database_kind == "sqlite":
        sqlite = CountingSqlite(Path(tmp_path_factory.mktemp("unread")) / "unread.db")
        apply_migrations(sqlite.connection)
        for text in (ORGANIZATION, FILL, FILL_LONG, COUNT):
            sqlite.connection.execute(text)
        yield sqlite
        await sqlite.close()
        return
    async with connected((await new_database()).url) as connection:
        for _, sql in migrate.migrations("postgres"):
            await connection.execute(sql)
        for text in (ORGANIZATION, FILL, FILL_LONG, COUNT, "analyze"):
            await connection.execute(text)
        await connection.execute("set plan_cache_mode = force_generic_plan; set jit = off")
        yield CountingPostgres(connection)


async def ran(counting: Counting, scope: Any, operation: Any, *arguments: Any) -> tuple[Any, list[tuple[int, str]]]:
    """Run an operation; return its result, and each statement with the rows that it visited."""
    counting.counts.clear()
    result = await operation(ScopedTransaction(counting, scope), *arguments)
    return result, counting.counts[:]


@pytest.fixture(autouse=True)
async def undone(counting: Counting) -> AsyncIterator[None]:
    await counting.begin()
    yield
    await counting.roll_back()


def page(**of: Any) -> message_list.MessageQuery:
    return message_list.MessageQuery(window(50, "asc", None, None), **of)


async def test_nobody_reads_a_payload_who_does_not_show_it(counting):
    tx = ScopedTransaction(counting, ADMIN)
    payload = Payload("x", "y" * 100_000)
    await threads.create(tx, ThreadCreate(id="thread_full", payload=payload))
    bodies = [MessageCreate("user", "hello", payload=payload) for _ in range(50)]
    await appending.append(tx, "thread_full", MessagesCreate(bodies))
    newest = thread_list.Query(thread_list.Filter(), window(10, "desc", None, None), with_last_message=True)

    reads: list[tuple[Any, ...]] = [
        (message_list.list_messages, "thread_full", page()),
        (message_list.list_messages, "thread_full", page(branch="current")),
        (thread_list.list_threads, newest),
        (threads.read_without_payload, "thread_full"),
    ]
    for operation, *arguments in reads:
        _, statements = await ran(counting, ADMIN, operation, *arguments)
        assert statements
        assert not [text for _, text in statements if "from payloads" in text or "join payloads" in text]
    counting.counts.clear()
    for mode in ("recent", "smart", "full"):
        of_mode = Configuration(context_mode=mode, context_tokens=8_000)
        await context.choose(
            tx, "thread_full", configuration=of_mode, instructions=None, until_seq=None, kept_from_seq=None
        )
    assert counting.counts
    assert not [text for _, text in counting.counts if "payloads" in text]
    shown, statements = await ran(counting, ADMIN, message_list.list_messages, "thread_full", page(with_payload=True))
    assert [text for _, text in statements if "join payloads" in text]
    # As many as fit: of each 100 000 bytes and more.
    assert [each.payload for each in shown.data] == [payload] * 41


@pytest.mark.parametrize("scope", [ADMIN, MEMBER], ids=["admin", "member"])
@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_thread_is_found_by_its_external_id_in_few_rows(counting, scope, order):
    query = thread_list.Query(thread_list.Filter(external_id="own-9999"), window(20, order, None, None))
    assert not query.is_slow

    found, statements = await ran(counting, scope, thread_list.list_threads, query)

    assert [each.id for each in found.data] == ["thread_9999"]
    assert all(count <= ROWS_MAX for count, _ in statements), statements


@pytest.mark.parametrize("branch", [None, "current"])
@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_message_is_found_by_its_external_id_in_few_rows(counting, order, branch):
    query = message_list.MessageQuery(window(20, order, None, None), external_id="own-1500", branch=branch)

    found, statements = await ran(counting, ADMIN, message_list.list_messages, LONG, query)

    assert [each.id for each in found.data] == ["msg_1500"]
    assert all(count <= ROWS_MAX for count, _ in statements), statements


def test_an_external_id_together_with_another_filter_runs_aside():
    both = thread_list.Filter(external_id="x", pairs=(b"pair",))

    assert thread_list.Query(both, window(20, "desc", None, None)).is_slow
