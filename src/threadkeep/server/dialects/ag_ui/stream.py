"""The stream of a run: what each event of its response is in AG-UI's words. The client checks their order."""

from collections.abc import Iterator
from typing import Any

import msgspec

from threadkeep.contract.events import ToolCallDelta
from threadkeep.contract.responses import Response
from threadkeep.runtime.frames import Allowed, Emit, Streamed
from threadkeep.server.dialects.telling import EventData, Telling

Json = dict[str, Any]  # Any: JSON.

encode = msgspec.json.Encoder().encode


def event(type: str, **data: Any) -> bytes:  # Any: JSON.
    return b"data: %b\n\n" % encode({"type": type, **data})


class Run:
    """Which run a stream is: the client's own ids, and the thread's messages when it began."""

    def __init__(self, thread_id: str, run_id: str, messages: list[Json]) -> None:
        self.ids = {"threadId": thread_id, "runId": run_id}
        self._messages = messages

    def begin(self) -> bytes:
        return event("RUN_STARTED", **self.ids) + event("MESSAGES_SNAPSHOT", messages=self._messages)

    def finish(self, **outcome: Any) -> bytes:  # Any: JSON.
        return event("RUN_FINISHED", **self.ids, **outcome)


class Quiet(Streamed):
    """The stream of a run that answers nothing: it shows the thread."""

    def __init__(self, run: Run) -> None:
        self._run = run

    async def run(self, emit: Emit, _allowed: Allowed) -> None:
        await emit(self._run.begin() + self._run.finish())


class RunTelling(Telling):
    """A run, as far as it was told: one part is open at a time."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run
        self._message_id = ""
        # What ends the part that is open.
        self._closing = b""
        # The index of the call that is open, and those that were begun.
        self._open: int | str | None = None
        self._begun: set[int] = set()

    def begin(self, told: EventData) -> Iterator[bytes]:
        self._message_id = "" if told.message is None else told.message.id
        yield self._run.begin()

    def say(self, delta: str) -> Iterator[bytes]:
        if self._open != "text":
            start = event("TEXT_MESSAGE_START", messageId=self._message_id, role="assistant")
            yield self._turn("text", start, event("TEXT_MESSAGE_END", messageId=self._message_id))
        yield event("TEXT_MESSAGE_CONTENT", messageId=self._message_id, delta=delta)

    def think(self, delta: str) -> Iterator[bytes]:
        if not delta:
            return
        id = f"{self._message_id}-reasoning"
        if self._open != "reasoning":
            start = event("REASONING_START", messageId=id)
            start += event("REASONING_MESSAGE_START", messageId=id, role="reasoning")
            end = event("REASONING_MESSAGE_END", messageId=id) + event("REASONING_END", messageId=id)
            yield self._turn("reasoning", start, end)
        yield event("REASONING_MESSAGE_CONTENT", messageId=id, delta=delta)

    def call(self, part: ToolCallDelta) -> Iterator[bytes]:
        call = self.calls[part.index]
        # It is begun when its name is known.
        if not call.name:
            return
        id, delta = call.id or f"call_{part.index}", part.arguments
        if part.index not in self._begun:
            self._begun.add(part.index)
            start = event("TOOL_CALL_START", toolCallId=id, toolCallName=call.name, parentMessageId=self._message_id)
            yield self._turn(part.index, start, b"")
            delta = "".join(call.texts)
        if delta:
            yield event("TOOL_CALL_ARGS", toolCallId=id, delta=delta)

    def end(self, response: Response) -> Iterator[bytes]:
        yield self._turn(None, b"", b"")
        # Calls may be made side by side: each ends with the answer.
        for index in sorted(self._begun):
            yield event("TOOL_CALL_END", toolCallId=self.calls[index].id or f"call_{index}")
        if response.status == "failed":
            error = response.error
            message, code = ("The answer failed.", "failed") if error is None else (error.message, error.code)
            yield event("RUN_ERROR", message=message, code=code)
        elif response.status == "cancelled":
            yield self._run.finish(outcome={"type": "cancelled"})
        else:
            yield self._run.finish()

    def _turn(self, to: int | str | None, start: bytes, end: bytes) -> bytes:
        """End the part that is open, and begin another."""
        turned = self._closing + start
        self._open, self._closing = to, end
        return turned
