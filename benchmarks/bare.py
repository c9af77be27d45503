"""A bare ASGI application: the same statements and the same answers, and nothing of what a service needs besides.

No authentication, validation, limits, metrics, request ids, retries or errors. Run as
`python -m benchmarks.bare URL PORT ORGANIZATION_ID`.
"""

import asyncio
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
import uvloop

from benchmarks.sqlite_loop import fold_in
from benchmarks.work import LIMIT, WORK, Rows, Work
from threadkeep.contract.answers import ListPage
from threadkeep.contract.lifecycle import State
from threadkeep.contract.threads import Thread
from threadkeep.operations.messages.rows import message_of, new_row
from threadkeep.operations.paging import encode_position

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode
HEADER = (b"content-type", b"application/json")


class Sqlite:
    """Reads at once; writes that have come together go in one transaction."""

    def __init__(self, path: str) -> None:
        from threadkeep.database.sqlite import connect

        self._execute = connect(Path(path)).execute
        self._waiting: list[tuple[Work, str, asyncio.Future[Rows]]] = []
        threading.Thread(target=fold_in, args=(Path(path), threading.Event()), daemon=True).start()

    async def read(self, work: Work, thread_id: str) -> Rows:
        return work.in_sqlite(self._execute, thread_id)

    async def write(self, work: Work, thread_id: str) -> Rows:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Rows] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._commit)
        self._waiting.append((work, thread_id, future))
        return await future

    def _commit(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._execute("begin immediate")
        rows = [work.in_sqlite(self._execute, thread_id) for work, thread_id, _ in waiting]
        self._execute("commit")
        for (_, _, future), each in zip(waiting, rows, strict=True):
            future.set_result(each)


class Postgres:
    """Every operation takes a connection of the driver's own pool."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def read(self, work: Work, thread_id: str) -> Rows:
        async with self._pool.acquire() as connection:
            return await work.in_postgres(connection, thread_id)

    write = read


def make_app(database: Sqlite | Postgres, organization_id: str) -> Any:
    def thread_of(row: Any) -> Thread:
        (
            _, created_ms, updated_ms, _, id, metadata, assistant_id, user_id, title,
            visible_in_ui, message_count, is_leased, locked_ms, archived_ms, last_message_ms, external_id,
            expires_ms, payload_format, _,
        ) = row  # fmt: skip
        return Thread(
            id, "thread", created_ms // 1000, updated_ms // 1000, msgspec.Raw(metadata), assistant_id, organization_id,
            user_id, title, visible_in_ui == 1, message_count,
            "streaming" if is_leased else "inactive",
            State.ARCHIVED if archived_ms is not None else State.LOCKED if locked_ms is not None else State.OPEN,
            None if last_message_ms is None else last_message_ms // 1000, external_id,
            None if expires_ms is None else expires_ms // 1000, payload_format, None,
        )  # fmt: skip

    def created_position(row: Any) -> str:
        key, created_ms, *_ = row
        return encode_position("createdAt", (created_ms, key))

    def seq_position(row: Any) -> str:
        _, _, _, seq, *_ = row
        return encode_position("seq", (seq,))

    async def answer(method: str, path: str, query: bytes, receive: Any) -> Any:
        """Return what is answered; paths are those of threadkeep, and nothing but these is asked for."""
        if path == "/v1/threads":
            if method == "POST":
                await read_body(receive)
                return thread_of((await database.write(WORK["create"], ""))[0])
            rows = await database.read(WORK["filter" if query else "list"], "")
            return page(rows, thread_of, created_position)
        thread_id = path[12:45]
        if len(path) == 45:
            return thread_of((await database.read(WORK["get"], thread_id))[0])
        if method == "POST":
            return await append(thread_id, await read_body(receive))
        rows = await database.read(WORK["messages"], thread_id)
        parent_ids = iter([rows[0][-1], *(row[0] for row in rows)])
        return page(rows, lambda row: message_of(row[:-1], thread_id, next(parent_ids)), seq_position)

    async def append(thread_id: str, body: Any) -> Any:
        work = WORK["append"]
        new = work.parameters(thread_id) | {"role": body["role"], "preview": body["content"]}
        new["content"] = encode([{"type": "text", "text": body["content"]}]).decode()
        [(seq, _, parent_id, _)] = await database.write(Work(work.statement, lambda _: new), thread_id)
        return message_of(new_row(new, seq, new["user_id"], new["now_ms"]), thread_id, parent_id)

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        method, path = scope["method"], scope["path"]
        body = b"{}" if path == "/readyz" else encode(await answer(method, path, scope["query_string"], receive))
        headers = [HEADER, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 201 if method == "POST" else 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


async def read_body(receive: Any) -> Any:  # Any: JSON.
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            return decode(body)


def page(rows: Rows, make: Callable[[Any], Any], cursor_of: Callable[[Any], str]) -> ListPage:
    data = [make(row) for row in rows[:LIMIT]]
    has_more = len(rows) > LIMIT
    return ListPage("list", data, data[0].id, data[-1].id, has_more, cursor_of(rows[LIMIT - 1]) if has_more else None)


async def open_postgres(url: str) -> Postgres:
    import asyncpg

    from threadkeep.database.postgres_session import SESSION
    from threadkeep.settings import Settings

    async def leave_as_is(_connection: object) -> None: ...

    return Postgres(
        await asyncpg.create_pool(
            url, min_size=1, max_size=Settings().pool_size, server_settings=SESSION, reset=leave_as_is
        )
    )


async def serve(url: str, port: int, organization_id: str) -> None:
    is_sqlite = url.startswith("sqlite:///")
    database = Sqlite(url.removeprefix("sqlite:///")) if is_sqlite else await open_postgres(url)
    config = uvicorn.Config(
        make_app(database, organization_id),
        port=port,
        http="httptools",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
    )
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
