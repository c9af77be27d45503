# Made from ../asynchronous by tests/support/sync_client.py: change it there.
"""Names that are streamed while they are generated."""

import time
from collections.abc import Iterator

import httpx

from threadkeep.client.calls import Call, HttpAnswer, streamed
from threadkeep.client.failures import UnexpectedAnswer
from threadkeep.client.name_transcript import NameTranscript
from threadkeep.client.retrying import Attempts
from threadkeep.client.synchronous.connection import Connection
from threadkeep.contract.names import NameGenerated


class NameStream:
    """The pieces of a name. If reading stops, the name is still made and saved."""

    def __init__(self, connection: Connection, call: Call) -> None:
        self._connection = connection
        self._call = streamed(call)
        self._attempts = Attempts(call, connection.options, has_total=False)
        self._transcript = NameTranscript(self._attempts.request_id)

    @property
    def generated(self) -> NameGenerated:
        """The thread's title now, and how it came about; available at the end of the stream."""
        if self._transcript.generated is None:
            raise RuntimeError("The stream is not at its end yet: read it first.")
        return self._transcript.generated

    def __iter__(self) -> Iterator[str]:
        while self._transcript.generated is None:
            try:
                yield from self._read()
                if self._transcript.generated is None:
                    raise httpx.RemoteProtocolError("the stream ended before its name")
            except httpx.RequestError as error:
                time.sleep(self._attempts.after_failure(error))

    def _read(self) -> Iterator[str]:
        """Connect and read to the end, without the pieces that came over an earlier connection."""
        silence_s = self._connection.options.stream_timeout_s
        response = self._connection.begin(self._call, silence_s, self._attempts.request_id)
        try:
            while response.status_code != 200:
                outcome = self._attempts.after_answer(self._connection.read(response, self._attempts))
                if isinstance(outcome, HttpAnswer):
                    raise UnexpectedAnswer("The answer is no stream of events.", self._attempts.request_id)
                time.sleep(outcome)
                response = self._connection.begin(self._call, silence_s, self._attempts.request_id)
            self._transcript.begin()
            for chunk in response.iter_bytes():
                yield from self._transcript.feed(chunk)
        finally:
            response.close()
