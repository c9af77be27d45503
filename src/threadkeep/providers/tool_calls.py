"""The function calls of one answer, read from the many forms in which servers send them."""

import json
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field

import msgspec

from threadkeep.contract.limits import TOOL_CALLS_MAX
from threadkeep.providers import Piece, ToolCallPart, faults
from threadkeep.providers.characters import Characters
from threadkeep.providers.chunks import FunctionDelta, ToolCallChunk
from threadkeep.providers.wanted_back import CALL_FIELDS, wanted_back

NAME_CHARACTERS_MAX = 256
# How often the arguments of one call are parsed as a whole: each time costs as much as they are long.
LOOKS_MAX = 64

NOTHING = FunctionDelta()
# Where one object may end and the next begin. Within one JSON object this can only occur in a string.
SEAM = re.compile(r"\}\s*\{")


@dataclass(slots=True, eq=False)
class PartialToolCall:
    """A call as far as it is known. It is shown when its name is certain: with its arguments, or when it is over."""

    index: int
    their_index: int | None
    id: str = ""
    name: str = ""
    texts: list[str] = field(default_factory=list)
    ends_object: bool = False  # The last character that is not blank is a closing brace.
    is_shown: bool = False
    looks_left: int = LOOKS_MAX
    characters: Characters = field(default_factory=Characters)

    @property
    def is_whole(self) -> bool:
        """Whether the arguments so far are one complete JSON object."""
        if not self.ends_object or not self.looks_left:
            return False
        self.looks_left -= 1
        return is_object("".join(self.texts))


class ToolCalls:
    """Numbers the calls 0, 1, 2 … in the order in which they come, and tells each call's id and name once.

    Servers omit the index, give all calls the same one, or begin with 1. They repeat ids and names, send no id, or
    send it late. `tool_names` are the callable functions: they show whether two texts are one name or two.
    """

    def __init__(self, tool_names: Collection[str] = ()) -> None:
        self._tool_names = tool_names
        self._calls: list[PartialToolCall] = []
        self._by_id: dict[str, PartialToolCall] = {}
        self._by_index: dict[int, PartialToolCall] = {}

    @property
    def count(self) -> int:
        return len(self._calls)

    @property
    def has_nameless(self) -> bool:
        return any(not call.name for call in self._calls)

    def take(self, deltas: list[ToolCallChunk], pieces: list[Piece]) -> None:
        """Add the parts that deltas bring. Raises ModelError for too many calls, and for names too long to keep."""
        before = len(self._calls)
        for delta in deltas:
            function = delta.function or NOTHING
            call = self._find(delta, function, before)
            if call is None:
                if not (delta.id or function.name or function.arguments):
                    continue
                if self._calls:
                    self._show(self._calls[-1], pieces)
                call = self._begin(delta.index)
            if delta.id or function.name:
                self._learn(call, delta.id, function.name)
            if function.arguments:
                call = self._add(call, function.arguments, pieces)
            if delta.extra_content or delta.provider_specific_fields or delta.thought_signature:
                pieces.extend(wanted_back(delta, CALL_FIELDS, call.index))

    def rest(self, *, is_whole: bool) -> list[Piece]:
        """Return what is left: calls not shown yet, incomplete characters, and `{}` for calls without arguments.

        If the answer is not whole, no `{}` is added: the arguments may be what is missing.
        """
        pieces: list[Piece] = []
        for call in self._calls:
            self._add_text(call, call.characters.rest(), pieces)
            if is_whole and not call.texts:
                self._add_text(call, "{}", pieces)
            self._show(call, pieces)
        return pieces

    def _find(self, delta: ToolCallChunk, function: FunctionDelta, before: int) -> PartialToolCall | None:
        """Return the call that a delta continues, or None if it begins one. `before` calls came before this chunk."""
        index, name = delta.index, function.name
        if index is not None and not name and not delta.id:
            return self._by_index.get(index)
        last = self._calls[-1] if self._calls else None
        at_index = self._by_index.get(index) if index is not None else last
        if delta.id and (known := self._by_id.get(delta.id)) is not None:
            is_other = None not in (index, known.their_index) and known.their_index != index
            return None if is_other or self._begins_another(known, name, None) else known
        if at_index is None or not name or not at_index.name:
            return at_index
        if delta.id:
            # A new id with a name begins a call, except with servers that make up a new id for each part of a call.
            is_more = index is not None and name == at_index.name and at_index.texts and not at_index.is_whole
            return at_index if is_more else None
        # A name begins a call, unless it repeats or continues the name of the call at this index.
        is_new = index is None or at_index.index >= before
        return None if is_new or self._begins_another(at_index, name, function.arguments) else at_index

    def _begins_another(self, call: PartialToolCall, name: str | None, arguments: str | None) -> bool:
        """Whether a name that came at the index of `call` begins another call."""
        if not name or not call.name:
            return False
        if name != call.name:
            # If both names are functions, neither is a piece of the other, unless an id shows that they are one call.
            is_other = not call.id and call.name in self._tool_names and name in self._tool_names
            return is_other or bool(call.texts) or not self._may_go_on(call.name, name)
        return bool(arguments and arguments.strip()) and call.is_whole

    def _may_go_on(self, begun: str, more: str) -> bool:
        """Whether two texts can be pieces of one function's name."""
        return not self._tool_names or any(name.startswith(put_together(begun, more)) for name in self._tool_names)

    def _begin(self, their_index: int | None) -> PartialToolCall:
        if len(self._calls) == TOOL_CALLS_MAX:
            raise faults.too_many_calls(TOOL_CALLS_MAX)
        call = PartialToolCall(len(self._calls), their_index)
        self._calls.append(call)
        if their_index is not None:
            self._by_index[their_index] = call
        return call

    def _begin_again(self, call: PartialToolCall) -> PartialToolCall:
        """Begin another call of the same function: a second object of arguments came after a complete one."""
        again = self._begin(call.their_index)
        again.name = call.name
        if call.id:
            self._by_id[call.id] = again
        return again

    def _learn(self, call: PartialToolCall, id: str | None, name: str | None) -> None:
        if id and not call.id and not call.is_shown and id not in self._by_id and len(id) <= NAME_CHARACTERS_MAX:
            call.id = Characters().clean(id)
        if id:
            self._by_id.setdefault(id, call)
        if name and not call.is_shown and name != call.name:
            call.name = put_together(call.name, Characters().clean(name))
            if len(call.name) > NAME_CHARACTERS_MAX:
                raise faults.unreadable()

    def _add(self, call: PartialToolCall, arguments: str, pieces: list[Piece]) -> PartialToolCall:
        """Add arguments to a call; each further object begins another call. Return the last call."""
        if "{" not in arguments or not arguments.lstrip().startswith("{") or (call.texts and not call.is_whole):
            self._add_text(call, call.characters.clean(arguments), pieces)
            return call
        for text in objects_in(arguments):
            if call.texts:
                if text.strip() == "".join(call.texts).strip():
                    continue  # Some servers repeat all arguments at the end.
                if call.texts == ["{}"] and not call.is_shown:
                    call.texts.clear()  # Some servers send an empty object first.
                else:
                    self._show(call, pieces)
                    call = self._begin_again(call)
            self._add_text(call, call.characters.clean(text), pieces)
        return call

    def _add_text(self, call: PartialToolCall, text: str, pieces: list[Piece]) -> None:
        if end := text.rstrip():
            call.ends_object = end[-1] == "}"
        # Blanks are kept within arguments, but do not count as arguments.
        if end or (call.texts and call.texts != ["{}"]):
            call.texts.append(text)
        if call.is_shown:
            if text:
                pieces.append(ToolCallPart(call.index, None, None, text))
        elif call.texts and call.texts != ["{}"]:
            self._show(call, pieces)

    def _show(self, call: PartialToolCall, pieces: list[Piece]) -> None:
        if call.is_shown or not call.name:
            return
        call.is_shown = True
        call.id = call.id or f"call_{secrets.token_hex(12)}"
        pieces.append(ToolCallPart(call.index, call.id, call.name, "".join(call.texts)))


def put_together(begun: str, more: str) -> str:
    """Join pieces of a name; some servers repeat the earlier pieces with each new one."""
    return more if more.startswith(begun) else begun + more


def objects_in(text: str) -> list[str]:
    """Return the JSON objects of a text if it is nothing but complete objects in a row, else the text itself."""
    if not text.lstrip().startswith("{") or not SEAM.search(text):
        return [text]
    found, at = [], 0
    decoder = json.JSONDecoder()
    try:
        while at < len(text.rstrip()):
            start = len(text) - len(text[at:].lstrip())
            _, at = decoder.raw_decode(text, start)
            found.append(text[start:at])
    except (ValueError, RecursionError):
        return [text]
    return found


def is_object(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except (msgspec.DecodeError, RecursionError):
        return False
