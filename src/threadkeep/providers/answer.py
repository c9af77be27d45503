"""Turns the events of a chat completion into pieces, for every kind of server.

Servers differ in what they leave out, repeat and add. All known forms are read; any other ends the answer as an error.
"""

from collections.abc import Collection
from typing import Any

from threadkeep.providers import (
    Finish,
    FinishReason,
    ModelError,
    Piece,
    Reasoning,
    Text,
    TokenCounts,
    WantedBackPiece,
    faults,
)
from threadkeep.providers.characters import Characters
from threadkeep.providers.chunks import (
    Choice,
    Completion,
    Counts,
    Delta,
    PartsDelta,
    ToolCallChunk,
    UnreadableChunk,
    decode,
    joined_text,
    quick,
)
from threadkeep.providers.events import Events, TooLong
from threadkeep.providers.finish_reasons import failure_of, outcome_of
from threadkeep.providers.tool_calls import ToolCalls
from threadkeep.providers.wanted_back import MESSAGE_FIELDS, wanted_back

TOKENS_MAX = 2**53
REASONING_FIELDS = ("reasoning_content", "reasoning", "reasoning_text")


class AnswerReader:
    """One answer being read. Texts come out as they may be stored.

    `feed` never raises: what came before a fault in the same chunk must not be lost. `error` holds the fault,
    and who reads sets it for one of the connection.
    """

    def __init__(self, line_bytes_max: int, tool_names: Collection[str] = ()) -> None:
        self.error: ModelError | None = None
        self.has_finish = False  # The model has ended its answer; only token counts may follow.
        self.is_over = False  # The server has ended the stream.
        self._limit_bytes = line_bytes_max
        self._events = Events(line_bytes_max)
        self._whole: bytearray | None = None
        self._has_begun = False
        self._text = Characters()
        self._reasoning = Characters()
        self._calls = ToolCalls(tool_names)
        self._has_text = False
        self._is_refused = False
        self._reason: FinishReason = "stop"
        # Some servers send messages beside deltas. A message holds the whole text so far, or only what is new.
        self._message: Delta | None = None
        self._message_text = ""

    def feed(self, chunk: bytes) -> list[Piece]:
        """Return the pieces that are complete after this chunk of the body."""
        pieces: list[Piece] = []
        try:
            if not self._has_begun:
                chunk = self._begin(chunk)
            if self._whole is not None:
                self._whole += chunk
                if len(self._whole) > self._limit_bytes:
                    raise faults.too_long_a_line()
                return pieces
            if not self._take_plain(chunk, pieces):
                for data, is_error in self._events.feed(chunk):
                    self._take_event(data, is_error, pieces)
        except ModelError as error:
            self.error = error
        except UnreadableChunk:
            self.error = faults.unreadable()
        except TooLong:
            self.error = faults.too_long_a_line()
        return pieces

    def end(self) -> list[Piece]:
        """Return the last pieces when nothing more will come; after an error too, so that nothing is lost.

        If the model has not ended the answer, `error` is set.
        """
        pieces: list[Piece] = []
        try:
            if self.error is None:
                self._take_rest(pieces)
        except ModelError as error:
            self.error = error
        except (UnreadableChunk, TooLong):
            # The format of event streams says that an incomplete last event is dropped.
            self.error = faults.unreadable() if self._whole is not None else None
        try:
            self._take_what_was_not_said(pieces)
        except ModelError as error:
            self.error = self.error or error
        if rest := self._reasoning.rest():
            pieces.append(Reasoning(rest))
        if rest := self._text.rest():
            pieces.append(Text(rest))
        pieces.extend(self._calls.rest(is_whole=self.has_finish))
        self.error = self.error or self._last_fault()
        if self.error is None:
            pieces.append(Finish("toolCalls" if self._reason == "stop" and self._calls.count else self._reason))
        return pieces

    def _take_rest(self, pieces: list[Piece]) -> None:
        if self._whole is not None:
            self._take(decode(self._whole), pieces)
        elif not self.is_over:
            for data, is_error in self._events.rest():
                self._take_event(data, is_error, pieces)

    def _last_fault(self) -> ModelError | None:
        """Return the error in an answer that has been read to its end, or None."""
        if self._is_refused:
            return faults.refused()
        if not self.has_finish:
            return faults.broken_off()
        is_lost = self._calls.has_nameless or (self._reason == "toolCalls" and not self._calls.count)
        return faults.lost_call() if is_lost else None

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

    def _take_plain(self, chunk: bytes, pieces: list[Piece]) -> bool:
        """Take a chunk of nothing but text and reasoning, as nearly all are; return whether it was one."""
        try:
            found = [quick(data).choices[0].delta for data in self._events.whole(chunk) if not self.is_over]
        except (ValueError, RecursionError):
            return False
        for delta in found:
            said = delta.reasoning_content or delta.reasoning
            if said and (said := self._reasoning.clean(said)):
                pieces.append(Reasoning(said, "reasoning_content" if delta.reasoning_content else "reasoning"))
            if text := delta.content:
                self._has_text = True
                if text := self._text.clean(text):
                    pieces.append(Text(text))
        return bool(found)

    def _take_event(self, data: bytes, is_error: bool, pieces: list[Piece]) -> None:
        if self.is_over or not data or data.startswith(b":"):
            return  # A colon begins a keep-alive comment that a gateway sent as data.
        if data.strip() == b"[DONE]":
            self.is_over = True
            return
        try:
            completion = decode(data)
        except UnreadableChunk:
            if is_error:
                raise faults.of_error_object(data.decode("utf-8", "replace")) from None
            raise
        if is_error and not completion.error:
            raise faults.of_error_object(None)
        self._take(completion, pieces)

    def _take(self, completion: Completion, pieces: list[Piece]) -> None:
        if completion.error or completion.base_resp:
            faults.check_error(completion.error, completion.base_resp)
        for choice in completion.choices or ():
            if not choice.index:
                self._take_choice(choice, pieces)
        if completion.usage is not None:
            take_counts(completion.usage, pieces)

    def _take_choice(self, choice: Choice, pieces: list[Piece]) -> None:
        if choice.delta is not None:
            self._take_delta(choice.delta, pieces)
        if choice.message is not None:
            self._take_message(choice.message, choice.delta is None, pieces)
        if choice.usage is not None:
            take_counts(choice.usage, pieces)
        if choice.error:
            faults.check_error(choice.error)
        if choice.finish_reason or choice.native_finish_reason:
            self._finish(choice.finish_reason or "", choice.native_finish_reason)
        elif choice.message is not None and self._whole is not None:
            self.has_finish = True

    def _take_delta(self, delta: Delta, pieces: list[Piece]) -> None:
        text = delta.content
        reasoning = delta.reasoning_content or delta.reasoning or delta.reasoning_text
        if delta.refusal:
            self._is_refused = True
            text = (text or "") + delta.refusal
        if text:
            self._has_text = True
            text = self._text.clean(text)
        if delta.reasoning_details:
            self._take_reasoning_details(delta, pieces)
        elif reasoning and (reasoning := self._reasoning.clean(reasoning)):
            pieces.append(Reasoning(reasoning, field_of(delta)))
        if isinstance(delta, PartsDelta):
            self._take_parts(delta, pieces)
        if text:
            pieces.append(Text(text))
        pieces.extend(wanted_back(delta, MESSAGE_FIELDS))
        if delta.tool_calls:
            self._calls.take(delta.tool_calls, pieces)
        elif delta.function_call is not None:
            self._calls.take([ToolCallChunk(index=0, function=delta.function_call)], pieces)

    def _take_reasoning_details(self, delta: Delta, pieces: list[Piece]) -> None:
        """Take reasoning details, which go back unchanged. Mostly another field has their text, to be shown."""
        said = delta.reasoning_content or delta.reasoning or joined_text(delta.reasoning_details)
        if reasoning := self._reasoning.clean(said):
            pieces.append(Reasoning(reasoning))
        pieces.append(WantedBackPiece(None, "reasoning_details", delta.reasoning_details))

    def _take_parts(self, delta: PartsDelta, pieces: list[Piece]) -> None:
        """Take what only a content of parts can hold: reasoning, and blocks that the server wants back."""
        if delta.thought and (thought := self._reasoning.clean(delta.thought)):
            pieces.append(Reasoning(thought))
        if delta.signed:
            pieces.append(WantedBackPiece(None, "content", delta.signed))

    def _take_message(self, message: Delta, is_alone: bool, pieces: list[Piece]) -> None:
        """Take a message. After deltas it repeats them: at the end, only what they lacked is taken from it."""
        if self._whole is None and (not is_alone or self._has_text or self._calls.count) and not self._message_text:
            self._message = message
            return
        content = message.content or ""
        if self._message_text and content.startswith(self._message_text):
            message.content = content[len(self._message_text) :]
        self._message_text += message.content or ""
        self._take_delta(message, pieces)

    def _take_what_was_not_said(self, pieces: list[Piece]) -> None:
        message, self._message = self._message, None
        if message is None:
            return
        if self._has_text:
            message.content = message.refusal = message.reasoning_content = message.reasoning = None
        if self._calls.count:
            message.tool_calls = message.function_call = None
        self._take_delta(message, pieces)

    def _finish(self, reason: str, native_reason: str | None) -> None:
        outcome = failure_of(native_reason) or outcome_of(reason)
        if outcome == "refused":
            raise faults.refused(native_reason if failure_of(native_reason) else reason)
        if outcome == "failed":
            raise faults.ended_by((native_reason if failure_of(native_reason) else reason) or "")
        if outcome is not None:
            self._reason = outcome if self._reason == "stop" else self._reason
            self.has_finish = True


def field_of(delta: Delta) -> str:
    """Return the field in which the server wants this delta's reasoning back; empty if thinking blocks hold it."""
    if delta.thinking_blocks:
        return ""
    return next(name for name in REASONING_FIELDS if getattr(delta, name))


def take_counts(counts: Counts, pieces: list[Piece]) -> None:
    """Take token counts; ignore ones that make no sense."""
    if is_count(counts.prompt_tokens) and is_count(counts.completion_tokens):
        pieces.append(TokenCounts(counts.prompt_tokens, counts.completion_tokens))


def is_count(value: Any) -> bool:  # Any: JSON from the server, of any form.
    return type(value) is int and 0 <= value < TOKENS_MAX
