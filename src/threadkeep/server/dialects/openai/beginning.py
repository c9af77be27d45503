"""Begins runs, and goes on with those that wait: answered at once, or with a stream."""

from typing import Annotated

from msgspec import Meta

from threadkeep.contract.limits import TOOL_CALLS_MAX
from threadkeep.contract.messages import MessageCreate
from threadkeep.contract.responses import ResponseCreate
from threadkeep.database.scoped import ScopedDatabase, ScopedTransaction
from threadkeep.errors import ApiError, ThreadBusy
from threadkeep.operations.idempotency import IdempotentRequest
from threadkeep.operations.responses import chains
from threadkeep.operations.responses.chain_rows import Chain
from threadkeep.operations.responses.continuing import NotWaiting
from threadkeep.operations.responses.manner import Manner
from threadkeep.runtime.answering import Answering
from threadkeep.runtime.following import Follower
from threadkeep.runtime.frames import Allowed, Answered, Presence
from threadkeep.runtime.translated import Translated
from threadkeep.server.dialects.common import read_begun
from threadkeep.server.dialects.openai import runs, threads
from threadkeep.server.dialects.openai.common import Body
from threadkeep.server.dialects.openai.errors import RunState, name_run
from threadkeep.server.dialects.openai.run_streams import RunStream, begun

# What settings are called here, for errors.
NAMES = {
    "maxOutputTokens": "max_completion_tokens",
    "contextTokens": "max_prompt_tokens",
    "contextMode": "max_prompt_tokens",
    "contextMessages": "truncation_strategy",
}


class ToolOutput(Body):
    """What a function gave."""

    tool_call_id: Annotated[str, Meta(min_length=1, max_length=256)]
    output: str | None = None


class ToolOutputs(Body):
    """The outputs of all calls that a run waits for."""

    tool_outputs: Annotated[list[ToolOutput], Meta(max_length=TOOL_CALLS_MAX)]
    stream: bool | None = None


async def create(
    answering: Answering, db: ScopedDatabase, keyed: IdempotentRequest | None, thread_id: str, body: ResponseCreate,
    manner: Manner, allowed: Allowed, presence: Presence,
) -> Answered | Translated:  # fmt: skip
    """Begin a run in a thread. Raises ThreadBusy with the run that is active there."""
    try:
        answered = await answering.create(db, keyed, thread_id, body, allowed, presence, manner)
    except ThreadBusy as error:
        raise await db.read(name_run, error) from None
    except ApiError as error:
        raise renamed(error, "additional_messages") from None
    return await told(db, answered)


async def create_with_thread(
    answering: Answering, db: ScopedDatabase, keyed: IdempotentRequest | None, body: ResponseCreate, manner: Manner,
    allowed: Allowed, presence: Presence,
) -> Answered | Translated:  # fmt: skip
    """Make a thread and begin a run in it, in one transaction."""
    try:
        answered = await answering.create(db, keyed, None, body, allowed, presence, manner)
    except ApiError as error:
        raise renamed(error, "thread") from None
    return await told(db, answered, with_thread=True)


async def submit_tool_outputs(
    answering: Answering, db: ScopedDatabase, keyed: IdempotentRequest | None, thread_id: str, run_id: str,
    body: ToolOutputs, allowed: Allowed, presence: Presence,
) -> Answered | Translated:  # fmt: skip
    """Go on with a run that waits for these outputs. Raises RunState for one that does not wait."""
    first_id = runs.response_id(run_id)
    given = [MessageCreate("tool", each.output or "", tool_call_id=each.tool_call_id) for each in body.tool_outputs]
    streams = bool(body.stream)
    native = ResponseCreate(input=given, stream=streams, background=not streams)
    try:
        answered = await answering.create(
            db, keyed, thread_id, native, allowed, presence, Manner(continues=first_id, needs_question=False)
        )
    except (NotWaiting, ThreadBusy):
        status = runs.status_of(await db.read(chains.find, thread_id, first_id))
        raise RunState(f'Runs in status "{status}" do not accept tool outputs.') from None
    except ApiError as error:
        raise renamed(error, "tool_outputs") from None
    return await told(db, answered, first_id)


async def told(
    db: ScopedDatabase, answered: Answered | Follower, first_id: str | None = None, *, with_thread: bool = False
) -> Answered | Translated:
    """Return the run that was begun, or that goes on; or its stream."""
    response = answered.row if isinstance(answered, Follower) else answered.value

    async def read(tx: ScopedTransaction) -> tuple[Chain, threads.Thread | None]:
        chain = await chains.find(tx, response.thread_id, first_id or response.id)
        return chain, (await threads.read(tx, response.thread_id)).object if with_thread else None

    chain, thread = await read_begun(db, read)
    if not isinstance(answered, Follower):
        return Answered(200, runs.shown(chain), answered.was_replayed)
    return Translated(answered, RunStream(begun(chain, response.id), thread).translate)


def renamed(error: ApiError, given: str) -> ApiError:
    """Return the error with the names that settings have here; `given` is where the input came from."""
    if error.param is not None:
        name = error.param.split("[")[0].split(".")[0]
        error.param = {"input": given, **NAMES}.get(name, name) + error.param[len(name) :]
    return error
