"""What a stream of a response tells, event by event."""

from typing import ClassVar, Literal, TypeAlias

import msgspec

from threadkeep.client.answers import Message, Response


class Event(msgspec.Struct, rename="camel", kw_only=True):
    """One event. `position` is its id: whoever follows the response from there gets what comes behind it."""

    position: str = ""


class ResponseCreated(Event):
    """The response has begun. `input_messages` are what was sent with it, `message` is the answer, still empty."""

    type: ClassVar[Literal["response.created"]] = "response.created"
    response: Response
    input_messages: list[Message]
    message: Message


class TextDelta(Event):
    """More of the answer's text."""

    type: ClassVar[Literal["response.output_text.delta"]] = "response.output_text.delta"
    delta: str


class ReasoningDelta(Event):
    """More of what the model thinks; no part of the text."""

    type: ClassVar[Literal["response.reasoning.delta"]] = "response.reasoning.delta"
    delta: str


class ToolCallDelta(Event):
    """More of a call that the model wants made: `id` and `name` come once, `arguments` in pieces."""

    type: ClassVar[Literal["response.tool_call.delta"]] = "response.tool_call.delta"
    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


class ResponseReset(Event):
    """Pieces are no longer to be had: `response.output_text` takes the place of all the text before."""

    type: ClassVar[Literal["response.reset"]] = "response.reset"
    response: Response
    message: Message | None


class ResponseCompleted(Event):
    """The answer is complete."""

    type: ClassVar[Literal["response.completed"]] = "response.completed"
    response: Response


class ResponseCancelled(Event):
    """The answer was ended before it was complete; what there is of it is kept."""

    type: ClassVar[Literal["response.cancelled"]] = "response.cancelled"
    response: Response


class ResponseFailed(Event):
    """The answer could not be completed: `response.error` says why."""

    type: ClassVar[Literal["response.failed"]] = "response.failed"
    response: Response


ResponseEnded: TypeAlias = ResponseCompleted | ResponseCancelled | ResponseFailed
ResponseEvent: TypeAlias = ResponseCreated | TextDelta | ReasoningDelta | ToolCallDelta | ResponseReset | ResponseEnded

KINDS: tuple[type[Event], ...] = (
    ResponseCreated, TextDelta, ReasoningDelta, ToolCallDelta, ResponseReset, ResponseCompleted, ResponseCancelled,
    ResponseFailed,
)  # fmt: skip
