"""Every object that crosses the wire, with its limits.

The structs are the source of the OpenAPI document too: a limit that the type can say is said by the type.
A limit in characters counts Unicode code points.
"""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from threadkeep.lifecycle import State
from threadkeep.scope import Credential, Role

TITLE_CHARACTERS_MAX = 200
METADATA_PAIRS_MAX = 16
METADATA_KEY_CHARACTERS_MAX = 64
METADATA_VALUE_CHARACTERS_MAX = 512
TEXT_CHARACTERS_MAX = 256 * 1024
PARTS_MAX = 64
TOOL_CALLS_MAX = 128
TOOLS_MAX = 128
STOPS_MAX = 4
NAME_MESSAGES_MAX = 10
PREVIEW_CHARACTERS_MAX = 200

# "$(?!\n)": Python's "$" alone would let a trailing line break through.
OPAQUE_ID = r"^[A-Za-z0-9_.:@|-]{1,128}$(?!\n)"
THREAD_ID = r"^thread_[A-Za-z0-9_-]{1,121}$(?!\n)"

OrganizationId: TypeAlias = Annotated[
    str, Meta(pattern=OPAQUE_ID, description="An organization's id, for example ORG_123.")
]
UserId: TypeAlias = Annotated[str, Meta(pattern=OPAQUE_ID, description="For example uid_user123.")]
ThreadId: TypeAlias = Annotated[str, Meta(pattern=THREAD_ID)]
Title: TypeAlias = Annotated[str, Meta(max_length=TITLE_CHARACTERS_MAX)]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
Seconds: TypeAlias = Annotated[int, Meta(description="Unix seconds, UTC.")]

Scalar: TypeAlias = str | int | float | bool
MetadataChange: TypeAlias = Annotated[
    dict[str, str | int | float | bool | list[str | int | float | bool] | None],
    Meta(
        description="At most 16 pairs. Keys of 1-64 characters; strings of at most 512 characters, numbers, booleans, "
        "or arrays of those whose JSON has at most 512 characters. null removes a key."
    ),
]
Metadata: TypeAlias = Annotated[
    Raw,
    Meta(
        extra_json_schema={
            "type": "object",
            "maxProperties": METADATA_PAIRS_MAX,
            "additionalProperties": {
                "anyOf": [
                    {"type": ["string", "number", "boolean"]},
                    {"type": "array", "items": {"type": ["string", "number", "boolean"]}},
                ]
            },
        }
    ),
]


class Object(msgspec.Struct, rename="camel"):
    """What the service answers with. All fields are always present."""


class Body(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """What a caller sends. An absent field is UNSET: unchanged in an update, the default in a create."""


# --- threads


class LastMessage(Object):
    """A preview of a thread's newest message."""

    role: str
    preview: Annotated[str, Meta(max_length=PREVIEW_CHARACTERS_MAX)]
    created_at: Seconds


class Thread(Object):
    """A conversation that belongs to a user of an organization."""

    id: str
    object: Literal["thread"]
    created_at: Seconds
    updated_at: Seconds
    metadata: Metadata
    assistant_id: str | None
    organization_id: str
    user_id: str
    title: Title | None
    visible_in_ui: bool
    message_count: Annotated[int, Meta(ge=0)]
    status: Literal["streaming", "inactive"]
    state: State
    last_message_at: Seconds | None
    last_message: LastMessage | UnsetType | None = UNSET


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
    """The function that a model wants called; `arguments` is the model's own text, usually JSON."""

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


class ThreadCreate(Body):
    """A new thread; everything is optional."""

    id: ThreadId | UnsetType = UNSET
    title: Title | None = None
    metadata: MetadataChange | None = None
    assistant_id: Annotated[str, Meta(max_length=128)] | None = None
    visible_in_ui: bool = True
    organization_id: OrganizationId | UnsetType = UNSET
    user_id: UserId | UnsetType = UNSET
    messages: list[MessageCreate] = []


class ThreadUpdate(Body):
    """What may change in a thread; an absent field stays as it is."""

    title: Title | UnsetType | None = UNSET
    metadata: MetadataChange | UnsetType | None = UNSET
    assistant_id: Annotated[str, Meta(max_length=128)] | UnsetType | None = UNSET
    visible_in_ui: bool | UnsetType = UNSET


# --- assistants and the settings of a response


class FunctionDefinition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A function that the model may call; `parameters` is a JSON Schema."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$(?!\n)")]
    description: Annotated[str, Meta(max_length=16_384)] | None = None
    parameters: dict[str, Any] | None = None  # Any: JSON Schema.
    strict: bool | None = None


class Tool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tool as OpenAI's chat format has it."""

    type: Literal["function"]
    function: FunctionDefinition


class FunctionName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which function the model must call."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]


class NamedToolChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The one function that the model must call."""

    type: Literal["function"]
    function: FunctionName


class ResponseFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the answer must be, as OpenAI's chat format has it."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: dict[str, Any] | None = None  # Any: JSON Schema with its name.


Instructions: TypeAlias = Annotated[str, Meta(max_length=TEXT_CHARACTERS_MAX)]
ModelName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
Temperature: TypeAlias = Annotated[float, Meta(ge=0, le=2)]
TopP: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Stop: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
Stops: TypeAlias = Annotated[list[Stop], Meta(min_length=1, max_length=STOPS_MAX)]
ToolChoice: TypeAlias = Literal["none", "auto", "required"] | NamedToolChoice
Tools: TypeAlias = Annotated[list[Tool], Meta(max_length=TOOLS_MAX)]
ContextMode: TypeAlias = Literal["recent", "smart", "full"]
TokensMax: TypeAlias = Annotated[int, Meta(ge=1, le=10_000_000)]


class Configuration(msgspec.Struct, rename="camel", frozen=True, omit_defaults=True):
    """The settings of a response that an assistant may fix and a request may give; null leaves one open."""

    model: ModelName | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    max_output_tokens: TokensMax | None = None
    stop: Stops | None = None
    response_format: ResponseFormat | None = None
    tool_choice: ToolChoice | None = None
    tools: Tools | None = None
    context_mode: ContextMode | None = None
    context_tokens: TokensMax | None = None


class Assistant(Object):
    """A named configuration for the responses in a thread."""

    id: str
    object: Literal["assistant"]
    created_at: Seconds
    updated_at: Seconds
    organization_id: str
    name: Name
    model: str | None
    instructions: str | None
    temperature: float | None
    top_p: float | None
    max_output_tokens: int | None
    stop: list[str] | None
    response_format: ResponseFormat | None
    tool_choice: ToolChoice | None
    tools: list[Tool] | None
    context_mode: ContextMode | None
    context_tokens: int | None
    metadata: Metadata


class AssistantCreate(Body):
    """A new assistant. A setting left out, or null, may be given by each request."""

    name: Name
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
    metadata: MetadataChange | None = None
    organization_id: OrganizationId | UnsetType = UNSET


class AssistantUpdate(Body):
    """What may change in an assistant; an absent field stays as it is."""

    name: Name | UnsetType = UNSET
    instructions: Instructions | UnsetType | None = UNSET
    model: ModelName | UnsetType | None = UNSET
    temperature: Temperature | UnsetType | None = UNSET
    top_p: TopP | UnsetType | None = UNSET
    max_output_tokens: TokensMax | UnsetType | None = UNSET
    stop: Stop | Stops | UnsetType | None = UNSET
    response_format: ResponseFormat | UnsetType | None = UNSET
    tool_choice: ToolChoice | UnsetType | None = UNSET
    tools: Tools | UnsetType | None = UNSET
    context_mode: ContextMode | UnsetType | None = UNSET
    context_tokens: TokensMax | UnsetType | None = UNSET
    metadata: MetadataChange | UnsetType | None = UNSET


# --- responses


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


# --- names


class NameMessage(Body):
    """A message from which a name is made; it is not stored."""

    role: Literal["user", "assistant", "system", "tool"]
    content: str | Annotated[list[Part], Meta(max_length=PARTS_MAX)]


class NameCreate(Body):
    """From what a name is made; without messages, from the thread's last ones."""

    messages: Annotated[list[NameMessage], Meta(min_length=1, max_length=NAME_MESSAGES_MAX)] | None = None


class NameGenerated(Object):
    """The title that the thread has now, and how it came about."""

    success: Literal[True]
    thread_id: str
    # null only where a person cleared the title meanwhile.
    name: str | None
    message: str


# --- usage


class UsageGroup(Object):
    """Tokens of one day, user, assistant or model; `key` is null for responses without an assistant."""

    key: str | None
    responses: Annotated[int, Meta(ge=0)]
    input_tokens: Annotated[int, Meta(ge=0)]
    output_tokens: Annotated[int, Meta(ge=0)]
    total_tokens: Annotated[int, Meta(ge=0)]
    estimated_tokens: Annotated[int, Meta(ge=0)]


class Usage(Object):
    """What an organization's responses used from one day to another, both included (UTC)."""

    object: Literal["organization.usage"]
    organization_id: str
    from_: str = msgspec.field(name="from")
    to: str
    group_by: Literal["day", "user", "assistant", "model"]
    data: list[UsageGroup]
    has_more: bool
    total: UsageGroup


class Nothing(Body):
    """A request that needs no body; `{}` is accepted."""


class Deleted(Object):
    """The receipt for a deletion."""

    id: str
    object: str
    deleted: Literal[True]


class ListDeleted(Object):
    """The receipt for the deletion of all messages of a thread."""

    object: Literal["list.deleted"]
    deleted: Annotated[int, Meta(ge=0)]


# --- organizations, members, keys


class Organization(Object):
    """A tenant: everything belongs to exactly one."""

    id: str
    object: Literal["organization"]
    created_at: Seconds
    updated_at: Seconds
    name: str


class UserOrganization(Object):
    """An organization that the caller's credential opens, and as what."""

    id: str
    name: str
    role: Role


class User(Object):
    """Who is calling. `credential` says with what: an API `key`, or the `token` of a signed-in person."""

    id: str
    object: Literal["user"]
    credential: Credential
    organizations: list[UserOrganization]


class OrganizationUpdate(Body):
    """What may change in an organization."""

    name: Name | UnsetType = UNSET


class Member(Object):
    """A user's place in an organization."""

    object: Literal["organization.member"]
    organization_id: str
    user_id: str
    role: Role
    created_at: Seconds
    updated_at: Seconds


class MemberPut(Body):
    """The role that a member gets."""

    role: Role


class MemberDeleted(Object):
    """The receipt for the removal of a member."""

    user_id: str
    object: Literal["organization.member.deleted"]
    deleted: Literal[True]
    threads_deleted: Annotated[int, Meta(ge=0)]


class Key(Object):
    """An API key, without its secret."""

    id: str
    object: Literal["organization.key"]
    created_at: Seconds
    organization_id: str
    user_id: str
    role: Role
    name: str | None


class KeyCreated(Key):
    """A new API key. `key` is shown this once; a replayed answer has null in its place."""

    key: str | None


class KeyCreate(Body):
    """A new API key: for which user id, with which role."""

    user_id: UserId
    role: Role
    name: Annotated[str, Meta(max_length=256)] | None = None


# --- lists and errors


class Page(Object):
    """One page of a list. `nextCursor` goes on in the same direction."""

    object: Literal["list"]
    data: list[Any]  # Any: the endpoint's own kind of object, named in the OpenAPI document.
    first_id: str | None
    last_id: str | None
    has_more: bool
    next_cursor: str | None
    total: int | UnsetType = UNSET


class ErrorDetail(Object):
    """What is wrong: `code` is for programs, `message` for people."""

    message: str
    type: str
    code: str
    param: str | None
    request_id: str


class Error(Object):
    """The one shape of every error."""

    error: ErrorDetail
