"""The answers to callers who wait or stream: objects, and frames of Server-Sent Events (WHATWG HTML, 9.2)."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from threadkeep.contract.events import Event, NameEvent, ResponseCancelled, ResponseCompleted, ResponseFailed

PING = b": ping\n\n"

ENDED = {"completed": ResponseCompleted, "cancelled": ResponseCancelled, "failed": ResponseFailed}

encode = msgspec.json.Encoder().encode


Emit = Callable[[bytes], Awaitable[None]]
# Returns whether the data was written: False if the client is slow to read.
Write = Callable[[bytes], bool]
# Raises when the reader has lost access.
Allowed = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a caller who does not stream; without a value it has no body (204)."""

    status: int
    value: Any = None  # Any: a struct; a str is sent as plain text.
    was_replayed: bool = False
    headers: Sequence[tuple[bytes, bytes]] = ()


class Presence:
    """Whether the client of a long call is still connected."""

    def __init__(self) -> None:
        self.is_gone = False
        # Called when the client disconnects.
        self.on_leave: Callable[[], object] = int

    def leave(self) -> None:
        self.is_gone = True
        self.on_leave()


class Streamed:
    """An answer as a stream of frames."""

    was_replayed = False
    # Besides those that all streams have.
    headers: Sequence[tuple[bytes, bytes]] = ()
    # The id of the request, for errors within the stream.
    request_id = ""

    async def run(self, emit: Emit, allowed: Allowed) -> None:
        raise NotImplementedError

    def take_write(self, write: Write) -> None:
        """Receive a function that writes to the client at once, if the server has one."""

    def leave(self) -> None:
        """Note that the client has disconnected."""


def named_frame(event: NameEvent) -> bytes:
    """Return the frame of an event without an id: its stream cannot be resumed."""
    return f"event: {event.type}\ndata: {encode(event).decode()}\n\n".encode()


def frame(response_id: str, n: int, type: str, data: str) -> bytes:
    """Return one event; `data` is JSON, which holds no line breaks."""
    return f"id: {response_id}:{n}\nevent: {type}\ndata: {data}\n\n".encode()


def frame_of(response_id: str, n: int, event: Event) -> bytes:
    return frame(response_id, n, event.type, encode(event).decode())
