"""Assistants of OpenAI's API, which are assistants of this service."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from threadkeep.contract import assistants as native
from threadkeep.contract.assistants import ChosenId, Instructions, ModelName, ReasoningEffort, Temperature, TopP
from threadkeep.contract.limits import TOOLS_MAX
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.operations.assistants import assistants
from threadkeep.operations.assistants.rows import hold
from threadkeep.operations.paging import Window
from threadkeep.operations.revisions import Precondition, Versioned
from threadkeep.server.dialects.openai import tools
from threadkeep.server.dialects.openai.common import (
    Body,
    Deleted,
    Metadata,
    MetadataGiven,
    Object,
    Page,
    may_repeat,
    page_of,
    require_no_resources,
    shown_metadata,
    without_repeated,
)
from threadkeep.server.dialects.openai.tools import FormatIn, ToolIn

AssistantName = Annotated[str, Meta(max_length=256)]
AssistantDescription = Annotated[str, Meta(max_length=512)]
Tools = Annotated[list[ToolIn], Meta(max_length=TOOLS_MAX)]


class Assistant(Object):
    """A configuration for runs, kept under an id."""

    id: str
    object: Literal["assistant"]
    created_at: int
    name: str | None
    description: str | None
    model: str
    instructions: str | None
    tools: list[Any]  # Any: JSON.
    tool_resources: dict[str, Any]  # Any: always empty.
    metadata: Metadata
    temperature: float | None
    top_p: float | None
    response_format: Any  # Any: "auto", or JSON.
    reasoning_effort: str | None


class AssistantCreate(Body):
    """A new assistant."""

    model: ModelName
    id: ChosenId | UnsetType = UNSET
    name: AssistantName | None = None
    description: AssistantDescription | None = None
    instructions: Instructions | None = None
    tools: Tools | None = None
    tool_resources: Any | None = None  # Any: JSON.
    metadata: MetadataGiven | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    response_format: FormatIn | None = None
    reasoning_effort: ReasoningEffort | None = None


class AssistantUpdate(Body):
    """What may change in an assistant; an absent field stays as it is, null clears it."""

    model: ModelName | UnsetType | None = UNSET
    name: AssistantName | UnsetType | None = UNSET
    description: AssistantDescription | UnsetType | None = UNSET
    instructions: Instructions | UnsetType | None = UNSET
    tools: Tools | UnsetType | None = UNSET
    tool_resources: Any | None = None  # Any: JSON.
    metadata: MetadataGiven | UnsetType | None = UNSET
    temperature: Temperature | UnsetType | None = UNSET
    top_p: TopP | UnsetType | None = UNSET
    response_format: FormatIn | UnsetType | None = UNSET
    reasoning_effort: ReasoningEffort | UnsetType | None = UNSET


def given(body: AssistantCreate) -> native.AssistantCreate:
    """Return the native request. Raises UnsupportedValue for tools that are not there."""
    require_no_resources(body.tool_resources)
    return native.AssistantCreate(
        id=body.id,
        name=body.name or None,
        description=body.description,
        instructions=body.instructions,
        model=body.model,
        tools=None if not body.tools else tools.given(body.tools),
        metadata=body.metadata,
        temperature=body.temperature,
        top_p=body.top_p,
        response_format=tools.given_format(body.response_format),
        reasoning_effort=body.reasoning_effort,
    )


def changes(body: AssistantUpdate, metadata: MetadataGiven | UnsetType | None) -> native.AssistantUpdate:
    """Return the native request, with this change of metadata."""
    require_no_resources(body.tool_resources)
    return native.AssistantUpdate(
        name=body.name or None if body.name is not UNSET else UNSET,
        description=body.description,
        instructions=body.instructions,
        model=body.model,
        tools=body.tools if body.tools is UNSET else None if not body.tools else tools.given(body.tools),
        metadata=metadata,
        temperature=body.temperature,
        top_p=body.top_p,
        response_format=UNSET if body.response_format is UNSET else tools.given_format(body.response_format),
        reasoning_effort=body.reasoning_effort,
    )


def shown(assistant: native.Assistant, default_model: str) -> Assistant:
    return Assistant(
        assistant.id,
        "assistant",
        assistant.created_at,
        assistant.name,
        assistant.description,
        assistant.model or default_model,
        assistant.instructions,
        tools.shown(assistant.tools),
        {},
        shown_metadata(assistant.metadata),
        assistant.temperature,
        assistant.top_p,
        tools.shown_format(assistant.response_format),
        assistant.reasoning_effort,
    )


async def create(tx: ScopedTransaction, default_model: str, body: native.AssistantCreate) -> Versioned:
    return told(await assistants.create(tx, body), default_model)


async def read(tx: ScopedTransaction, default_model: str, assistant_id: str) -> Versioned:
    return told(await assistants.read(tx, assistant_id), default_model)


async def update(
    tx: ScopedTransaction,
    default_model: str,
    assistant_id: str,
    body: AssistantUpdate,
    precondition: Precondition | None,
) -> Versioned:
    change = body.metadata
    if change is not UNSET and change is not None and may_repeat(change):
        change = without_repeated(change, (await hold(tx, assistant_id)).metadata)
    return told(await assistants.update(tx, assistant_id, changes(body, change), precondition), default_model)


async def delete(tx: ScopedTransaction, assistant_id: str, precondition: Precondition | None) -> Deleted:
    await assistants.delete(tx, assistant_id, precondition)
    return Deleted(assistant_id, "assistant.deleted", True)


async def list_assistants(tx: ScopedTransaction, default_model: str, window: Window) -> Page:
    page = await assistants.list_assistants(tx, window)
    return page_of([shown(each, default_model) for each in page.data], page.has_more)


def told(found: Versioned, default_model: str) -> Versioned:
    return found._replace(object=shown(found.object, default_model), about=found.object)
