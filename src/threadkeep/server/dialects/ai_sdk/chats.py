"""A chat: a turn of it, what runs in it, and its messages."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from threadkeep.contract.basis import OrganizationQuery
from threadkeep.contract.limits import PAGE_OBJECTS_MAX
from threadkeep.database.scoped import ScopedDatabase, ScopedTransaction
from threadkeep.errors import ExternalIdTaken, MessageNotFound, ThreadNotFound
from threadkeep.operations import idempotency
from threadkeep.operations.idempotency import Concerns, IdempotentRequest, Stored
from threadkeep.operations.responses import responses
from threadkeep.runtime.answering import Answering
from threadkeep.runtime.following import Follower
from threadkeep.runtime.frames import Allowed, Answered, Presence, Streamed
from threadkeep.server.dialects.ai_sdk.lines import find_edited, newest_groups, shown_id
from threadkeep.server.dialects.ai_sdk.requests import ChatCreate
from threadkeep.server.dialects.ai_sdk.streams import told
from threadkeep.server.dialects.ai_sdk.turns import Follow, plan
from threadkeep.server.dialects.chats import find_thread
from threadkeep.server.dialects.lenient import Lenient
from threadkeep.server.dialects.ui_messages import Json, ui_message


class ChatStop(Lenient):
    """Nothing of it is read."""


class Stopped(msgspec.Struct):
    """Nothing runs any more."""

    success: Literal[True] = True


STOPPED = msgspec.json.encode(Stopped())


class ChatMessages(msgspec.Struct, rename="camel"):
    """Messages of a chat, the oldest first."""

    id: str
    messages: list[Any]  # Any: UIMessages.
    has_more: bool
    response_id: str | None
    """The answer that runs, whose message is left out: `/stream` gives it, also when it has ended meanwhile."""


class ChatMessagesQuery(OrganizationQuery, frozen=True):
    """Which messages of a chat."""

    limit: Annotated[int, Meta(ge=1, le=PAGE_OBJECTS_MAX)] = 100
    before: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    """A message's id: those before it."""


class ChatStreamQuery(OrganizationQuery, frozen=True):
    """Which answer to follow."""

    response_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    """The one that `/messages` named. Left out: the one that runs."""


async def chat(
    answering: Answering,
    db: ScopedDatabase,
    keyed: IdempotentRequest | None,
    body: ChatCreate,
    allowed: Allowed,
    presence: Presence,
) -> Answered | Streamed:
    """Answer a turn, with a stream."""
    try:
        return await turn(answering, db, keyed, body, allowed, presence)
    except ExternalIdTaken:
        # The same request came twice at once: the other one's is there now.
        return await turn(answering, db, keyed, body, allowed, presence)


async def turn(
    answering: Answering,
    db: ScopedDatabase,
    keyed: IdempotentRequest | None,
    body: ChatCreate,
    allowed: Allowed,
    presence: Presence,
) -> Answered | Streamed:
    planned = await db.read_one_commit(plan, body)
    if isinstance(planned, Follow):
        follower = await answering.follow(db, None, planned.thread_id, planned.response_id, None, None)
        assert isinstance(follower, Follower)
        follower.was_replayed = keyed is not None
    else:
        follower = await answering.create(db, keyed, planned.thread_id, planned.body, allowed, presence)
    assert isinstance(follower, Follower)
    return told(follower, planned.head)


async def follow(
    answering: Answering, db: ScopedDatabase, _keyed: None, chat_id: str, query: ChatStreamQuery
) -> Answered | Streamed:
    """Follow what runs, or one answer, from its start; 204 if there is nothing to follow, or no such chat."""
    found = await db.read_one_commit(followed, chat_id, query.response_id)
    if found is None:
        return Answered(204)
    thread_id, response_id, head, before = found
    follower = await answering.follow(db, None, thread_id, response_id, None, None)
    return told(follower, head, before) if isinstance(follower, Follower) else follower


async def followed(tx: ScopedTransaction, chat_id: str, wanted: str | None) -> tuple[str, str, str, list[Json]] | None:
    """Return what to follow: the ids of thread, response and message, and the parts of the message before the answer.

    An answer that has ended is followed while its message is the newest one.
    """
    thread = await find_thread(tx, chat_id)
    running = await responses.find_running(tx, thread.id) if thread is not None else None
    if thread is None or (running is None and wanted is None):
        return None
    groups, _ = await newest_groups(tx, thread.id, 1)
    group = groups[-1] if groups else []
    if running is None and (not group or group[-1].response_id != wanted):
        return None
    head = shown_id(group[0])
    return thread.id, running or wanted or "", head, ui_message(group[:-1], head)["parts"] if len(group) > 1 else []


async def stop(answering: Answering, db: ScopedDatabase, keyed: IdempotentRequest | None, chat_id: str) -> Answered:
    """End what runs, if anything does."""
    thread_id = await db.write(cancel_running, chat_id, keyed)
    if thread_id is not None:
        answering.wake(db.scope.organization, thread_id)
    return Answered(200, Stopped(), thread_id is None)


async def cancel_running(tx: ScopedTransaction, chat_id: str, keyed: IdempotentRequest | None) -> str | None:
    """Return the id of the thread; None if an earlier request with the same key did this."""
    if await idempotency.find_or_reserve(tx, keyed) is not None:
        return None
    thread = await find_thread(tx, chat_id)
    if thread is None:
        raise ThreadNotFound()
    response_id = await responses.find_running(tx, thread.id)
    if response_id is not None:
        await responses.cancel(tx, thread.id, response_id)
    # What it holds is not read: without a body its thread would count as deleted.
    await idempotency.store(tx, keyed, Stored(200, STOPPED), Concerns(thread.id))
    return thread.id


async def messages(tx: ScopedTransaction, chat_id: str, query: ChatMessagesQuery) -> ChatMessages:
    """Return messages of the current line. One that is being answered comes with the stream, whole."""
    thread = await find_thread(tx, chat_id)
    if thread is None:
        raise ThreadNotFound()
    before = None
    if query.before is not None:
        known = await find_edited(tx, thread.id, query.before)
        if known is None:
            raise MessageNotFound(param="before")
        before = known[0].id
    groups, has_more = await newest_groups(tx, thread.id, query.limit, before)
    running = await responses.find_running(tx, thread.id)
    # One whose worker has died has that status until it is noticed; no stream gives it.
    if running is not None and groups and groups[-1][-1].status == "in_progress":
        groups.pop()
    shown = [ui_message(group, shown_id(group[0])) for group in groups]
    return ChatMessages(chat_id, shown, has_more, running)
