"""Responses of OpenAI's Responses API, which are responses of this service."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from threadkeep.contract import responses as native
from threadkeep.contract.assistants import Configuration, Instructions, ModelName, Temperature, TokensMax, TopP
from threadkeep.contract.basis import OrganizationQuery
from threadkeep.contract.messages import Message, MessageCreate
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.decoding import decoder
from threadkeep.errors import InvalidCursor, MessageNotFound, ResponseNotFound, ThreadNotFound
from threadkeep.ids import with_prefix
from threadkeep.operations import payloads
from threadkeep.operations.messages import messages
from threadkeep.operations.responses import chain_rows, claiming, responses
from threadkeep.operations.responses.manner import Asked, Hidden, Manner
from threadkeep.operations.responses.rows import StoredResponse, find_by_id
from threadkeep.server.dialects.openai import items, tools
from threadkeep.server.dialects.openai.common import (
    Body,
    Json,
    ListQuery,
    Metadata,
    MetadataGiven,
    Object,
    Page,
    page_of,
    refuse,
    shown_metadata,
    window_of,
)
from threadkeep.server.dialects.openai.errors import ConversationNotFound, failure_code
from threadkeep.server.dialects.openai.items import Given, ItemOut
from threadkeep.server.paths import PATH_PARAMETERS


class ConversationNamed(Object):
    """The conversation of a response."""

    id: str


class ResponseFailure(Object):
    """Why a response failed."""

    code: Literal["server_error", "rate_limit_exceeded", "invalid_prompt"]
    message: str


class IncompleteReason(Object):
    """Why a response is incomplete."""

    reason: Literal["max_output_tokens"]


class ResponseUsage(Object):
    """Tokens of a response. Details are not known."""

    input_tokens: int
    input_tokens_details: Json
    output_tokens: int
    output_tokens_details: Json
    total_tokens: int


class Response(Object):
    """One answer of a model."""

    id: str
    object: Literal["response"]
    created_at: int
    completed_at: int | None
    status: Literal["in_progress", "completed", "incomplete", "failed", "cancelled"]
    background: bool
    error: ResponseFailure | None
    incomplete_details: IncompleteReason | None
    instructions: str | None
    model: str
    output: list[Any]  # Any: items.
    conversation: ConversationNamed | None
    previous_response_id: str | None
    parallel_tool_calls: bool
    tool_choice: Any  # Any: a word, or JSON.
    tools: list[Json]
    text: Json
    temperature: float | None
    top_p: float | None
    max_output_tokens: int | None
    truncation: str
    reasoning: Json
    metadata: Metadata
    store: bool
    service_tier: Literal["default"]
    usage: ResponseUsage | None


class TextWanted(Body):
    """What the answer must be. `verbosity` is a hint."""

    format: Json | None = None
    verbosity: Annotated[str, Meta(max_length=32)] | None = None


class ConversationIn(Body):
    """The conversation that a response is in."""

    id: str


class InputCreate(Body, kw_only=True):
    """What a model gets. Any: JSON; what is not used is a hint."""

    input: str | list[Json] | None = None
    conversation: str | ConversationIn | None = None
    previous_response_id: str | None = None
    instructions: Instructions | None = None
    model: ModelName | None = None
    tools: Annotated[list[Json], Meta(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | Json | None = None
    parallel_tool_calls: bool | None = None
    text: TextWanted | None = None
    truncation: Literal["auto", "disabled"] | None = None
    reasoning: Json | None = None


class ResponseCreate(InputCreate, kw_only=True):
    """A request for an answer. Any: JSON; what is not used is a hint, or refused."""

    input: str | list[Json]
    temperature: Temperature | None = None
    top_p: TopP | None = None
    max_output_tokens: TokensMax | None = None
    metadata: MetadataGiven | None = None
    background: bool | None = None
    stream: bool | None = None
    store: bool | None = None
    prompt: Any | None = None
    moderation: Any | None = None
    top_logprobs: Annotated[int, Meta(ge=0)] | None = None
    user: Any | None = None
    safety_identifier: Any | None = None
    service_tier: Any | None = None
    prompt_cache_key: Any | None = None
    prompt_cache_options: Any | None = None
    prompt_cache_retention: Any | None = None
    include: Any | None = None
    stream_options: Any | None = None
    max_tool_calls: Any | None = None
    background_options: Any | None = None
    context_management: Any | None = None


class ResponseQuery(OrganizationQuery, frozen=True):
    """Whether a response is followed, and behind which of its events."""

    stream: bool = False
    starting_after: Annotated[int, Meta(ge=0)] | None = msgspec.field(default=None, name="starting_after")


class Echoed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept with a response because it is shown again."""

    has_conversation: bool = False
    previous_response_id: str | None = None
    background: bool = False
    store: bool = True
    truncation: str = "disabled"
    verbosity: str = "medium"
    reasoning: Json | None = None


class Echo(msgspec.Struct):
    """What is kept is told from what the Assistants API keeps with its runs."""

    response: Echoed = Echoed()


class Asking(NamedTuple):
    """A request in native words, and the place of each of its messages in the input."""

    thread_id: str | None
    body: native.ResponseCreate
    manner: Manner
    places: list[int]


decode_echo = decoder(Echo | None).decode


def given(body: ResponseCreate) -> Asking:
    """Return the native request. Raises UnsupportedValue, ConversationNotFound, UnknownField or InvalidField."""
    require_supported(body)
    found = input_given(body.input)
    # Without input the model goes on with what is there.
    has_history = body.conversation is not None or body.previous_response_id is not None
    thread_id = None if body.conversation is None else thread_id_of(body.conversation)
    request = native.ResponseCreate(
        input=None if has_history and not found.messages else found.messages,
        instructions=body.instructions,
        model=body.model,
        tools=tools.given_flat(body.tools),
        tool_choice=tools.given_flat_choice(body.tool_choice),
        parallel_tool_calls=body.parallel_tool_calls,
        temperature=body.temperature,
        top_p=body.top_p,
        max_output_tokens=body.max_output_tokens,
        response_format=tools.given_flat_format(None if body.text is None else body.text.format),
        metadata=body.metadata,
        stream=bool(body.stream),
        background=bool(body.background),
    )
    hidden = Hidden(body.previous_response_id, is_kept=body.store is not False) if thread_id is None else None
    asked = msgspec.json.encode(Echo(echoed_given(body)))
    return Asking(
        thread_id, request, Manner(needs_question=False, requires_calls=True, asked=asked, hidden=hidden), found.places
    )


def require_supported(body: ResponseCreate) -> None:
    for name in ("prompt", "moderation"):
        if getattr(body, name) is not None:
            refuse(name, f"There is no {name} here: leave it out.")
    if body.top_logprobs:
        refuse("top_logprobs", "Models' probabilities are not kept: leave it out.")
    if body.conversation is not None and body.previous_response_id is not None:
        refuse("previous_response_id", "The conversation says what went before: leave one of the two out.")
    if body.store is False and (body.conversation is not None or body.background):
        refuse("store", "A response in a conversation, or in the background, is stored: leave store out.")


def input_given(input: str | Sequence[Json] | None) -> Given:
    if isinstance(input, str):
        return Given([MessageCreate("user", input)], [0])
    return items.given(input or (), "input")


def thread_id_of(conversation: str | ConversationIn) -> str:
    id = conversation.id if isinstance(conversation, ConversationIn) else conversation
    pattern, _ = PATH_PARAMETERS["conversationId"]
    if not pattern.fullmatch(id):
        raise ConversationNotFound(param="conversation")
    return with_prefix(id, "thread")


def echoed_given(body: ResponseCreate) -> Echoed:
    return Echoed(
        body.conversation is not None,
        body.previous_response_id,
        bool(body.background),
        body.store is not False,
        body.truncation or "disabled",
        (body.text and body.text.verbosity) or "medium",
        body.reasoning,
    )


def shown(response: native.Response, asked: Asked | None, output: Sequence[ItemOut]) -> Response:
    """Return the response as a client gets it, given what is kept of its request."""
    echo = None if asked is None else decode_echo(asked.own)
    own = Echoed() if echo is None else echo.response
    settings = (None if asked is None else asked.configuration) or Configuration()
    is_cut = response.status == "completed" and response.finish_reason == "length"
    return Response(
        response.id,
        "response",
        response.created_at,
        response.completed_at if response.status == "completed" and not is_cut else None,
        "incomplete" if is_cut else response.status,
        own.background,
        error_of(response),
        IncompleteReason("max_output_tokens") if is_cut else None,
        None if asked is None else asked.instructions,
        response.model,
        list(output),
        ConversationNamed(with_prefix(response.thread_id, "conv")) if own.has_conversation else None,
        own.previous_response_id,
        settings.parallel_tool_calls is not False,
        tools.shown_flat_choice(settings.tool_choice),
        tools.shown_flat(settings.tools),
        {"format": tools.shown_flat_format(settings.response_format), "verbosity": own.verbosity},
        settings.temperature,
        settings.top_p,
        settings.max_output_tokens,
        own.truncation,
        {"effort": None, "summary": None, **(own.reasoning or {})},
        shown_metadata(response.metadata),
        own.store,
        "default",
        None if response.status == "in_progress" else usage_of(response.usage),
    )


def error_of(response: native.Response) -> ResponseFailure | None:
    if response.status != "failed" or response.error is None:
        return None
    return ResponseFailure(failure_code(response.error.code), response.error.message)


def usage_of(usage: native.ResponseUsage) -> ResponseUsage:
    return ResponseUsage(
        usage.input_tokens,
        {"cached_tokens": 0, "cache_write_tokens": 0},
        usage.output_tokens,
        {"reasoning_tokens": 0},
        usage.total_tokens,
    )


async def asked_of(tx: ScopedTransaction, thread_id: str, response_id: str) -> Asked | None:
    """Return what is kept of a request; None of one that the native API took, or that goes on with a run."""
    chain = await chain_rows.find(tx, thread_id, response_id)
    return None if chain is None else chain.asked


async def complete(tx: ScopedTransaction, response: native.Response) -> Response:
    """Return a response with its output and what is kept of its request, as far as they are there."""
    asked = await asked_of(tx, response.thread_id, response.id)
    output: list[ItemOut] = []
    if response.status != "in_progress" and response.message_id is not None:
        try:
            found = await messages.read(tx, response.thread_id, response.message_id)
            output = items.shown(found.object, response.finish_reason)
        except (ThreadNotFound, MessageNotFound):
            output = []
    return shown(response, asked, output)


async def find(tx: ScopedTransaction, response_id: str) -> StoredResponse:
    row = await find_by_id(tx, response_id)
    if row is None:
        raise ResponseNotFound()
    return row


async def read(tx: ScopedTransaction, response_id: str) -> Response:
    return await complete(tx, await responses.shown(tx, await find(tx, response_id)))


async def input_items(tx: ScopedTransaction, response_id: str, query: ListQuery) -> Page:
    """Return one page of the items that a response was asked with, the newest first unless asked otherwise."""
    row = await find(tx, response_id)
    found = await claiming.input_messages(
        tx, row.thread, row.thread_id, row.cleared_seq, row.message_seq, row.input_count
    )
    await add_payloads(tx, row.thread, found)
    waiting = [each for message in found for each in items.shown(message)]
    window = window_of(query)
    place = items.position_of(window)
    if window.reads_descending:
        waiting.reverse()
    if place is not None:
        seqs = {message.id: message.seq for message in found}
        if place.message_id not in seqs:
            raise InvalidCursor(param=window.param)
        at = (seqs[place.message_id], place.rank)
        ranked = [(items.place_of(each.id), each) for each in waiting]
        behind = [(seqs[its.message_id], its.rank) for its, _ in ranked if its is not None]
        waiting = [
            each
            for each, key in zip(waiting, behind, strict=True)
            if (key < at if window.reads_descending else key > at)
        ]
    page = waiting[: window.limit]
    return page_of(page if window.before is None else page[::-1], len(waiting) > window.limit)


async def add_payloads(tx: ScopedTransaction, thread: int, found: Sequence[Message]) -> None:
    """Give messages their payloads, a page at a time."""
    left = list(found)
    while left:
        some = await payloads.add(tx, left, [(thread, each.seq) for each in left], lambda each: len(each.content))
        left = left[len(some) :]
