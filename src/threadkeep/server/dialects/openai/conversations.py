"""Conversations, which are threads of this service under another name."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from threadkeep.contract import threads as native
from threadkeep.contract.basis import Title
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.ids import with_prefix
from threadkeep.operations.revisions import Precondition, Versioned
from threadkeep.operations.threads import threads as native_threads
from threadkeep.server.dialects.common import named
from threadkeep.server.dialects.openai import items, threads
from threadkeep.server.dialects.openai.common import (
    Body,
    Deleted,
    Json,
    Metadata,
    MetadataGiven,
    Object,
    shown_metadata,
)


class Conversation(Object):
    """A conversation. `title`, `status` and `state` are threadkeep's own."""

    id: str
    object: Literal["conversation"]
    created_at: int
    metadata: Metadata
    title: Title | None
    status: native.Status
    state: Literal["open", "locked", "archived"]


class ConversationCreate(Body):
    """A new conversation."""

    items: Annotated[list[Json], Meta(max_length=20)] | None = None
    metadata: MetadataGiven | None = None
    title: Title | None = None


class ConversationUpdate(Body):
    """What may change in a conversation. Metadata merges; null clears it."""

    metadata: MetadataGiven | UnsetType | None = UNSET
    title: Title | UnsetType | None = UNSET


def thread_id_of(conversation_id: str) -> str:
    return with_prefix(conversation_id, "thread")


def id_of(thread_id: str) -> str:
    return with_prefix(thread_id, "conv")


def given(body: ConversationCreate) -> list[Any]:  # Any: the arguments of `create`.
    """Return the native request, and the places of its messages among the items."""
    found = items.given(body.items or ())
    return [found.places, native.ThreadCreate(metadata=body.metadata, title=body.title, messages=found.messages)]


def told(found: Versioned) -> Versioned:
    """Return a native thread as a conversation."""
    thread: native.Thread = found.object
    conversation = Conversation(
        id_of(thread.id),
        "conversation",
        thread.created_at,
        shown_metadata(thread.metadata),
        thread.title,
        thread.status,
        thread.state.value,
    )
    return found._replace(object=conversation, about=thread)


async def create(tx: ScopedTransaction, places: Sequence[int], body: native.ThreadCreate) -> Versioned:
    """Create a conversation, which was mapped before: how it is stored depends on what is in it."""
    with named(places, "items"):
        return told(await native_threads.create(tx, body))


async def read(tx: ScopedTransaction, thread_id: str) -> Versioned:
    return told(await native_threads.read_without_payload(tx, thread_id))


async def update(
    tx: ScopedTransaction, thread_id: str, body: ConversationUpdate, precondition: Precondition | None
) -> Versioned:
    change = threads.ThreadUpdate(metadata=body.metadata, title=body.title)
    found = await threads.update(tx, thread_id, change, precondition)
    return told(found._replace(object=found.about))


async def delete(tx: ScopedTransaction, thread_id: str, precondition: Precondition | None) -> Deleted:
    await native_threads.delete(tx, thread_id, precondition)
    return Deleted(id_of(thread_id), "conversation.deleted", True)


async def delete_item(tx: ScopedTransaction, thread_id: str, item_id: str) -> Versioned:
    """Delete an item; return the conversation that it was in."""
    return told(await items.delete(tx, thread_id, item_id))
