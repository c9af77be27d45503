"""Threads of OpenAI's Assistants API, which are threads of this service."""

from typing import Any, Literal

from msgspec import UNSET, UnsetType

from threadkeep.contract import threads as native
from threadkeep.contract.basis import Title
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.operations import metadata as native_metadata
from threadkeep.operations.revisions import Precondition, Versioned
from threadkeep.operations.threads import listing, threads
from threadkeep.operations.threads.rows import hold
from threadkeep.server.dialects.openai import messages
from threadkeep.server.dialects.openai.common import (
    Body,
    Deleted,
    ListQuery,
    Metadata,
    MetadataGiven,
    Object,
    Page,
    may_repeat,
    page_of,
    require_no_resources,
    shown_metadata,
    window_of,
    without_repeated,
)
from threadkeep.server.dialects.openai.messages import MessageCreate


class Thread(Object):
    """A conversation. `title`, `status` and `state` are threadkeep's own."""

    id: str
    object: Literal["thread"]
    created_at: int
    metadata: Metadata
    tool_resources: dict[str, Any]  # Any: always empty.
    title: Title | None
    status: native.Status
    state: Literal["open", "locked", "archived"]


class ThreadCreate(Body):
    """A new thread."""

    messages: list[MessageCreate] | None = None
    metadata: MetadataGiven | None = None
    tool_resources: Any | None = None  # Any: JSON.
    title: Title | None = None


class ThreadUpdate(Body):
    """What may change in a thread. Metadata merges; null clears it."""

    metadata: MetadataGiven | UnsetType | None = UNSET
    tool_resources: Any | None = None  # Any: JSON.
    title: Title | UnsetType | None = UNSET


class ThreadsQuery(ListQuery, frozen=True):
    """What the list of threads takes, besides `metadata[<key>]=<value>`."""

    # Not a parameter of its own: the pairs of all metadata[<key>]=<value>.
    pairs: tuple[tuple[str, str], ...] = ()


def given(body: ThreadCreate) -> native.ThreadCreate:
    """Return the native request. Raises UnsupportedValue."""
    require_no_resources(body.tool_resources)
    added = [messages.given(each, f"messages[{place}].") for place, each in enumerate(body.messages or ())]
    return native.ThreadCreate(metadata=body.metadata, title=body.title, messages=added)


def shown(thread: native.Thread) -> Thread:
    return Thread(
        thread.id,
        "thread",
        thread.created_at,
        shown_metadata(thread.metadata),
        {},
        thread.title,
        thread.status,
        thread.state.value,
    )


def told(found: Versioned) -> Versioned:
    return found._replace(object=shown(found.object), about=found.object)


async def create(tx: ScopedTransaction, body: native.ThreadCreate) -> Versioned:
    """Create a thread, which was mapped before: how it is stored depends on what is in it."""
    return told(await threads.create(tx, body))


async def read(tx: ScopedTransaction, thread_id: str) -> Versioned:
    return told(await threads.read_without_payload(tx, thread_id))


async def update(
    tx: ScopedTransaction, thread_id: str, body: ThreadUpdate, precondition: Precondition | None
) -> Versioned:
    require_no_resources(body.tool_resources)
    change = body.metadata
    if change is not UNSET and change is not None and may_repeat(change):
        change = without_repeated(change, (await hold(tx, thread_id)).metadata)
    return told(await threads.update(tx, thread_id, native.ThreadUpdate(body.title, change), precondition))


async def delete(tx: ScopedTransaction, thread_id: str, precondition: Precondition | None) -> Deleted:
    await threads.delete(tx, thread_id, precondition)
    return Deleted(thread_id, "thread.deleted", True)


def query_of(query: ThreadsQuery) -> listing.Query:
    """Return the native query: threads that people see, by creation, without archived ones."""
    pairs = tuple(native_metadata.pair_hash(key, value) for key, value in query.pairs)
    return listing.Query(listing.Filter(visible_in_ui=True, pairs=pairs), window_of(query))


async def list_threads(tx: ScopedTransaction, query: listing.Query) -> Page:
    page = await listing.list_threads(tx, query)
    return page_of([shown(each) for each in page.data], page.has_more)
