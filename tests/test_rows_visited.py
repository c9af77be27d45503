"""No statement on the loop visits more rows than an index bounds, whatever lies in the organization."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from support.many_threads import FEW, LONG, LONG_MESSAGES, CountingPostgres, CountingSqlite
from support.postgres import connected
from support.server import Database
from threadkeep.contract.lifecycle import State
from threadkeep.contract.messages import MessageCreate, MessagesCreate
from threadkeep.contract.threads import ThreadCreate, ThreadUpdate
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.operations import metadata, paging
from threadkeep.operations.messages import appending, lines
from threadkeep.operations.messages import listing as message_list
from threadkeep.operations.paging import window
from threadkeep.operations.responses import claiming
from threadkeep.operations.threads import state as thread_state
from threadkeep.operations.threads import threads
from threadkeep.operations.threads.listing import Filter, Query, list_threads
from threadkeep.scope import Credential, Role, make_scope

Counting = CountingSqlite | CountingPostgres

LIMIT = 20
ROWS_MAX = 50 * LIMIT

ADMIN = make_scope(1, "O", "uid_admin", Role.ADMIN, Credential.TOKEN)
MEMBER = make_scope(1, "O", FEW, Role.MEMBER, Credential.TOKEN)


@pytest.fixture(scope="module")
async def counting(
    database_kind: str, tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[], Awaitable[Database]]
) -> AsyncIterator[Counting]:
    if database_kind == "sqlite":
        sqlite = CountingSqlite(Path(tmp_path_factory.mktemp("rows")) / "many.db")
        await sqlite.fill()
        yield sqlite
        await sqlite.close()
        return
    async with connected((await new_database()).url) as connection:
        postgres = CountingPostgres(connection)
        await postgres.fill()
        yield postgres


def pair(name: str) -> tuple[bytes, ...]:
    return (metadata.pair_hash(name, "yes"),)


FILTERS = {
    "none": Filter(),
    "a user": Filter(user_id=FEW),
    "a rare assistant": Filter(assistant_id="asst_rare"),
    "a common assistant": Filter(assistant_id="asst_common"),
    "no such assistant": Filter(assistant_id="asst_none"),
    "hidden": Filter(visible_in_ui=False),
    "visible": Filter(visible_in_ui=True),
    "open": Filter(state=State.OPEN),
    "locked": Filter(state=State.LOCKED),
    "archived": Filter(state=State.ARCHIVED),
    "every state": Filter(every_state=True),
    "streaming": Filter(is_streaming=True),
    "inactive": Filter(is_streaming=False),
    "common metadata": Filter(pairs=pair("common")),
    "rare metadata": Filter(pairs=pair("rare")),
    "metadata of archived threads": Filter(pairs=pair("old")),
    "metadata that nobody has": Filter(pairs=pair("never")),
    "created late": Filter(created_after_ms=1_700_099_000_000),
    "created early": Filter(created_before_ms=1_700_000_003_000),
}

AFTER = "thread_5000"

BRANCHED = scoped("""
    update threads set is_branched = 1
    where organization = :organization and key = :thread and user_id = coalesce(:member, user_id)
    """)


async def visits(counting: Counting, scope: Any, operation: Any, *arguments: Any) -> None:
    """Run an operation, undo it, and check every statement that it ran."""
    counting.counts.clear()
    await counting.begin()
    try:
        await operation(ScopedTransaction(counting, scope), *arguments)
    finally:
        await counting.roll_back()
    assert counting.counts
    for count, text in counting.counts:
        assert count <= ROWS_MAX, f"visits {count} rows:\n{text}"


@pytest.mark.parametrize("scope", [ADMIN, MEMBER], ids=["admin", "member"])
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("name", FILTERS)
async def test_a_page_by_creation_visits_few_rows(counting, scope, order, name):
    if scope is MEMBER and name == "a user":
        name = "none"
    for after in (None, AFTER if scope is ADMIN else "thread_3"):
        query = Query(FILTERS[name], window(LIMIT, order, after, None), with_last_message=True)
        assert not query.is_slow
        await visits(counting, scope, list_threads, query)


@pytest.mark.parametrize("scope", [ADMIN, MEMBER], ids=["admin", "member"])
@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_page_by_change_visits_few_rows(counting, scope, order):
    query = Query(Filter(), window(LIMIT, order, None, None), sort="updatedAt", with_last_message=True)
    assert not query.is_slow
    await visits(counting, scope, list_threads, query)


@pytest.mark.parametrize(
    "query",
    [
        Query(Filter(title_contains="x"), window(LIMIT, "desc", None, None)),
        Query(Filter(), window(LIMIT, "desc", None, None), with_total=True),
        Query(Filter(state=State.OPEN, assistant_id="a"), window(LIMIT, "desc", None, None)),
        Query(Filter(pairs=pair("a") + pair("b")), window(LIMIT, "desc", None, None)),
        Query(Filter(visible_in_ui=True), window(LIMIT, "desc", None, None), sort="updatedAt"),
        Query(Filter(every_state=True), window(LIMIT, "desc", None, None), sort="updatedAt"),
    ],
)
def test_what_no_index_bounds_runs_aside(query):
    assert query.is_slow


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("place", [1, LONG_MESSAGES // 2, LONG_MESSAGES])
@pytest.mark.parametrize("direction", ["after", "before"])
async def test_a_page_of_messages_anywhere_in_a_long_thread_visits_few_rows(counting, order, place, direction):
    cursor = paging.encode_position("seq", [place])
    asked = window(LIMIT, order, cursor, None) if direction == "after" else window(LIMIT, order, None, cursor)
    await visits(counting, ADMIN, message_list.list_messages, LONG, message_list.MessageQuery(asked))


async def list_beside_forks(tx: ScopedTransaction, key: int, query: message_list.MessageQuery) -> None:
    """List the messages of the long thread after it has got a branch at every fifteenth message."""
    await tx.fetch(BRANCHED, thread=key)
    for seq in range(30, LONG_MESSAGES, 15):
        await tx.fetch(lines.INSERT, thread=key, seq=seq, parent_seq=seq - 17)
    await message_list.list_messages(tx, LONG, query)


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_siblings_in_a_long_thread_of_many_branches_are_found_in_few_rows(counting, order):
    query = message_list.MessageQuery(window(LIMIT, order, None, None), branch="current", with_siblings=True)
    await visits(counting, ADMIN, list_beside_forks, 4, query)


async def test_the_input_of_a_late_response_is_found_in_few_rows(counting):
    key = 4
    await visits(counting, ADMIN, claiming.input_messages, key, LONG, 0, LONG_MESSAGES, 1)


MESSAGE = MessageCreate("user", "hello")

OPERATIONS: dict[str, tuple[Any, ...]] = {
    "read": (threads.read, "thread_3"),
    "create": (threads.create, ThreadCreate(title="x", metadata={"common": "yes"}, messages=[MESSAGE])),
    "update": (threads.update, "thread_3", ThreadUpdate(title="y", metadata={"rare": None}, visible_in_ui=True)),
    "lock": (thread_state.lock, "thread_3"),
    "archive": (thread_state.archive, "thread_3"),
    "delete": (threads.delete, "thread_3"),
    "append one": (appending.append, "thread_3", MESSAGE),
    "append several": (appending.append, "thread_3", MessagesCreate([MESSAGE, MESSAGE])),
    "list messages": (message_list.list_messages, LONG, message_list.MessageQuery(window(LIMIT, "asc", None, None))),
}


@pytest.mark.parametrize("scope", [ADMIN, MEMBER], ids=["admin", "member"])
@pytest.mark.parametrize("name", OPERATIONS)
async def test_an_operation_on_one_thread_visits_few_rows(counting, scope, name):
    await visits(counting, scope, *OPERATIONS[name])
