"""The stream of a run: what each event of its response is in the words of OpenAI's Assistants API."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import msgspec

from threadkeep.contract.basis import Raw
from threadkeep.contract.events import ToolCallDelta
from threadkeep.contract.messages import FunctionCall, Message, TextPart, ToolCall
from threadkeep.contract.responses import Response
from threadkeep.operations.responses.chain_rows import Chain, ChainResponse, calls_in
from threadkeep.operations.responses.events import finished_calls
from threadkeep.operations.responses.origins import Origin
from threadkeep.server.dialects.openai import messages, runs, steps
from threadkeep.server.dialects.openai.steps import Step, ToolCallsDetails
from threadkeep.server.dialects.openai.threads import Thread
from threadkeep.server.dialects.telling import EventData, Telling

DONE = b"event: done\ndata: [DONE]\n\n"


encode = msgspec.json.Encoder().encode


def frame(name: str, data: Any) -> bytes:  # Any: an object, or JSON.
    """Return one event. It has no id: the client takes a comment after an id for an event without data."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), encode(data))


def begun(chain: Chain, response_id: str) -> Chain:
    """Return a run as it was when it went on with this response."""
    ids = [each.row.id for each in chain.responses]
    *before, last = chain.responses[: ids.index(response_id) + 1]
    row = last.row._replace(
        status="in_progress", finish_reason=None, ended_ms=None, error_code=None, error_message=None, content="[]"
    )
    asked = None if chain.asked is None else msgspec.structs.replace(chain.asked, cancelled_ms=None)
    return Chain([*before, replace(last, row=row, calls=())], asked, is_newest=True)


class RunStream(Telling):
    """A stream, as far as it has been told. What it says depends on nothing but the events."""

    def __init__(self, chain: Chain, thread: Thread | None) -> None:
        """`chain` ends with the response of the stream, as it began; `thread` is one that was made with the run."""
        super().__init__()
        self._chain = chain
        self._thread = thread
        self._message: Message | None = None
        self._has_said = self._is_message_open = False
        self._has_called = False

    @property
    def _place(self) -> int:
        return len(self._chain.responses) - 1

    def begin(self, told: EventData) -> Iterator[bytes]:
        self._message = told.message
        if self._thread is not None:
            yield frame("thread.created", self._thread)
        run = runs.shown(self._chain)
        queued = msgspec.structs.replace(run, status="queued", started_at=None)
        if self._place:
            yield step_frame(steps.calls_step(self._chain, self._place - 1))
        else:
            yield frame("thread.run.created", queued)
        yield frame("thread.run.queued", queued)
        yield frame("thread.run.in_progress", run)

    def say(self, delta: str) -> Iterator[bytes]:
        if self._message is None:
            return
        if not self._has_said:
            self._has_said = self._is_message_open = True
            yield from begun_step(steps.message_step(self._with_calls(()), self._place))
            message = self._shown_message("in_progress")
            yield frame("thread.message.created", message)
            yield frame("thread.message.in_progress", message)
        part = {"index": 0, "type": "text", "text": {"value": delta, "annotations": []}}
        yield delta_frame("thread.message.delta", self._message.id, {"content": [part]})

    def call(self, part: ToolCallDelta) -> Iterator[bytes]:
        if not self._has_called:
            self._has_called = True
            self._chain = self._with_calls([ToolCall(part.id or "", "function", FunctionCall(part.name or "", ""))])
            # The client would tell of the call twice if a step ended after it.
            yield from self._end_message("completed")
            step = steps.calls_step(self._chain, self._place)
            yield from begun_step(msgspec.structs.replace(step, step_details=ToolCallsDetails([])))
        # The client puts texts together: what is sent twice is there twice.
        if part.name is not None:
            function = {"name": part.name, "arguments": ""}
            yield self._call_frame({"index": part.index, "type": "function", "id": part.id, "function": function})
        if part.arguments:
            function = {"arguments": part.arguments}
            yield self._call_frame({"index": part.index, "type": "function", "function": function})

    def end(self, response: Response) -> Iterator[bytes]:
        self._chain = self._ended(response)
        yield from self._end_message("completed" if response.status == "completed" else "incomplete")
        if self.calls:
            step = steps.calls_step(self._chain, self._place)
            if step.status != "in_progress":
                yield step_frame(step)
        run = runs.shown(self._chain)
        yield frame(f"thread.run.{run.status}", run)
        yield DONE

    def _end_message(self, status: Literal["completed", "incomplete"]) -> Iterator[bytes]:
        if not self._is_message_open:
            return
        self._is_message_open = False
        message = self._shown_message(status)
        yield frame(f"thread.message.{message.status}", message)
        yield step_frame(steps.message_step(self._chain, self._place))

    def _ended(self, response: Response) -> Chain:
        error = response.error
        row = self._chain.last.row._replace(
            status=response.status,
            finish_reason=response.finish_reason,
            ended_ms=(response.completed_at or 0) * 1000,
            error_code=None if error is None else error.code,
            error_message=None if error is None else error.message,
            input_tokens=response.usage.input_tokens,
            output_tokens=response.usage.output_tokens,
        )
        return self._with_last(replace(self._chain.last, row=row, calls=calls_in(finished_calls(self.calls))))

    def _with_calls(self, calls: Any) -> Chain:
        return self._with_last(replace(self._chain.last, calls=calls_in(calls)))

    def _with_last(self, last: ChainResponse) -> Chain:
        return replace(self._chain, responses=[*self._chain.responses[:-1], last])

    def _shown_message(self, status: Literal["completed", "in_progress", "incomplete"]) -> messages.Message:
        assert self._message is not None
        # It begins without its first words, which follow.
        text = "" if status == "in_progress" else "".join(self.texts)
        row = self._chain.last.row
        message = msgspec.structs.replace(
            self._message,
            content=Raw(encode([TextPart(text)] if text else [])),
            metadata=Raw(encode(self._message.metadata)),
            status=status,
        )
        origin = Origin(row.id, self._chain.id, row.status, row.finish_reason, row.ended_ms)
        return messages.shown(message, {row.id: origin})

    def _call_frame(self, call: dict[str, Any]) -> bytes:  # Any: JSON.
        details = {"type": "tool_calls", "tool_calls": [call]}
        step_id = steps.id_of(self._chain.last.row, steps.CALLS)
        return delta_frame("thread.run.step.delta", step_id, {"step_details": details})


def begun_step(step: Step) -> Iterator[bytes]:
    yield frame("thread.run.step.created", step)
    yield frame("thread.run.step.in_progress", step)


def step_frame(step: Step) -> bytes:
    return frame(f"thread.run.step.{step.status}", step)


def delta_frame(name: str, id: str, delta: dict[str, Any]) -> bytes:  # Any: JSON.
    return frame(name, {"id": id, "object": name, "delta": delta})
