"""The HTTP/1.1 protocol of the server: uvicorn's, with the limits that facing a network needs.

What it uses of uvicorn is guarded by `test_http_limits.py`: `data_received`, `on_header`, `on_message_complete`,
`on_response_complete`, `_should_upgrade` and `_start_asgi_task` are replaced, other methods without underscore
extended; it reads `parser url scope headers cycle pipeline flow tasks timeout_keep_alive_task` and a cycle's
`disconnected message_event more_body response_started response_complete`. That file also tests that httptools refuses
most requests with an ambiguous body length.
"""

import asyncio
import math
import socket
import struct
from collections.abc import Callable
from typing import Any

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from threadkeep.errors import HeadersTooLarge, InvalidParameter, InvalidRequest, UriTooLong
from threadkeep.ids import new_id
from threadkeep.server.connection_limits import HOLDER, ConnectionLimits
from threadkeep.server.transport.batch import Batch
from threadkeep.server.transport.cycle import SAFE_HEADERS, Handler, OneWriteCycle

HEADER_BYTES_MAX = 32 * 1024
TARGET_BYTES_MAX = 8 * 1024
HEADER_READ_S = 10.0
WRITE_STALL_S = 30.0
# How long and how much of a body is still read after its request was answered, so that the client sees the answer.
LINGER_S = 5.0
UNWANTED_BYTES_MAX = 64 * 1024 * 1024
# For SO_LINGER: `close` waits 0 seconds for what is unsent and throws it away, with a reset.
AT_ONCE = struct.pack("ii", 1, 0)


class LimitedHttpProtocol(HttpToolsProtocol):
    """One client connection, bounded in what it may send, keep waiting and leave unread."""

    HEADER_BYTES_MAX = HEADER_BYTES_MAX
    TARGET_BYTES_MAX = TARGET_BYTES_MAX
    PIPELINED_REQUESTS_MAX = 64
    # Each piece of a body costs microseconds, however small it is.
    TINY_PIECES_MAX = 10_000
    PIECE_BYTES_MIN = 16
    HEADER_READ_S = HEADER_READ_S
    LINGER_S = LINGER_S
    UNWANTED_BYTES_MAX = UNWANTED_BYTES_MAX
    WRITE_STALL_S = WRITE_STALL_S
    WRITE_PROGRESS_BYTES_MIN = 64 * 1024
    # Returns the handler that answers a request without ASGI messages, or None, and whether it hardly ever waits.
    HANDLER_OF: Callable[[Any], tuple[Handler | None, bool]] = staticmethod(lambda scope: (None, False))
    BATCH = Batch()
    CONNECTIONS = ConnectionLimits(connections_max=10_000, unread_bytes_max=256 * 1024 * 1024)

    # Slots: a 31st attribute in the instance's dictionary makes CPython read all of uvicorn's more slowly.
    __slots__ = (
        "_ahead",
        "_complete_scope",
        "_is_reading_body",
        "_last_words",
        "_read_timer",
        "_tiny_pieces",
        "_undelivered_bytes",
        "_unwanted_bytes_left",
        "_write_timer",
        "answer_bytes",
    )
    _ahead: RequestResponseCycle  # the request being answered, while later ones wait in `pipeline`

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.url = b""
        self._undelivered_bytes = 0  # received since the parser completed a header, gave body or ended a request
        self._complete_scope: object = self.scope
        self._is_reading_body = False
        self.answer_bytes = 0
        self._tiny_pieces = 0  # of the body so far
        self._last_words: bytes | None = None  # once set, nothing more is read, and the connection ends with them
        self._read_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        self.CONNECTIONS.join(self)
        # The first byte cancels it, as on a connection that was kept alive.
        self.timeout_keep_alive_task = self.loop.call_later(self.HEADER_READ_S, self.timeout_keep_alive_handler)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        cycle.__class__ = OneWriteCycle  # uvicorn names its own class where it makes one
        handler, hardly_waits = self.HANDLER_OF(cycle.scope)
        running = cycle.run_asgi(app) if handler is None else cycle.run_handler(handler)
        if hardly_waits:
            self.BATCH.add(running, self.tasks)
        else:
            task = self.loop.create_task(running)
            task.add_done_callback(self.tasks.discard)
            self.tasks.add(task)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._read_timer, self._write_timer, self.timeout_keep_alive_task):
            if timer is not None:
                timer.cancel()
        # uvicorn tells only the newest request: an earlier one would go on streaming to nobody.
        self._disconnect_application()
        self.pipeline.clear()
        self.CONNECTIONS.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        while len(data) > (room_bytes := self.HEADER_BYTES_MAX - self._undelivered_bytes) > 0:
            self.data_received(data[:room_bytes])
            data = data[room_bytes:]
        if self._last_words is not None:
            self._throw_away(len(data))
            return
        self._undelivered_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._read_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            # An error raised in a callback is the context of the parser's own error.
            malformed = InvalidParameter("The request is malformed: send HTTP/1.1 as in RFC 9112.")
            self._refuse(error.__context__ if isinstance(error.__context__, InvalidRequest) else malformed)
        else:
            if self._undelivered_bytes >= self.HEADER_BYTES_MAX:
                too_large = HeadersTooLarge(f"The header is too large: at most {self.HEADER_BYTES_MAX} bytes.")
                self._refuse(self._target_too_long() if len(self.url) > self.TARGET_BYTES_MAX else too_large)
            # uvicorn makes a scope at the first byte of a header; bytes before that count as well.
            elif self.scope is not self._complete_scope or (self._undelivered_bytes and not self._is_reading_body):
                self._limit_reading()

    def _should_upgrade(self) -> bool:
        return True  # uvicorn then starts nothing, and `_read_without_upgrade` makes a plain request of it

    def _read_without_upgrade(self, rest: bytes) -> None:
        """Parse the request again without Upgrade: the parser would lose its body, or take it for a next request."""
        method, version = self.scope["method"].encode(), self.scope["http_version"].encode()
        if method == b"CONNECT":
            return self._refuse(InvalidParameter("The method CONNECT is not served: send the request itself."))
        lines = [b"%s:%s\r\n" % header for header in self.scope["headers"] if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return self.data_received(b"".join([b"%s %s HTTP/%s\r\n" % (method, self.url, version), *lines, b"\r\n", rest]))

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"expect":
            self.expect_100_continue = value.lower() == b"100-continue"
        elif name == b"transfer-encoding" and (value.lower() != b"chunked" or self.parser.get_http_version() != "1.1"):
            raise InvalidParameter("The header Transfer-Encoding may only be `chunked`, and only in HTTP/1.1.")
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if len(self.url) > self.TARGET_BYTES_MAX:
            raise self._target_too_long()
        if self._read_timer is not None:
            self._unset_read_timer()
        self._undelivered_bytes = 0
        self._complete_scope = self.scope
        previous = self.cycle
        HttpToolsProtocol.on_headers_complete(self)  # `super()` takes longer
        if self.cycle is previous:
            return
        self._is_reading_body = True
        self._tiny_pieces = 0
        self.CONNECTIONS.begin(self)
        self.headers = []  # collects trailers, which `on_header` gets too; they are ignored
        if self.pipeline:
            if len(self.pipeline) == 1:
                self._ahead = previous
            self.flow.resume_reading()  # uvicorn paused it, and would not notice a disconnect
            if len(self.pipeline) > self.PIPELINED_REQUESTS_MAX:
                raise InvalidParameter(f"At most {self.PIPELINED_REQUESTS_MAX} requests may wait for an answer.")

    def on_body(self, body: bytes) -> None:
        self._undelivered_bytes = 0
        if len(body) < self.PIECE_BYTES_MIN:
            self._tiny_pieces += 1
            if self._tiny_pieces > self.TINY_PIECES_MAX:
                raise InvalidParameter("The body comes in too many tiny chunks: send fewer and larger ones.")
        if self.cycle.response_complete:
            self._throw_away(len(body))
        else:
            HttpToolsProtocol.on_body(self, body)

    def on_message_complete(self) -> None:
        self._undelivered_bytes = 0
        if self._is_reading_body:  # an upgrade has no body yet
            self._is_reading_body = False
            if self._read_timer is not None:
                self._unset_read_timer()
            self.cycle.more_body = False
            self.cycle.message_event.set()

    def on_last_response_complete(self) -> None:
        """Close the connection after its last answer, or linger if its client is still sending the body."""
        if self._is_reading_body and not self.pipeline:
            self._last_words = b""
            self._linger()
        else:
            self._close()

    def on_response_complete(self) -> None:
        """Begin the next request, or wait for it: `CONNECTIONS` knows since when, so that no timer is needed."""
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._ahead, app = self.pipeline.pop()
            self._start_asgi_task(self._ahead, app)
        elif self._last_words is not None:
            self._finish()
        else:
            if self._is_reading_body:
                self._unwanted_bytes_left = self.UNWANTED_BYTES_MAX
                self._limit_reading()  # answered already: the client may finish sending, but not for ever
            self.CONNECTIONS.wait(self)

    def _target_too_long(self) -> UriTooLong:
        return UriTooLong(f"The path and query are too long: at most {self.TARGET_BYTES_MAX} bytes together.")

    def _refuse(self, error: InvalidRequest) -> None:
        request_id = new_id("req")
        self.logger.info("Refused a request: %d %s, %s", error.status, error.code, request_id)
        shown = {"message": error.message, "type": error.type, "code": error.code, "param": None}
        body = msgspec.json.encode({"error": {**shown, "requestId": request_id}})
        own = f"content-type: application/json\r\ncontent-length: {len(body)}\r\nx-request-id: {request_id}\r\n"
        common = [*self.server_state.default_headers, *SAFE_HEADERS]
        lines = [STATUS_LINE[error.status], *(b"%s: %s\r\n" % header for header in common)]
        self._stop(b"".join([*lines, own.encode(), b"connection: close\r\n\r\n", body]))

    def _stop(self, last_words: bytes) -> None:
        """Read no more, let earlier requests have their answers, send `last_words` and close."""
        self._last_words = last_words
        self._unwanted_bytes_left = self.UNWANTED_BYTES_MAX
        self._unset_read_timer()
        if self._is_reading_body and self.pipeline:  # the newest request is at fault: it is never answered
            self.pipeline.popleft()
            self.cycle = self.pipeline[0][0] if self.pipeline else self._ahead
        elif self._is_reading_body:
            self._last_words = b"" if self.cycle.response_started else last_words
            self._disconnect_application()
            self._finish()
        elif self.cycle is None or self.cycle.response_complete:
            self._finish()

    def _disconnect_application(self) -> None:
        answering = self._ahead if self.pipeline else self.cycle
        if answering is not None and not answering.response_complete:
            answering.disconnected = True
            answering.message_event.set()

    def _finish(self) -> None:
        self._unset_keepalive_if_required()
        if not self._last_words:
            return self._close()
        self.transport.write(self._last_words)
        return self._linger()

    def _linger(self) -> None:
        """Send no more, and discard further input for at most LINGER_S seconds.

        Closing with bytes unread would reset the connection, and the client might never see the answer.
        """
        if not self.transport.can_write_eof():
            return self._close()
        self.transport.write_eof()
        self.flow.resume_reading()
        self._unset_read_timer()
        self._unwanted_bytes_left = self.UNWANTED_BYTES_MAX
        self._read_timer = self.loop.call_later(self.LINGER_S, self._close)
        self.CONNECTIONS.wait(self)
        return None

    def _throw_away(self, size_bytes: int) -> None:
        self._unwanted_bytes_left -= size_bytes
        if self._unwanted_bytes_left < 0:
            self._close()

    def _close(self) -> None:
        self.transport.close()
        if self._write_timer is None:
            self._watch_writes()

    timeout_keep_alive_handler = give_way = _close

    def drop(self) -> None:
        """Reset the connection: after a plain close the kernel would keep the unread bytes for minutes."""
        if (connection := self.transport.get_extra_info("socket")) is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        self.transport.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_writes()
        self.CONNECTIONS.pause(self)

    @property
    def unread_bytes(self) -> int:
        """The memory that an answer takes while its client is slow to read: the whole answer, until writing resumes."""
        return max(self.answer_bytes, self.transport.get_write_buffer_size())

    @property
    def holder(self) -> object:
        """The person for whom a request is being answered, if any."""
        answering = self._ahead if self.pipeline else self.cycle
        return None if answering is None or answering.response_complete else answering.scope.get(HOLDER)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.answer_bytes = 0
        self.CONNECTIONS.resume(self)
        if self._write_timer is not None and not self.transport.is_closing():
            self._write_timer.cancel()
            self._write_timer = None

    def _watch_writes(self, unsent_bytes_before: float = math.inf) -> None:
        """Drop a client that reads less than WRITE_PROGRESS_BYTES_MIN in WRITE_STALL_S; a slow one may go on."""
        unsent_bytes = self.transport.get_write_buffer_size()
        if unsent_bytes > unsent_bytes_before - self.WRITE_PROGRESS_BYTES_MIN:
            self.drop()
        else:
            self._write_timer = self.loop.call_later(self.WRITE_STALL_S, self._watch_writes, unsent_bytes)

    def _limit_reading(self) -> None:
        if self._read_timer is None:
            self._read_timer = self.loop.call_later(self.HEADER_READ_S, self._stop, b"")

    def _unset_read_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None
