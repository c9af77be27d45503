"""Runs as LangGraph's clients know them, which are responses: begun, followed, waited for, ended, listed."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET

from threadkeep.contract import responses as native
from threadkeep.contract.basis import MetadataChange, OrganizationQuery
from threadkeep.contract.responses import ResponseCreate, ResponseInThreadCreate
from threadkeep.contract.threads import Thread, ThreadCreate, ThreadUpdate
from threadkeep.database.scoped import ScopedDatabase, ScopedTransaction
from threadkeep.errors import ExternalIdTaken, MessageNotFound, ThreadBusy, ThreadExists, ThreadNotFound, Unavailable
from threadkeep.operations import metadata
from threadkeep.operations.idempotency import IdempotentRequest
from threadkeep.operations.paging import window
from threadkeep.operations.responses import responses
from threadkeep.operations.responses.rows import StoredResponse
from threadkeep.operations.threads import threads
from threadkeep.runtime.answering import Answering
from threadkeep.runtime.following import CutOff, Follower, position_of
from threadkeep.runtime.frames import Allowed, Answered, Presence
from threadkeep.server.dialects import chats
from threadkeep.server.dialects.langgraph import assistants, ids, messages
from threadkeep.server.dialects.langgraph.errors import Unsupported
from threadkeep.server.dialects.langgraph.messages import GraphMessage, Values
from threadkeep.server.dialects.langgraph.run_streams import Idle, RunStream, RunTelling
from threadkeep.server.dialects.langgraph.states import ROOT, InputGiven, Place, is_whole, place_of
from threadkeep.server.dialects.langgraph.threads import refuse
from threadkeep.server.dialects.langgraph.walking import Limit, Offset, iso, walk
from threadkeep.server.dialects.lenient import Lenient

Json = dict[str, Any]  # Any: JSON.
STATUSES = {"in_progress": "running", "completed": "success", "failed": "error", "cancelled": "interrupted"}
# What a reader gets that does not say.
MODES = ("values", "updates", "messages-tuple")
Mode = Literal[
    "values", "updates", "messages", "messages-tuple", "events", "tasks", "checkpoints", "debug", "custom", "tools",
    "lifecycle",
]  # fmt: skip
Headers = list[tuple[bytes, bytes]]


class GraphRun(msgspec.Struct):
    """One answer in a thread."""

    run_id: str
    thread_id: str
    assistant_id: str
    created_at: str
    updated_at: str
    status: str
    metadata: Json
    multitask_strategy: str = "reject"


class GraphRunCreate(Lenient):
    """A new run."""

    assistant_id: str | None = None
    input: InputGiven | None = None
    stream_mode: Mode | list[Mode] | None = None
    multitask_strategy: Literal["reject", "interrupt", "enqueue", "rollback"] | None = None
    on_disconnect: Literal["cancel", "continue"] | None = None
    if_not_exists: Literal["create", "reject"] | None = None
    metadata: MetadataChange | None = None
    checkpoint: Place | None = None
    checkpoint_id: str | None = None
    command: Any | None = None  # Any: JSON.
    interrupt_before: Any | None = None  # Any: JSON.
    interrupt_after: Any | None = None  # Any: JSON.
    webhook: str | None = None
    after_seconds: float | None = None


class RunsQuery(OrganizationQuery, frozen=True):
    """What the list of runs takes."""

    limit: Limit = 10
    offset: Offset = 0
    status: Literal["pending", "running", "error", "success", "timeout", "interrupted"] | None = None


class FollowQuery(OrganizationQuery, frozen=True):
    """How a run is followed."""

    stream_mode: tuple[Mode, ...] = msgspec.field(default=(), name="stream_mode")
    cancel_on_disconnect: str | None = msgspec.field(default=None, name="cancel_on_disconnect")


class CancelQuery(OrganizationQuery, frozen=True):
    """How a run is cancelled."""

    wait: str | None = None
    action: Literal["interrupt", "rollback"] = "interrupt"


class Asked(NamedTuple):
    """What a request asks for, as the thread stands: a new response, or the one that it began before."""

    body: ResponseCreate
    thread: Thread | None
    earlier_id: str | None = None


def shown(response: native.Response) -> GraphRun:
    return GraphRun(
        ids.shown(response.id),
        ids.shown(response.thread_id),
        assistants.DEFAULT_ID if response.assistant_id is None else ids.shown(response.assistant_id),
        iso(response.created_at),
        iso(response.completed_at or response.created_at),
        STATUSES[response.status],
        metadata.decode(msgspec.json.encode(response.metadata)),
    )


def headers_of(thread_id: str, run_id: str, way: str = "", modes: Sequence[str] = ()) -> Headers:
    """Return where a run is, as clients write it behind their base URL, and with `way` how to go on with it."""
    place = f"/threads/{ids.shown(thread_id)}/runs/{ids.shown(run_id)}"
    query = f"?stream_mode={','.join(modes)}" if modes else ""
    more = [(b"location", f"{place}/{way}{query}".encode())] if way else []
    return [(b"content-location", place.encode()), *more]


async def ask(tx: ScopedTransaction, thread_id: str, body: GraphRunCreate) -> Asked:
    """Return what a request asks for. Raises Unsupported, ThreadNotFound and others."""
    refuse(
        command=body.command,
        interrupt_before=body.interrupt_before,
        interrupt_after=body.interrupt_after,
        webhook=body.webhook,
        after_seconds=body.after_seconds,
    )
    if body.multitask_strategy in ("enqueue", "rollback"):
        raise Unsupported("A thread has one run at a time: reject, or interrupt it.", param="multitask_strategy")
    assistant_id = await assistants.resolve(tx, body.assistant_id)
    made = ResponseCreate(assistant_id=assistant_id, metadata=body.metadata)
    made.when_busy = "interrupt" if body.multitask_strategy == "interrupt" else "reject"
    sent = messages.several(None if body.input is None else body.input.messages)
    try:
        thread = (await threads.read_without_payload(tx, thread_id)).object
    except ThreadNotFound:
        if body.if_not_exists != "create":
            raise
        made.input = [messages.given(each, f"input.messages[{at}]") for at, each in enumerate(sent)] or None
        return Asked(made, None)
    new, known = await messages.unknown_of(tx, thread_id, sent, "input.messages")
    made.input = new or None
    place = place_of(body.checkpoint, body.checkpoint_id)
    if place is not None:
        made.after = None if place == ROOT else place
    elif not new and known is not None:
        earlier_id = await chats.answering_to(tx, thread_id, known.id)
        made.after = known.id if earlier_id is None else UNSET
        return Asked(made, thread, earlier_id)
    return Asked(made, thread)


async def begin(
    answering: Answering, db: ScopedDatabase, keyed: IdempotentRequest | None, thread_id: str, body: GraphRunCreate,
    allowed: Allowed, presence: Presence,
) -> Follower:  # fmt: skip
    """Begin a run, or find the one that the same request began."""
    asked = await db.read_one_commit(ask, thread_id, body)
    if asked.earlier_id is None:
        try:
            return await begin_new(answering, db, keyed, thread_id, asked, allowed, presence)
        except (ExternalIdTaken, ThreadBusy, ThreadExists):
            # The same request, sent twice, may have been quicker.
            asked = await db.read_one_commit(ask, thread_id, body)
            if asked.earlier_id is None:
                raise
    return await following(answering, db, thread_id, asked.earlier_id)


async def begin_new(
    answering: Answering, db: ScopedDatabase, keyed: IdempotentRequest | None, thread_id: str, asked: Asked,
    allowed: Allowed, presence: Presence,
) -> Follower:  # fmt: skip
    made, assistant_id = asked.body, asked.body.assistant_id
    made.stream = True
    whole_id: str | None = thread_id
    if asked.thread is None:
        thread = ThreadCreate(id=thread_id, assistant_id=assistant_id)
        made, whole_id = ResponseInThreadCreate(thread=thread, **msgspec.structs.asdict(made)), None
    elif assistant_id is not None and asked.thread.assistant_id is None and not asked.thread.message_count:
        # Searches find a thread by the assistant that it is bound to.
        await db.write(threads.update, thread_id, ThreadUpdate(assistant_id=assistant_id), None)
    follower = await answering.create(db, keyed, whole_id, made, allowed, presence)
    assert isinstance(follower, Follower)
    return follower


async def following(answering: Answering, db: ScopedDatabase, thread_id: str, run_id: str) -> Follower:
    follower = await answering.follow(db, None, thread_id, run_id, None, None)
    assert isinstance(follower, Follower)
    return follower


async def line_before(tx: ScopedTransaction, row: StoredResponse) -> list[GraphMessage]:
    """Return the messages that a response answers."""
    try:
        line = await chats.current_line(tx, row.thread_id, branch=row.message_id)
    except MessageNotFound:
        # An answer that ended empty is deleted.
        line = await chats.current_line(tx, row.thread_id)
    return [messages.shown(each) for each in line if each.id != row.message_id and is_whole(each)]


async def told(
    answering: Answering, db: ScopedDatabase, follower: Follower, modes: Sequence[str], after_n: int, *, cancels: bool
) -> RunStream:
    row = follower.row
    before = await db.read_one_commit(line_before, row)

    async def cancel() -> None:
        await db.write(responses.cancel, row.thread_id, row.id)
        answering.wake(db.scope.organization, row.thread_id)

    telling = RunTelling(row.id, row.message_id, before, modes, after_n)
    return RunStream(follower, telling, headers_of(row.thread_id, row.id, "stream", modes), cancel if cancels else None)


async def create(
    answering: Answering, db: ScopedDatabase, keyed: IdempotentRequest | None, thread_id: str, body: GraphRunCreate,
    allowed: Allowed, presence: Presence,
) -> Answered:  # fmt: skip
    """Begin a run, and answer at once."""
    follower = await begin(answering, db, keyed, thread_id, body, allowed, presence)
    run = shown(await db.read(responses.read, follower.row.thread_id, follower.row.id))
    return Answered(200, run, follower.was_replayed, headers_of(follower.row.thread_id, follower.row.id))


async def stream(
    answering: Answering, db: ScopedDatabase, keyed: IdempotentRequest | None, thread_id: str, body: GraphRunCreate,
    allowed: Allowed, presence: Presence,
) -> RunStream:  # fmt: skip
    """Begin a run, and tell what it does."""
    follower = await begin(answering, db, keyed, thread_id, body, allowed, presence)
    given = [body.stream_mode] if isinstance(body.stream_mode, str) else body.stream_mode
    cancels = body.on_disconnect == "cancel"
    return await told(answering, db, follower, given or ("values",), 0, cancels=cancels)


async def wait(
    answering: Answering, db: ScopedDatabase, keyed: IdempotentRequest | None, thread_id: str, body: GraphRunCreate,
    allowed: Allowed, presence: Presence,
) -> Answered:  # fmt: skip
    """Begin a run, and answer at its end."""
    follower = await begin(answering, db, keyed, thread_id, body, allowed, presence)
    return await ended(answering, db, follower, allowed, presence, cancels=body.on_disconnect == "cancel")


async def join(
    answering: Answering, db: ScopedDatabase, _keyed: None, thread_id: str, run_id: str, query: FollowQuery,
    allowed: Allowed, presence: Presence,
) -> Answered:  # fmt: skip
    """Answer at the end of a run."""
    follower = await following(answering, db, thread_id, run_id)
    return await ended(answering, db, follower, allowed, presence, cancels=says_yes(query.cancel_on_disconnect))


async def ended(
    answering: Answering, db: ScopedDatabase, follower: Follower, allowed: Allowed, presence: Presence, *, cancels: bool
) -> Answered:
    """Return the values at the end of a run, or why it failed."""
    row = follower.row
    presence.on_leave = follower.leave

    async def pass_over(_data: bytes) -> None:
        pass

    try:
        await follower.run(pass_over, allowed)
    except CutOff:
        if cancels and presence.is_gone:
            await db.write(responses.cancel, row.thread_id, row.id)
            answering.wake(db.scope.organization, row.thread_id)
        raise Unavailable("The server is stopping: join the run through another process.") from None
    value: Any = await db.read_one_commit(end_of, row)  # Any: a struct, or JSON.
    return Answered(200, value, follower.was_replayed, headers_of(row.thread_id, row.id, "join"))


async def end_of(tx: ScopedTransaction, row: StoredResponse) -> Values | Json:
    response = await responses.read(tx, row.thread_id, row.id)
    if response.status == "failed" and response.error is not None:
        return {"__error__": {"error": response.error.code, "message": response.error.message}}
    line = await chats.current_line(tx, row.thread_id, branch=response.message_id or "current")
    return Values([messages.shown(each) for each in line])


async def follow(
    answering: Answering, db: ScopedDatabase, _keyed: None, thread_id: str, run_id: str, query: FollowQuery,
    last_id: bytes | None,
) -> RunStream:  # fmt: skip
    """Follow a run from its start, or from behind an event."""
    follower = await following(answering, db, thread_id, run_id)
    after_n = after_of(last_id, run_id)
    cancels = says_yes(query.cancel_on_disconnect)
    return await told(answering, db, follower, query.stream_mode or MODES, after_n, cancels=cancels)


async def follow_thread(
    answering: Answering, db: ScopedDatabase, _keyed: None, thread_id: str, query: FollowQuery, last_id: bytes | None
) -> RunStream | Idle:
    """Follow what runs in a thread, if anything does."""
    run_id = await db.read(responses.find_running, thread_id)
    if run_id is None:
        return Idle()
    return await follow(answering, db, None, thread_id, run_id, query, last_id)


def after_of(last_id: bytes | None, run_id: str) -> int:
    """Return the number of the last event that a reader has; -1 as an id means from the start."""
    if last_id in (None, b"", b"-1"):
        return 0
    assert last_id is not None
    position = position_of(last_id.decode("latin-1"), "Last-Event-ID")
    return position.n if position.response_id == run_id else 0


def says_yes(text: str | None) -> bool:
    return text in ("1", "true")


async def cancel(tx: ScopedTransaction, thread_id: str, run_id: str, query: CancelQuery) -> None:
    """End a run; its text so far is kept."""
    if query.action == "rollback":
        raise Unsupported("What a run wrote stays: cancel it with interrupt.", param="action")
    await responses.cancel(tx, thread_id, run_id)


async def read(tx: ScopedTransaction, thread_id: str, run_id: str) -> GraphRun:
    return shown(await responses.read(tx, thread_id, run_id))


async def list_runs(tx: ScopedTransaction, thread_id: str, query: RunsQuery) -> list[GraphRun]:
    """Return runs, the newest first."""

    async def page(limit: int, after: str | None) -> Any:
        return await responses.list_responses(tx, thread_id, window(limit, "desc", after, None))

    def is_asked_for(response: native.Response) -> bool:
        return query.status in (None, STATUSES[response.status])

    return [shown(each) for each in await walk(page, query.limit, query.offset, is_asked_for)]
