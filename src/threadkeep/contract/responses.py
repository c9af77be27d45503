"""Responses, the events of their streams, and the context that they are given."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Raw, UnsetType

from threadkeep.contract.assistants import (
    ContextMode,
    Instructions,
    ModelName,
    ResponseFormat,
    Stop,
    Stops,
    Temperature,
    TokensMax,
    ToolChoice,
    Tools,
    TopP,
)
from threadkeep.contract.basis import Body, Metadata, MetadataChange, Object, OrganizationId, Seconds, ThreadId
from threadkeep.contract.messages import Message, MessageCreate
from threadkeep.contract.threads import ThreadCreate


class ResponseUsage(Object):
    """Tokens of one response; `estimated` when the model did not count them itself."""

    input_tokens: Annotated[int, Meta(ge=0)]
    output_tokens: Annotated[int, Meta(ge=0)]
    total_tokens: Annotated[int, Meta(ge=0)]
    estimated: bool


class ResponseError(Object):
    """Why a response failed or was ended."""

    code: Literal[
        "interrupted", "model_unavailable", "model_timeout", "model_refused", "context_too_long", "answer_too_long",
        "thread_deleted", "internal",
    ]  # fmt: skip
    message: str


class Response(Object):
    """One answer of an assistant in a thread, from its claim to its end."""

    id: str
    object: Literal["response"]
    created_at: Seconds
    completed_at: Seconds | None
    thread_id: str
    organization_id: str
    user_id: str
    assistant_id: str | None
    model: str
    status: Literal["in_progress", "completed", "cancelled", "failed"]
    finish_reason: Literal["stop", "length", "toolCalls"] | None
    input_message_ids: list[str]
    message_id: str | None
    output_text: str
    usage: ResponseUsage
    error: ResponseError | None
    metadata: Metadata


class ResponseCreate(Body):
    """A request for an answer in a thread."""

    input: str | list[MessageCreate] | None = None
    assistant_id: Annotated[str, Meta(max_length=128)] | None = None
    instructions: Instructions | None = None
    model: ModelName | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    max_output_tokens: TokensMax | None = None
    stop: Stop | Stops | None = None
    response_format: ResponseFormat | None = None
    tool_choice: ToolChoice | None = None
    tools: Tools | None = None
    context_mode: ContextMode | None = None
    context_tokens: TokensMax | None = None
    stream: bool = False
    background: bool = False
    when_busy: Literal["reject", "interrupt"] = "reject"
    replaces: Annotated[str, Meta(max_length=128)] | None = None
    metadata: MetadataChange | None = None


class ResponseInThreadCreate(ResponseCreate, kw_only=True):
    """A request for an answer that names its thread, or describes a new one."""

    thread: ThreadId | ThreadCreate
    organization_id: OrganizationId | UnsetType = UNSET


class ResponseCreated(Object):
    """The first event of a stream."""

    response: Response
    input_messages: list[Message]
    message: Message


class ResponseReset(Object):
    """All that there is so far, for a reader whose position is no longer, or never was, in the stream."""

    response: Response
    message: Message | None


class ResponseEnded(Object):
    """The last event of a stream."""

    response: Response


class ContextMessage(Object):
    """One message as the model would get it; `id` is null where it is no stored message."""

    id: str | None
    role: str
    content: Annotated[Raw, Meta(extra_json_schema={"type": "array", "items": {"$ref": "#/components/schemas/Part"}})]
    tool_calls: Annotated[
        Raw, Meta(extra_json_schema={"type": ["array", "null"], "items": {"$ref": "#/components/schemas/ToolCall"}})
    ]
    tool_call_id: str | None
    tokens: Annotated[int, Meta(ge=0)]


class Context(Object):
    """What a response in the thread would send to the model now, oldest first."""

    object: Literal["thread.context"]
    thread_id: str
    context_mode: ContextMode
    context_tokens: int | None
    total_tokens: int
    messages: list[ContextMessage]
