"""Sends a stream as an HTTP answer: frames until the terminal event, while the client is connected and has access."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from threadkeep.errors import ApiError
from threadkeep.runtime.following import CutOff
from threadkeep.runtime.frames import Allowed, Presence, Streamed
from threadkeep.server.body import Receive
from threadkeep.server.transport.cycle import TAKE_WRITE

Send = Callable[[dict[str, Any]], Awaitable[None]]  # Any: ASGI messages are plain dictionaries.

WRITE_BYTES_MAX = 64 * 1024

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    # Without it, nginx and similar proxies would buffer events.
    (b"x-accel-buffering", b"no"),
]


async def send_stream(streamed: Streamed, receive: Receive, send: Send, request_id: bytes, allowed: Allowed) -> None:
    """Send the frames of a stream. One that is cut off ends without a terminal event."""
    streamed.request_id = request_id.decode()
    headers = [*HEADERS, (b"x-request-id", request_id), *streamed.headers]
    if streamed.was_replayed:
        headers.append((b"idempotent-replayed", b"true"))
    await send({"type": "http.response.start", "status": 200, "headers": headers, TAKE_WRITE: streamed.take_write})

    async def emit(data: bytes) -> None:
        # In small parts: each waits in memory until the client reads it.
        for start in range(0, len(data), WRITE_BYTES_MAX):
            part = data[start : start + WRITE_BYTES_MAX]
            await send({"type": "http.response.body", "body": part, "more_body": True})

    watch = asyncio.ensure_future(leave_when_gone(receive, streamed))
    try:
        await streamed.run(emit, allowed)
    except (CutOff, ApiError):
        pass
    finally:
        watch.cancel()
    await send({"type": "http.response.body", "body": b""})


async def leave_when_gone(receive: Receive, reader: Streamed | Presence) -> None:
    """Tell `reader` when the client disconnects, which only `receive` reports."""
    while (await receive())["type"] != "http.disconnect":
        pass
    reader.leave()
