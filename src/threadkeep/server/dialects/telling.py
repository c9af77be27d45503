"""A stream of a response in another tongue: what each native event adds is told by a dialect in its own words."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from threadkeep.contract.events import ResponseCreated, ResponseReset, ToolCallDelta
from threadkeep.contract.messages import Message
from threadkeep.contract.responses import Response
from threadkeep.decoding import decoder
from threadkeep.operations.responses.events import (
    REASONING,
    TEXT,
    TOOL_CALL,
    CallSoFar,
    add_call,
    decode_call,
    decode_text,
)


class EventData(msgspec.Struct, rename="camel"):
    """What is taken of the data of an event."""

    response: Response
    message: Message | None = None
    input_messages: list[Message] = []


decode = decoder(EventData).decode


class Telling:
    """A stream, as far as it was told. What it says depends on nothing but the native events."""

    # Reads the data of an event that is no part of the answer.
    decode: Callable[[bytes], Any] = staticmethod(decode)

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.calls: dict[int, CallSoFar] = {}
        self.has_begun = False

    def translate(self, _response_id: str, _n: int, type: str, data: bytes) -> bytes:
        if type == TEXT:
            return b"".join(self._text(decode_text(data).delta))
        return b"".join(self._take(type, data))

    def begin(self, told: Any) -> Iterator[bytes]:
        """Tell that the answer begins; its message is in `told.message`, unless it was deleted."""
        raise NotImplementedError

    def say(self, delta: str) -> Iterator[bytes]:
        """Tell more of the text."""
        raise NotImplementedError

    def think(self, _delta: str) -> Iterator[bytes]:
        """Tell more of the reasoning."""
        return iter(())

    def call(self, part: ToolCallDelta) -> Iterator[bytes]:
        """Tell more of a call, of which `calls` holds what is known with this part."""
        raise NotImplementedError

    def end(self, response: Any) -> Iterator[bytes]:
        """Tell how the answer ended."""
        raise NotImplementedError

    def _take(self, type: str, data: bytes) -> Iterator[bytes]:
        if type == REASONING:
            yield from self.think(decode_text(data).delta)
        elif type == TOOL_CALL:
            yield from self._call(decode_call(data))
        else:
            told = self.decode(data)
            # Events before it may be gone: of an old answer, or of a thread that is deleted at this moment.
            if not self.has_begun:
                self.has_begun = True
                yield from self.begin(told)
            if type == ResponseReset.type:
                yield from self._catch_up(told)
            elif type != ResponseCreated.type:
                yield from self.end(told.response)

    def _text(self, delta: str) -> Iterator[bytes]:
        if delta:
            self.texts.append(delta)
            yield from self.say(delta)

    def _call(self, part: ToolCallDelta) -> Iterator[bytes]:
        add_call(self.calls, part)
        yield from self.call(part)

    def _catch_up(self, told: Any) -> Iterator[bytes]:
        """Tell as one what the events said that are gone."""
        message = told.message
        whole, known = message.text if message else told.response.output_text, "".join(self.texts)
        if whole.startswith(known):
            yield from self._text(whole[len(known) :])
        for index, call in enumerate((message and message.tool_calls) or ()):
            so_far = self.calls.get(index)
            rest = call.function.arguments[len("".join(so_far.texts)) if so_far else 0 :]
            if rest or so_far is None:
                id, name = (None, None) if so_far else (call.id, call.function.name)
                yield from self._call(ToolCallDelta(index=index, id=id, name=name, arguments=rest))
