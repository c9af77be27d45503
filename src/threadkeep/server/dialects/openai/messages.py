"""Messages of OpenAI's Assistants API: those of people and of assistants. Tools' are in run steps, and in items."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import UNSET, UnsetType, field

from threadkeep.contract import messages as native
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.errors import MessageNotFound
from threadkeep.ids import with_prefix
from threadkeep.operations.messages import appending, messages
from threadkeep.operations.messages.rows import decode_parts
from threadkeep.operations.responses import origins
from threadkeep.operations.responses.origins import Origin
from threadkeep.operations.revisions import Precondition, Versioned
from threadkeep.operations.threads.rows import hold
from threadkeep.server.dialects.openai import contents
from threadkeep.server.dialects.openai.common import (
    NO_FILES,
    Body,
    Deleted,
    ListQuery,
    Metadata,
    MetadataGiven,
    Object,
    Page,
    may_repeat,
    page_of,
    refuse,
    shown_metadata,
    window_of,
    without_repeated,
)
from threadkeep.server.dialects.openai.contents import ContentIn, PartOut
from threadkeep.server.dialects.openai.walking import walk

# Why an answer is incomplete, by how its response ended.
REASONS = {"cancelled": "run_cancelled", "failed": "run_failed"}


class IncompleteDetails(Object):
    """Why a message is incomplete."""

    reason: Literal["max_tokens", "run_cancelled", "run_failed", "run_expired", "content_filter"]


class Message(Object):
    """One message of a thread."""

    id: str
    object: Literal["thread.message"]
    created_at: int
    thread_id: str
    role: Literal["user", "assistant"]
    status: Literal["in_progress", "incomplete", "completed"]
    completed_at: int | None
    incomplete_at: int | None
    incomplete_details: IncompleteDetails | None
    content: list[PartOut]
    assistant_id: str | None
    run_id: str | None
    attachments: list[Any]  # Any: always empty.
    metadata: Metadata


class MessageCreate(Body):
    """A message to add."""

    role: Literal["user", "assistant"]
    content: ContentIn
    attachments: Any | None = None  # Any: JSON; only an empty list is taken.
    metadata: MetadataGiven | None = None


class MessageUpdate(Body):
    """What may change in a message. Metadata merges; null clears it."""

    metadata: MetadataGiven | UnsetType | None = UNSET


class MessagesQuery(ListQuery, frozen=True):
    """What the list of messages takes."""

    run_id: str | None = field(default=None, name="run_id")


def given(body: MessageCreate, param: str = "") -> native.MessageCreate:
    """Return the native request. Raises UnsupportedValue, or InvalidField for content that is blank."""
    if body.attachments:
        refuse(f"{param}attachments", NO_FILES)
    return native.MessageCreate(body.role, contents.given(body.content, f"{param}content"), metadata=body.metadata)


def shown(message: native.Message, by: Mapping[str, Origin]) -> Message:
    """Return the message as a client gets it, given the responses that wrote messages."""
    origin = None if message.response_id is None else by.get(message.response_id)
    reason = reason_of(message, origin)
    is_complete = message.status == "completed" and reason is None
    ended_at = message.created_at
    if origin is not None and origin.ended_ms is not None:
        ended_at = origin.ended_ms // 1000
    return Message(
        message.id,
        "thread.message",
        message.created_at,
        message.thread_id,
        message.role,  # type: ignore[arg-type]  # Only of these two roles.
        "completed" if is_complete else "in_progress" if message.status == "in_progress" else "incomplete",
        ended_at if is_complete else None,
        None if reason is None else ended_at,
        None if reason is None else IncompleteDetails(reason),  # type: ignore[arg-type]  # One of REASONS.
        contents.shown(decode_parts(message.content)),  # type: ignore[arg-type]  # The JSON that is stored.
        message.assistant_id,
        None if origin is None else with_prefix(origin.first_id, "run"),
        [],
        shown_metadata(message.metadata),
    )


def reason_of(message: native.Message, origin: Origin | None) -> str | None:
    """Return why the message is incomplete; None if it is not."""
    if origin is not None and origin.finish_reason == "length":
        return "max_tokens"
    if message.status != "incomplete":
        return None
    return "run_failed" if origin is None else REASONS.get(origin.status, "run_failed")


def is_shown(message: native.Message) -> bool:
    """Return whether it is a message here: a person's or an assistant's that says something."""
    stored: Any = message.content  # Any: the JSON that is stored.
    return message.role in ("user", "assistant") and bytes(stored) != b"[]"


async def one(tx: ScopedTransaction, found: Versioned) -> Versioned:
    message: native.Message = found.object
    if not is_shown(message):
        raise MessageNotFound()
    by = await origins.find(tx, [message.response_id])
    return found._replace(object=shown(message, by), about=message)


async def create(
    tx: ScopedTransaction, thread_id: str, body: native.MessageCreate, precondition: Precondition | None
) -> Versioned:
    """Add a message, which was mapped before: how it is stored depends on what is in it."""
    added = await appending.append(tx, thread_id, body, precondition)
    assert isinstance(added, Versioned)
    return added._replace(object=shown(added.object, {}), about=added.object)


async def read(tx: ScopedTransaction, thread_id: str, message_id: str) -> Versioned:
    return await one(tx, await messages.read(tx, thread_id, message_id))


async def update(
    tx: ScopedTransaction, thread_id: str, message_id: str, body: MessageUpdate, precondition: Precondition | None
) -> Versioned:
    change = body.metadata
    if change is not UNSET and change is not None and may_repeat(change):
        await hold(tx, thread_id)
        stored, _, _ = await messages.find(tx, thread_id, message_id)
        change = without_repeated(change, stored.metadata)
    update = native.MessageUpdate(metadata=change)
    return await one(tx, await messages.update(tx, thread_id, message_id, update, precondition))


async def delete(tx: ScopedTransaction, thread_id: str, message_id: str, precondition: Precondition | None) -> Deleted:
    await messages.delete(tx, thread_id, message_id, precondition)
    return Deleted(message_id, "thread.message.deleted", True)


async def list_messages(tx: ScopedTransaction, thread_id: str, query: MessagesQuery) -> Page:
    """Return one page of the current line, the newest first unless asked otherwise."""

    async def make(found: Sequence[native.Message]) -> list[list[Message]]:
        by = await origins.find(tx, [each.response_id for each in found])
        made = [[shown(each, by)] if is_shown(each) else [] for each in found]
        return [[each for each in some if query.run_id in (None, each.run_id)] for some in made]

    return page_of(*await walk(tx, thread_id, window_of(query), make))
