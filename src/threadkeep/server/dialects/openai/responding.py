"""Begins responses of OpenAI's Responses API, and waits for them; follows, ends and deletes them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal

import msgspec

from threadkeep.contract import responses as native
from threadkeep.contract.assistants import Configuration
from threadkeep.contract.messages import MessageCreate, TextPart
from threadkeep.database.scoped import ScopedDatabase, ScopedTransaction
from threadkeep.errors import InvalidField, ResponseNotFound, StorageFull, ThreadNotFound, Unavailable
from threadkeep.operations.idempotency import IdempotentRequest
from threadkeep.operations.responses import context, deleting
from threadkeep.operations.responses import responses as native_responses
from threadkeep.operations.responses.estimating import estimate, tokens_of
from threadkeep.operations.revisions import Versioned
from threadkeep.operations.threads import service_made
from threadkeep.runtime.answering import Answering
from threadkeep.runtime.following import Follower
from threadkeep.runtime.frames import Allowed, Answered, Presence, Streamed
from threadkeep.server.dialects.common import named, read_begun
from threadkeep.server.dialects.openai import tools
from threadkeep.server.dialects.openai.common import Deleted, Object
from threadkeep.server.dialects.openai.errors import ConversationNotFound, PreviousResponseNotFound
from threadkeep.server.dialects.openai.response_streams import ResponseStream
from threadkeep.server.dialects.openai.responses import (
    Asking,
    InputCreate,
    ResponseQuery,
    asked_of,
    complete,
    find,
    input_given,
    read,
    thread_id_of,
)

CALL_OF = re.compile(r"input\[\d+\]\.toolCallId")
NO_CALL = "No tool call found for this function call output: send the call before it, or go on after its response."


class InputTokens(Object):
    """How many tokens a request would send to its model, as threadkeep estimates them."""

    object: Literal["response.input_tokens"]
    input_tokens: int


@contextmanager
def worded(asking: Asking) -> Iterator[None]:
    """Let the errors of a request name what it names."""
    try:
        with named(asking.places, "input"), without_call():
            yield
    except ThreadNotFound:
        if asking.thread_id is None:
            raise ResponseNotFound() from None
        raise ConversationNotFound(param="conversation") from None
    except ResponseNotFound:
        raise PreviousResponseNotFound(param="previous_response_id") from None


@contextmanager
def without_call() -> Iterator[None]:
    """Let the error of an output without its call say what programs look for."""
    try:
        yield
    except InvalidField as error:
        if CALL_OF.fullmatch(error.param or ""):
            raise InvalidField(NO_CALL, param="input") from None
        raise


async def create(
    answering: Answering,
    db: ScopedDatabase,
    keyed: IdempotentRequest | None,
    asking: Asking,
    allowed: Allowed,
    presence: Presence,
) -> Answered | Streamed:
    """Begin a response; wait for its end, or answer with its events, or at once."""
    with worded(asking):
        answered = await answering.create(db, keyed, asking.thread_id, asking.body, allowed, presence, asking.manner)
    hidden = asking.manner.hidden
    # Whoever may ask again with the same key finds the answer for a minute: the thread goes by itself.
    is_kept = hidden is None or hidden.is_kept or keyed is not None
    if isinstance(answered, Follower):
        asked = await read_begun(db, asked_of, answered.row.thread_id, answered.row.id)
        return ResponseStream(db, answered, asked, is_kept=is_kept)
    response: native.Response = answered.value
    whole = await read_begun(db, complete, response)
    if not is_kept:
        # It would go by itself, later.
        with suppress(Unavailable, StorageFull):
            await db.write(service_made.leave, response.thread_id)
    return Answered(200, whole, answered.was_replayed)


async def retrieve(
    answering: Answering, db: ScopedDatabase, _keyed: None, response_id: str, query: ResponseQuery
) -> Answered | Streamed:
    """Return a response, or follow its events."""
    if not query.stream:
        return Answered(200, await db.read(read, response_id))
    row = await db.read(find, response_id)
    follower = await answering.follow(db, None, row.thread_id, row.id, None, None)
    assert isinstance(follower, Follower)
    asked = await db.read(asked_of, row.thread_id, row.id)
    return ResponseStream(db, follower, asked, -1 if query.starting_after is None else query.starting_after)


async def cancel(tx: ScopedTransaction, response_id: str) -> Versioned:
    """End a running response; one that has ended stays as it is."""
    row = await find(tx, response_id)
    ended = await native_responses.cancel(tx, row.thread_id, response_id)
    return Versioned(await complete(tx, ended), None, about=ended)


async def delete(tx: ScopedTransaction, response_id: str) -> Deleted:
    """Delete a response, its answer and its input."""
    await deleting.delete(tx, response_id)
    return Deleted(response_id, "response.deleted", True)


async def input_tokens(tx: ScopedTransaction, body: InputCreate) -> InputTokens:
    """Estimate what a request would send to its model, with all that is there already."""
    texts = [body.instructions or "", *(encode(each) for each in tools.given_flat(body.tools) or ())]
    tokens = sum(map(tokens_of_message, input_given(body.input).messages)) + sum(map(estimate, filter(None, texts)))
    thread_id = None if body.conversation is None else thread_id_of(body.conversation)
    try:
        if body.previous_response_id is not None:
            thread_id = (await find(tx, body.previous_response_id)).thread_id
        if thread_id is not None:
            whole = Configuration(context_mode="full")
            tokens += (await context.preview(tx, thread_id, whole, None)).total_tokens
    except ResponseNotFound:
        raise PreviousResponseNotFound(param="previous_response_id") from None
    except ThreadNotFound:
        raise ConversationNotFound(param="conversation") from None
    return InputTokens("response.input_tokens", tokens)


def encode(value: Any) -> str:  # Any: a struct.
    return msgspec.json.encode(value).decode()


def tokens_of_message(message: MessageCreate) -> int:
    content = message.content
    parts = [TextPart(content)] if isinstance(content, str) else content
    return tokens_of(message.role, parts, message.tool_calls or [])
