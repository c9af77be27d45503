"""Assistants, and the settings of a response."""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from threadkeep.contract.basis import (
    ASSISTANT_ID,
    Body,
    Metadata,
    MetadataChange,
    Name,
    OrganizationId,
    Revised,
    Seconds,
)
from threadkeep.contract.limits import (
    CONTEXT_MESSAGES_MAX,
    DESCRIPTION_CHARACTERS_MAX,
    STOPS_MAX,
    TEXT_CHARACTERS_MAX,
    TOOLS_MAX,
)


class FunctionDefinition(msgspec.Struct, frozen=True, omit_defaults=True):
    """A function that the model may call; `parameters` is a JSON Schema."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$(?!\n)", examples=["find_invoice"])]
    """Its name."""
    description: Annotated[str, Meta(max_length=16_384, examples=["Finds an invoice."])] | None = None
    """What it does, for the model."""
    parameters: dict[str, Any] | None = None  # Any: JSON Schema.
    """Its parameters as JSON Schema."""
    strict: bool | None = None
    """Whether the model must keep to the schema."""


class Tool(msgspec.Struct, frozen=True):
    """A tool as OpenAI's chat format has it."""

    type: Literal["function"]
    function: FunctionDefinition
    """The function."""


class FunctionName(msgspec.Struct, frozen=True):
    """Which function the model must call."""

    name: Annotated[str, Meta(min_length=1, max_length=64, examples=["find_invoice"])]
    """Its name."""


class NamedToolChoice(msgspec.Struct, frozen=True):
    """The one function that the model must call."""

    type: Literal["function"]
    function: FunctionName
    """The function."""


class ResponseFormat(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the answer must be, as OpenAI's chat format has it."""

    type: Literal["text", "json_object", "json_schema"]
    """Text, any JSON, or JSON that follows a schema."""
    json_schema: dict[str, Any] | None = None  # Any: JSON Schema with its name.
    """With the type `json_schema`, and only then: the schema with its name."""


ChosenId: TypeAlias = Annotated[str, Meta(pattern=ASSISTANT_ID, examples=["asst_billing"])]
Description: TypeAlias = Annotated[str, Meta(max_length=DESCRIPTION_CHARACTERS_MAX)]
Instructions: TypeAlias = Annotated[str, Meta(max_length=TEXT_CHARACTERS_MAX)]
ModelName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
Temperature: TypeAlias = Annotated[float, Meta(ge=0, le=2)]
TopP: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Stop: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
Stops: TypeAlias = Annotated[list[Stop], Meta(min_length=1, max_length=STOPS_MAX)]
ToolChoice: TypeAlias = Literal["none", "auto", "required"] | NamedToolChoice
# A word, and no list of words: servers differ in which they know, and newer ones know more.
ReasoningEffort: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,32}$(?!\n)", examples=["low"])]
Tools: TypeAlias = Annotated[list[Tool], Meta(max_length=TOOLS_MAX)]
ContextMode: TypeAlias = Literal["recent", "smart", "full"]
TokensMax: TypeAlias = Annotated[int, Meta(ge=1, le=10_000_000)]
MessagesMax: TypeAlias = Annotated[int, Meta(ge=1, le=CONTEXT_MESSAGES_MAX)]


class Configuration(msgspec.Struct, rename="camel", frozen=True, omit_defaults=True):
    """The settings of a response that an assistant may fix or a request may give; null leaves a setting open."""

    model: ModelName | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    max_output_tokens: TokensMax | None = None
    stop: Stops | None = None
    response_format: ResponseFormat | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: ReasoningEffort | None = None
    tools: Tools | None = None
    context_mode: ContextMode | None = None
    context_tokens: TokensMax | None = None
    context_messages: MessagesMax | None = None


class ModelSettings(Body, kw_only=True):
    """The settings in a request: of a new assistant, or of one response."""

    model: ModelName | None = None
    """The model that answers, by its name in this server's configuration. A request cannot change what an assistant
    fixes."""
    temperature: Temperature | None = None
    """How freely the model chooses words."""
    top_p: TopP | None = None
    """From which share of likely words the model chooses."""
    max_output_tokens: TokensMax | None = None
    """How many tokens an answer may have."""
    stop: Stop | Stops | None = None
    """Texts at which the answer ends."""
    response_format: ResponseFormat | None = None
    """What the answer must be, as in OpenAI's chat format."""
    tool_choice: ToolChoice | None = None
    """Whether the model may or must call functions, or which one of the tools."""
    parallel_tool_calls: bool | None = None
    """Whether the model may call several functions at once. Sent together with tools only."""
    reasoning_effort: ReasoningEffort | None = None
    """How long the model thinks before it answers, in the words of its server: often `low`, `medium` or `high`."""
    tools: Tools | None = None
    """Functions that the model may call; an empty list fixes that there are none."""
    context_mode: ContextMode | None = None
    """`recent`: the newest messages that fit; `smart`: the first 3 and those of the last 7 that fit; `full`: all."""
    context_tokens: TokensMax | None = None
    """How many tokens of context the model gets."""
    context_messages: MessagesMax | None = None
    """How many messages of the thread the model gets, at most, in every mode."""


class Assistant(Revised):
    """A configuration for the responses in a thread, kept under an id."""

    id: Annotated[str, Meta(examples=["asst_01m83e1pg2e1mvs5m3c7tdgvny"])]
    object: Literal["assistant"]
    created_at: Seconds
    updated_at: Seconds
    organization_id: str
    name: Annotated[Name, Meta(examples=["Billing"])] | None
    """Its name, for people. Several may have the same."""
    description: Annotated[str, Meta(examples=["Answers questions about invoices."])] | None
    """What it is for, for people: no model sees it."""
    model: str | None
    instructions: Annotated[str, Meta(examples=["Be brief."])] | None
    """What the model is told before everything else."""
    temperature: Annotated[float, Meta(examples=[0.2])] | None
    top_p: float | None
    max_output_tokens: Annotated[int, Meta(examples=[800])] | None
    stop: list[str] | None
    response_format: ResponseFormat | None
    tool_choice: ToolChoice | None
    parallel_tool_calls: bool | None
    reasoning_effort: str | None
    tools: list[Tool] | None
    context_mode: Annotated[ContextMode, Meta(examples=["recent"])] | None
    context_tokens: int | None
    context_messages: int | None
    metadata: Metadata


class AssistantCreate(ModelSettings):
    """A new assistant. A setting left out, or null, may be given by each request."""

    id: ChosenId | UnsetType = UNSET
    """An id of your own choice, which no other assistant of the organization may have, or have had."""
    name: Annotated[Name | None, Meta(examples=["Billing"])] = None
    description: Description | None = None
    instructions: Annotated[Instructions | None, Meta(examples=["Be brief."])] = None
    metadata: MetadataChange | None = None
    organization_id: OrganizationId | UnsetType = UNSET
    """Where it is created, for callers with several organizations."""


class AssistantUpdate(Body):
    """What may change in an assistant; an absent field stays as it is."""

    name: Name | UnsetType | None = UNSET
    description: Description | UnsetType | None = UNSET
    instructions: Instructions | UnsetType | None = UNSET
    model: ModelName | UnsetType | None = UNSET
    temperature: Annotated[Temperature | UnsetType | None, Meta(examples=[None])] = UNSET
    top_p: TopP | UnsetType | None = UNSET
    max_output_tokens: TokensMax | UnsetType | None = UNSET
    stop: Stop | Stops | UnsetType | None = UNSET
    response_format: ResponseFormat | UnsetType | None = UNSET
    tool_choice: ToolChoice | UnsetType | None = UNSET
    parallel_tool_calls: bool | UnsetType | None = UNSET
    reasoning_effort: ReasoningEffort | UnsetType | None = UNSET
    tools: Tools | UnsetType | None = UNSET
    context_mode: ContextMode | UnsetType | None = UNSET
    context_tokens: TokensMax | UnsetType | None = UNSET
    context_messages: MessagesMax | UnsetType | None = UNSET
    metadata: MetadataChange | UnsetType | None = UNSET
