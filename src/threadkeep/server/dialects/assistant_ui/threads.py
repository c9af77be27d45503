"""Threads of assistant-ui's cloud, which are threads of this service."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field

from threadkeep.contract import threads as native
from threadkeep.contract.basis import ExternalId, Metadata, MetadataChange, OrganizationQuery, Title
from threadkeep.contract.lifecycle import State
from threadkeep.contract.limits import PAGE_OBJECTS_MAX
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.errors import ExternalIdTaken
from threadkeep.operations import metadata
from threadkeep.operations.paging import window
from threadkeep.operations.threads import listing, state, threads
from threadkeep.operations.threads.rows import hold
from threadkeep.server.dialects.assistant_ui.common import time_text
from threadkeep.server.dialects.chats import find_own_thread
from threadkeep.server.dialects.lenient import Lenient


class CloudThread(Struct):
    """A thread. The project is the organization, the workspace its user."""

    id: str
    title: Title | None
    last_message_at: str
    metadata: Metadata
    external_id: str | None
    project_id: str
    created_at: str
    updated_at: str
    workspace_id: str
    is_archived: bool


class CloudThreads(Struct):
    """Threads; fewer than were asked for are the last."""

    threads: list[CloudThread]


class OneThread(Struct):
    """A thread that was asked for by its id."""

    thread: CloudThread


class ThreadMade(Struct):
    """Which thread was made, or is there."""

    thread_id: str


class CloudThreadCreate(Lenient):
    """A new thread. With `upsert` the one that has this `external_id`, if there is one."""

    title: Title | None = None
    metadata: MetadataChange | None = None
    external_id: ExternalId | None = None
    upsert: bool | None = None


class CloudThreadUpdate(Lenient):
    """What may change in a thread. `metadata` replaces all pairs."""

    title: Title | UnsetType | None = UNSET
    metadata: MetadataChange | UnsetType | None = UNSET
    is_archived: bool | None = None


class CloudThreadsQuery(OrganizationQuery, frozen=True):
    """What the list of threads takes."""

    limit: Annotated[int, Meta(ge=1, le=PAGE_OBJECTS_MAX)] = 20
    after: Annotated[str, Meta(max_length=512)] | None = None
    is_archived: bool | None = field(default=None, name="is_archived")


def shown(thread: native.Thread) -> CloudThread:
    return CloudThread(
        thread.id,
        thread.title,
        time_text(thread.created_at if thread.last_message_at is None else thread.last_message_at),
        thread.metadata,
        thread.external_id,
        thread.organization_id,
        time_text(thread.created_at),
        time_text(thread.updated_at),
        thread.user_id,
        thread.state is State.ARCHIVED,
    )


async def list_threads(tx: ScopedTransaction, query: CloudThreadsQuery) -> CloudThreads:
    """Return exactly as many of the caller's own threads as were asked for, the newest first, or all that are left.

    The client takes a shorter page for the last one, and native pages also end at a size.
    """
    state = State.ARCHIVED if query.is_archived else None
    own = listing.Filter(user_id=tx.scope.user_id, visible_in_ui=True, state=state)
    found: list[CloudThread] = []
    after = query.after
    while len(found) < query.limit:
        wanted = listing.Query(own, window(query.limit - len(found), "desc", after, None))
        page = await listing.list_threads(tx, wanted)
        found += [shown(each) for each in page.data]
        after = page.next_cursor
        if after is None:
            break
    return CloudThreads(found)


async def create(tx: ScopedTransaction, body: CloudThreadCreate) -> ThreadMade:
    asked = native.ThreadCreate(title=body.title, metadata=body.metadata, external_id=body.external_id)
    try:
        return ThreadMade((await threads.create(tx, asked)).object.id)
    except ExternalIdTaken:
        there = await find_own_thread(tx, body.external_id) if body.upsert and body.external_id else None
        if there is None:
            raise
        return ThreadMade(there.id)


async def read(tx: ScopedTransaction, thread_id: str) -> OneThread:
    return OneThread(shown((await threads.read_without_payload(tx, thread_id)).object))


async def update(tx: ScopedTransaction, thread_id: str, body: CloudThreadUpdate) -> None:
    """Change a thread. It leaves the archive first, and goes into it last."""
    held = await hold(tx, thread_id)
    if body.is_archived is False:
        await state.unarchive(tx, thread_id)
    change = body.metadata
    if change is not UNSET and change is not None:
        stored: dict[str, Any] = metadata.decode(held.metadata)
        change = dict.fromkeys(stored.keys() - change.keys()) | change
    if body.title is not UNSET or change is not UNSET:
        await threads.update(tx, thread_id, native.ThreadUpdate(body.title, change))
    if body.is_archived:
        await state.archive(tx, thread_id)


async def delete(tx: ScopedTransaction, thread_id: str) -> None:
    await threads.delete(tx, thread_id)
