"""What talks to models: one stream of pieces, whatever the server behind it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from threadkeep.objects import Configuration


@dataclass(frozen=True, slots=True)
class Text:
    """A part of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What the model thought aloud; not part of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallPart:
    """A part of a function call: `id` and `name` come once, the arguments' text bit by bit."""

    index: int
    id: str | None
    name: str | None
    arguments: str


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """The model's own count, where it sends one."""

    input_tokens: int
    output_tokens: int


Piece: TypeAlias = Text | Reasoning | ToolCallPart | TokenCounts


class ModelError(Exception):
    """The answer cannot be had, or not to its end. `code` is a response's error code; `message` is for people.

    The message says what is wrong and never quotes the model's server, its address or the key.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What a model is asked. `messages` are in OpenAI's chat format, instructions first."""

    model: str
    messages: Sequence[dict[str, Any]]  # Any: JSON.
    configuration: Configuration = field(default_factory=Configuration)


class Provider(Protocol):
    """One server of models."""

    def stream(self, request: ModelRequest) -> AsyncIterator[list[Piece]]:
        """Give the answer's pieces as they come, those that came together in one list.

        Ends when the model said that it is done. Raises ModelError otherwise. Texts hold neither U+0000 nor
        lone surrogates. Closing the iterator closes the connection.
        """
        ...

    async def close(self) -> None: ...
