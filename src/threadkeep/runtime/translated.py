"""A stream in another tongue: the frames of a stream of ours, each translated on its way to the client."""

from collections.abc import Callable

from threadkeep.runtime.frames import Allowed, Emit, Streamed

# Takes the response's id, the event's number, its type and its data; returns what is sent in place of it, if anything.
Translate = Callable[[str, int, str, bytes], bytes]

FRAME_END = b"\n\n"


class Translated(Streamed):
    """Another stream's frames, translated. Comments pass as they are. It ends, or is cut off, as the other one.

    It takes no `write`: each frame passes through `run`, in order.
    """

    def __init__(self, streamed: Streamed, translate: Translate, flush: Callable[[], bytes] = bytes) -> None:
        """`flush` returns what is left to send after the last frame of a stream that was not cut off."""
        self.was_replayed = streamed.was_replayed
        self._streamed = streamed
        self._translate = translate
        self._flush = flush

    def leave(self) -> None:
        self._streamed.leave()

    async def run(self, emit: Emit, allowed: Allowed) -> None:
        self._streamed.request_id = self.request_id
        rest = b""

        async def take(data: bytes) -> None:
            nonlocal rest
            *frames, rest = (rest + data).split(FRAME_END)
            if translated := b"".join(map(self._translated, frames)):
                await emit(translated)

        await self._streamed.run(take, allowed)
        if last := (self._translated(rest) if rest else b"") + self._flush():
            await emit(last)

    def _translated(self, frame: bytes) -> bytes:
        if frame.startswith(b":"):
            return frame + FRAME_END
        # As `frame` writes it.
        head, _, data = frame.partition(b"\ndata: ")
        position, _, type = head.removeprefix(b"id: ").decode().partition("\nevent: ")
        response_id, _, n = position.rpartition(":")
        return self._translate(response_id, int(n), type, data)
