"""What a caller gives: the bodies of `threadkeep.objects`, written with Python's own dictionaries and lists.

A field that is left out is not sent: unchanged in an update, the default in a create. None is sent as null.
"""

import json
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any, Literal, Required, TypeAlias, TypedDict

import msgspec
from msgspec import UNSET, UnsetType

from threadkeep import objects
from threadkeep.client.failures import NotSendable
from threadkeep.contract.assistants import ContextMode, NamedToolChoice, ResponseFormat, Tool
from threadkeep.contract.messages import FunctionCall, MessageCreate, ToolCall

Value: TypeAlias = str | int | float | bool
MetadataFields: TypeAlias = Mapping[str, Value | Sequence[Value] | None]
MetadataFilter: TypeAlias = Mapping[str, Value | Sequence[Value]]
PartFields: TypeAlias = objects.Part | Mapping[str, object]
Content: TypeAlias = str | Sequence[PartFields]
Role: TypeAlias = Literal["user", "assistant", "system", "tool"]
# A tag that stands for a revision; None is no tag, and is refused rather than taken for "whatever it is".
Tag: TypeAlias = str | UnsetType

# Of parts alone: in metadata, tools and formats every name is the caller's own.
PART_NAMES = {
    name: api_name
    for kind in (objects.TextPart, objects.ImagePart, objects.FilePart)
    for name, api_name in zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True)
}
HALF = "holds half of a surrogate pair, which is no character: remove it."


class FunctionCallFields(TypedDict):
    """`threadkeep.objects.FunctionCall` as a dictionary."""

    name: str
    arguments: str


class ToolCallFields(TypedDict):
    """`threadkeep.objects.ToolCall` as a dictionary."""

    id: str
    type: Literal["function"]
    function: FunctionCall | FunctionCallFields


class MessageFields(TypedDict, total=False):
    """A message to add: `{"role": "user", "content": "Hello"}`."""

    role: Required[Role]
    content: Content
    tool_calls: Sequence[ToolCall | ToolCallFields] | None
    tool_call_id: str | None
    metadata: MetadataFields | None


class NameMessageFields(TypedDict):
    """A message from which a name is made."""

    role: Role
    content: Content


class ThreadFields(TypedDict, total=False):
    """A thread to create; everything is optional."""

    id: str
    title: str | None
    metadata: MetadataFields | None
    assistant_id: str | None
    visible_in_ui: bool
    organization_id: str
    user_id: str
    messages: Sequence[MessageCreate | MessageFields]


class ThreadFilters(TypedDict, total=False):
    """Which threads, in which order. `limit` is the size of a page; `sort` and `include` have the API's own words."""

    limit: int | None
    order: Literal["asc", "desc"] | None
    after: str | None
    before: str | None
    organization_id: str | None
    user_id: str | None
    assistant_id: str | None
    visible_in_ui: bool | None
    state: Literal["open", "locked", "archived", "all"] | None
    status: Literal["streaming", "inactive"] | None
    title_contains: str | None
    created_after: int | None
    created_before: int | None
    sort: Literal["createdAt", "updatedAt"] | None
    include: Literal["lastMessage"] | None
    include_total: bool | None


class SettingsFields(TypedDict, total=False):
    """What an assistant fixes and a request may give; the values are those of OpenAI's chat completions."""

    instructions: str | None
    model: str | None
    temperature: float | None
    top_p: float | None
    max_output_tokens: int | None
    stop: str | Sequence[str] | None
    response_format: ResponseFormat | Mapping[str, object] | None
    tool_choice: Literal["none", "auto", "required"] | NamedToolChoice | Mapping[str, object] | None
    tools: Sequence[Tool | Mapping[str, object]] | None
    context_mode: ContextMode | None
    context_tokens: int | None
    metadata: MetadataFields | None


class ResponseFields(SettingsFields, total=False):
    """A request for an answer.

    `input` is a text, or messages; it may be left out when the thread's last message is a user's or a tool's.
    `when_busy="interrupt"` ends the response that runs, `replaces` deletes the newest answer first ("regenerate").
    """

    input: str | Sequence[MessageCreate | MessageFields] | None
    assistant_id: str | None
    when_busy: Literal["reject", "interrupt"]
    replaces: str | None


def body_of(kind: type[objects.Body], fields: Mapping[str, Any]) -> bytes:
    """Return the JSON of a body. Raises TypeError for a field that it has not, NotSendable for what JSON cannot say."""
    body = kind(**{name: given(kind, name, value) for name, value in fields.items()})
    try:
        return encode("The body", body)
    except NotSendable:
        # Again, field by field, to name the one.
        for name, value in fields.items():
            if value is not UNSET:
                encode(name, given(kind, name, value))
        raise


def given(kind: type[objects.Body], name: str, value: Any) -> Any:
    """Return a field as the API has it: dictionaries that stand for messages, parts and threads become these."""
    if name in ("messages", "input") and not isinstance(value, str | NoneType | UnsetType):
        return [message(kind, each) for each in value]
    if name == "content":
        return content(value)
    if name == "thread" and isinstance(value, Mapping):
        thread = objects.ThreadCreate
        return thread(**{key: given(thread, key, each) for key, each in value.items()})
    return value


def message(kind: type[objects.Body], fields: Any) -> Any:
    if not isinstance(fields, Mapping):
        return fields
    made = objects.NameMessage if kind is objects.NameCreate else MessageCreate
    return made(**{name: given(made, name, value) for name, value in fields.items()})


def content(value: Any) -> Any:
    """Return content with the fields of its parts under the API's names, however they are spelt."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        return value
    return [
        {PART_NAMES.get(name, name): each for name, each in part.items()} if isinstance(part, Mapping) else part
        for part in value
    ]


def encode(name: str, value: Any) -> bytes:
    """Return JSON. Raises NotSendable, which says `name`."""
    try:
        # msgspec would write null for NaN, and in metadata null removes a key; bytes it would write in base64.
        plain = msgspec.to_builtins(value, builtin_types=(bytes, bytearray), enc_hook=plain_collection)
        return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise NotSendable(f"{name} {HALF}") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise NotSendable(f"{name} has no form in JSON: {error}") from None


def encodable(name: str, value: str) -> str:
    """Return a text that UTF-8 can say. Raises NotSendable."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NotSendable(f"{name} {HALF}") from None
    return value


def plain_collection(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON.")


def metadata_filters(metadata: MetadataFilter | None) -> list[tuple[str, str]]:
    """Return query parameters for metadata; a list means that all of its values must be there."""
    pairs = []
    for key, value in (metadata or {}).items():
        values = [value] if isinstance(value, str | int | float) else value
        pairs += [(f"metadata.{encodable('metadata', key)}", text("metadata", each)) for each in values]
    return pairs


def text(name: str, value: object) -> str:
    """Return a value as a query says it. Raises NotSendable."""
    return encodable(name, value) if isinstance(value, str) else encode(name, value).decode()


def or_unset(value: Any) -> Any:
    return UNSET if value is None else value
