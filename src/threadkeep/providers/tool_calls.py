"""The function calls of one answer, from the many ways in which servers send them."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from threadkeep.objects import TOOL_CALLS_MAX
from threadkeep.providers import Piece, ToolCallPart, faults
from threadkeep.providers.characters import Characters
from threadkeep.providers.wanted_back import CALL_FIELDS, wanted_back

NAME_CHARACTERS_MAX = 256


class FunctionDelta(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class ToolCallDelta(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: FunctionDelta | None = None
    extra_content: Any = None  # Any: what goes back word for word is not looked into.
    provider_specific_fields: Any = None
    thought_signature: Any = None


@dataclass(slots=True)
class Call:
    index: int
    characters: Characters = field(default_factory=Characters)


class ToolCalls:
    """Numbers the calls 0, 1, 2 … in the order in which they come, and tells each call's id and name once.

    Servers leave the index out, give all calls the same, or begin with 1; they repeat ids and names, or send no id.
    """

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._by_id: dict[str, Call] = {}
        self._by_index: dict[int, Call] = {}

    def take(self, deltas: list[ToolCallDelta]) -> Iterator[Piece]:
        """Give the parts that deltas bring. Raises ModelError for too many calls, and for names that cannot be kept."""
        for delta in deltas:
            function = delta.function or FunctionDelta()
            call = self._find(delta, function)
            arguments = call.characters.clean(function.arguments) if function.arguments and call else ""
            if call is None:
                part = self._begin(delta, function)
                yield part
            elif arguments:
                yield ToolCallPart(call.index, None, None, arguments)
            yield from wanted_back(delta, CALL_FIELDS, part.index if call is None else call.index)

    @property
    def count(self) -> int:
        return len(self._calls)

    def rest(self) -> Iterator[Piece]:
        """Give what is left of characters that were never completed."""
        for call in self._calls:
            if rest := call.characters.rest():
                yield ToolCallPart(call.index, None, None, rest)

    def _find(self, delta: ToolCallDelta, function: FunctionDelta) -> Call | None:
        """Return the call that a delta goes on with; None if it begins one."""
        if delta.id and delta.id in self._by_id:
            return self._by_id[delta.id]
        if delta.id and function.name:
            return None
        if delta.index is not None:
            return self._by_index.get(delta.index)
        # Without an index and an id: a name begins a call, anything else goes on with the last.
        return self._calls[-1] if self._calls and not function.name else None

    def _begin(self, delta: ToolCallDelta, function: FunctionDelta) -> ToolCallPart:
        name = Characters().clean(function.name or "")
        if len(self._calls) == TOOL_CALLS_MAX or not 0 < len(name) <= NAME_CHARACTERS_MAX:
            raise faults.unreadable()
        call = Call(len(self._calls))
        self._calls.append(call)
        call_id = Characters().clean(delta.id or "") or f"call_{secrets.token_hex(12)}"
        if len(call_id) > NAME_CHARACTERS_MAX:
            raise faults.unreadable()
        if delta.id:
            self._by_id[delta.id] = call
        if delta.index is not None:
            self._by_index[delta.index] = call
        return ToolCallPart(call.index, call_id, name, call.characters.clean(function.arguments or ""))
