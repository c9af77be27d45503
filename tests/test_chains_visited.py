"""What is asked of chains and of the service's threads visits few rows, however many responses a thread has."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from support.many_threads import CountingPostgres, CountingSqlite
from support.postgres import connected
from support.server import Database
from threadkeep.database import migrate
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.sqlite import apply_migrations
from threadkeep.operations.paging import window
from threadkeep.operations.responses import chains, deleting
from threadkeep.operations.responses.manner import Hidden
from threadkeep.operations.threads import service_made
from threadkeep.scope import Credential, Role, make_scope

Counting = CountingSqlite | CountingPostgres

LIMIT = 20
# SQLite's steps are counted, and each chain of a page is two wide rows of three tables.
ROWS_MAX = 100 * LIMIT
# Each thread has so many questions with an answer that calls, and each second answer goes on from the one before.
QUESTIONS = 4_000
LONG = "thread_1"

ADMIN = make_scope(1, "O", "uid_admin", Role.ADMIN, Credential.TOKEN)
MEMBER = make_scope(1, "O", "uid_few", Role.MEMBER, Credential.TOKEN)

FILL = [
    "insert into organizations (id, name, created_ms, updated_ms, revision) values ('O', 'O', 1, 1, 1)",
    f"""
    with recursive n (i) as (select 1 union all select i + 1 from n where i < 3)
    insert into threads (organization, id, user_id, metadata, visible_in_ui, message_count, last_seq, created_ms,
        updated_ms, revision, service_made)
    select 1, 'thread_' || i, 'uid_few', '{{}}', 0, {2 * QUESTIONS}, {2 * QUESTIONS}, 1, 1, 1, 1 from n
    """,
    f"""
    with recursive n (i) as (select 1 union all select i + 1 from n where i < {2 * QUESTIONS})
    insert into messages (organization, thread, seq, id, role, content, preview, size_bytes, status, user_id, metadata,
        created_ms, updated_ms, revision, tool_calls, tool_call_id)
    select t.organization, t.key, n.i, 'msg_' || t.key || '_' || (100000 + n.i),
        case n.i % 2 when 0 then 'assistant' else 'tool' end, '[]', '', 2, 'completed', t.user_id, '{{}}', 1, 1, 1,
        case n.i % 2 when 0 then '[{{"id":"a","type":"function","function":{{"name":"f","arguments":"{{}}"}}}}]' end,
        case n.i % 2 when 1 then 'a' end
    from threads t, n
    """,
    """
    insert into responses (organization, id, thread, message_seq, message_id, user_id, is_personal, model, status,
        finish_reason, input_count, input_message_ids, metadata, input_tokens, output_tokens, is_estimated, created_ms,
        ended_ms, last_n)
    select m.organization, 'resp_' || (100000 + m.seq) || '_' || m.thread, m.thread, m.seq, m.id, m.user_id, 1, 'm',
        'completed', 'toolCalls', 1, '[]', '{}', 0, 0, 1, 1, 1, 2
    from messages m where m.role = 'assistant' order by m.thread, m.seq
    """,
    "update responses set first = key - 1 where message_seq % 4 = 0",
]


@pytest.fixture(scope="module")
async def counting(
    database_kind: str, tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[], Awaitable[Database]]
) -> AsyncIterator[Counting]:
    if database_kind == "sqlite":
        sqlite = CountingSqlite(Path(tmp_path_factory.mktemp("chains")) / "many.db")
        apply_migrations(sqlite.connection)
        for text in FILL:
            sqlite.connection.execute(text)
        yield sqlite
        await sqlite.close()
        return
    async with connected((await new_database()).url) as connection:
        for _, sql in migrate.migrations("postgres"):
            await connection.execute(sql)
        for text in (*FILL, "analyze"):
            await connection.execute(text)
        await connection.execute("set plan_cache_mode = force_generic_plan; set jit = off")
        yield CountingPostgres(connection)


def response_id(seq: int) -> str:
    return f"resp_{100_000 + seq}_1"


OPERATIONS: dict[str, tuple[Any, ...]] = {
    "the newest chains": (chains.list_chains, LONG, window(LIMIT, "desc", None, None)),
    "the oldest chains": (chains.list_chains, LONG, window(LIMIT, "asc", None, None)),
    "a chain": (chains.find, LONG, response_id(QUESTIONS + 2)),
    "the newest chain": (chains.find, LONG, response_id(2 * QUESTIONS - 2)),
    "cancel": (chains.cancel, LONG, response_id(QUESTIONS + 2)),
    "metadata": (chains.update_metadata, LONG, response_id(QUESTIONS + 2), {"a": "b"}),
    "delete": (deleting.delete, response_id(QUESTIONS + 2)),
    "go on": (service_made.thread_for, Hidden(response_id(2 * QUESTIONS))),
    "a new thread": (service_made.thread_for, Hidden()),
}


@pytest.mark.parametrize("scope", [ADMIN, MEMBER], ids=["admin", "member"])
@pytest.mark.parametrize("name", OPERATIONS)
async def test_what_is_asked_of_one_thread_visits_few_rows(counting, scope, name):
    operation, *arguments = OPERATIONS[name]
    counting.counts.clear()
    await counting.begin()
    try:
        await operation(ScopedTransaction(counting, scope), *arguments)
    finally:
        await counting.roll_back()

    assert counting.counts
    assert {text: count for count, text in counting.counts if count > ROWS_MAX} == {}
