"""Talks to models: every kind of server gives the same stream of pieces."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from threadkeep.contract.assistants import Configuration


class Text(msgspec.Struct, frozen=True, gc=False):
    """A part of the answer's text."""

    text: str


class Reasoning(msgspec.Struct, frozen=True, gc=False):
    """What the model thought aloud; not part of the answer.

    `field` is the name under which the message takes it when the answer is sent to that server again, such as
    `reasoning_content`; empty when it must not be sent, or when something of WantedBackPiece holds it already.
    """

    text: str
    field: str = ""


class ToolCallPart(msgspec.Struct, frozen=True, gc=False):
    """A part of a function call: `id` and `name` come once and first, the arguments' text bit by bit."""

    index: int
    id: str | None
    name: str | None
    arguments: str


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """The model's own count, where it sends one."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class WantedBackPiece:
    """What a server wants back word for word: with the message (`call` is None), or with the call of that index.

    `field` is its name there. One field may come in several pieces: `joined()` of `wanted_back.py` puts them together.
    `content` is a list of blocks, each of which goes before the text in a content that is a list then. What belongs to
    a call may come before the call's first part does.
    """

    call: int | None
    field: str
    value: Any  # JSON.


FinishReason: TypeAlias = Literal["stop", "length", "toolCalls"]


@dataclass(frozen=True, slots=True)
class Finish:
    """The model's reason for ending the answer. The last piece; it comes only if nothing is wrong with the answer."""

    reason: FinishReason


Piece: TypeAlias = Text | Reasoning | ToolCallPart | TokenCounts | WantedBackPiece | Finish


class ModelError(Exception):
    """The answer failed, at its start or later. `code` is a response's error code; `message` is for people.

    The message says what is wrong, and never quotes the model's server, its address or the key.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """A request to a model. `messages` are in OpenAI's chat format, instructions first."""

    model: str
    messages: Sequence[dict[str, Any]]  # Any: JSON.
    configuration: Configuration = field(default_factory=Configuration)


# Is told when more of an answer has come, with a function that takes it. Returns whether to take it now; if not, that
# function is called later, for all that has come by then.
Arrived = Callable[[Callable[[], None]], bool]


class Provider(Protocol):
    """One server of models."""

    def stream(self, request: ModelRequest, arrived: Arrived | None = None) -> AsyncIterator[list[Piece]]:
        """Give the answer's pieces as they come; pieces that came together are in one list.

        Ends when the model has ended its answer; otherwise raises ModelError. Texts hold neither U+0000 nor lone
        surrogates. Closing the iterator closes the connection.
        """
        ...

    async def close(self) -> None: ...
