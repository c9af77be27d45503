"""Rows: the messages of a thread as assistant-ui's cloud keeps them, with their parents, each in some format.

What a front end sent is kept word for word as the message's payload, beside the native message that is made of it.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Struct

from threadkeep.contract.basis import ExternalId, GivenFormat, OrganizationQuery, Payload, Value
from threadkeep.contract.lifecycle import State
from threadkeep.contract.messages import Message, MessageCreate, MessageUpdate, Part, ToolCall
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.errors import InvalidCursor, InvalidField, MessageNotFound
from threadkeep.operations.messages import appending, messages
from threadkeep.operations.messages import listing as message_lists
from threadkeep.operations.messages.listing import SORT, MessageQuery
from threadkeep.operations.messages.rows import check_urls
from threadkeep.operations.paging import encode_position, window
from threadkeep.operations.revisions import Versioned
from threadkeep.operations.threads.rows import HeldThread, hold
from threadkeep.server.body import convert
from threadkeep.server.dialects import aui_messages, ui_messages
from threadkeep.server.dialects.assistant_ui.common import time_text
from threadkeep.server.dialects.chats import PAGE, decoded, find_message, group_from
from threadkeep.server.dialects.lenient import Lenient
from threadkeep.server.dialects.ui_messages import Json, encode

NO_LEASE = "Runs hold no lease of the client's here: leave open_run and lease_id out."
ROLES = ("user", "assistant", "system")


class Row(Struct):
    """A message. `height` is its distance from the first one of its line."""

    id: str
    parent_id: str | None
    height: int
    created_at: str
    updated_at: str
    format: str
    content: Json
    external_id: str | None


class Rows(Struct):
    """Messages; fewer than were asked for are the last."""

    messages: list[Row]


class RowMade(Struct):
    """Which message was stored, or is there."""

    message_id: str


class FeedbackKept(Struct, omit_defaults=True):
    """What was said of a message."""

    feedback_id: str
    type: Literal["positive", "negative"]
    comment: str | None = None


class HasContent(Lenient):
    """A body with a message's content, which is stored as its payload."""

    content: Json

    @classmethod
    def of(cls, decoded: Json) -> type["HasContent"]:
        """Return the struct for a decoded body. Its content is put where payloads are looked for that are too large."""
        decoded["payload"] = {"data": encode(decoded.get("content")).decode()}
        return cls


class RowCreate(HasContent, kw_only=True):
    """A message to keep. One whose `external_id` is known already is not stored again."""

    format: GivenFormat
    parent_id: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    external_id: ExternalId | None = None
    parent_external_id: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    open_run: Any | None = None  # Any: it is refused.
    lease_id: Any | None = None  # Any: it is refused.


class RowUpdate(HasContent):
    """New content of a message."""


class RowsDelete(Lenient):
    """Messages to delete, all or none."""

    message_ids: Annotated[list[str], Meta(min_length=1, max_length=200)]


class Feedback(Lenient):
    """What somebody thinks of a message."""

    type: Literal["positive", "negative"]
    comment: str | None = None


class RowsQuery(OrganizationQuery, frozen=True):
    """What the list of messages takes."""

    limit: Annotated[int, Meta(ge=1, le=200)] = 200
    after: Annotated[str, Meta(max_length=512)] | None = None
    format: Annotated[str, Meta(max_length=64)] | None = None


class Group(NamedTuple):
    """The messages that are one row, and where it stands."""

    members: list[Message]
    parent_id: str | None
    height: int

    @property
    def first_seq(self) -> int:
        return self.members[0].seq


# There.


def native(format: str, content: Json) -> MessageCreate:
    """Return a row as a native message with the original as its payload; what is not understood is there alone."""
    ui = content if format == ui_messages.FORMAT else {}
    if format == aui_messages.FORMAT:
        ui = aui_messages.as_ui(content)
    role = content.get("role")
    said: list[Part] = []
    calls: list[ToolCall] = []
    for part in aui_messages.listed(ui.get("parts")):
        with suppress(InvalidField):
            if part.get("type") in ("text", "file"):
                said += readable(part)
            elif role == "assistant" and ui_messages.is_call(part):
                calls.append(ui_messages.given_call(part))
    message = MessageCreate(role if role in ROLES else "user", said, tool_calls=calls or None)
    message.payload = Payload(format, encode(content).decode())
    made: MessageCreate = convert(msgspec.to_builtins(message), MessageCreate)
    return made


def readable(part: Json) -> list[Part]:
    """Return the content of a part. Raises InvalidField for one that has no place natively."""
    found = list(ui_messages.given_content(part))
    check_urls(found)
    return found


async def create(tx: ScopedTransaction, thread_id: str, body: RowCreate) -> RowMade:
    """Keep a message; of one that is known only the original, if it has none and may change."""
    if body.open_run or body.lease_id is not None:
        raise InvalidField(NO_LEASE, param="open_run" if body.open_run else "lease_id")
    # Two copies of the same message come at once: the second one waits here, and finds the first.
    held = await hold(tx, thread_id)
    new = native(body.format, body.content)
    if body.external_id is not None:
        known = await find_message(tx, thread_id, body.external_id)
        if known is not None:
            await keep_original(tx, held, known, new.payload)
            return RowMade(known.id)
        new.external_id = body.external_id
    new.parent_id = await find_end(tx, thread_id, body.parent_id or body.parent_external_id)
    added = await appending.append(tx, thread_id, new)
    assert isinstance(added, Versioned)
    return RowMade(added.object.id)


async def keep_original(tx: ScopedTransaction, held: HeldThread, known: Message, payload: Payload | None) -> None:
    is_free = held.state is State.OPEN and not (held.response_id is not None and held.is_leased)
    if is_free and known.payload_format is None and known.status != "in_progress":
        await messages.update(tx, held.id, known.id, MessageUpdate(payload=payload))


async def find_end(tx: ScopedTransaction, thread_id: str, name: str | None) -> str | None:
    """Return the message that one follows which follows this row. Raises MessageNotFound."""
    return None if name is None else (await members_of(tx, thread_id, name, "parent_id"))[-1].id


async def members_of(tx: ScopedTransaction, thread_id: str, name: str, param: str | None = None) -> list[Message]:
    """Return the messages that are one row, given an id of the first one. Raises MessageNotFound."""
    first = await find_message(tx, thread_id, name)
    if first is None:
        raise MessageNotFound(param=param)
    return await group_from(tx, thread_id, first)


async def update(tx: ScopedTransaction, thread_id: str, name: str, body: RowUpdate) -> None:
    """Give a message new content. Of a row of several messages only the original changes: its texts are in several."""
    members = await members_of(tx, thread_id, name)
    by_shape = ui_messages.FORMAT if "parts" in body.content else aui_messages.FORMAT
    new = native(members[0].payload_format or by_shape, body.content)
    content = UNSET if len(members) > 1 else new.content
    await messages.update(tx, thread_id, members[0].id, MessageUpdate(content, payload=new.payload))


async def delete(tx: ScopedTransaction, thread_id: str, body: RowsDelete) -> None:
    for name in dict.fromkeys(body.message_ids):
        for message in await members_of(tx, thread_id, name, "message_ids"):
            await messages.delete(tx, thread_id, message.id)


async def keep_feedback(tx: ScopedTransaction, thread_id: str, name: str, body: Feedback) -> FeedbackKept:
    """Keep what somebody thinks of a message with its metadata, in place of what was said before."""
    [message, *_] = await members_of(tx, thread_id, name)
    said: dict[str, Value | None] = {"feedback": body.type, "feedbackComment": body.comment or None}
    await messages.update(tx, thread_id, message.id, MessageUpdate(metadata=said))
    return FeedbackKept(message.id, body.type, body.comment or None)


# Back.


async def list_rows(tx: ScopedTransaction, thread_id: str, query: RowsQuery) -> Rows:
    """Return exactly as many rows as were asked for, the newest first, or all that are left.

    The client takes a shorter page for the last one. Heights and parents need the whole thread, but no originals of
    other pages.
    """
    groups = grouped(await read(tx, thread_id))
    if query.after is not None:
        last = await find_message(tx, thread_id, query.after)
        if last is None:
            raise InvalidCursor(param="after")
        groups = [group for group in groups if group.first_seq < last.seq]
    groups = groups[-query.limit :]
    seqs = [message.seq for group in groups for message in group.members if message.payload_format is not None]
    kept = {each.seq: each for each in await read(tx, thread_id, min(seqs), max(seqs))} if seqs else {}
    return Rows([row(group, kept, query.format) for group in reversed(groups)])


async def read(tx: ScopedTransaction, thread_id: str, from_seq: int | None = None, to_seq: int = 0) -> list[Message]:
    """Return all messages of a thread, the oldest first, or some of them with their payloads."""
    found: list[Message] = []
    after = None if from_seq is None else encode_position(SORT, (from_seq - 1,))
    while from_seq is None or not found or found[-1].seq < to_seq:
        query = MessageQuery(window(PAGE, "asc", after, None), with_payload=from_seq is not None)
        page = await message_lists.list_messages(tx, thread_id, query)
        found += page.data
        after = page.next_cursor
        if after is None:
            break
    return found


def grouped(found: Sequence[Message]) -> list[Group]:
    """Return messages, which come in their order, as rows: one of the assistant is all that it says in a turn."""
    groups: list[Group] = []
    by_id: dict[str, Group] = {}
    for message in found:
        before = None if message.parent_id is None else by_id[message.parent_id]
        ends_there = before is not None and before.members[-1].id == message.parent_id
        if before is not None and ends_there and ui_messages.continues(before.members, message):
            before.members.append(message)
        elif before is None:
            groups.append(Group([message], None, 0))
        else:
            groups.append(Group([message], before.members[0].id, before.height + 1))
        by_id[message.id] = before if before is not None and before.members[-1] is message else groups[-1]
    return groups


def row(group: Group, kept: Mapping[int, Message], asked_format: str | None) -> Row:
    """Return a group as a row, given its messages that have originals."""
    members = [decoded(kept.get(each.seq, each)) for each in group.members]
    first = members[0]
    format, content = rendered(members, asked_format)
    changed_at = max(each.updated_at for each in members)
    return Row(
        first.id,
        group.parent_id,
        group.height,
        time_text(first.created_at),
        time_text(changed_at),
        format,
        content,
        first.external_id,
    )


def rendered(members: Sequence[Message], asked_format: str | None) -> tuple[str, Json]:
    """Return the original of a row if that is asked for, else the row as it is natively, and in which format it is."""
    first = members[0]
    kept = original(first)
    own_format = ui_messages.FORMAT if kept is None else first.payload_format
    format = asked_format or own_format or ui_messages.FORMAT
    if kept is not None and format == first.payload_format and len(members) == 1:
        return format, kept
    ui = ui_messages.ui_message(members, first.id)
    del ui["id"]
    if format == aui_messages.FORMAT:
        return format, aui_messages.of_ui(ui, members[-1].status)
    return ui_messages.FORMAT, ui


def original(message: Message) -> Json | None:
    """Return the original that is kept with a message; None without one, or if it is no object."""
    if isinstance(message.payload, Payload):
        with suppress(msgspec.DecodeError):
            found = ui_messages.decode(message.payload.data)
            return found if isinstance(found, dict) else None
    return None
