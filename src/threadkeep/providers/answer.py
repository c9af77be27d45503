"""From the events of a chat completion to pieces: what every kind of server says, understood once.

Servers differ in what they leave out, repeat and add. What can be understood is; what cannot ends the answer.
"""

import json
from typing import Any

import msgspec

from threadkeep.providers import Finish, FinishReason, ModelError, Piece, Reasoning, Text, TokenCounts, faults
from threadkeep.providers.characters import Characters
from threadkeep.providers.events import Events, TooLong
from threadkeep.providers.tool_calls import ToolCallDelta, ToolCalls
from threadkeep.providers.wanted_back import HOLDING_REASONING, MESSAGE_FIELDS, wanted_back

TOKENS_MAX = 2**53


class Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCallDelta] | None = None
    reasoning_details: Any = None  # Any: what goes back word for word is not looked into.
    thinking_blocks: Any = None
    extra_content: Any = None
    provider_specific_fields: Any = None
    reasoning_opaque: Any = None


class Choice(msgspec.Struct):
    index: int | None = None
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None


class Counts(msgspec.Struct):
    prompt_tokens: Any = None  # Any: a strange count is left aside, and the answer goes on.
    completion_tokens: Any = None


class Completion(msgspec.Struct):
    """A chunk of a stream or a whole completion: they differ in `delta` and `message`."""

    choices: list[Choice] | None = None
    usage: Counts | None = None
    error: Any = None  # Any: an object, a text, or null where there is none.


decoder = msgspec.json.Decoder(Completion)


class Answer:
    """One answer being read. Texts come out as they may be stored.

    `feed` never raises: what came before a fault in the same chunk must not be lost. `error` holds the fault.
    """

    def __init__(self, line_bytes_max: int) -> None:
        self.error: ModelError | None = None
        self.has_finish = False  # The model said that it is done; at most the counts are still to come.
        self.is_over = False  # The server said so too.
        self._limit_bytes = line_bytes_max
        self._events = Events(line_bytes_max)
        self._whole: bytearray | None = None
        self._has_begun = False
        self._text = Characters()
        self._reasoning = Characters()
        self._calls = ToolCalls()
        self._reason: FinishReason = "stop"

    def feed(self, chunk: bytes) -> list[Piece]:
        """Return the pieces that a chunk of the body completes."""
        pieces: list[Piece] = []
        try:
            if not self._has_begun:
                chunk = self._begin(chunk)
            if self._whole is not None:
                self._whole += chunk
                if len(self._whole) > self._limit_bytes:
                    raise faults.too_long_a_line()
                return pieces
            for data, is_error in self._events.feed(chunk):
                self._take_event(data, is_error, pieces)
        except ModelError as error:
            self.error = error
        except Unreadable:
            self.error = faults.unreadable()
        except TooLong:
            self.error = faults.too_long_a_line()
        return pieces

    def end(self) -> list[Piece]:
        """Return the last pieces when nothing more will come. An answer that the model did not end is an error."""
        pieces: list[Piece] = []
        try:
            if self._whole is not None:
                self._take(decode(self._whole), pieces)
            elif not self.is_over:
                for data, is_error in self._events.rest():
                    self._take_event(data, is_error, pieces)
        except ModelError as error:
            self.error = error
        except (Unreadable, TooLong):
            # An event that was cut off is left aside, as the format has it.
            self.error = faults.unreadable() if self._whole is not None else None
        self._append_texts(self._text.rest(), self._reasoning.rest(), "", pieces)
        pieces.extend(self._calls.rest())
        if self.error is None and not self.has_finish:
            self.error = faults.broken_off()
        if self.error is None:
            pieces.append(Finish("toolCalls" if self._reason == "stop" and self._calls.count else self._reason))
        return pieces

    def _begin(self, chunk: bytes) -> bytes:
        """Tell a stream from a whole completion, and from a page of HTML, by its first character."""
        chunk = chunk.lstrip(b"\xef\xbb\xbf \t\r\n")
        if chunk:
            self._has_begun = True
        if chunk.startswith(b"<"):
            raise faults.unreadable()
        if chunk.startswith(b"{"):
            self._whole = bytearray()
        return chunk

    def _take_event(self, data: bytes, is_error: bool, pieces: list[Piece]) -> None:
        if self.is_over or not data:
            return
        if data == b"[DONE]" or data.strip() == b"[DONE]":
            self.is_over = True
            return
        completion = decode(data)
        if is_error and not completion.error:
            raise faults.of_error_object(None)
        self._take(completion, pieces)

    def _take(self, completion: Completion, pieces: list[Piece]) -> None:
        if completion.error:
            raise faults.of_error_object(completion.error)
        for choice in completion.choices or ():
            if not choice.index:
                self._take_choice(choice, pieces)
        counts = completion.usage
        if counts is not None and is_count(counts.prompt_tokens) and is_count(counts.completion_tokens):
            pieces.append(TokenCounts(counts.prompt_tokens, counts.completion_tokens))

    def _take_choice(self, choice: Choice, pieces: list[Piece]) -> None:
        delta = choice.delta or choice.message
        if delta is not None:
            self._append_texts(
                self._text.clean(delta.content) if delta.content else "", *self._reasoning_of(delta), pieces
            )
            pieces.extend(wanted_back(delta, MESSAGE_FIELDS))
            if delta.tool_calls:
                pieces.extend(self._calls.take(delta.tool_calls))
            if delta.refusal:
                raise faults.refused()
        if choice.finish_reason:
            self._finish(choice.finish_reason)
        elif choice.message is not None:
            self.has_finish = True

    def _reasoning_of(self, delta: Delta) -> tuple[str, str]:
        """Return the reasoning of a delta, and the field in which the server wants it back."""
        field = "reasoning_content" if delta.reasoning_content else "reasoning"
        text = delta.reasoning_content or delta.reasoning
        if not text:
            return "", ""
        is_held = any(getattr(delta, name) for name in HOLDING_REASONING)
        return self._reasoning.clean(text), "" if is_held else field

    def _append_texts(self, text: str, reasoning: str, field: str, pieces: list[Piece]) -> None:
        if reasoning:
            pieces.append(Reasoning(reasoning, field))
        if text:
            pieces.append(Text(text))

    def _finish(self, reason: str) -> None:
        if reason == "content_filter":
            raise faults.refused()
        if reason == "error":
            raise faults.of_error_object(None)
        if reason in ("tool_calls", "function_call"):
            self._reason = "toolCalls"
        elif reason == "length":
            self._reason = "length"
        self.has_finish = True


class Unreadable(ValueError):
    """What came is no chat completion."""


def decode(data: bytes | bytearray) -> Completion:
    """Raises Unreadable."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        raise Unreadable from None
    except (ValueError, RecursionError):
        return decode_patiently(data)


def decode_patiently(data: bytes | bytearray) -> Completion:
    """Decode what msgspec does not: halves of surrogate pairs, bytes that are no UTF-8. Raises Unreadable."""
    try:
        return msgspec.convert(json.loads(data.decode("utf-8", "replace")), Completion)
    except (ValueError, RecursionError):
        raise Unreadable from None


def is_count(value: Any) -> bool:  # Any: JSON from the server, of any form.
    return type(value) is int and 0 <= value < TOKENS_MAX
