"""The state of reading a name's stream, apart from any connection."""

from collections.abc import Iterator

import msgspec

from threadkeep.client.failures import BY_CODE, UnexpectedAnswer, api_error
from threadkeep.client.transcript import Frame, Frames
from threadkeep.contract.answers import Error
from threadkeep.contract.events import NameCompleted, NameDelta, NameFailed
from threadkeep.contract.names import NameGenerated
from threadkeep.decoding import decode
from threadkeep.errors import ApiError


class NameTranscript:
    """A repeated stream begins at the name's first character: text that was given already is skipped."""

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id
        self._frames = Frames()
        self._name = ""
        self._given = ""
        self.generated: NameGenerated | None = None

    def begin(self) -> None:
        """Begin to read from a new connection."""
        self._frames = Frames()
        self._name = ""

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Give the new pieces of the name. Raises the server's error, or UnexpectedAnswer."""
        try:
            for frame in self._frames.feed(chunk):
                yield from self._take(frame)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UnexpectedAnswer(f"An event cannot be read: {error}.", self._request_id) from None

    def _take(self, frame: Frame) -> Iterator[str]:
        if frame.event == NameDelta.type:
            self._name += decode(frame.data, NameDelta).delta
            if self._name.startswith(self._given) and self._name != self._given:
                piece = self._name[len(self._given) :]
                self._given = self._name
                yield piece
        elif frame.event == NameCompleted.type:
            self.generated = decode(frame.data, NameGenerated)
        elif frame.event == NameFailed.type:
            detail = decode(frame.data, Error).error
            raise api_error(BY_CODE.get(detail.code, ApiError).status, detail, {})
