"""The stream of a response in the AI SDK's words."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from threadkeep.contract.events import ToolCallDelta
from threadkeep.contract.responses import Response
from threadkeep.operations.responses.events import TEXT, CallSoFar, decode_text
from threadkeep.runtime.following import Follower
from threadkeep.runtime.translated import Translated
from threadkeep.server.dialects.telling import EventData, Telling
from threadkeep.server.dialects.ui_messages import DYNAMIC, FAILED, STEP, TOOL, Json, has_result, is_call, output_of

HEADERS = [(b"x-vercel-ai-ui-message-stream", b"v1")]
DONE = b"data: [DONE]\n\n"
FINISHED = {"toolCalls": "tool-calls", "length": "length"}
RELOAD = "A part of this answer did not arrive: reload the page."
FAILURE = "The answer could not be completed: ask again."
NO_JSON = "The model's arguments are not valid JSON."
# A text part is open while these are sent, with the delta in between as our own event has it.
DELTA = b'data: {"type":"text-delta","id":"text",'
encode = msgspec.json.Encoder().encode


def told(follower: Follower, head: str | None = None, before: Sequence[Json] = ()) -> Translated:
    """Return a response's stream in these words; with `head` it goes on with that message, behind `before`."""
    translated = Translated(follower, AnswerStream(head, before).translate)
    translated.headers = HEADERS
    return translated


def frame(type: str, **data: Any) -> bytes:  # Any: JSON.
    return b"data: %b\n\n" % encode({"type": type, **data})


class AnswerStream(Telling):
    """An answer so far."""

    def __init__(self, head: str | None, before: Sequence[Json]) -> None:
        super().__init__()
        self._head = head
        self._before = before
        # The text or reasoning that is being told.
        self._open: str | None = None
        self._is_over = False
        # Text as it came: it is read only when events are gone.
        self._unread: list[bytes] = []

    def translate(self, response_id: str, n: int, type: str, data: bytes) -> bytes:
        if type == TEXT and self._open == "text":
            # Almost all events are these: the delta is not decoded, and stands in the frame as it does in ours.
            self._unread.append(data)
            return b"%b%b\n\n" % (DELTA, data[1:])
        return super().translate(response_id, n, type, data)

    def begin(self, told: EventData) -> Iterator[bytes]:
        yield frame("start", messageId=self._head or told.response.message_id or told.response.id)
        yield from frames_of(self._before)
        yield frame("start-step")

    def say(self, delta: str) -> Iterator[bytes]:
        yield from self._turn_to("text")
        yield frame("text-delta", id="text", delta=delta)

    def think(self, delta: str) -> Iterator[bytes]:
        if delta:
            yield from self._turn_to("reasoning")
            yield frame("reasoning-delta", id="reasoning", delta=delta)

    def call(self, part: ToolCallDelta) -> Iterator[bytes]:
        yield from self._turn_to(None)
        call = self.calls[part.index]
        if call.id is None or call.name is None:
            return
        text = part.arguments
        if part.id is not None or part.name is not None:
            yield frame("tool-input-start", toolCallId=call.id, toolName=call.name)
            text = "".join(call.texts)
        if text:
            yield frame("tool-input-delta", toolCallId=call.id, inputTextDelta=text)

    def end(self, response: Response) -> Iterator[bytes]:
        if self._is_over:
            return
        yield from self._turn_to(None)
        if response.status == "completed":
            for index, call in sorted(self.calls.items()):
                yield from finished(index, call)
            yield frame("finish-step")
            yield frame("finish", finishReason=FINISHED.get(response.finish_reason or "", "stop"))
        elif response.status == "cancelled":
            yield frame("abort", reason="The answer was stopped.")
        else:
            yield frame("error", errorText=FAILURE if response.error is None else response.error.message)
        yield DONE

    def _turn_to(self, kind: str | None) -> Iterator[bytes]:
        if kind != self._open:
            if self._open is not None:
                yield frame(f"{self._open}-end", id=self._open)
            if kind is not None:
                yield frame(f"{kind}-start", id=kind)
            self._open = kind

    def _catch_up(self, told: EventData) -> Iterator[bytes]:
        self.texts += [decode_text(data).delta for data in self._unread]
        self._unread.clear()
        if not told.response.output_text.startswith("".join(self.texts)):
            self._is_over = True
            yield from self._turn_to(None)
            yield frame("error", errorText=RELOAD)
            yield DONE
            return
        yield from super()._catch_up(told)


def finished(index: int, call: CallSoFar) -> Iterator[bytes]:
    """Tell a call that is complete."""
    text = "".join(call.texts)
    about = {"toolCallId": call.id or f"call_{index}", "toolName": call.name or "unknown"}
    input = output_of(text) if text.strip() else {}
    if isinstance(input, str):
        yield frame("tool-input-error", **about, input=input, errorText=NO_JSON)
    else:
        yield frame("tool-input-available", **about, input=input)


def frames_of(parts: Sequence[Json]) -> Iterator[bytes]:
    """Tell what a message holds already, step by step."""
    is_first = True
    for part in parts:
        type = part.get("type")
        if type == STEP:
            if not is_first:
                yield frame("finish-step")
            yield frame("start-step")
            is_first = False
        elif type in ("text", "reasoning"):
            yield frame(f"{type}-start", id=type)
            yield frame(f"{type}-delta", id=type, delta=part.get("text", ""))
            yield frame(f"{type}-end", id=type)
        elif type == "file":
            yield frame("file", url=part.get("url"), mediaType=part.get("mediaType"))
        elif is_call(part):
            yield from frames_of_call(part)
    if not is_first:
        yield frame("finish-step")


def frames_of_call(part: Json) -> Iterator[bytes]:
    call_id, is_dynamic = part["toolCallId"], part["type"] == DYNAMIC
    name = part.get("toolName") if is_dynamic else part["type"].removeprefix(TOOL)
    dynamic = {"dynamic": True} if is_dynamic else {}
    yield frame("tool-input-available", toolCallId=call_id, toolName=name, input=part.get("input"), **dynamic)
    if not has_result(part):
        return
    if part["state"] == FAILED:
        yield frame("tool-output-error", toolCallId=call_id, errorText=part.get("errorText", ""), **dynamic)
    else:
        yield frame("tool-output-available", toolCallId=call_id, output=part.get("output"), **dynamic)
