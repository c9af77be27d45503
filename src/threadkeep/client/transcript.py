"""The state of reading a response's stream (position, text, response), apart from any connection."""

from collections import deque
from collections.abc import Callable
from typing import cast

import msgspec

from threadkeep.client.calls import Call, path
from threadkeep.contract.events import (
    KINDS,
    Event,
    ResponseCancelled,
    ResponseCompleted,
    ResponseCreated,
    ResponseEvent,
    ResponseFailed,
    ResponseReset,
    TextDelta,
)
from threadkeep.contract.responses import Response
from threadkeep.decoding import decoder


class Frame(msgspec.Struct):
    """One event as it comes over the wire."""

    id: str = ""
    event: str = ""
    data: str = ""


class Frames:
    """Reads server-sent events; an incomplete event is dropped when a connection breaks."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[Frame]:
        """Return the events that are complete now. Only blank lines split events: a text may hold other separators."""
        *complete, self._rest = (self._rest + chunk).split(b"\n\n")
        frames = [frame_of(each.decode()) for each in complete]
        return [each for each in frames if each.event]


def frame_of(text: str) -> Frame:
    frame = Frame()
    for line in text.split("\n"):
        name, _, value = line.partition(": ")
        if name in ("id", "event", "data"):
            setattr(frame, name, value)
    return frame


Decode = Callable[[bytes | str], Event]
DECODERS: dict[str, Decode] = {kind.type: decoder(kind).decode for kind in KINDS}


class Transcript:
    """How far a reader has come. The ids are None until the events tell them."""

    def __init__(self, begin: Call, thread_id: str | None, response_id: str | None) -> None:
        self._begin = begin
        self._frames = Frames()
        self._waiting: deque[Frame] = deque()
        self.thread_id = thread_id
        self.response_id = response_id
        # The id of the last event that was read.
        self.position: str | None = None
        self.text = ""
        self.response: Response | None = None
        self.has_ended = False

    @property
    def call(self) -> Call:
        """Return the call that continues after the last event, or starts from the beginning if there is none."""
        if self.position is None or self.thread_id is None or self.response_id is None:
            return self._begin
        return begin_following(self.thread_id, self.response_id, self.position)

    def reconnected(self) -> None:
        """Begin to read from a new connection, which continues after `position`."""
        self._frames = Frames()
        self._waiting.clear()

    def feed(self, chunk: bytes) -> None:
        self._waiting.extend(self._frames.feed(chunk))

    def next_event(self) -> ResponseEvent | None:
        """Return the next event that was fed. Unknown kinds, of a newer server, are skipped.

        Raises msgspec's errors for anything that is no event of this API.
        """
        while self._waiting:
            frame = self._waiting[0]
            decode = DECODERS.get(frame.event)
            event = None if decode is None else cast(ResponseEvent, decode(frame.data))
            if event is not None:
                event.position = frame.id
                self._take(event)
            if frame.id:
                self.position = frame.id
                self.response_id = frame.id.rpartition(":")[0]
            self._waiting.popleft()
            if event is not None:
                return event
        return None

    def _take(self, event: ResponseEvent) -> None:
        if isinstance(event, TextDelta):
            self.text += event.delta
        elif isinstance(event, ResponseCreated):
            self.show(event.response)
        elif isinstance(event, ResponseReset | ResponseCompleted | ResponseCancelled | ResponseFailed):
            self.show(event.response)
            self.text = event.response.output_text
            self.has_ended = not isinstance(event, ResponseReset)

    def show(self, response: Response) -> None:
        self.response = response
        self.thread_id = response.thread_id


def begin_following(thread_id: str, response_id: str, after: str | None) -> Call:
    headers = {} if after is None else {"Last-Event-ID": after}
    return Call("GET", path("threads", thread_id, "responses", response_id, "events"), headers=headers)
