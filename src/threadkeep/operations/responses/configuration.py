"""The settings of a response, combined from the assistant, the request and the server's defaults."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from msgspec import UNSET, json, structs

from threadkeep.contract.assistants import (
    AssistantCreate,
    AssistantUpdate,
    Configuration,
    ContextMode,
    NamedToolChoice,
)
from threadkeep.contract.responses import ResponseCreate
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.errors import AssistantBound, AssistantDeleted, AssistantNotFound, InvalidField
from threadkeep.operations.assistants.rows import StoredAssistant, find

SETTINGS = structs.fields(Configuration)
encode = json.Encoder().encode
DEFAULT_CONTEXT_MODE: ContextMode = "recent"


class ModelUnknown(InvalidField):
    default = "The server has no model of this name: name another, or leave it out."


@dataclass(frozen=True, slots=True)
class Combined:
    """The settings of a response. One that is None was given by nobody."""

    configuration: Configuration
    instructions: str | None
    assistant_id: str | None


def configuration_of(body: ResponseCreate | AssistantCreate) -> Configuration:
    """Return the settings in a body."""
    return changed(Configuration(), body)


def changed(configuration: Configuration, body: ResponseCreate | AssistantCreate | AssistantUpdate) -> Configuration:
    """Return `configuration` with the settings of a body. A single text in `stop` becomes a list."""
    given: dict[str, Any] = {each.name: getattr(body, each.name) for each in SETTINGS}
    if isinstance(given["stop"], str):
        given["stop"] = [given["stop"]]
    return structs.replace(configuration, **{name: value for name, value in given.items() if value is not UNSET})


def check_alone(configuration: Configuration) -> None:
    """Raise InvalidField for settings of an assistant that no request could make valid."""
    check_response_format(configuration)
    if configuration.tools is not None:
        check_tool_choice(configuration)


def check_response_format(configuration: Configuration) -> None:
    wanted = configuration.response_format
    if wanted is not None and wanted.type == "json_schema" and wanted.json_schema is None:
        raise InvalidField("The type json_schema needs json_schema: add it.", param="responseFormat")


def check_tool_choice(configuration: Configuration) -> None:
    """Raise InvalidField for a tool choice that does not fit the tools."""
    choice = configuration.tool_choice
    names = {tool.function.name for tool in configuration.tools or ()}
    if isinstance(choice, NamedToolChoice) and choice.function.name not in names:
        raise InvalidField(
            "toolChoice names a function that is not among the tools: add it to them.", param="toolChoice"
        )
    if choice == "required" and not names:
        raise InvalidField("toolChoice requires a tool and there is none: add tools.", param="toolChoice")


def check_model(name: str, known: Collection[str]) -> None:
    """Raise ModelUnknown for a model that is not `known`. If `known` is empty, every name is accepted."""
    if known and name not in known:
        raise ModelUnknown(param="model")


async def resolve(
    tx: ScopedTransaction, thread_assistant_id: str | None, requested_assistant_id: str | None
) -> StoredAssistant | None:
    """Return the assistant of a response: the thread's own, else the one in the request, for this response only.

    Raises AssistantDeleted, AssistantNotFound, or AssistantBound if thread and request name different ones.
    """
    if thread_assistant_id is None:
        assistant = None if requested_assistant_id is None else await find(tx, requested_assistant_id)
        if assistant is None and requested_assistant_id is not None:
            raise AssistantNotFound(param="assistantId")
        return assistant
    assistant = await find(tx, thread_assistant_id)
    if assistant is None:
        raise AssistantDeleted()
    if requested_assistant_id not in (None, thread_assistant_id):
        raise AssistantBound(
            "The thread is bound to another assistant: leave assistantId out of the request.", param="assistantId"
        )
    return assistant


def combine(assistant: StoredAssistant | None, request: Configuration, instructions: str | None) -> Combined:
    """Combine an assistant with a request's settings; `instructions` are appended to the assistant's.

    Raises AssistantBound if the request contradicts a setting that the assistant fixes, InvalidField for settings
    that contradict each other.
    """
    if assistant is None:
        configuration = request
    else:
        configuration = filled(assistant.configuration, request)
        instructions = "\n\n".join(filter(None, (assistant.instructions, instructions)))
    check_response_format(configuration)
    check_tool_choice(configuration)
    return Combined(configuration, instructions or None, None if assistant is None else assistant.id)


def override(assistant: StoredAssistant | None, request: Configuration, instructions: str | None) -> Combined:
    """Combine an assistant with a request whose settings and instructions take the place of the assistant's.

    Raises InvalidField for settings that contradict each other.
    """
    if assistant is None:
        return combine(None, request, instructions)
    given = {each.name: getattr(request, each.name) for each in SETTINGS}
    overridden = structs.replace(
        assistant.configuration, **{name: value for name, value in given.items() if value is not None}
    )
    combined = combine(None, overridden, assistant.instructions if instructions is None else instructions)
    return replace(combined, assistant_id=assistant.id)


def override_bound(assistant: StoredAssistant | None, request: Configuration, instructions: str | None) -> Combined:
    """Do the same with the assistant that a thread is bound to, which keeps what it fixes. Raises AssistantBound."""
    own = None if assistant is None else assistant.instructions
    if own and instructions not in (None, own):
        raise AssistantBound(
            "The thread's assistant fixes instructions: leave them out of the request, or change the assistant.",
            param="instructions",
        )
    return combine(assistant, request, None if own else instructions)


def with_more(combined: Combined, instructions: str | None) -> Combined:
    """Return the settings with more instructions behind those they have."""
    return replace(combined, instructions="\n\n".join(filter(None, (combined.instructions, instructions))) or None)


def filled(fixed: Configuration, request: Configuration) -> Configuration:
    """Return `fixed` with its open settings from `request`. Raises AssistantBound."""
    added = {}
    for setting in SETTINGS:
        own, given = getattr(fixed, setting.name), getattr(request, setting.name)
        if own is None:
            added[setting.name] = given
        elif given is not None and encode(given) != encode(own):
            raise AssistantBound(
                f"The assistant fixes {setting.encode_name}: leave it out of the request, or change the assistant.",
                param=setting.encode_name,
            )
    return structs.replace(fixed, **added)


def with_defaults(configuration: Configuration, *, model: str, context_tokens: int) -> Configuration:
    """Return `configuration` with the server's defaults for settings that every response needs."""
    return structs.replace(
        configuration,
        model=configuration.model or model,
        context_mode=configuration.context_mode or DEFAULT_CONTEXT_MODE,
        context_tokens=configuration.context_tokens or context_tokens,
    )
