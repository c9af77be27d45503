# Made from ../asynchronous by tests/support/sync_client.py: change it there.
"""`client.threads.responses`: answers of an assistant, waited for or streamed."""

from typing import Any, Unpack

from threadkeep.client.answers import Page
from threadkeep.client.calls import Call, path, post, query, read
from threadkeep.client.fields import body_of
from threadkeep.client.given import ListFilters, ResponseFields, ThreadFields
from threadkeep.client.synchronous.connection import Connection
from threadkeep.client.synchronous.lists import List
from threadkeep.client.synchronous.streams import ResponseStream
from threadkeep.client.transcript import begin_following
from threadkeep.contract.responses import Response, ResponseCreate, ResponseInThreadCreate
from threadkeep.contract.threads import ThreadCreate


class Responses:
    """The server writes each response to its end, even if no client listens."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(
        self,
        thread_id: str,
        *,
        background: bool = False,
        idempotency_key: str | None = None,
        **fields: Unpack[ResponseFields],
    ) -> Response:
        """Ask for an answer and wait for its end; with `background`, return before it is written.

        A response that failed is returned, not raised: see its `status` and `error`. Raises ThreadBusy while another
        one runs in the thread.
        """
        at = path("threads", thread_id, "responses")
        return self._create(at, ResponseCreate, thread_id, background, idempotency_key, fields)

    def create_in_new_thread(
        self,
        *,
        thread: str | ThreadCreate | ThreadFields | None = None,
        background: bool = False,
        organization_id: str | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[ResponseFields],
    ) -> Response:
        """Create a thread and ask for an answer in it, both or neither; otherwise like `create`.

        `thread` describes the new thread. It may also be the id of an existing one.
        """
        at, described = path("responses"), {**fields, "thread": {} if thread is None else thread}
        parameters = query(organization_id)
        return self._create(at, ResponseInThreadCreate, None, background, idempotency_key, described, parameters)

    def stream(
        self, thread_id: str, *, idempotency_key: str | None = None, **fields: Unpack[ResponseFields]
    ) -> ResponseStream:
        """Ask for an answer and read it as it is written: `with … as stream: for event in stream: …`

        Nothing is sent before the stream is entered. After a broken connection it continues where it broke off.
        """
        call = begin(path("threads", thread_id, "responses"), ResponseCreate, idempotency_key, fields)
        return ResponseStream(self._connection, call, thread_id)

    def stream_in_new_thread(
        self,
        *,
        thread: str | ThreadCreate | ThreadFields | None = None,
        organization_id: str | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[ResponseFields],
    ) -> ResponseStream:
        """Create a thread and read the answer in it as it is written; otherwise like `stream`."""
        described = {**fields, "thread": {} if thread is None else thread}
        parameters = query(organization_id)
        call = begin(path("responses"), ResponseInThreadCreate, idempotency_key, described, parameters)
        return ResponseStream(self._connection, call)

    def follow(self, thread_id: str, response_id: str, *, after: str | None = None) -> ResponseStream:
        """Read a response that anyone began, from its first event or after the position `after`."""
        call = begin_following(thread_id, response_id, after)
        return ResponseStream(self._connection, call, thread_id, response_id)

    def follow_thread(self, thread_id: str, *, after: str | None = None) -> ResponseStream | None:
        """Return the stream of the response that runs in the thread, or None."""
        call = read(path("threads", thread_id, "stream"), query(after=after))
        stream = ResponseStream(self._connection, call, thread_id)
        return stream if stream.open() else None

    def list(
        self,
        thread_id: str,
        **places: Unpack[ListFilters],
    ) -> List[Response]:
        """List the thread's responses, the oldest first unless `order` says otherwise."""
        parameters = query(**places)
        return List(self._connection, read(path("threads", thread_id, "responses"), parameters), Page[Response])

    def retrieve(self, thread_id: str, response_id: str) -> Response:
        """Read a response; while it runs, `output_text` is the text stored so far. Raises ResponseNotFound."""
        return self._connection.call(read(path("threads", thread_id, "responses", response_id)), Response)

    def cancel(self, thread_id: str, response_id: str, *, idempotency_key: str | None = None) -> Response:
        """End a running response and keep its text so far. One that has ended is returned unchanged."""
        at = path("threads", thread_id, "responses", response_id, "cancel")
        return self._connection.call(post(at, idempotency_key=idempotency_key), Response)

    def _create(
        self,
        at: str,
        kind: type[ResponseCreate],
        thread_id: str | None,
        background: bool,
        idempotency_key: str | None,
        fields: Any,  # Any: ResponseFields, perhaps with a thread.
        parameters: tuple[tuple[str, str], ...] = (),
    ) -> Response:
        if background:
            body = body_of(kind, {**fields, "background": True})
            call = post(at, body, idempotency_key=idempotency_key, parameters=parameters)
            return self._connection.call(call, Response)
        # A stream even here: a plain call is silent for minutes, like a lost connection.
        with ResponseStream(
            self._connection, begin(at, kind, idempotency_key, fields, parameters), thread_id
        ) as stream:
            return stream.wait()


def begin(
    at: str,
    kind: type[ResponseCreate],
    idempotency_key: str | None,
    fields: Any,  # Any: ResponseFields, perhaps with a thread.
    parameters: tuple[tuple[str, str], ...] = (),
) -> Call:
    """Return the call that begins a response and streams it. With the same key, a repeat streams the same response."""
    body = body_of(kind, {**fields, "stream": True})
    return post(at, body, idempotency_key=idempotency_key, parameters=parameters)
