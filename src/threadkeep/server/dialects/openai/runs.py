"""Runs of OpenAI's Assistants API: each is a chain of responses, one for each time that its model is asked."""

from dataclasses import replace
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from threadkeep.contract.assistants import (
    Configuration,
    Instructions,
    MessagesMax,
    ModelName,
    ReasoningEffort,
    Temperature,
    TokensMax,
    TopP,
)
from threadkeep.contract.basis import AssistantId
from threadkeep.contract.limits import CONTEXT_MESSAGES_MAX
from threadkeep.contract.messages import FunctionCall, ToolCall
from threadkeep.contract.responses import ResponseCreate, ResponseInThreadCreate
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.decoding import decoder
from threadkeep.errors import InvalidField
from threadkeep.ids import with_prefix
from threadkeep.operations.paging import Window
from threadkeep.operations.responses import chains
from threadkeep.operations.responses.chain_rows import Chain
from threadkeep.operations.responses.manner import Manner
from threadkeep.operations.responses.rows import StoredResponse, response_of
from threadkeep.operations.revisions import Versioned
from threadkeep.operations.threads.rows import hold
from threadkeep.server.dialects.openai import messages, threads, tools
from threadkeep.server.dialects.openai.assistants import Tools
from threadkeep.server.dialects.openai.common import (
    Body,
    Metadata,
    MetadataGiven,
    Object,
    Page,
    may_repeat,
    page_of,
    require_no_resources,
    shown_metadata,
    without_repeated,
)
from threadkeep.server.dialects.openai.errors import RunState, failure_code
from threadkeep.server.dialects.openai.messages import MessageCreate
from threadkeep.server.dialects.openai.threads import ThreadCreate
from threadkeep.server.dialects.openai.tools import ChoiceIn, FormatIn

# A run that is active says that it ends by then; nothing ends it by a clock.
EXPIRES_AFTER_S = 600


class TruncationStrategy(Body, omit_defaults=False):
    """How much of the thread the model gets."""

    type: Literal["auto", "last_messages"]
    last_messages: Annotated[int, Meta(ge=1)] | None = None


class RunSettings(Body, kw_only=True):
    """What a new run takes, in a thread that there is or in a new one."""

    assistant_id: AssistantId
    model: ModelName | None = None
    instructions: Instructions | None = None
    tools: Tools | None = None
    metadata: MetadataGiven | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    max_completion_tokens: TokensMax | None = None
    max_prompt_tokens: TokensMax | None = None
    truncation_strategy: TruncationStrategy | None = None
    tool_choice: ChoiceIn | None = None
    parallel_tool_calls: bool | None = None
    response_format: FormatIn | None = None
    reasoning_effort: ReasoningEffort | None = None
    stream: bool | None = None


class RunCreate(RunSettings, kw_only=True):
    """A new run."""

    additional_instructions: Instructions | None = None
    additional_messages: list[MessageCreate] | None = None


class ThreadRunCreate(RunSettings, kw_only=True):
    """A new run in a new thread."""

    thread: ThreadCreate | None = None
    tool_resources: Any | None = None  # Any: JSON.


class RunUpdate(Body):
    """What may change in a run. Metadata merges; null clears it."""

    metadata: MetadataGiven | UnsetType | None = UNSET


class RunAsked(msgspec.Struct, omit_defaults=True):
    """What is kept of a run besides its settings: where these have the server's default, nothing was asked for."""

    max_prompt_tokens: int | None = None


class SubmitToolOutputs(Object):
    """The calls that wait."""

    tool_calls: list[ToolCall]


class RequiredAction(Object):
    """What a run waits for."""

    type: Literal["submit_tool_outputs"]
    submit_tool_outputs: SubmitToolOutputs


class LastError(Object):
    """Why a run or a step failed."""

    code: Literal["server_error", "rate_limit_exceeded", "invalid_prompt"]
    message: str


class RunIncompleteDetails(Object):
    """Why a run is incomplete."""

    reason: Literal["max_completion_tokens", "max_prompt_tokens"]


class RunUsage(Object):
    """Tokens of a run or a step."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Run(Object):
    """An assistant's work in a thread, from its beginning to its end, with what it ran with."""

    id: str
    object: Literal["thread.run"]
    created_at: int
    thread_id: str
    assistant_id: str | None
    status: Literal[
        "queued", "in_progress", "requires_action", "cancelled", "failed", "completed", "incomplete", "expired"
    ]
    started_at: int | None
    completed_at: int | None
    failed_at: int | None
    cancelled_at: int | None
    expires_at: int | None
    required_action: RequiredAction | None
    last_error: LastError | None
    incomplete_details: RunIncompleteDetails | None
    model: str
    instructions: str
    tools: list[Any]  # Any: JSON.
    metadata: Metadata
    usage: RunUsage | None
    temperature: float | None
    top_p: float | None
    max_completion_tokens: int | None
    max_prompt_tokens: int | None
    truncation_strategy: TruncationStrategy
    response_format: Any  # Any: "auto", or JSON.
    tool_choice: Any  # Any: a word, or JSON.
    parallel_tool_calls: bool
    reasoning_effort: str | None


NOTHING_ASKED = Configuration()
encode = msgspec.json.Encoder().encode
decode_own = decoder(RunAsked | None).decode


def given(body: RunCreate) -> tuple[ResponseCreate, Manner]:
    """Return the native request, and how it is begun. Raises UnsupportedValue."""
    added = [
        messages.given(each, f"additional_messages[{place}].")
        for place, each in enumerate(body.additional_messages or ())
    ]
    return ResponseCreate(input=added or None, **settings_given(body)), manner(body, body.additional_instructions)


def given_with_thread(body: ThreadRunCreate) -> tuple[ResponseCreate, Manner]:
    """Return the native request for a run in a new thread, and how it is begun. Raises UnsupportedValue."""
    require_no_resources(body.tool_resources)
    thread = threads.given(body.thread or ThreadCreate())
    return ResponseInThreadCreate(thread=thread, **settings_given(body)), manner(body, None)


def settings_given(body: RunSettings) -> dict[str, Any]:  # Any: values of the native struct's fields.
    return {
        "assistant_id": body.assistant_id,
        "model": body.model,
        "instructions": body.instructions,
        "tools": None if body.tools is None else tools.given(body.tools),
        "metadata": body.metadata,
        "temperature": body.temperature,
        "top_p": body.top_p,
        "max_output_tokens": body.max_completion_tokens,
        # Only so are the tokens counted in every case.
        "context_mode": None if body.max_prompt_tokens is None else "recent",
        "context_tokens": body.max_prompt_tokens,
        "context_messages": messages_max(body.truncation_strategy),
        "tool_choice": tools.given_choice(body.tool_choice),
        "parallel_tool_calls": body.parallel_tool_calls,
        "response_format": tools.given_format(body.response_format),
        "reasoning_effort": body.reasoning_effort,
        "stream": bool(body.stream),
        "background": not body.stream,
    }


def messages_max(truncation: TruncationStrategy | None) -> MessagesMax | None:
    if truncation is None or truncation.type == "auto":
        return None
    if truncation.last_messages is None:
        raise InvalidField("last_messages needs a number.", param="truncation_strategy.last_messages")
    return min(truncation.last_messages, CONTEXT_MESSAGES_MAX)


def manner(body: RunSettings, additional_instructions: str | None) -> Manner:
    asked = encode(RunAsked(body.max_prompt_tokens))
    return Manner(overrides=True, additional_instructions=additional_instructions, needs_question=False, asked=asked)


def status_of(chain: Chain) -> str:
    row = chain.last.row
    if chain.cancelled_ms is not None:
        return "cancelled"
    if row.status != "completed" or row.finish_reason not in ("length", "toolCalls"):
        return row.status
    if row.finish_reason == "length":
        return "incomplete"
    return "requires_action" if chain.is_waiting else "expired"


def shown(chain: Chain) -> Run:
    """Return a chain as the run that it is, with what it ran with."""
    first, last = chain.first.row, chain.last.row
    status = status_of(chain)
    is_active = status in ("in_progress", "requires_action")
    asked = (None if chain.asked is None else chain.asked.configuration) or NOTHING_ASKED
    own = None if chain.asked is None else decode_own(chain.asked.own)
    ended_at = seconds(chain.cancelled_ms or last.ended_ms)
    return Run(
        id=with_prefix(first.id, "run"),
        object="thread.run",
        created_at=first.created_ms // 1000,
        thread_id=first.thread_id,
        assistant_id=first.assistant_id,
        status=status,  # type: ignore[arg-type]  # One of those.
        started_at=first.created_ms // 1000,
        completed_at=ended_at if status == "completed" else None,
        failed_at=ended_at if status == "failed" else None,
        cancelled_at=ended_at if status == "cancelled" else None,
        expires_at=last.created_ms // 1000 + EXPIRES_AFTER_S if status == "in_progress" else None,
        required_action=required_action(chain) if status == "requires_action" else None,
        last_error=last_error(last) if status == "failed" else None,
        incomplete_details=RunIncompleteDetails("max_completion_tokens") if status == "incomplete" else None,
        model=last.model,
        instructions=(None if chain.asked is None else chain.asked.instructions) or "",
        tools=tools.shown(asked.tools),
        metadata=shown_metadata(first.metadata),
        usage=None if is_active else usage_of(*(each.row for each in chain.responses)),
        temperature=asked.temperature,
        top_p=asked.top_p,
        max_completion_tokens=asked.max_output_tokens,
        max_prompt_tokens=None if own is None else own.max_prompt_tokens,
        truncation_strategy=TruncationStrategy(
            "auto" if asked.context_messages is None else "last_messages", asked.context_messages
        ),
        response_format=tools.shown_format(asked.response_format),
        tool_choice=tools.shown_choice(asked.tool_choice),
        parallel_tool_calls=asked.parallel_tool_calls is not False,
        reasoning_effort=asked.reasoning_effort,
    )


def seconds(ms: int | None) -> int | None:
    return None if ms is None else ms // 1000


def required_action(chain: Chain) -> RequiredAction:
    calls = [ToolCall(each.id, "function", FunctionCall(each.name, each.arguments)) for each in chain.last.calls]
    return RequiredAction("submit_tool_outputs", SubmitToolOutputs(calls))


def last_error(row: StoredResponse) -> LastError:
    return LastError(failure_code(row.error_code), row.error_message or "")


def usage_of(*rows: StoredResponse) -> RunUsage:
    sent, written = sum(row.input_tokens for row in rows), sum(row.output_tokens for row in rows)
    return RunUsage(sent, written, sent + written)


def told(chain: Chain, tx: ScopedTransaction) -> Versioned:
    return Versioned(shown(chain), None, about=response_of(chain.last.row, tx.scope))


def response_id(run_id: str) -> str:
    """Return the id of the response that a run began with."""
    return with_prefix(run_id, "resp")


async def read(tx: ScopedTransaction, thread_id: str, run_id: str) -> Run:
    return shown(await chains.find(tx, thread_id, response_id(run_id), with_results=False))


async def list_runs(tx: ScopedTransaction, thread_id: str, window: Window) -> Page:
    """Return one page of the thread's runs. Responses that were begun by another door are runs as well."""
    after, before = (each and response_id(each) for each in (window.after, window.before))
    page = await chains.list_chains(tx, thread_id, replace(window, after=after, before=before))
    return page_of([shown(each) for each in page.data], page.has_more)


async def update(tx: ScopedTransaction, thread_id: str, run_id: str, body: RunUpdate) -> Versioned:
    change, first_id = body.metadata, response_id(run_id)
    if change is UNSET:
        change = {}
    elif may_repeat(change):
        await hold(tx, thread_id)
        stored = (await chains.find(tx, thread_id, first_id)).first.row.metadata
        change = None if change is None else without_repeated(change, stored)
    return told(await chains.update_metadata(tx, thread_id, first_id, change), tx)


async def cancel(tx: ScopedTransaction, thread_id: str, run_id: str) -> Versioned:
    """End a run, also one that waits for outputs. Raises RunState for one that has ended."""
    chain, was_active = await chains.cancel(tx, thread_id, response_id(run_id))
    if not was_active:
        raise RunState(f"Cannot cancel run with status '{status_of(chain)}'.")
    return told(chain, tx)
