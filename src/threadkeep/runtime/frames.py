"""What callers are answered with who wait or read: objects, and frames of Server-Sent Events (WHATWG HTML, 9.2)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from threadkeep.contract.events import Event, NameEvent, ResponseCancelled, ResponseCompleted, ResponseFailed

PING = b": ping\n\n"

ENDED = {"completed": ResponseCompleted, "cancelled": ResponseCancelled, "failed": ResponseFailed}

encode = msgspec.json.Encoder().encode


Emit = Callable[[bytes], Awaitable[None]]
# Returns whether it was written: not to a client that is slow to read.
Write = Callable[[bytes], bool]
# Raises when the reader may not read any more.
Allowed = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answered:
    """What a caller gets who does not stream; without a value there is nothing to say (204)."""

    status: int
    value: Any = None  # Any: a struct.
    was_replayed: bool = False


class Presence:
    """Whether the client of a call that takes its time is still there."""

    def __init__(self) -> None:
        self.is_gone = False
        # What is done when it goes.
        self.on_leave: Callable[[], object] = int

    def leave(self) -> None:
        self.is_gone = True
        self.on_leave()


class Streamed:
    """An answer that is a stream: frames, until it is at its end."""

    was_replayed = False
    # The id of the request, for errors within the stream.
    request_id = ""

    async def run(self, emit: Emit, allowed: Allowed) -> None:
        raise NotImplementedError

    def take_write(self, write: Write) -> None:
        """Take what writes to the client at once, where the server has such a thing."""

    def leave(self) -> None:
        """The reader's client has gone away."""


def named_frame(event: NameEvent) -> bytes:
    """Return an event of a stream that cannot be resumed."""
    return f"event: {event.type}\ndata: {encode(event).decode()}\n\n".encode()


def frame(response_id: str, n: int, type: str, data: str) -> bytes:
    """Return one event; `data` is JSON, which holds no line breaks."""
    return f"id: {response_id}:{n}\nevent: {type}\ndata: {data}\n\n".encode()


def frame_of(response_id: str, n: int, event: Event) -> bytes:
    return frame(response_id, n, event.type, encode(event).decode())
