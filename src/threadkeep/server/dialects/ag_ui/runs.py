"""A run: what is new in the client's conversation is stored and answered; else the thread is shown."""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

from msgspec import UNSET, Meta, UnsetType

from threadkeep.contract.assistants import Tool
from threadkeep.contract.messages import Message, MessageCreate
from threadkeep.contract.responses import ResponseCreate, ResponseInThreadCreate
from threadkeep.contract.threads import ThreadCreate
from threadkeep.database.scoped import ScopedDatabase, ScopedTransaction
from threadkeep.errors import ExternalIdTaken, InvalidField, ThreadBusy, ThreadNotFound
from threadkeep.operations.idempotency import IdempotentRequest
from threadkeep.operations.responses import responses
from threadkeep.operations.threads.threads import check_assistant
from threadkeep.runtime.answering import Answering
from threadkeep.runtime.following import Follower
from threadkeep.runtime.frames import Allowed, Presence, Streamed
from threadkeep.runtime.translated import Translated
from threadkeep.server.body import convert
from threadkeep.server.dialects import chats
from threadkeep.server.dialects.ag_ui.messages import KEPT, RunMessage, given, snapshot_of
from threadkeep.server.dialects.ag_ui.stream import Quiet, Run, RunTelling
from threadkeep.server.dialects.common import named, read_begun
from threadkeep.server.dialects.lenient import Lenient

Json = dict[str, Any]  # Any: JSON.
Id = Annotated[str, Meta(min_length=1, max_length=255)]


class RunTool(Lenient):
    """A function that the front end can call."""

    name: str
    description: str = ""
    parameters: Json | None = None


class RunAgentInput(Lenient, rename="camel"):
    """A run. `state`, `context` and `forwardedProps` are not read."""

    thread_id: Id
    run_id: Id
    messages: list[RunMessage]
    tools: list[RunTool] | None = None
    resume: list[Any] | None = None  # Any: it is refused.


class New(NamedTuple):
    """What is new in a client's conversation."""

    # None: the thread is not there yet.
    thread_id: str | None
    messages: Sequence[MessageCreate]
    # Where they stand among the client's.
    places: Sequence[int]
    # The message that the new ones follow.
    after: str | UnsetType


async def run(
    answering: Answering, db: ScopedDatabase, keyed: IdempotentRequest | None, body: RunAgentInput,
    assistant_id: str | None, allowed: Allowed, presence: Presence,
) -> Streamed:  # fmt: skip
    """Answer what is new, follow what runs, or show the thread. Raises ThreadBusy, ThreadLocked, ThreadArchived."""
    if body.resume:
        raise InvalidField("There are no interrupts here that a run could resume: leave it out.", param="resume")
    new = await db.read_one_commit(find_new, body, assistant_id)
    if new.messages:
        try:
            return await begin(answering, db, keyed, body, new, assistant_id, allowed, presence)
        except (ExternalIdTaken, ThreadBusy):
            # The same request, sent twice, may have been quicker.
            new = await db.read_one_commit(find_new, body, assistant_id)
            if new.messages:
                raise
    if new.thread_id is None:
        return Quiet(Run(body.thread_id, body.run_id, []))
    running, line = await db.read_one_commit(read_shown, new.thread_id)
    told = Run(body.thread_id, body.run_id, snapshot_of(line, running))
    if running is None:
        return Quiet(told)
    followed = await answering.follow(db, None, new.thread_id, running, None, None)
    assert isinstance(followed, Follower)
    return Translated(followed, RunTelling(told).translate)


async def read_shown(tx: ScopedTransaction, thread_id: str) -> tuple[str | None, list[Message]]:
    """Return the id of the response that runs, and the current line. To be read in one commit."""
    return await responses.find_running(tx, thread_id), await chats.current_line(tx, thread_id)


async def find_new(tx: ScopedTransaction, body: RunAgentInput, assistant_id: str | None) -> New:
    """Return which of the client's messages are not stored. Raises AssistantNotFound, ThreadNotFound, InvalidField."""
    await check_assistant(tx, assistant_id)
    kept = [(place, each) for place, each in enumerate(body.messages) if each.role in KEPT]
    thread = await chats.find_thread(tx, body.thread_id)
    if thread is None:
        if body.thread_id.startswith(chats.NATIVE_THREAD):
            raise ThreadNotFound()
        return New(None, [given(each, place) for place, each in kept], [place for place, _ in kept], UNSET)
    known, last = 0, None
    if thread.message_count:
        known, last = await chats.count_known(tx, thread.id, [each.id for _, each in kept])
    new = kept[known:]
    after = UNSET if last is None else last.id
    return New(thread.id, [given(each, place) for place, each in new], [place for place, _ in new], after)


async def begin(
    answering: Answering, db: ScopedDatabase, keyed: IdempotentRequest | None, body: RunAgentInput, new: New,
    assistant_id: str | None, allowed: Allowed, presence: Presence,
) -> Streamed:  # fmt: skip
    """Store what is new and begin its answer, in one transaction; in a thread that may have to be made."""
    settings: Json = {"input": list(new.messages), "assistant_id": assistant_id, "stream": True}
    if body.tools:
        settings["tools"] = tools_of(body.tools)
    if new.thread_id is None:
        settings["thread"] = convert({"externalId": body.thread_id}, ThreadCreate)
        request: ResponseCreate = ResponseInThreadCreate(**settings)
    else:
        request = ResponseCreate(**settings, after=new.after)
    with named(new.places, "messages"):
        follower = await answering.create(db, keyed, new.thread_id, request, allowed, presence)
    assert isinstance(follower, Follower)

    async def read(tx: ScopedTransaction) -> list[Message]:
        return await chats.current_line(tx, follower.row.thread_id)

    line = await read_begun(db, read)
    return Translated(
        follower, RunTelling(Run(body.thread_id, body.run_id, snapshot_of(line, follower.row.id))).translate
    )


def tools_of(tools: Sequence[RunTool]) -> list[Tool]:
    """Return the functions of a request as the native API has them. Raises InvalidField."""
    functions = [
        {"name": each.name, "description": each.description}
        | ({} if each.parameters is None else {"parameters": each.parameters})
        for each in tools
    ]
    native = [{"type": "function", "function": each} for each in functions]
    taken: ResponseCreate = convert({"tools": native}, ResponseCreate)
    return taken.tools or []
