"""Functions that a model may call, and what its answer must be, in the forms of the Assistants API."""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import structs

from threadkeep.contract.assistants import (
    FunctionDefinition,
    FunctionName,
    NamedToolChoice,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from threadkeep.server.dialects.common import read
from threadkeep.server.dialects.openai.common import Body, Json, refuse, refuse_type

NO_TOOL = "There are functions here and no other tools: leave it out, or call a function of your own."
NO_OTHERS = "functions of your own, and no other tools"


class FunctionTool(Body, tag_field="type", tag="function"):
    """A function that the model may call."""

    function: FunctionDefinition


class FileSearch(Body, tag_field="type", tag="file_search"):
    """A search in files, which is not there."""

    file_search: Any | None = None  # Any: it is refused.


class CodeInterpreter(Body, tag_field="type", tag="code_interpreter"):
    """An interpreter of code, which is not there."""


ToolIn: TypeAlias = FunctionTool | FileSearch | CodeInterpreter
FormatIn: TypeAlias = Literal["auto"] | ResponseFormat


class FunctionChoice(Body, tag_field="type", tag="function"):
    """The one function that the model must call."""

    function: FunctionName


ChoiceIn: TypeAlias = Literal["none", "auto", "required"] | FunctionChoice | FileSearch | CodeInterpreter


def given(tools: Sequence[ToolIn], param: str = "tools") -> list[Tool]:
    """Return native tools. Raises UnsupportedValue for those that are not there."""
    found: list[Tool] = []
    for place, tool in enumerate(tools):
        if not isinstance(tool, FunctionTool):
            refuse(f"{param}[{place}].type", NO_TOOL)
        found.append(Tool("function", tool.function))
    return found


def shown(tools: Sequence[Tool] | None) -> list[Any]:  # Any: JSON.
    built: list[Any] = msgspec.to_builtins(list(tools or ()))
    return built


def given_format(wanted: FormatIn | None) -> ResponseFormat | None:
    return None if wanted in (None, "auto") else wanted  # type: ignore[return-value]  # Compared just now.


def shown_format(wanted: ResponseFormat | None) -> Any:  # Any: JSON.
    return "auto" if wanted is None else msgspec.to_builtins(wanted)


def given_choice(choice: ChoiceIn | None) -> ToolChoice | None:
    """Return the native choice. Raises UnsupportedValue for a tool that is not there."""
    if isinstance(choice, FunctionChoice):
        return NamedToolChoice("function", choice.function)
    if isinstance(choice, Body):
        refuse("tool_choice.type", NO_TOOL)
    return choice


def shown_choice(choice: ToolChoice | None) -> Any:  # Any: a word, or JSON.
    return "auto" if choice is None else msgspec.to_builtins(choice)


def given_flat(tools: Sequence[Json] | None) -> list[Tool] | None:
    """Return native tools for those of the Responses API, which have a function's fields beside their type.

    Raises UnsupportedValue, naming a type that is not there, UnknownField or InvalidField.
    """
    found: list[Tool] = []
    for place, tool in enumerate(tools or ()):
        if tool.get("type") != "function":
            refuse_type(tool.get("type"), f"tools[{place}].type", NO_OTHERS)
        found.append(Tool("function", read(without_type(tool), FunctionDefinition, f"tools[{place}]")))
    return None if tools is None else found


def without_type(value: Json) -> Json:
    return {name: each for name, each in value.items() if name != "type"}


def shown_flat(tools: Sequence[Tool] | None) -> list[Json]:
    return [{"type": tool.type, **structs.asdict(tool.function)} for tool in tools or ()]


def given_flat_choice(choice: Any) -> ToolChoice | None:  # Any: one of the words, JSON, or None.
    if not isinstance(choice, dict):
        word: ToolChoice | None = choice
        return word
    if choice.get("type") != "function":
        refuse_type(choice.get("type"), "tool_choice.type", NO_OTHERS)
    return NamedToolChoice("function", read(without_type(choice), FunctionName, "tool_choice"))


def shown_flat_choice(choice: ToolChoice | None) -> Any:  # Any: a word, or JSON.
    if isinstance(choice, NamedToolChoice):
        return {"type": choice.type, "name": choice.function.name}
    return choice or "auto"


class FlatSchema(Body):
    """A schema that the answer must follow, and its name."""

    name: str
    schema: Json
    strict: bool | None = None
    description: str | None = None


def given_flat_format(wanted: Json | None) -> ResponseFormat | None:
    """Return the native format. Raises UnsupportedValue, UnknownField or InvalidField."""
    type: Any = "text" if wanted is None else wanted.get("type")  # Any: JSON.
    if wanted is not None and type == "json_schema":
        schema = read(without_type(wanted), FlatSchema, "text.format")
        return ResponseFormat(type, msgspec.to_builtins(schema))
    if type not in ("text", "json_object"):
        refuse_type(type, "text.format.type", "text, json_object and json_schema")
    return None if type == "text" else ResponseFormat(type)


def shown_flat_format(wanted: ResponseFormat | None) -> Json:
    return {"type": "text"} if wanted is None else {"type": wanted.type, **(wanted.json_schema or {})}
