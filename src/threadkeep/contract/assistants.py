"""Assistants, and the settings of a response."""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from threadkeep.contract.basis import Body, Metadata, MetadataChange, Name, Object, OrganizationId, Seconds
from threadkeep.contract.limits import STOPS_MAX, TEXT_CHARACTERS_MAX, TOOLS_MAX


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
