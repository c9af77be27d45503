"""The stream of a run: what each native event is in the words of LangGraph's clients."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import msgspec

from threadkeep.contract.events import ResponseReset, ToolCallDelta
from threadkeep.contract.responses import Response
from threadkeep.operations.responses.events import finished_calls
from threadkeep.runtime.following import CutOff, Follower
from threadkeep.runtime.frames import Allowed, Emit, Streamed
from threadkeep.runtime.translated import Translated
from threadkeep.server.dialects.langgraph import ids, messages
from threadkeep.server.dialects.langgraph.messages import GraphMessage
from threadkeep.server.dialects.telling import EventData, Telling

FRAME_END = b"\n\n"
NODE = "model"

encode = msgspec.json.Encoder().encode


def frame(event: str, data: Any) -> bytes:  # Any: JSON, or a struct.
    return b"event: %b\ndata: %b\n\n" % (event.encode(), encode(data))


class RunTelling(Telling):
    """A run's stream, always told from its start; what its reader has is left out."""

    def __init__(
        self, run_id: str, message_id: str, before: Sequence[GraphMessage], modes: Sequence[str], after_n: int
    ) -> None:
        super().__init__()
        self.run_id = run_id
        self.message_id = message_id
        self.before = list(before)
        self.modes = modes
        self.after_n = after_n

    def translate(self, response_id: str, n: int, type: str, data: bytes) -> bytes:
        told = super().translate(response_id, n, type, data)
        # A reader that goes on may have some of what a reset tells as one: the end tells all of it.
        if n <= self.after_n or not told or (self.after_n and type == ResponseReset.type):
            return b""
        # One that is cut off among the frames of one event gets all of them again: so only the last has the id.
        *others, last = told.removesuffix(FRAME_END).split(FRAME_END)
        return FRAME_END.join([*others, b"id: %b:%d\n%b" % (response_id.encode(), n, last)]) + FRAME_END

    def begin(self, told: EventData) -> Iterator[bytes]:
        yield frame("metadata", {"run_id": ids.shown(self.run_id), "attempt": 1})
        if "values" in self.modes:
            yield frame("values", {"messages": self.before})

    def say(self, delta: str) -> Iterator[bytes]:
        return self._more(delta, [])

    def call(self, part: ToolCallDelta) -> Iterator[bytes]:
        chunk = {"id": part.id, "name": part.name, "args": part.arguments, "index": part.index}
        return self._more("", [{**chunk, "type": "tool_call_chunk"}])

    def end(self, response: Response) -> Iterator[bytes]:
        text, calls = response.output_text or "".join(self.texts), finished_calls(self.calls)
        if text or calls:
            answer = messages.answer(self.message_id, text, calls)
            if "updates" in self.modes:
                yield frame("updates", {NODE: {"messages": [answer]}})
            if "values" in self.modes:
                yield frame("values", {"messages": [*self.before, answer]})
        if response.error is not None and response.status == "failed":
            yield frame("error", {"error": response.error.code, "message": response.error.message})
        else:
            yield frame("end", None)

    def _more(self, delta: str, calls: list[dict[str, Any]]) -> Iterator[bytes]:  # Any: JSON.
        if "messages" in self.modes:
            whole = messages.answer(self.message_id, "".join(self.texts), finished_calls(self.calls))
            yield frame("messages/partial", [whole])
        if "messages-tuple" in self.modes:
            chunk = {"type": "AIMessageChunk", "id": self.message_id, "content": delta, "tool_call_chunks": calls}
            more: dict[str, Any] = {"additional_kwargs": {}, "response_metadata": {}}
            yield frame("messages", [{**chunk, **more}, {"langgraph_node": NODE, "run_id": ids.shown(self.run_id)}])


class RunStream(Translated):
    """A run's stream. Its run is cancelled if the client leaves before the end, where it asked for that."""

    def __init__(
        self, follower: Follower, telling: RunTelling, headers: Sequence[tuple[bytes, bytes]],
        cancel: Callable[[], Awaitable[None]] | None,
    ) -> None:  # fmt: skip
        super().__init__(follower, telling.translate)
        self.headers = headers
        self._cancel = cancel
        self._has_left = False

    def leave(self) -> None:
        self._has_left = True
        super().leave()

    async def run(self, emit: Emit, allowed: Allowed) -> None:
        try:
            await super().run(emit, allowed)
        except CutOff:
            if self._has_left and self._cancel is not None:
                await self._cancel()
            raise


class Idle(Streamed):
    """The stream of a thread in which nothing runs: it ends at once."""

    async def run(self, emit: Emit, allowed: Allowed) -> None:
        """Tell nothing."""
