"""What a reader of a name's stream knows so far. No connection is needed."""

from collections.abc import Iterator

import msgspec

from threadkeep.client.failures import BY_CODE, UnexpectedAnswer, api_error
from threadkeep.client.transcript import Frame, Frames
from threadkeep.contract.answers import Error
from threadkeep.contract.events import NameCompleted, NameDelta, NameFailed
from threadkeep.contract.names import NameGenerated
from threadkeep.errors import ApiError


class NameTranscript:
    """A repeated stream begins at the name's first character; what was given is not given again."""

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id
        self._frames = Frames()
        self._name = ""
        self._given = ""
        self.generated: NameGenerated | None = None

    def begin(self) -> None:
        """From now on bytes come over a new connection."""
        self._frames = Frames()
        self._name = ""

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Give the pieces that are new. Raises what the server failed with, or UnexpectedAnswer."""
        try:
            for frame in self._frames.feed(chunk):
                yield from self._take(frame)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UnexpectedAnswer(f"An event cannot be read: {error}.", self._request_id) from None

    def _take(self, frame: Frame) -> Iterator[str]:
        if frame.event == NameDelta.type:
            self._name += msgspec.json.decode(frame.data, type=NameDelta).delta
            if self._name.startswith(self._given) and self._name != self._given:
                piece = self._name[len(self._given) :]
                self._given = self._name
                yield piece
        elif frame.event == NameCompleted.type:
            self.generated = msgspec.json.decode(frame.data, type=NameGenerated)
        elif frame.event == NameFailed.type:
            detail = msgspec.json.decode(frame.data, type=Error).error
            raise api_error(BY_CODE.get(detail.code, ApiError).status, detail, {})
