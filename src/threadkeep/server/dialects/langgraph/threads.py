"""Threads as LangGraph's clients know them."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from threadkeep.contract import threads as native
from threadkeep.contract.basis import MetadataChange
from threadkeep.contract.limits import METADATA_FILTERS_MAX, PAGE_OBJECTS_MAX
from threadkeep.contract.messages import Message
from threadkeep.contract.threads import ThreadCopy
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.errors import InvalidField, ThreadExists, ThreadNotFound
from threadkeep.operations import metadata
from threadkeep.operations.messages import listing as message_lists
from threadkeep.operations.messages.listing import MessageQuery
from threadkeep.operations.paging import window
from threadkeep.operations.revisions import Versioned
from threadkeep.operations.threads import copying, listing, threads
from threadkeep.server.dialects import chats
from threadkeep.server.dialects.langgraph import assistants, ids, messages
from threadkeep.server.dialects.langgraph.errors import Unsupported
from threadkeep.server.dialects.langgraph.messages import Values
from threadkeep.server.dialects.langgraph.states import is_whole
from threadkeep.server.dialects.langgraph.walking import Offset, iso, walk
from threadkeep.server.dialects.lenient import Lenient

Json = dict[str, Any]  # Any: JSON.
# Of these a search names the assistant that answered, under whichever name.
OF_ASSISTANT = ("graph_id", "assistant_id")


class GraphThread(msgspec.Struct):
    """A thread. `values` holds its messages, in a search the first one, and is null where they were not read."""

    thread_id: str
    created_at: str
    updated_at: str
    metadata: Json
    status: Literal["idle", "busy"]
    values: Values | None
    interrupts: Json


class GraphThreadCreate(Lenient):
    """A new thread."""

    thread_id: str | None = None
    metadata: MetadataChange | None = None
    if_exists: Literal["raise", "do_nothing"] | None = None
    ttl: Any | None = None  # Any: JSON.
    supersteps: Any | None = None  # Any: JSON.


class GraphThreadUpdate(Lenient):
    """What may change in a thread. Metadata merges."""

    metadata: MetadataChange | None = None
    ttl: Any | None = None  # Any: JSON.


class ThreadSearch(Lenient):
    """Which threads are asked for."""

    metadata: Json | None = None
    ids: Annotated[list[str], Meta(max_length=PAGE_OBJECTS_MAX)] | None = None
    status: Literal["idle", "busy", "interrupted", "error"] | None = None
    limit: Annotated[int, Meta(ge=1, le=PAGE_OBJECTS_MAX)] = 10
    offset: Offset = 0
    sort_by: Literal["created_at", "updated_at"] | None = None
    sort_order: Literal["asc", "desc"] | None = None
    select: list[str] | None = None
    values: Json | None = None
    extract: Json | None = None


def shown(thread: native.Thread, line: list[Message] | None = None) -> GraphThread:
    return GraphThread(
        ids.shown(thread.id),
        iso(thread.created_at),
        iso(thread.updated_at),
        metadata.decode(thread.metadata),
        "busy" if thread.status == "streaming" else "idle",
        None if line is None else Values([messages.shown(each) for each in line if is_whole(each)]),
        {},
    )


def told(found: Versioned) -> Versioned:
    return found._replace(object=shown(found.object), about=found.object)


def refuse(**given: object) -> None:
    """Raise Unsupported for the first of these fields that asks for something."""
    for name, value in given.items():
        if value:
            raise Unsupported("threadkeep does not do this: leave it out.", param=name)


async def create(tx: ScopedTransaction, body: GraphThreadCreate) -> Versioned:
    refuse(ttl=body.ttl, supersteps=body.supersteps)
    made = native.ThreadCreate(metadata=body.metadata)
    if body.thread_id is not None:
        made.id = ids.native(body.thread_id, "thread")
        try:
            found = await threads.read_without_payload(tx, made.id)
        except ThreadNotFound:
            found = None
        if found is not None:
            if body.if_exists == "do_nothing":
                return told(found)
            raise ThreadExists(param="thread_id")
    return told(await threads.create(tx, made))


async def read(tx: ScopedTransaction, thread_id: str) -> Versioned:
    found = await threads.read_without_payload(tx, thread_id)
    line = await chats.current_line(tx, thread_id)
    return found._replace(object=shown(found.object, line), about=found.object)


async def update(tx: ScopedTransaction, thread_id: str, body: GraphThreadUpdate) -> Versioned:
    refuse(ttl=body.ttl)
    return told(await threads.update(tx, thread_id, native.ThreadUpdate(metadata=body.metadata or {}), None))


async def copy(tx: ScopedTransaction, thread_id: str) -> Versioned:
    return told(await copying.copy(tx, thread_id, ThreadCopy()))


async def filter_of(tx: ScopedTransaction, body: ThreadSearch) -> listing.Filter:
    """Return the native filter. Raises Unsupported or InvalidField."""
    refuse(values=body.values, extract=body.extract)
    assistant_id = None
    pairs: list[bytes] = []
    for key, value in (body.metadata or {}).items():
        if not isinstance(value, str | int | float | bool):
            raise InvalidField("Metadata is found by texts, numbers and booleans.", param="metadata")
        if key in OF_ASSISTANT:
            assistant_id = await assistants.resolve(tx, str(value)) or assistant_id
        else:
            pairs.append(metadata.pair_hash(key, metadata.value_text(value)))
    if len(pairs) > METADATA_FILTERS_MAX:
        raise InvalidField(f"At most {METADATA_FILTERS_MAX} metadata filters go together.", param="metadata")
    is_streaming = None if body.status is None else body.status == "busy"
    return listing.Filter(assistant_id=assistant_id, visible_in_ui=True, is_streaming=is_streaming, pairs=tuple(pairs))


async def search(tx: ScopedTransaction, body: ThreadSearch) -> list[GraphThread]:
    """Return the threads that match, with the first message of each."""
    filter = await filter_of(tx, body)
    sort = "updatedAt" if body.sort_by == "updated_at" else "createdAt"
    if body.status in ("interrupted", "error"):
        return []

    async def page(limit: int, after: str | None) -> Any:
        return await listing.list_threads(
            tx, listing.Query(filter, window(limit, body.sort_order or "desc", after, None), sort)
        )

    if body.ids is not None:
        found = await named(tx, body)
    else:
        found = await walk(page, body.limit, body.offset)
    with_values = body.select is None or "values" in body.select
    return [shown(each, await first_of(tx, each) if with_values else None) for each in found]


async def named(tx: ScopedTransaction, body: ThreadSearch) -> list[native.Thread]:
    """Return the threads that a search names. Raises Unsupported if it also asks for something else."""
    refuse(metadata=body.metadata, status=body.status)
    found: list[native.Thread] = []
    for each in body.ids or ():
        try:
            found.append((await threads.read_without_payload(tx, ids.native(each, "thread"))).object)
        except ThreadNotFound:
            continue
    return found[body.offset : body.offset + body.limit]


async def first_of(tx: ScopedTransaction, thread: native.Thread) -> list[Message]:
    if not thread.message_count:
        return []
    query = MessageQuery(window(1, "asc", None, None), branch="current")
    return [chats.decoded(each) for each in (await message_lists.list_messages(tx, thread.id, query)).data]


async def count(tx: ScopedTransaction, body: ThreadSearch) -> int:
    if body.status in ("interrupted", "error"):
        return 0
    if body.ids is not None:
        return len(await named(tx, body))
    query = listing.Query(await filter_of(tx, body), window(1, "desc", None, None), with_total=True)
    total = (await listing.list_threads(tx, query)).total
    assert isinstance(total, int)
    return total
