"""The events of streams. Each is the data of a server-sent event; the event's name gives its type."""

from typing import Annotated, ClassVar, Literal, TypeAlias, get_args

import msgspec
from msgspec import Meta

from threadkeep.contract.answers import Error
from threadkeep.contract.messages import Message
from threadkeep.contract.names import NameGenerated
from threadkeep.contract.responses import Response


class Event(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """One event. `position` is its id: following the response from there gives the events after it."""

    type: ClassVar[str]
    # Sent as the event's id, never in its data.
    position: str = ""


class ResponseCreated(Event):
    """The response has begun. `inputMessages` came with the request, `message` is the answer, still empty."""

    type: ClassVar[Literal["response.created"]] = "response.created"
    response: Response
    """The response as it began."""
    input_messages: list[Message]
    """The messages of the request."""
    message: Message
    """The message that the answer goes into."""


class TextDelta(Event):
    """More of the answer's text."""

    type: ClassVar[Literal["response.output_text.delta"]] = "response.output_text.delta"
    delta: Annotated[str, Meta(examples=["I can add"])]
    """The text to append."""


class ReasoningDelta(Event):
    """More of the model's reasoning; it is no part of the text."""

    type: ClassVar[Literal["response.reasoning.delta"]] = "response.reasoning.delta"
    delta: Annotated[str, Meta(examples=["They need the VAT number"])]
    """The reasoning to append."""


class ToolCallDelta(Event):
    """More of a call that the model wants made: `id` and `name` come once, `arguments` in pieces."""

    type: ClassVar[Literal["response.tool_call.delta"]] = "response.tool_call.delta"
    index: Annotated[int, Meta(examples=[0])]
    """Which of the calls, counted from 0."""
    id: Annotated[str, Meta(examples=["call_1"])] | None
    """The call's id, once."""
    name: Annotated[str, Meta(examples=["find_invoice"])] | None
    """The function's name, once."""
    arguments: Annotated[str, Meta(examples=['{"num'])]
    """The text to append to the arguments."""


class ResponseReset(Event):
    """The events before this one are no longer available: `response.outputText` replaces all text so far."""

    type: ClassVar[Literal["response.reset"]] = "response.reset"
    response: Response
    """The response as it stands."""
    message: Message | None
    """The message with the answer so far; null if there is none any more."""


class ResponseCompleted(Event):
    """The answer is complete."""

    type: ClassVar[Literal["response.completed"]] = "response.completed"
    response: Response
    """The response as it ended."""


class ResponseCancelled(Event):
    """The answer was ended before it was complete; the text so far is kept."""

    type: ClassVar[Literal["response.cancelled"]] = "response.cancelled"
    response: Response
    """The response as it ended."""


class ResponseFailed(Event):
    """The answer could not be completed: `response.error` says why."""

    type: ClassVar[Literal["response.failed"]] = "response.failed"
    response: Response
    """The response as it ended."""


ResponseEnded: TypeAlias = ResponseCompleted | ResponseCancelled | ResponseFailed
ResponseEvent: TypeAlias = ResponseCreated | TextDelta | ReasoningDelta | ToolCallDelta | ResponseReset | ResponseEnded
KINDS: tuple[type[ResponseEvent], ...] = get_args(ResponseEvent)


class NameDelta(msgspec.Struct):
    """More of the name."""

    type: ClassVar[Literal["name.delta"]] = "name.delta"
    delta: Annotated[str, Meta(examples=["Invoice without"])]
    """The text to append to the name."""


class NameCompleted(NameGenerated):
    """The name is complete, and saved."""

    type: ClassVar[Literal["name.completed"]] = "name.completed"


class NameFailed(Error):
    """The name could not be made."""

    type: ClassVar[Literal["name.failed"]] = "name.failed"


NameEvent: TypeAlias = NameDelta | NameCompleted | NameFailed
