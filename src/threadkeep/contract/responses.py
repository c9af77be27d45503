"""Responses, and the context that a model gets for them."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from threadkeep.contract.assistants import ContextMode, Instructions, MessagesMax, ModelSettings, TokensMax
from threadkeep.contract.basis import (
    AssistantId,
    Metadata,
    MetadataChange,
    Object,
    OrganizationId,
    OrganizationQuery,
    Seconds,
    ThreadId,
)
from threadkeep.contract.messages import ANSWER, QUESTION, MessageCreate, ParentId, Part, ToolCall
from threadkeep.contract.threads import ThreadCreate


class ResponseUsage(Object):
    """Tokens of one response; `estimated` when the model did not count them itself."""

    input_tokens: Annotated[int, Meta(ge=0, examples=[43])]
    """Tokens that were sent to the model."""
    output_tokens: Annotated[int, Meta(ge=0, examples=[22])]
    """Tokens that it wrote."""
    total_tokens: Annotated[int, Meta(ge=0, examples=[65])]
    """Both together."""
    estimated: bool
    """Whether threadkeep estimated them, because the model did not count."""


class ResponseError(Object):
    """Why a response failed or was ended."""

    code: Literal[
        "interrupted", "model_unavailable", "model_timeout", "model_refused", "context_too_long", "answer_too_long",
        "thread_deleted", "internal",
    ]  # fmt: skip
    """For programs."""
    message: Annotated[str, Meta(examples=["The server stopped while the answer was being written."])]
    """For people."""


class Response(Object):
    """One answer of an assistant in a thread, from its claim to its end."""

    id: Annotated[str, Meta(examples=["resp_01m83e1pn5fv0adq6zws5v4fjc"])]
    object: Literal["response"]
    created_at: Seconds
    """When it began, in Unix seconds, UTC."""
    completed_at: Annotated[Seconds, Meta(examples=[1_795_411_731])] | None
    """When it ended, in Unix seconds, UTC; null while it runs."""
    thread_id: str
    organization_id: str
    user_id: str
    """Who asked."""
    assistant_id: Annotated[str, Meta(examples=["asst_01m83e1pg2e1mvs5m3c7tdgvny"])] | None
    """The assistant that answers, if any."""
    model: Annotated[str, Meta(examples=["large"])]
    """The model that answers."""
    status: Annotated[Literal["in_progress", "completed", "cancelled", "failed"], Meta(examples=["completed"])]
    """Whether it runs, or how it ended."""
    finish_reason: Annotated[Literal["stop", "length", "toolCalls"], Meta(examples=["stop"])] | None
    """Why the model ended a completed answer: it was done, it reached its greatest length, or it calls functions. Null
    while the response runs, and when it failed or was cancelled."""
    input_message_ids: Annotated[list[str], Meta(examples=[["msg_01m83e1pjhey7sy9fbc80r7w7a"]])]
    """The messages that the request stored."""
    message_id: Annotated[str, Meta(examples=["msg_01m83e1pn5fjcv6x0zzc4nmbmx"])] | None
    """The message with the answer; null if it ended empty, or the message was deleted."""
    output_text: Annotated[str, Meta(examples=[ANSWER])]
    """The answer's text."""
    usage: ResponseUsage
    """Its tokens."""
    error: ResponseError | None
    """Why it failed or was ended."""
    metadata: Metadata


class ResponseCreate(ModelSettings):
    """A request for an answer in a thread."""

    input: Annotated[str | list[MessageCreate] | None, Meta(examples=[QUESTION])] = None
    """A string, which is a user's message, or at most 100 messages. May be left out when the last message is a user's
    or a tool's."""
    assistant_id: AssistantId | None = None
    """The assistant of this response, where the thread has none."""
    instructions: Instructions | None = None
    """Appended to the assistant's."""
    stream: bool = False
    """Answer with a stream of events."""
    background: bool = False
    """Answer 202 at once, without waiting for the end; ignored with `stream`."""
    when_busy: Literal["reject", "interrupt"] = "reject"
    """What to do when a response runs already: refuse with 409, or cancel that one first."""
    replaces: Annotated[str, Meta(max_length=128)] | None = None
    """The id of the thread's newest message, an assistant's: it is deleted, and what is before it is answered anew."""
    after: ParentId | UnsetType | None = UNSET
    """The message that the input follows, or the answer when there is no input: an id or `externalId`, or null for the
    beginning. So a branch begins, and what is there stays."""
    metadata: MetadataChange | None = None


class ResponseInThreadCreate(ResponseCreate, kw_only=True):
    """A request for an answer that names its thread, or describes a new one."""

    thread: Annotated[ThreadId | ThreadCreate, Meta(examples=[{"title": "Broken invoice"}])]
    """The id of a thread, or a new thread."""
    organization_id: OrganizationId | UnsetType = UNSET
    """Which organization, for callers with several."""


class ContextMessage(Object):
    """One message as the model would get it; `id` is null if it is not stored."""

    id: Annotated[str, Meta(examples=["msg_01m83e1pjhey7sy9fbc80r7w7a"])] | None
    """The message's id; null if it is not stored."""
    role: Annotated[str, Meta(examples=["user"])]
    """Who said it."""
    content: list[Part]
    """The content as parts."""
    tool_calls: list[ToolCall] | None
    tool_call_id: str | None
    tokens: Annotated[int, Meta(ge=0, examples=[12])]
    """Its tokens, as threadkeep estimates them."""


class Context(Object):
    """What a response in the thread would send to the model now, oldest first."""

    object: Literal["thread.context"]
    thread_id: str
    context_mode: ContextMode
    """How the messages were chosen."""
    context_tokens: Annotated[int, Meta(examples=[8000])] | None
    """The limit in tokens; null for `full`."""
    context_messages: Annotated[int, Meta(examples=[100])] | None
    """The limit in messages, if there is one."""
    total_tokens: Annotated[int, Meta(examples=[12])]
    """How many tokens it has, as threadkeep estimates them."""
    messages: list[ContextMessage]
    """The oldest first."""


class EventsQuery(OrganizationQuery, frozen=True):
    """Where in a stream a reader begins."""

    after: Annotated[str, Meta(max_length=64)] | None = None
    """The whole id of the last event that was read; from the start if left out."""


class ContextQuery(OrganizationQuery, frozen=True):
    """How the context is chosen, as in a request for a response."""

    context_mode: ContextMode | None = None
    """As in a request for a response."""
    context_tokens: TokensMax | None = None
    """As in a request for a response."""
    context_messages: MessagesMax | None = None
    """As in a request for a response."""
