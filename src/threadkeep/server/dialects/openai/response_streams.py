"""The stream of a response: what each native event is in the words of OpenAI's Responses API.

What is said, and its numbers, depend on nothing but the native events, which are always read from the first one on: so
any process can count them anew, and a client may go on behind any number.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import structs

from threadkeep.contract import responses as native
from threadkeep.contract.basis import Raw
from threadkeep.contract.events import ToolCallDelta
from threadkeep.contract.messages import Message, TextPart
from threadkeep.database.scoped import ScopedDatabase
from threadkeep.decoding import decoder
from threadkeep.operations.responses.events import (
    finished_calls,
)
from threadkeep.operations.responses.manner import Asked
from threadkeep.operations.threads import service_made
from threadkeep.runtime.following import Follower
from threadkeep.runtime.frames import Allowed, Emit
from threadkeep.runtime.translated import Translated
from threadkeep.server.dialects.openai import items, responses
from threadkeep.server.dialects.openai.common import Json
from threadkeep.server.dialects.openai.item_parts import output_part
from threadkeep.server.dialects.openai.items import CallItem, ItemOut, MessageItem, letters_of
from threadkeep.server.dialects.telling import Telling

LAST = {"completed": "response.completed", "failed": "response.failed"}
encode = msgspec.json.Encoder().encode


class Told(native.Response):
    """A response in the data of an event; its metadata as it is stored."""

    metadata: Raw


class ResponseEventData(msgspec.Struct, rename="camel"):
    """What is taken of the data of an event."""

    response: Told
    message: Message | None = None


class ResponseStream(Translated):
    """A response's events in these words. A thread that was made for this answer alone goes when they are out."""

    def __init__(
        self, db: ScopedDatabase, follower: Follower, asked: Asked | None, after: int = -1, *, is_kept: bool = True
    ) -> None:
        super().__init__(follower, Translation(asked, after).translate)
        self._db = db
        self._thread_id = follower.row.thread_id
        self._is_kept = is_kept

    async def run(self, emit: Emit, allowed: Allowed) -> None:
        await super().run(emit, allowed)
        if not self._is_kept:
            await self._db.write(service_made.leave, self._thread_id)


class Translation(Telling):
    """The events of one response so far."""

    decode = staticmethod(decoder(ResponseEventData).decode)

    def __init__(self, asked: Asked | None, after: int) -> None:
        """Only events with numbers above `after` are told, and the last one in any case."""
        super().__init__()
        self._asked = asked
        self._after = after
        self._number = 0
        self._letters = ""
        # The indexes of the calls that were told of, in that order; the place in the output of each, and of the text.
        self._called: list[int] = []
        self._places: dict[int | None, int] = {}
        # Which item is not done yet: the text is None.
        self._open: set[int | None] = set()

    def _event(self, type: str, *, is_last: bool = False, **data: Any) -> Iterator[bytes]:  # Any: JSON.
        number = self._number
        self._number += 1
        if number <= self._after:
            if not is_last:
                return
            number = self._after + 1
        whole = encode({"type": type, "sequence_number": number, **data})
        yield b"event: %b\ndata: %b\n\n" % (type.encode(), whole)

    def begin(self, told: ResponseEventData) -> Iterator[bytes]:
        if told.message is not None:
            self._letters = letters_of(told.message.id)
        begun = structs.replace(told.response, status="in_progress", finish_reason=None, completed_at=None, error=None)
        response = responses.shown(begun, self._asked, [])
        yield from self._event("response.created", response=response)
        yield from self._event("response.in_progress", response=response)

    def say(self, delta: str) -> Iterator[bytes]:
        place = self._places.get(None)
        if place is None:
            place = self._places[None] = len(self._places)
            self._open.add(None)
            item = self._message("in_progress")
            yield from self._event("response.output_item.added", output_index=place, item=item)
            part: Json = output_part(TextPart(""))
            yield from self._event("response.content_part.added", **self._of_text(place), part=part)
        yield from self._event("response.output_text.delta", **self._of_text(place), delta=delta, logprobs=[])

    def call(self, part: ToolCallDelta) -> Iterator[bytes]:
        call = self.calls[part.index]
        if part.index in self._places:
            yield from self._arguments(part.index, part.arguments)
        elif call.id and call.name:
            yield from self._begin_call(part.index)

    def _begin_call(self, index: int) -> Iterator[bytes]:
        """Tell of a call. What was open is done: models speak of one thing after the other."""
        yield from self._close("completed")
        place = self._places[index] = len(self._places)
        self._called.append(index)
        self._open.add(index)
        yield from self._event("response.output_item.added", output_index=place, item=self._item(index, "in_progress"))
        yield from self._arguments(index, "".join(self.calls[index].texts))

    def _arguments(self, index: int, delta: str) -> Iterator[bytes]:
        if delta:
            item = self._item(index, "in_progress")
            yield from self._event(
                "response.function_call_arguments.delta",
                item_id=item.id,
                output_index=self._places[index],
                delta=delta,
            )

    def _close(self, status: str) -> Iterator[bytes]:
        """Tell that what is open is done."""
        for key in sorted(self._open, key=self._places.__getitem__):
            if key is None:
                self._open.remove(key)
                yield from self._close_text(status)
            elif finished_calls({key: self.calls[key]}):
                # One whose arguments are not whole yet stays open: models may make calls side by side.
                self._open.remove(key)
                item = self._item(key)
                yield from self._event(
                    "response.function_call_arguments.done",
                    item_id=item.id,
                    output_index=self._places[key],
                    name=item.name,
                    arguments=item.arguments,
                )
                yield from self._event("response.output_item.done", output_index=self._places[key], item=item)

    def _close_text(self, status: str) -> Iterator[bytes]:
        place, item = self._places[None], self._message(status)
        [part] = item.content
        yield from self._event("response.output_text.done", **self._of_text(place), text=self._whole_text, logprobs=[])
        yield from self._event("response.content_part.done", **self._of_text(place), part=part)
        yield from self._event("response.output_item.done", output_index=place, item=item)

    def end(self, response: Told) -> Iterator[bytes]:
        # Calls whose id or name never came get one, if they are kept.
        for index in sorted(self.calls.keys() - self._places.keys()):
            if finished_calls({index: self.calls[index]}):
                yield from self._begin_call(index)
        is_cut = response.status != "completed" or response.finish_reason == "length"
        yield from self._close("incomplete" if is_cut else "completed")
        output = self._output("incomplete" if is_cut else "completed") if response.message_id is not None else []
        whole = responses.shown(response, self._asked, output)
        type = LAST.get(whole.status, "response.incomplete")
        yield from self._event(type, is_last=True, response=whole)

    def _output(self, status: str) -> list[ItemOut]:
        """Return the items in the order in which they were told of."""
        found: list[ItemOut] = []
        for key in self._places:
            if key is None:
                found.append(self._message(status))
            elif finished_calls({key: self.calls[key]}):
                found.append(self._item(key))
        return found

    def _of_text(self, place: int) -> Json:
        return {"item_id": f"msg_{self._letters}", "output_index": place, "content_index": 0}

    def _message(self, status: str) -> MessageItem:
        content = [] if status == "in_progress" else [TextPart(self._whole_text)]
        return items.said(f"msg_{self._letters}", "assistant", content, status)

    @property
    def _whole_text(self) -> str:
        return "".join(self.texts)

    def _item(self, index: int, status: str = "completed") -> CallItem:
        """Return a call; its id counts calls as its message does."""
        call = self.calls[index]
        arguments = "" if status == "in_progress" else "".join(call.texts)
        place = self._called.index(index)
        # One without an id gets one by its index, as in its message.
        return items.call_item(self._letters, place, call.id or f"call_{index}", call.name or "", arguments, status)
