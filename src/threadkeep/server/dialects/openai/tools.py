"""Functions that a model may call, and what its answer must be, in the forms of the Assistants API."""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from threadkeep.contract.assistants import (
    FunctionDefinition,
    FunctionName,
    NamedToolChoice,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from threadkeep.server.dialects.openai.common import Body, refuse

NO_TOOL = "There are functions here and no other tools: leave it out, or call a function of your own."


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
