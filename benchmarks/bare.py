"""A bare ASGI application: the same reads and the same answers, and nothing of what a service needs besides.

No authentication, validation, limits, metrics, request ids or errors. Run as
`python -m benchmarks.bare URL PORT ORGANIZATION_KEY ORGANIZATION_ID`.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
import uvloop

from threadkeep import clock
from threadkeep.database.statement import Compiled
from threadkeep.lifecycle import State
from threadkeep.objects import Page, Thread
from threadkeep.operations.paging import encode_position, window
from threadkeep.operations.thread_list import Bounds, Filter, Query, shape_of
from threadkeep.operations.thread_list_sql import page_statement
from threadkeep.operations.thread_rows import READ

LIMIT = 20
PLAIN_LIST = Query(Filter(), window(LIMIT, "desc", None, None))
PAGE = page_statement(shape_of(PLAIN_LIST, None, Bounds(None, None)), False)
encode = msgspec.json.Encoder().encode

Fetch = Callable[[Compiled, list[Any]], Awaitable[Sequence[Any]]]  # Any: columns are of many types.


def bind(compiled: Compiled, **parameters: Any) -> list[Any]:
    return [parameters[name] for name in compiled.names]


def make_app(fetch: Fetch, read: Compiled, page: Compiled, organization: int, organization_id: str) -> Any:
    def thread_of(row: Sequence[Any]) -> Thread:
        return Thread(
            row[0], "thread", row[1] // 1000, row[2] // 1000, msgspec.Raw(row[3]), row[4], organization_id, row[5],
            row[6], row[7] == 1, row[8],
            "streaming" if row[9] is not None and row[10] >= clock.now_ms() else "inactive",
            State.ARCHIVED if row[12] is not None else State.LOCKED if row[11] is not None else State.OPEN,
            None if row[13] is None else row[13] // 1000,
        )  # fmt: skip

    async def app(scope: dict[str, Any], _receive: Any, send: Any) -> None:
        path = scope["path"]
        if path == "/readyz":
            body = b"{}"
        elif len(path) > 12:
            values = bind(read, organization=organization, thread_id=path[12:], member=None)
            [row] = await fetch(read, values)
            body = encode(thread_of(row))
        else:
            rows = await fetch(page, bind(page, organization=organization, limit=LIMIT + 1))
            data = [thread_of(row) for row in rows[:LIMIT]]
            cursor = encode_position("createdAt", (rows[LIMIT - 1][1], rows[LIMIT - 1][15]))
            body = encode(Page("list", data, data[0].id, data[-1].id, True, cursor))
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def sqlite_fetch(path: str) -> Fetch:
    from threadkeep.database.sqlite import connect

    execute = connect(Path(path)).execute

    async def fetch(compiled: Compiled, values: list[Any]) -> Sequence[Any]:
        return execute(compiled.text, values).fetchall()

    return fetch


async def postgres_fetch(url: str) -> Fetch:
    import asyncpg

    from threadkeep.database.postgres import SESSION
    from threadkeep.settings import Settings

    async def leave_as_is(_connection: object) -> None: ...

    pool = await asyncpg.create_pool(
        url, min_size=1, max_size=Settings().pool_size, server_settings=SESSION, reset=leave_as_is
    )

    async def fetch(compiled: Compiled, values: list[Any]) -> Sequence[Any]:
        async with pool.acquire() as connection:
            rows: Sequence[Any] = await connection.fetch(compiled.text, *values)
            return rows

    return fetch


async def serve(url: str, port: int, organization: int, organization_id: str) -> None:
    if url.startswith("sqlite:///"):
        fetch = sqlite_fetch(url.removeprefix("sqlite:///"))
        app = make_app(fetch, READ.sqlite[0], PAGE.sqlite[0], organization, organization_id)
    else:
        fetch = await postgres_fetch(url)
        app = make_app(fetch, READ.postgres, PAGE.postgres, organization, organization_id)
    config = uvicorn.Config(
        app,
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
        runner.run(serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
