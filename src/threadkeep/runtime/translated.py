"""A stream in another tongue: the frames of a stream of ours, each translated on its way to the client."""

from collections.abc import Callable, Sequence

from threadkeep.operations.responses.events import KINDS
from threadkeep.runtime.frames import Allowed, Emit, Streamed, Write

# Takes the response's id, the event's number, its type and its data; returns what is sent in place of it, if anything.
Translate = Callable[[str, int, str, bytes], bytes]

FRAME_END = b"\n\n"


class Translated(Streamed):
    """Another stream's frames, translated. Comments pass as they are. It ends, or is cut off, as the other one.

    A frame that could not be written at once comes again through `run`; what it was translated to is kept for then.
    """

    def __init__(self, streamed: Streamed, translate: Translate, flush: Callable[[], bytes] = bytes) -> None:
        """`flush` returns what is left to send after the last frame of a stream that was not cut off."""
        self.was_replayed = streamed.was_replayed
        self._streamed = streamed
        self._translate = translate
        self._flush = flush
        # The number of the last text or call that was translated, and what of it is not sent.
        self._n = 0
        self._unsent = b""

    def leave(self) -> None:
        self._streamed.leave()

    def take_write(self, write: Write) -> None:
        def write_translated(data: bytes) -> bool:
            translated = self._unsent + self._translated_all(data.split(FRAME_END))
            is_sent = not translated or write(translated)
            self._unsent = b"" if is_sent else translated
            return is_sent

        self._streamed.take_write(write_translated)

    async def run(self, emit: Emit, allowed: Allowed) -> None:
        self._streamed.request_id = self.request_id
        rest = b""

        async def take(data: bytes) -> None:
            nonlocal rest
            *frames, rest = (rest + data).split(FRAME_END)
            translated, self._unsent = self._unsent + self._translated_all(frames), b""
            if translated:
                await emit(translated)

        await self._streamed.run(take, allowed)
        if last := self._translated_all([rest]) + self._flush():
            await emit(last)

    def _translated_all(self, frames: Sequence[bytes]) -> bytes:
        return b"".join([self._translated(frame) for frame in frames if frame])

    def _translated(self, frame: bytes) -> bytes:
        if frame.startswith(b":"):
            return frame + FRAME_END
        # As `frame` writes it.
        head, _, data = frame.partition(b"\ndata: ")
        position, _, type = head.removeprefix(b"id: ").decode().partition("\nevent: ")
        response_id, _, number = position.rpartition(":")
        n = int(number)
        if type in KINDS:
            if n <= self._n:
                return b""
            self._n = n
        return self._translate(response_id, n, type, data)
