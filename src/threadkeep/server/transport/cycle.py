"""One request and its answer on a connection: uvicorn's cycle, which writes an answer whole.

Of a cycle it uses `receive send send_500_response logger scope transport flow keep_alive default_headers disconnected
response_started response_complete chunked_encoding expected_content_length waiting_for_100_continue message_event
on_response`.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

# In the message that begins a streamed answer: a function that is given the cycle's `write`. A task that is woken for
# each piece costs more than the write itself.
TAKE_WRITE = "threadkeep.take_write"
# From here on a transport may tell its protocol to wait with more.
LARGE_BYTES = 64 * 1024

Headers = list[tuple[bytes, bytes]]
# Of every answer that is no page: nobody on the way keeps it, and no browser takes it for something else.
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
        except BaseException as error:  # Where a request's task ends; a cancellation is logged too, as in uvicorn.
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
                # Its body may come or not: where a next request would begin, nobody knows.
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
                # Before 1.1 nobody knows chunks: the end of the connection ends a body of unknown length.
                if self.scope["http_version"] == "1.0" and not has_length(held):
                    self._ends_by_closing, self.chunked_encoding = True, False
                await super().send(held)
            if self._ends_by_closing:
                # uvicorn counts down to zero, and wants none left at the end.
                self.expected_content_length = len(message.get("body", b"")) + message.get("more_body", False)
            await self._send_part(message)

    async def _send_part(self, message: Any) -> None:
        """Send a part of a body; how a connection ends after the last one is the protocol's affair, not uvicorn's."""
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
        """Send a whole answer of known length at once if the connection is as usual; return whether that was so."""
        is_usual = self.keep_alive and not self.waiting_for_100_continue
        if not is_usual or self.flow.write_paused or self.disconnected or self.scope["method"] == "HEAD":
            return False
        lines = [b"%b: %b\r\n" % header for header in (*self.default_headers, *headers)]
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        answer = b"".join([STATUS_LINE[status], *lines, b"\r\n", body])
        if len(answer) > LARGE_BYTES:
            self._write_large(answer)
        else:
            self.transport.write(answer)
        self.message_event.set()
        self.on_response()
        return True

    def _write_large(self, answer: bytes) -> None:
        """Write an answer that counts with all its bytes if its client falls behind with it."""
        protocol: Any = self.transport.get_protocol()
        protocol.answer_bytes = len(answer)
        self.transport.write(answer)
        if not self.flow.write_paused:
            protocol.answer_bytes = 0


def nothing() -> None:
    """Do what is left to do after an answer whose connection needs nothing more of it."""


def is_plain(held: Any, message: Any) -> bool:
    """Whether these two messages are a whole answer of known length, after which the connection goes on."""
    if held is None or message.get("more_body", False):
        return False
    names = [name for name, _ in held["headers"]]
    return b"content-length" in names and b"connection" not in names


def has_length(message: Any) -> bool:
    return any(name == b"content-length" for name, _ in message["headers"])
