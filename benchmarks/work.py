"""The statements of each operation, for those who do the same work without threadkeep around it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.filling import CONTENT, TEXT, USER_ID
from benchmarks.operations import TITLE, TOPIC
from threadkeep import clock
from threadkeep.database.statement import Compiled, Statement
from threadkeep.ids import new_id
from threadkeep.operations import metadata
from threadkeep.operations.messages import appending
from threadkeep.operations.messages import listing as message_list
from threadkeep.operations.paging import PAGE_BYTES_MAX, window
from threadkeep.operations.threads.listing import Filter, Query, plan
from threadkeep.operations.threads.rows import INSERT, READ, fold

LIMIT = 20
ORGANIZATION = 1
METADATA = f'{{"topic":"{TOPIC}"}}'
PAIR = metadata.pair_hash("topic", TOPIC)
WINDOW = window(LIMIT, "desc", None, None)
SCOPE = {"organization": ORGANIZATION, "member": None}

# Any: columns and parameters are of many types, and so are the drivers' connections.
Rows = Sequence[Any]
Parameters = Callable[[str], dict[str, Any]]


@dataclass(frozen=True)
class Work:
    """One statement, or two in a transaction, the second of which takes what the first returned."""

    statement: Statement
    parameters: Parameters
    then: Statement | None = None
    then_parameters: Callable[[Any], dict[str, Any]] | None = None

    def in_sqlite(self, execute: Any, thread_id: str) -> Rows:
        """Do it on the one connection; transactions are the caller's."""
        rows = run_steps(execute, self.statement.sqlite, SCOPE | self.parameters(thread_id))
        if self.then is not None and self.then_parameters is not None:
            run_steps(execute, self.then.sqlite, SCOPE | self.then_parameters(rows[0]))
        return rows

    async def in_postgres(self, connection: Any, thread_id: str) -> Rows:
        """Do it in one transaction, which a single statement is by itself."""
        if self.then is None or self.then_parameters is None:
            return await fetch(connection, self.statement.postgres, SCOPE | self.parameters(thread_id))
        async with connection.transaction():
            rows = await fetch(connection, self.statement.postgres, SCOPE | self.parameters(thread_id))
            await fetch(connection, self.then.postgres, SCOPE | self.then_parameters(rows[0]))
        return rows


def run_steps(execute: Any, steps: Sequence[Compiled], parameters: dict[str, Any]) -> Rows:
    """Return the rows of the last step that gave any."""
    rows: Rows = ()
    for step in steps:
        rows = execute(step.text, step.bind(parameters)).fetchall() or rows
    return rows


async def fetch(connection: Any, compiled: Compiled, parameters: dict[str, Any]) -> Rows:
    rows: Rows = await connection.fetch(compiled.text, *compiled.bind(parameters))
    return rows


def listing(filter: Filter) -> Work:
    statement, parameters = plan(Query(filter, WINDOW), None, None)
    return Work(statement, lambda _: parameters)


def new_thread(_: str) -> dict[str, Any]:
    now_ms = clock.now_ms()
    return {
        "thread_id": new_id("thread"), "user_id": USER_ID, "assistant_id": None, "title": TITLE,
        "title_folded": fold(TITLE), "metadata": METADATA, "visible_in_ui": 1, "message_count": 0,
        "last_message_ms": None, "now_ms": now_ms, "created_ms": now_ms, "updated_ms": now_ms, "external_id": None,
        "payload_format": None, "expires_ms": None, "retention_ms": None,
    }  # fmt: skip


def new_pair(row: Any) -> dict[str, Any]:
    key, created_ms, *_ = row
    return {"pair": PAIR, "shelf": 1, "created_ms": created_ms, "thread": key, "user_id": USER_ID}


# All of a message but its thread, its id and its time.
MESSAGE = {
    "count": 1, "role": "user", "content": CONTENT, "preview": TEXT, "size_bytes": len(CONTENT) + 2,
    "user_id": USER_ID, "tool_calls": None, "tool_call_id": None, "metadata": "{}",
    "external_id": None, "payload_format": None, "status": "completed", "assistant_id": None,
}  # fmt: skip


def new_message(thread_id: str) -> dict[str, Any]:
    return {**MESSAGE, "thread_id": thread_id, "id": new_id("msg"), "now_ms": clock.now_ms()}


def first_messages(thread_id: str) -> dict[str, Any]:
    return {
        "thread_id": thread_id,
        "role": None,
        "external_id": None,
        "at_seq": 0,
        "limit": LIMIT + 1,
        "page_bytes": PAGE_BYTES_MAX,
    }


WORK = {
    "create": Work(INSERT, new_thread, metadata.INSERT_PAIR, new_pair),
    "append": Work(appending.APPEND, new_message),
    "get": Work(READ, lambda thread_id: {"thread_id": thread_id}),
    "list": listing(Filter()),
    "messages": Work(message_list.page_statement(False, False, False, False), first_messages),
    "filter": listing(Filter(pairs=(PAIR,))),
}
