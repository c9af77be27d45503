"""The frames of a stream, as Server-Sent Events have them (WHATWG HTML, section 9.2)."""

from typing import Any

import msgspec

PING = b": ping\n\n"

CREATED = "response.created"
RESET = "response.reset"
ENDED = {"completed": "response.completed", "cancelled": "response.cancelled", "failed": "response.failed"}

encode = msgspec.json.Encoder().encode


def frame(response_id: str, n: int, type: str, data: str) -> bytes:
    """Return one event; `data` is JSON, which holds no line breaks."""
    return f"id: {response_id}:{n}\nevent: {type}\ndata: {data}\n\n".encode()


def frame_of(response_id: str, n: int, type: str, data: Any) -> bytes:  # Any: a struct.
    return frame(response_id, n, type, encode(data).decode())
