"""A hundred thousand threads of one organization, and databases that tell how many rows a statement visits."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import apsw

from threadkeep.database import migrate
from threadkeep.database.sqlite import SqliteTransaction, apply_migrations, connect
from threadkeep.database.statement import Statement
from threadkeep.operations import metadata

THREADS = 100_000
BASE_MS = 1_700_000_000_000
ORGANIZATION = 1
FEW = "uid_few"
# A thread of the member, with many messages.
LONG, LONG_MESSAGES = "thread_3", 3_000
# SQLite counts the steps of its machine; passing over a row takes at least this many.
STEPS_PER_ROW_MIN = 5

THREAD_COLUMNS = ("organization", "id", "user_id", "assistant_id", "title", "title_folded", "metadata", "visible_in_ui",
                  "locked_ms", "locked_by_role", "archived_ms", "message_count", "last_seq", "created_ms", "updated_ms",
                  "revision", "response_id", "lease_until")  # fmt: skip
PAIR_COLUMNS = ("organization", "pair", "shelf", "created_ms", "thread", "user_id")


def thread_row(number: int) -> dict[str, Any]:
    """Return thread `number`, counted from the oldest. What is rare is among the oldest, where a scan comes last."""
    created_ms = BASE_MS + number * 1000
    rare = number < 5
    archived = number >= THREADS // 10
    pairs = {"common": "yes", **({"rare": "yes"} if rare else {}), **({"old": "yes"} if archived or rare else {})}
    return {
        "organization": ORGANIZATION,
        "id": f"thread_{number}",
        "user_id": FEW if number % (THREADS // 5) == 3 else f"uid_{number % 2000}",
        "assistant_id": "asst_rare" if number in (5, 6, 7) else "asst_common" if number % 2 else None,
        "title": f"Title {number}",
        "title_folded": f"title {number}",
        "metadata": metadata.encode(pairs),
        "visible_in_ui": 0 if rare else 1,
        "locked_ms": 1 if number in (10, 11, 12) else None,
        "locked_by_role": "member" if number in (10, 11, 12) else None,
        "archived_ms": 1 if archived else None,
        "message_count": 0,
        "last_seq": 0,
        "created_ms": created_ms,
        "updated_ms": created_ms + 1,
        "revision": created_ms,
        "response_id": "resp_x" if number in (20, 21) else None,
        "lease_until": 2**52 if number in (20, 21) else None,
    }


def pair_rows(number: int, key: int, row: dict[str, Any]) -> list[tuple[Any, ...]]:
    shelf = (4 if row["archived_ms"] else 2 if row["locked_ms"] else 0) + row["visible_in_ui"]
    pairs = sorted(metadata.pairs_of(row["metadata"]))
    return [(ORGANIZATION, pair, shelf, row["created_ms"], key, row["user_id"]) for pair in pairs]


MESSAGES = f"""
    with recursive n (seq) as (values (1) union all select seq + 1 from n where seq < {LONG_MESSAGES})
    insert into messages (organization, thread, seq, id, role, content, preview, size_bytes, status, user_id, metadata,
        created_ms, updated_ms, revision)
    select t.organization, t.key, n.seq, 'msg_' || n.seq, case n.seq % 2 when 0 then 'user' else 'assistant' end, '[]',
        '', 2, 'completed', t.user_id, '{{}}', t.created_ms, t.created_ms, 1
    from threads t, n where t.id = '{LONG}'
    """
COUNTED = f"update threads set message_count = {LONG_MESSAGES}, last_seq = {LONG_MESSAGES} where id = '{LONG}'"


class CountingSqlite:
    """Runs statements on SQLite and counts at least as many rows as each of them visited."""

    def __init__(self, path: Path) -> None:
        self.connection = connect(path, create=True)
        self._transaction = SqliteTransaction(self.connection)
        self.counts: list[tuple[int, str]] = []

    async def fill(self) -> None:
        apply_migrations(self.connection)
        execute, many = self.connection.execute, self.connection.executemany
        with self.connection:
            execute("insert into organizations (id, name, created_ms, updated_ms, revision) values ('O', 'O', 1, 1, 1)")
            marks = ", ".join("?" * len(THREAD_COLUMNS))
            rows = [thread_row(number) for number in range(THREADS)]
            many(
                f"insert into threads ({', '.join(THREAD_COLUMNS)}) values ({marks})",
                ([row[name] for name in THREAD_COLUMNS] for row in rows),
            )
            pairs = (pair for number, row in enumerate(rows) for pair in pair_rows(number, number + 1, row))
            many(f"insert into thread_metadata ({', '.join(PAIR_COLUMNS)}) values (?, ?, ?, ?, ?, ?)", pairs)
            execute(MESSAGES)
            execute(COUNTED)

    async def fetch(self, statement: Statement, parameters: Mapping[str, Any]) -> Sequence[Any]:
        steps = 0

        def count(event: dict[str, Any]) -> None:
            nonlocal steps
            steps += event["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"]

        self.connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, count)
        try:
            return await self._transaction.fetch(statement, parameters)
        finally:
            self.connection.trace_v2(0, None)
            self.counts.append((steps // STEPS_PER_ROW_MIN, statement.sqlite[0].text))

    async def execute_many(self, statement: Statement, parameters: Sequence[Mapping[str, Any]]) -> None:
        for each in parameters:
            await self.fetch(statement, each)

    async def begin(self) -> None:
        self.connection.execute("begin")

    async def roll_back(self) -> None:
        self.connection.execute("rollback")

    async def close(self) -> None:
        self.connection.close()


class CountingPostgres:
    """Runs statements on PostgreSQL with the plan for any parameters, and counts the rows of all its scans."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.counts: list[tuple[int, str]] = []

    async def fill(self) -> None:
        for _, sql in migrate.migrations("postgres"):
            await self.connection.execute(sql)
        await self.connection.execute(
            "insert into organizations (id, name, created_ms, updated_ms, revision) values ('O', 'O', 1, 1, 1)"
        )
        rows = [thread_row(number) for number in range(THREADS)]
        await self.connection.copy_records_to_table(
            "threads", records=[tuple(row.values()) for row in rows], columns=THREAD_COLUMNS
        )
        pairs = [pair for number, row in enumerate(rows) for pair in pair_rows(number, number + 1, row)]
        await self.connection.copy_records_to_table("thread_metadata", records=pairs, columns=PAIR_COLUMNS)
        await self.connection.execute(MESSAGES)
        await self.connection.execute(COUNTED)
        await self.connection.execute("analyze")
        await self.connection.execute("set plan_cache_mode = force_generic_plan; set jit = off")

    async def fetch(self, statement: Statement, parameters: Mapping[str, Any]) -> Sequence[Any]:
        text, values = statement.postgres.text, statement.postgres.bind(parameters)
        await self.connection.execute("savepoint counted")
        plan = await self.connection.fetchval(f"explain (analyze, timing off, format json) {text}", *values)
        await self.connection.execute("rollback to savepoint counted")
        self.counts.append((visited(json.loads(plan)[0]["Plan"]), text))
        rows: Sequence[Any] = await self.connection.fetch(text, *values)
        return rows

    async def execute_many(self, statement: Statement, parameters: Sequence[Mapping[str, Any]]) -> None:
        for each in parameters:
            await self.fetch(statement, each)

    async def begin(self) -> None:
        await self.connection.execute("begin")

    async def roll_back(self) -> None:
        await self.connection.execute("rollback")


def visited(plan: dict[str, Any]) -> int:
    """Return how many rows the scans of a plan gave or passed over."""
    own = 0
    if "Scan" in plan["Node Type"] and plan["Node Type"] not in ("CTE Scan", "Subquery Scan"):
        removed = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        own = round((plan["Actual Rows"] + removed) * plan["Actual Loops"])
    return own + sum(visited(each) for each in plan.get("Plans", ()))
