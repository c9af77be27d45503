# Made from ../asynchronous by tests/support/sync_client.py: change it there.
"""Streams of responses that outlive their connections."""

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import httpx
import msgspec

from threadkeep.client.calls import Call, HttpAnswer, path, post, read, streamed
from threadkeep.client.failures import UnexpectedAnswer
from threadkeep.client.retrying import Attempts
from threadkeep.client.synchronous.connection import Connection
from threadkeep.client.transcript import Transcript
from threadkeep.contract.events import ResponseEvent
from threadkeep.contract.responses import Response

EVENT_STREAM = "text/event-stream"


class ResponseStream:
    """The events of one response, each once and in order, over as many connections as needed.

    Leaving it early closes the connection, and the server goes on with the response.
    """

    def __init__(
        self, connection: Connection, begin: Call, thread_id: str | None = None, response_id: str | None = None
    ) -> None:
        self._connection = connection
        self._attempts = Attempts(begin, connection.options, has_total=False)
        self._transcript = Transcript(begin, thread_id, response_id)
        self._answer: httpx.Response | None = None
        self._chunks: Iterator[bytes] | None = None
        # The first event is read when the stream is opened, so that `response` is known from then on.
        self._first: ResponseEvent | None = None
        self._is_open = False
        self._is_over = False
        # Whether an event is being read. If it is still set at the next read, the last one was interrupted.
        self._is_reading = False

    @property
    def response(self) -> Response:
        """The response as of the last event that holds it; complete at the end of the stream."""
        if self._transcript.response is None:
            raise RuntimeError("The stream is not open yet: enter it with `with` first.")
        return self._transcript.response

    @property
    def text(self) -> str:
        """The answer's text so far; for a stream followed from a position, only the text since then."""
        return self._transcript.text

    @property
    def position(self) -> str | None:
        """The id of the last event: `follow` continues after it, even in another process."""
        return self._transcript.position

    def open(self) -> bool:
        """Connect, and return whether there is a response to follow. Raises ApiError, or TransportError."""
        if not self._is_open:
            self._is_open = True
            try:
                self._first = self._next()
                if self._transcript.response is None:
                    self._look()
            except BaseException:  # A cancellation too: `__exit__` does not run if entering fails. Raised again.
                self.close()
                raise
        return self._transcript.response is not None

    def wait(self) -> Response:
        """Read to the end; return the response as it ended."""
        for _ in self:
            pass
        return self.response

    def cancel(self) -> Response:
        """End the response on the server, which keeps the text so far. The stream then ends too."""
        response = self.response
        at = path("threads", response.thread_id, "responses", response.id, "cancel")
        return self._connection.call(post(at), Response)

    def close(self) -> None:
        """Close the connection. The response goes on."""
        self._is_over = True
        self._disconnect()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[ResponseEvent]:
        return self

    def __next__(self) -> ResponseEvent:
        self.open()
        event, self._first = self._first, None
        if event is None:
            event = self._next()
        if event is None:
            raise StopIteration
        return event

    def _next(self) -> ResponseEvent | None:
        """Return the next event, or None at the end."""
        if self._is_reading:
            self._disconnect()
        self._is_reading = True
        event = None
        while event is None and not self._is_over:
            try:
                event = self._transcript.next_event()
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise UnexpectedAnswer(f"An event cannot be read: {error}.", self._attempts.request_id) from None
            if event is None:
                self._read_on()
        if event is not None:
            self._attempts.renew()
        if self._transcript.has_ended:
            self.close()
        self._is_reading = False
        return event

    def _read_on(self) -> None:
        """Read some bytes; connect first if needed. A failed attempt is repeated after a pause."""
        try:
            if self._chunks is None:
                self._connect()
                return
            chunk = next(self._chunks, None)
            if chunk is None:
                raise httpx.RemoteProtocolError("the stream ended before its response")
            self._transcript.feed(chunk)
        except httpx.RequestError as error:
            self._disconnect()
            time.sleep(self._attempts.after_failure(error))

    def _connect(self) -> None:
        silence_s = self._connection.options.stream_timeout_s
        call = streamed(self._transcript.call)
        answer = self._connection.begin(call, silence_s, self._attempts.request_id)
        if answer.status_code == 200 and answer.headers.get("content-type", "").startswith(EVENT_STREAM):
            self._transcript.reconnected()
            self._answer, self._chunks = answer, answer.iter_bytes()
            return
        outcome = self._attempts.after_answer(self._connection.read(answer, self._attempts))
        if not isinstance(outcome, HttpAnswer):
            time.sleep(outcome)
        elif outcome.status == 204:
            self._is_over = True
        else:
            raise UnexpectedAnswer("The answer is no stream of events.", self._attempts.request_id)

    def _disconnect(self) -> None:
        answer, self._answer, self._chunks = self._answer, None, None
        if answer is not None:
            answer.close()

    def _look(self) -> None:
        """Fetch the response, for a stream that starts in its middle or at its end."""
        thread_id, response_id = self._transcript.thread_id, self._transcript.response_id
        if thread_id is not None and response_id is not None:
            at = path("threads", thread_id, "responses", response_id)
            response = self._connection.call(read(at), Response)
            self._transcript.show(response)
            if self._is_over:
                self._transcript.text = response.output_text
