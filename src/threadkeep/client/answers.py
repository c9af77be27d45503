"""The objects as the client gives them: those of `threadkeep.objects`, with what the server keeps as text decoded.

Fields that a newer server adds are ignored, also where the server itself refuses what it does not know.
"""

from typing import Generic, TypeAlias, TypeVar

import msgspec

from threadkeep import objects

T = TypeVar("T")

Metadata: TypeAlias = dict[str, str | int | float | bool | list[str | int | float | bool]]


class Single(msgspec.Struct, dict=True):
    """An object that has revisions. Its tag is no field: it does not count in comparisons."""

    @property
    def etag(self) -> str | None:
        """The revision, for `if_match`: of an object that was read or changed by itself; None in lists."""
        tag: str | None = vars(self).get("tag")
        return tag


# The server keeps some fields as the JSON that they are; mypy cannot know that nobody assigns through the base class.
# mypy: disable-error-code="assignment"


class TextPart(objects.TextPart, frozen=True, forbid_unknown_fields=False):
    pass


class ImagePart(objects.ImagePart, frozen=True, forbid_unknown_fields=False):
    pass


class FilePart(objects.FilePart, frozen=True, forbid_unknown_fields=False):
    pass


Part: TypeAlias = TextPart | ImagePart | FilePart


class FunctionCall(objects.FunctionCall, frozen=True, forbid_unknown_fields=False):
    pass


class ToolCall(objects.ToolCall, frozen=True, forbid_unknown_fields=False):
    function: FunctionCall


class FunctionDefinition(objects.FunctionDefinition, frozen=True, forbid_unknown_fields=False):
    pass


class Tool(objects.Tool, frozen=True, forbid_unknown_fields=False):
    function: FunctionDefinition


class FunctionName(objects.FunctionName, frozen=True, forbid_unknown_fields=False):
    pass


class NamedToolChoice(objects.NamedToolChoice, frozen=True, forbid_unknown_fields=False):
    function: FunctionName


class ResponseFormat(objects.ResponseFormat, frozen=True, forbid_unknown_fields=False):
    pass


class Thread(objects.Thread, Single, kw_only=True):
    metadata: Metadata


class Message(objects.Message, Single, kw_only=True):
    content: list[Part]
    tool_calls: list[ToolCall] | None
    metadata: Metadata

    @property
    def text(self) -> str:
        """The text of all its parts."""
        return "".join(part.text for part in self.content if isinstance(part, TextPart))


class Assistant(objects.Assistant, Single, kw_only=True):
    response_format: ResponseFormat | None
    tool_choice: str | NamedToolChoice | None
    tools: list[Tool] | None
    metadata: Metadata


class Response(objects.Response, kw_only=True):
    metadata: Metadata


class ContextMessage(objects.ContextMessage, kw_only=True):
    content: list[Part]
    tool_calls: list[ToolCall] | None


class Context(objects.Context, kw_only=True):
    messages: list[ContextMessage]


class Organization(objects.Organization, Single):
    pass


class Member(objects.Member, Single):
    pass


class Key(objects.Key, Single):
    pass


class Page(msgspec.Struct, Generic[T], rename="camel"):
    """One page of a list; `next_cursor` goes on in the same direction. `total` is None unless it was asked for."""

    data: list[T]
    first_id: str | None
    last_id: str | None
    has_more: bool
    next_cursor: str | None
    total: int | None = None
