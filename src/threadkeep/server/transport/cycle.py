"""One request and its answer on a connection: uvicorn's cycle, changed to write a whole answer at once.

It uses the cycle's `receive send send_500_response logger scope transport flow keep_alive default_headers disconnected
response_started response_complete chunked_encoding expected_content_length waiting_for_100_continue message_event
on_response`.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

# A key of the ASGI message that begins a stream: a function that receives the cycle's `write`. To wake a task for each
# piece would cost more than the write itself.
TAKE_WRITE = "threadkeep.take_write"
# A transport with more unsent bytes pauses its protocol.
LARGE_BYTES = 64 * 1024

Headers = list[tuple[bytes, bytes]]
# On every answer but pages: no cache may store it, and no browser may guess another content type.
SAFE_HEADERS: Headers = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
# Returns status, headers and body of the answer to a request, or None when it has sent the answer piece by piece.
Handler = Callable[[Any, Any, Any], Awaitable[tuple[int, Headers, bytes] | None]]


class OneWriteCycle(RequestResponseCycle):
    """Sends a whole answer in one write: uvicorn's two cost a system call more, a fifth of a small request's CPU."""

    _held: Any = None  # Any: the ASGI message that begins the answer, until its body comes.
    _ends_by_closing = False

    async def run_handler(self, handle: Handler) -> None:
        """Answer a request with what `handle` returns: like `run_asgi`, but a whole answer needs no ASGI messages."""
        try:
            whole = await handle(self.scope, self.receive, self.send)
            if whole is not None and not self.response_started and not self._send_whole(*whole):
                status, headers, body = whole
                await self.send({"type": "http.response.start", "status": status, "headers": headers})
                await self.send({"type": "http.response.body", "body": body})
        except BaseException as error:  # As in uvicorn: cancellation is logged too.
            self.logger.error("Exception in ASGI application\n", exc_info=error)
        finally:
            if not self.response_complete and not self.disconnected:
                await self._break_off()
            self.on_response = nothing

    async def _break_off(self) -> None:
        """Answer 500 after a failure or, if an answer has begun, close the connection."""
        if self.response_started:
            self.transport.close()
        else:
            await self.send_500_response()

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start" and not self.response_started:
            if self.waiting_for_100_continue:
                # The client may or may not send the body, so the start of a next request could not be found.
                self.keep_alive = False
            self._held = message
            if TAKE_WRITE in message:
                message[TAKE_WRITE](self.write)
            return
        held, self._held = self._held, None
        if not is_plain(held, message) or not self._send_whole(
            held["status"], held["headers"], message.get("body", b"")
        ):
            if held is not None:
                # HTTP/1.0 has no chunks: a body of unknown length ends with the connection.
                if self.scope["http_version"] == "1.0" and not has_length(held):
                    self._ends_by_closing, self.chunked_encoding = True, False
                await super().send(held)
            if self._ends_by_closing:
                # uvicorn counts this down, and requires zero at the end.
                self.expected_content_length = len(message.get("body", b"")) + message.get("more_body", False)
            await self._send_part(message)

    async def _send_part(self, message: Any) -> None:
        """Send a part of a body. After the last one, our protocol closes the connection instead of uvicorn."""
        if self.keep_alive or message.get("more_body", False):
            return await super().send(message)
        protocol: Any = self.transport.get_protocol()
        if protocol is not None:  # The connection is still there.
            self.keep_alive, self.on_response = True, protocol.on_last_response_complete
        return await super().send(message)

    def write(self, data: bytes) -> bool:
        """Write a piece of a streamed body now; return whether that could be done without waiting for the client."""
        is_open = self.response_started and not self.response_complete and not self.disconnected
        if not is_open or not self.chunked_encoding or self.flow.write_paused:
            return False
        self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        return True

    def _send_whole(self, status: int, headers: Headers, body: bytes) -> bool:
        """Send a whole answer in one write, and return True; False if the connection needs special care."""
        is_usual = self.keep_alive and not self.waiting_for_100_continue
        if not is_usual or self.flow.write_paused or self.disconnected or self.scope["method"] == "HEAD":
            return False
        lines = map(b": ".join, (*self.default_headers, *headers))
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        answer = b"\r\n".join([STATUS_LINE[status][:-2], *lines, b"", body])
        if len(answer) > LARGE_BYTES:
            self._write_large(answer)
        else:
            self.transport.write(answer)
        self.message_event.set()
        self.on_response()
        return True

    def _write_large(self, answer: bytes) -> None:
        """Write a large answer. If its client is slow to read, all its bytes count as unread."""
        protocol: Any = self.transport.get_protocol()
        protocol.answer_bytes = len(answer)
        self.transport.write(answer)
        if not self.flow.write_paused:
            protocol.answer_bytes = 0


def nothing() -> None:
    """Replaces `on_response` when an answer is over."""


def is_plain(held: Any, message: Any) -> bool:
    """Whether these two messages are a whole answer of known length that keeps the connection open."""
    if held is None or message.get("more_body", False):
        return False
    names = [name for name, _ in held["headers"]]
    return b"content-length" in names and b"connection" not in names


def has_length(message: Any) -> bool:
    return any(name == b"content-length" for name, _ in message["headers"])
