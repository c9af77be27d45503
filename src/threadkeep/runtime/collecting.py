"""Collects, while an answer arrives, the parts of it that its model's server wants sent back later."""

from collections.abc import Mapping
from typing import Any

from threadkeep.contract.messages import ToolCall
from threadkeep.operations.messages import wanted_back
from threadkeep.operations.responses.events import CallSoFar
from threadkeep.providers import Reasoning, WantedBackPiece
from threadkeep.providers.wanted_back import joined, without_unsigned

# At least this many characters arrive between two exact counts.
UNCOUNTED_CHARACTERS_MIN = wanted_back.CHARACTERS_MAX // 8


class Collector:
    """Takes the pieces of one answer. Beyond the limit it discards everything: a part of it would be useless."""

    def __init__(self, by: str, *, keeps_all: bool) -> None:
        """`by` names the model; unless `keeps_all`, only what belongs to an answer with calls is kept."""
        self._by = by
        self._keeps_all = keeps_all
        self._reasoning: dict[str, list[str]] = {}
        self._fields: dict[str, Any] = {}  # Any: JSON that nobody here looks into.
        self._calls: dict[int, dict[str, Any]] = {}
        self._characters_left = wanted_back.CHARACTERS_MAX
        self._is_too_long = False

    def take(self, piece: Reasoning | WantedBackPiece) -> None:
        if self._is_too_long:
            return
        if isinstance(piece, Reasoning):
            if piece.field:
                self._characters_left -= len(piece.text)
                self._reasoning.setdefault(piece.field, []).append(piece.text)
        else:
            self._characters_left -= len(str(piece.value))
            fields = self._fields if piece.call is None else self._calls.setdefault(piece.call, {})
            before = fields.get(piece.field)
            fields[piece.field] = piece.value if before is None else joined(before, piece.value)
        if self._characters_left < 0:
            self._count_anew()

    def _count_anew(self) -> None:
        """Count exactly: less may be held than arrived, because each piece repeats the structure around its text."""
        texts = sum(len(text) for texts in self._reasoning.values() for text in texts)
        held = texts + len(str((self._fields, self._calls)))
        self._is_too_long = held > wanted_back.CHARACTERS_MAX
        self._characters_left = max(wanted_back.CHARACTERS_MAX - held, UNCOUNTED_CHARACTERS_MIN)
        if self._is_too_long:
            self._reasoning, self._fields, self._calls = {}, {}, {}

    def stored(self, calls: Mapping[int, CallSoFar], kept: list[ToolCall]) -> str | None:
        """Return the stored form of what belongs to the message and to its `kept` calls; None if nothing is stored."""
        if not kept and not self._keeps_all:
            return None
        ids = {call.id for call in kept}
        fields = {name: each for name, value in self._fields.items() if (each := without_unsigned(value))}
        wanted = {name: "".join(texts) for name, texts in self._reasoning.items()} | fields
        of_calls = {
            str(call.id): self._calls[index] for index, call in calls.items() if index in self._calls and call.id in ids
        }
        return wanted_back.stored(wanted_back.WantedBack(self._by, wanted, of_calls))
