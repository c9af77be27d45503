"""Items of a conversation. One native message may be several of them: its reasoning, what it says, its calls.

Each item that is sent becomes a message of its own. What no native field takes stands in that message's payload.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, structs

from threadkeep.contract import messages as native
from threadkeep.contract.basis import MessageRole, Payload
from threadkeep.contract.lifecycle import Action
from threadkeep.contract.limits import PARTS_MAX, TEXT_CHARACTERS_MAX
from threadkeep.contract.messages import FunctionCall, MessageCreate, Part, ToolCall
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.decoding import decoder
from threadkeep.errors import InvalidCursor, InvalidField, MessageNotFound
from threadkeep.operations.messages import appending, messages, parts
from threadkeep.operations.messages.rows import decode_parts, is_json
from threadkeep.operations.paging import Window
from threadkeep.operations.responses import origins
from threadkeep.operations.revisions import Precondition, Versioned
from threadkeep.operations.threads import threads
from threadkeep.operations.threads.rows import hold
from threadkeep.server.dialects.common import named, read
from threadkeep.server.dialects.openai.common import (
    Body,
    Json,
    ListQuery,
    Object,
    Page,
    page_of,
    refuse_type,
    window_of,
)
from threadkeep.server.dialects.openai.item_parts import given_parts, input_part, output_part, shown_output
from threadkeep.server.dialects.openai.walking import walk
from threadkeep.server.paths import ITEM

# The format of payloads that keep what no native field takes.
FORMAT = "openai/item"
TYPES = ("message", "function_call", "function_call_output")
# As many items of reasoning stand before one message.
REASONING_MAX = 100
Content = str | Annotated[list[Json], Meta(max_length=PARTS_MAX)]
CallId = Annotated[str, Meta(min_length=1, max_length=256)]
FunctionName = Annotated[str, Meta(min_length=1, max_length=256)]


class Item(Body):
    """What every item may have that is answered here, and not kept when it is sent back. Any: JSON."""

    type: str | None = None
    id: Any | None = None
    status: Any | None = None
    phase: Any | None = None
    caller: Any | None = None
    namespace: Any | None = None


class MessageIn(Item, kw_only=True):
    """What somebody says. `content` is a text, or parts."""

    role: Literal["user", "assistant", "system", "developer"]
    content: Content


class CallIn(Item, kw_only=True):
    """A function that the model wants called."""

    call_id: CallId
    name: FunctionName
    arguments: Annotated[str, Meta(max_length=TEXT_CHARACTERS_MAX)]
    parsed_arguments: Any | None = None


class ResultIn(Item, kw_only=True):
    """The result of a call. `output` is a text, or parts."""

    call_id: CallId
    output: Content
    name: Any | None = None


class ItemOut(Object):
    """An item."""

    id: str
    type: str


class Reasoning(ItemOut, kw_only=True, omit_defaults=True):
    """A model's reasoning, which nobody here reads: it is kept as it came, and comes back."""

    id: str = ""
    type: Literal["reasoning"]
    summary: list[Any] | None = None  # Any: JSON.
    content: list[Any] | None = None  # Any: JSON.
    encrypted_content: str | None = None
    status: str | None = None


class MessageItem(ItemOut):
    """What somebody said."""

    type: Literal["message"]
    role: Literal["user", "assistant", "system"]
    status: Literal["in_progress", "completed", "incomplete"]
    content: list[Json]


class CallItem(ItemOut):
    """A function that the model wants called."""

    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    status: Literal["in_progress", "completed"]


class ResultItem(ItemOut):
    """The result of a call."""

    type: Literal["function_call_output"]
    call_id: str
    output: str | list[Json]
    status: Literal["completed"]


KINDS = (MessageItem, CallItem, ResultItem, Reasoning)


class ItemsCreate(Body):
    """Items to add, all or none."""

    items: Annotated[list[Json], Meta(min_length=1, max_length=20)]


class Kept(msgspec.Struct, omit_defaults=True):
    """What a message's payload keeps."""

    # What stood before it.
    reasoning: list[Reasoning] = []
    # The arguments of its one call, if they are no JSON.
    arguments: str | None = None
    # The places that its calls had before one of them was deleted: the ids of the others stay.
    places: list[int] | None = None


class Given(NamedTuple):
    """Items as native messages, and the place of each among the items."""

    messages: list[MessageCreate]
    places: list[int]


class Place(NamedTuple):
    """Where an item is: in which message, and in which order there."""

    message_id: str
    rank: tuple[int, int]


decode_kept = decoder(Kept).decode
decode_calls = decoder(list[ToolCall] | None).decode


def given(items: Sequence[Json], param: str = "items") -> Given:
    """Return native messages. Raises UnsupportedValue, UnknownField or InvalidField.

    Reasoning is kept with what follows it, if that is the model's too; else it is left out.
    """
    found = Given([], [])
    reasoning: list[Reasoning] = []
    for position, item in enumerate(items):
        at = f"{param}[{position}]"
        if item.get("type") == "reasoning":
            if len(reasoning) == REASONING_MAX:
                raise InvalidField(f"At most {REASONING_MAX} items of reasoning belong to one message.", param=at)
            reasoning.append(read(item, Reasoning, at))
            continue
        message = message_given(item, at, reasoning)
        found.messages.append(message)
        found.places.append(position)
        reasoning = []
    return found


def message_given(item: Json, at: str, reasoning: list[Reasoning]) -> MessageCreate:
    type = item.get("type") or "message"
    if type not in TYPES:
        refuse_type(type, f"{at}.type", "messages, function calls, their outputs, and reasoning")
    match type:
        case "message":
            said = read(item, MessageIn, at)
            content = given_parts(said.content, f"{at}.content")
            role: MessageRole = "system" if said.role == "developer" else said.role
            return MessageCreate(role, content, payload=payload_of(Kept(reasoning if role == "assistant" else [])))
        case "function_call":
            call = read(item, CallIn, at)
            is_kept = not call.arguments.strip() or is_json(call.arguments)
            function = FunctionCall(call.name, call.arguments if is_kept else "{}")
            kept = Kept(reasoning, None if is_kept else call.arguments)
            calls = [ToolCall(call.call_id, "function", function)]
            return MessageCreate("assistant", tool_calls=calls, payload=payload_of(kept))
        case _:
            result = read(item, ResultIn, at)
            return MessageCreate("tool", given_parts(result.output, f"{at}.output"), tool_call_id=result.call_id)


def payload_of(kept: Kept) -> Payload | None:
    return None if kept == Kept() else Payload(FORMAT, msgspec.json.encode(kept).decode())


def kept_of(message: native.Message) -> Kept:
    """Return what the payload of a message keeps. One that a caller gave natively keeps nothing for this dialect."""
    payload = message.payload
    if not isinstance(payload, Payload) or payload.format != FORMAT:
        return Kept()
    try:
        return decode_kept(payload.data)
    except (msgspec.DecodeError, RecursionError):
        return Kept()


def shown(message: native.Message, finish_reason: str | None = None) -> list[ItemOut]:
    """Return the items of a message, given why its model ended it. One that is being generated is none yet."""
    if message.status == "in_progress":
        return []
    letters = letters_of(message.id)
    content = decode_parts(message.content)  # type: ignore[arg-type]  # The JSON that is stored.
    if message.role == "tool":
        call_id = message.tool_call_id or ""
        return [ResultItem(f"fco_{letters}", "function_call_output", call_id, shown_output(content), "completed")]
    kept = kept_of(message)
    found: list[ItemOut] = [structs.replace(each, id=f"rs_{letters}_{n}") for n, each in enumerate(kept.reasoning)]
    if content:
        is_cut = message.status == "incomplete" or finish_reason == "length"
        found.append(said(message.id, message.role, content, "incomplete" if is_cut else "completed"))
    for place, call in numbered(message, kept):
        arguments = call.function.arguments if kept.arguments is None else kept.arguments
        found.append(call_item(letters, place, call.id, call.function.name, arguments))
    return found


def letters_of(message_id: str) -> str:
    return message_id.partition("_")[2]


def numbered(message: native.Message, kept: Kept) -> list[tuple[int, ToolCall]]:
    """Return the calls of a message with their places."""
    calls = decode_calls(message.tool_calls) or []  # type: ignore[arg-type]  # The JSON that is stored.
    places = kept.places or ()
    return list(zip(places if len(places) == len(calls) else range(len(calls)), calls, strict=True))


def said(id: str, role: Any, content: Sequence[Part], status: Any) -> MessageItem:  # Any: one of MessageItem's words.
    shown_part = output_part if role == "assistant" else input_part
    return MessageItem(id, "message", role, status, [shown_part(each) for each in content])


def call_item(
    letters: str, place: int, call_id: str, name: str, arguments: str, status: Any = "completed"
) -> CallItem:  # Any: one of CallItem's words.
    return CallItem(f"fc_{letters}_{place}", "function_call", call_id, name, arguments, status)


def place_of(item_id: str | None) -> Place | None:
    """Return where the item with an id is; None if that is no item's id."""
    match = ITEM.fullmatch(item_id or "")
    if match is None:
        return None
    kind, letters, number = match.groups()
    return Place(f"msg_{letters}", ({"rs": 0, "fc": 2}.get(kind, 1), int(number or 0)))


def beyond(items: Sequence[ItemOut], rank: tuple[int, int], window: Window) -> list[ItemOut]:
    """Return the items of a message behind a rank, in the order in which the window reads."""
    ranked = [(place.rank, each) for each in items if (place := place_of(each.id)) is not None]
    if window.reads_descending:
        return [each for its, each in reversed(ranked) if its < rank]
    return [each for its, each in ranked if its > rank]


def position_of(window: Window) -> Place | None:
    """Return the item at which a page begins; None for the first page. Raises InvalidCursor."""
    place = place_of(window.cursor)
    if place is None and window.cursor is not None:
        raise InvalidCursor(param=window.param)
    return place


async def made(tx: ScopedTransaction, found: Sequence[native.Message]) -> list[list[ItemOut]]:
    """Return the items of each message."""
    by = await origins.find(tx, [each.response_id for each in found])
    reasons = {response_id: origin.finish_reason for response_id, origin in by.items()}
    return [shown(each, reasons.get(each.response_id or "")) for each in found]


async def list_items(tx: ScopedTransaction, thread_id: str, query: ListQuery) -> Page:
    """Return one page of the current line's items, the newest first unless asked otherwise."""
    window, rest = window_of(query), list[ItemOut]()
    place = position_of(window)
    if place is not None:
        after, before = (place.message_id, None) if window.before is None else (None, place.message_id)
        window = replace(window, after=after, before=before)
        rest = beyond(await of_message(tx, thread_id, place.message_id), place.rank, window)
    return page_of(*await walk(tx, thread_id, window, partial(made, tx), rest, with_payload=True))


async def of_message(tx: ScopedTransaction, thread_id: str, message_id: str) -> list[ItemOut]:
    """Return the items of one message; none of one that is gone."""
    try:
        found = await messages.read(tx, thread_id, message_id)
    except MessageNotFound:
        return []
    [items] = await made(tx, [found.object])
    return items


async def create(
    tx: ScopedTransaction, thread_id: str, places: Sequence[int], body: native.MessagesCreate,
    precondition: Precondition | None,
) -> Versioned:  # fmt: skip
    """Add items, which were mapped before; return those that are stored."""
    if not body.messages:
        (await hold(tx, thread_id)).allow(Action.ADD_MESSAGE)
        return Versioned(page_of([], False), None)
    with named(places, "items"):
        added: Any = await appending.append(tx, thread_id, body, precondition)
    page = added.object if isinstance(added, Versioned) else added
    for message, sent in zip(page.data, body.messages, strict=True):
        message.payload = msgspec.UNSET if sent.payload is None else sent.payload
    items = [each for message in page.data for each in shown(message)]
    return Versioned(page_of(items, False), None, getattr(added, "thread_revision", None), about=page)


async def read_item(tx: ScopedTransaction, thread_id: str, item_id: str) -> ItemOut:
    _, item = await find(tx, thread_id, item_id)
    return item


async def find(tx: ScopedTransaction, thread_id: str, item_id: str) -> tuple[native.Message, ItemOut]:
    """Return an item and the message that it is in. Raises ThreadNotFound or MessageNotFound."""
    place = place_of(item_id)
    assert place is not None
    message: native.Message = (await messages.read(tx, thread_id, place.message_id)).object
    [items] = await made(tx, [message])
    for each in items:
        if each.id == item_id:
            return message, each
    raise MessageNotFound()


async def delete(tx: ScopedTransaction, thread_id: str, item_id: str) -> Versioned:
    """Delete one item, and its message with the last of them; return the thread."""
    # Where an item stands in its message must not change before it is removed.
    await hold(tx, thread_id)
    message, item = await find(tx, thread_id, item_id)
    kept = kept_of(message)
    if isinstance(item, Reasoning):
        reasoning = [each for n, each in enumerate(kept.reasoning) if not item_id.endswith(f"_{n}")]
        change = native.MessageUpdate(payload=payload_of(structs.replace(kept, reasoning=reasoning)))
        await messages.update(tx, thread_id, message.id, change)
    elif isinstance(item, ResultItem):
        await messages.delete(tx, thread_id, message.id)
    else:
        await remove(tx, message, item, kept)
    return await threads.read_without_payload(tx, thread_id)


async def remove(tx: ScopedTransaction, message: native.Message, item: ItemOut, kept: Kept) -> None:
    """Remove what a message says, or one of its calls. The other calls keep their places."""
    calls = numbered(message, kept)
    part = None
    if isinstance(item, CallItem):
        part = next(n for n, (place, _) in enumerate(calls) if item.id.endswith(f"_{place}"))
        del calls[part]
    places = [place for place, _ in calls]
    left = structs.replace(kept, places=None if places == list(range(len(places))) else places)
    await parts.remove_part(tx, message.thread_id, message.id, part, payload_of(left))
