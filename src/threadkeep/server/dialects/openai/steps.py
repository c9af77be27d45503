"""Steps of runs, read off the responses of a run: each has a text, calls, both or neither."""

from dataclasses import replace
from typing import Literal, TypeAlias

from threadkeep.database.scoped import ScopedTransaction
from threadkeep.errors import InvalidCursor
from threadkeep.ids import with_prefix
from threadkeep.operations.paging import Window
from threadkeep.operations.responses import chains, events
from threadkeep.operations.responses.chain_rows import Chain, calls_in
from threadkeep.operations.responses.rows import StoredResponse
from threadkeep.server.dialects.openai.common import Metadata, Object, Page, page_of
from threadkeep.server.dialects.openai.errors import StepNotFound
from threadkeep.server.dialects.openai.runs import (
    LastError,
    RunUsage,
    last_error,
    response_id,
    seconds,
    status_of,
    usage_of,
)

# A response may be two steps: their ids end so, and sort as they come.
TEXT, CALLS = "1", "2"
# What a step's calls are when nobody may answer them any more, by how their run ended.
LEFT = {"incomplete": "expired", "completed": "expired", "requires_action": "in_progress"}


class MessageCreation(Object):
    """The message that a step wrote."""

    message_id: str


class MessageCreationDetails(Object, tag_field="type", tag="message_creation"):
    """A step that wrote a message."""

    message_creation: MessageCreation


class StepFunction(Object):
    """A function that the model wanted called, and what it gave."""

    name: str
    arguments: str
    output: str | None


class StepCall(Object):
    """A call of a step."""

    id: str
    type: Literal["function"]
    function: StepFunction


class ToolCallsDetails(Object, tag_field="type", tag="tool_calls"):
    """A step that called functions."""

    tool_calls: list[StepCall]


Details: TypeAlias = MessageCreationDetails | ToolCallsDetails


class Step(Object):
    """A part of a run."""

    id: str
    object: Literal["thread.run.step"]
    created_at: int
    run_id: str
    thread_id: str
    assistant_id: str | None
    type: Literal["message_creation", "tool_calls"]
    status: Literal["in_progress", "cancelled", "failed", "completed", "expired"]
    step_details: Details
    last_error: LastError | None
    expired_at: int | None
    cancelled_at: int | None
    failed_at: int | None
    completed_at: int | None
    metadata: Metadata
    usage: RunUsage | None


def message_step(chain: Chain, place: int) -> Step:
    """Return the step in which the run's response at this place wrote its text."""
    response = chain.responses[place]
    status = "completed" if response.calls else response.row.status
    return step_of(chain, place, TEXT, status, MessageCreationDetails(MessageCreation(response.row.message_id)))


def calls_step(chain: Chain, place: int) -> Step:
    """Return the step in which the run's response at this place called functions: it ends with their outputs."""
    calls = chain.responses[place].calls
    has_outputs = bool(calls) and all(call.result is not None for call in calls)
    status = status_of(chain)
    status = "completed" if has_outputs or place + 1 < len(chain.responses) else LEFT.get(status, status)
    shown = [StepCall(each.id, "function", StepFunction(each.name, each.arguments, each.result)) for each in calls]
    return step_of(chain, place, CALLS, status, ToolCallsDetails(shown))


def id_of(row: StoredResponse, which: str) -> str:
    return f"{with_prefix(row.id, 'step')}_{which}"


def step_of(chain: Chain, place: int, which: str, status: str, details: Details) -> Step:
    row = chain.responses[place].row
    ended_at = seconds((chain.cancelled_ms if status == "cancelled" else None) or row.ended_ms)
    error = last_error(row) if status == "failed" else None
    if error is not None:
        error.code = "server_error"
    return Step(
        id=id_of(row, which),
        object="thread.run.step",
        created_at=row.created_ms // 1000,
        run_id=with_prefix(chain.id, "run"),
        thread_id=row.thread_id,
        assistant_id=row.assistant_id,
        type="message_creation" if isinstance(details, MessageCreationDetails) else "tool_calls",
        status=status,  # type: ignore[arg-type]  # One of those.
        step_details=details,
        last_error=error,
        expired_at=ended_at if status == "expired" else None,
        cancelled_at=ended_at if status == "cancelled" else None,
        failed_at=ended_at if status == "failed" else None,
        completed_at=ended_at if status == "completed" else None,
        metadata={},
        usage=None if status == "in_progress" or row.ended_ms is None else usage_of(row),
    )


def shown(chain: Chain) -> list[Step]:
    """Return the steps of a run, the oldest first."""
    steps: list[Step] = []
    for place, each in enumerate(chain.responses):
        if each.row.content not in (None, "[]"):
            steps.append(message_step(chain, place))
        if each.calls:
            steps.append(calls_step(chain, place))
    return steps


async def so_far(tx: ScopedTransaction, chain: Chain) -> Chain:
    """Return the chain; a response that runs has what is stored of its answer so far."""
    if chain.last.row.has_ended:
        return chain
    streamed, _ = await events.read_all(tx, chain.last.row.id)
    answer = events.answer_of(streamed)
    row = chain.last.row._replace(content=answer.stored()["content"])
    last = replace(chain.last, row=row, calls=calls_in(answer.tool_calls))
    return replace(chain, responses=[*chain.responses[:-1], last])


async def find(tx: ScopedTransaction, thread_id: str, run_id: str) -> list[Step]:
    return shown(await so_far(tx, await chains.find(tx, thread_id, response_id(run_id))))


async def read(tx: ScopedTransaction, thread_id: str, run_id: str, step_id: str) -> Step:
    for step in await find(tx, thread_id, run_id):
        if step.id == step_id:
            return step
    raise StepNotFound()


async def list_steps(tx: ScopedTransaction, thread_id: str, run_id: str, window: Window) -> Page:
    """Return one page of a run's steps. Their ids sort as they do, so a position is known though its step is gone."""
    descending, cursor = window.reads_descending, window.cursor
    if cursor is not None and not cursor.startswith("step_"):
        raise InvalidCursor(param=window.param)
    found = await find(tx, thread_id, run_id)
    if cursor is not None:
        found = [each for each in found if (each.id < cursor if descending else each.id > cursor)]
    if descending:
        found.reverse()
    kept = found[: window.limit]
    return page_of(kept if window.before is None else kept[::-1], len(found) > window.limit)
