"""Messages and their parts, and what adds and changes them."""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from threadkeep.contract.basis import Body, Metadata, MetadataChange, Object, Seconds
from threadkeep.contract.limits import PARTS_MAX, TEXT_CHARACTERS_MAX, TOOL_CALLS_MAX


class TextPart(msgspec.Struct, tag_field="type", tag="text", frozen=True, forbid_unknown_fields=True):
    """Text, in whatever markup the application uses."""

    text: str


class ImagePart(msgspec.Struct, tag_field="type", tag="image", frozen=True, forbid_unknown_fields=True):
    """An image that stays where it is; only its address is kept."""

    url: Annotated[str, Meta(min_length=1)]


class FilePart(msgspec.Struct, tag_field="type", tag="file", rename="camel", frozen=True, forbid_unknown_fields=True):
    """A file that stays where it is; only its address is kept."""

    url: Annotated[str, Meta(min_length=1)]
    name: Annotated[str, Meta(max_length=512)] | None = None
    mime_type: Annotated[str, Meta(max_length=255)] | None = None


Part: TypeAlias = TextPart | ImagePart | FilePart


class FunctionCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The function that a model wants called; `arguments` is the text of JSON."""

    name: Annotated[str, Meta(min_length=1, max_length=256)]
    arguments: Annotated[str, Meta(max_length=TEXT_CHARACTERS_MAX)]


class ToolCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tool call as OpenAI's chat format has it."""

    id: Annotated[str, Meta(min_length=1, max_length=256)]
    type: Literal["function"]
    function: FunctionCall


class MessageCreate(Body):
    """A message to add to a thread."""

    role: Literal["user", "assistant", "system", "tool"]
    content: str | Annotated[list[Part], Meta(max_length=PARTS_MAX)] = ""
    tool_calls: Annotated[list[ToolCall], Meta(max_length=TOOL_CALLS_MAX)] | None = None
    tool_call_id: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    metadata: MetadataChange | None = None


class MessagesCreate(Body):
    """Several messages to add to a thread, all or nothing."""

    messages: Annotated[list[MessageCreate], Meta(min_length=1)]


class MessageUpdate(Body):
    """What may change in a message."""

    content: str | Annotated[list[Part], Meta(max_length=PARTS_MAX)] | UnsetType = UNSET
    metadata: MetadataChange | UnsetType | None = UNSET


class Message(Object):
    """One message of a thread; `seq` counts 1, 2, 3 … in the order in which messages were committed."""

    id: str
    object: Literal["thread.message"]
    created_at: Seconds
    updated_at: Seconds
    thread_id: str
    seq: Annotated[int, Meta(ge=1)]
    role: Literal["user", "assistant", "system", "tool"]
    content: Annotated[Raw, Meta(extra_json_schema={"type": "array", "items": {"$ref": "#/components/schemas/Part"}})]
    status: Literal["completed", "in_progress", "incomplete"]
    user_id: str | None
    assistant_id: str | None
    response_id: str | None
    tool_calls: Annotated[
        Raw, Meta(extra_json_schema={"type": ["array", "null"], "items": {"$ref": "#/components/schemas/ToolCall"}})
    ]
    tool_call_id: str | None
    metadata: Metadata
