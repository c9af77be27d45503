"""Errors as OpenAI's client knows them: those of this dialect alone, and the native ones reworded."""

import re
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from threadkeep.database.scoped import ScopedTransaction
from threadkeep.errors import (
    ApiError,
    Conflict,
    IdempotencyConflict,
    InvalidRequest,
    MessageNotFound,
    NotFound,
    ResponseNotFound,
    ThreadBusy,
    ThreadNotFound,
)
from threadkeep.ids import with_prefix
from threadkeep.operations.responses import origins
from threadkeep.operations.responses.configuration import ModelUnknown

CAPITAL = re.compile("([A-Z])")
# The client takes its exception by status, and sends these again unless it is told not to.
NO_RETRY = {"x-should-retry": "false"}
# What clients' users read of what is not there begins like this.
NOT_FOUND: dict[str, str] = {
    "thread_not_found": "No thread found with this id, or you may not see it.",
    "message_not_found": "No message found with this id in this thread.",
    "assistant_not_found": "No assistant found with this id in this organization.",
    "response_not_found": "No response found with this id, or you may not see it.",
}
# Answers that failed for what was asked, and not for the model or the server.
INVALID_PROMPT = ("model_refused", "context_too_long")
# A response's path knows no POST.
COMPACT = "/openai/v1/responses/compact"
FILES = ("/files", "/vector_stores", "/uploads", "/batches")


def failure_code(code: str | None) -> Any:  # Any: one of the words of clients.
    """Return why a run or a response failed, given its native error's code."""
    return "invalid_prompt" if code in INVALID_PROMPT else "server_error"


class UnsupportedValue(InvalidRequest):
    code = "unsupported_value"


class ModelNotFound(InvalidRequest):
    code = "model_not_found"
    default = "No model found with this name: name it in THREADKEEP_MODEL, or let the table * answer for every name."


class PreviousResponseNotFound(InvalidRequest):
    code = "previous_response_not_found"
    default = "There is no such response, or you may not see it: send the conversation's items as input."


class ConversationLocked(InvalidRequest):
    code = "conversation_locked"
    default = "A response is being generated in this conversation: wait for its end or cancel it."


class ThreadActive(InvalidRequest):
    """A run is active. Programs read its id from the message; the code is null, as OpenAI's is."""

    code = ""


class RunState(InvalidRequest):
    """A run is in a state that does not allow this."""

    code = ""


class RunNotFound(NotFound):
    code = "run_not_found"
    default = "No run found with this id in this thread."


class StepNotFound(NotFound):
    code = "step_not_found"
    default = "No run step found with this id in this run."


class ConversationNotFound(NotFound):
    code = "conversation_not_found"
    default = "No conversation found with this id, or you may not see it."


class ItemNotFound(NotFound):
    code = "item_not_found"
    default = "No item found with this id in this conversation."


def reworded(error: ApiError, path: str) -> ApiError:
    """Return the error as this dialect words it, given the request's path."""
    if isinstance(error, ThreadBusy):
        error = busy(error, path)
    elif isinstance(error, ModelUnknown):
        error = ModelNotFound(param=error.param)
    elif path.startswith("/openai/v1/conversations") and isinstance(error, ThreadNotFound | MessageNotFound):
        error = ConversationNotFound() if isinstance(error, ThreadNotFound) else ItemNotFound()
    elif isinstance(error, ResponseNotFound) and path.startswith("/openai/v1/threads"):
        error = RunNotFound()
    elif error.code in NOT_FOUND:
        error = type(error)(NOT_FOUND[error.code], param=error.param)
    elif path == COMPACT:
        error = NotFound("Conversations are not compacted here: what a model gets is chosen at each response.")
    elif type(error) is NotFound and path.removeprefix("/openai/v1").startswith(FILES):
        error = NotFound("There is nothing at this path: threadkeep keeps no files and no vector stores.")
    if isinstance(error, Conflict | IdempotencyConflict):
        error.headers = {**error.headers, **NO_RETRY}
    if error.param is not None:
        error.param = CAPITAL.sub(lambda letter: f"_{letter.group().lower()}", error.param)
    return error


def busy(error: ThreadBusy, path: str) -> ApiError:
    if "/threads" not in path:
        return ConversationLocked(param="conversation")
    run_id = with_prefix(error.response_id, "run")
    if path.endswith("/runs"):
        return ThreadActive(f"Thread {error.thread_id} already has an active run {run_id}.")
    return ThreadActive(f"Can't add messages to {error.thread_id} while a run {run_id} is active.")


async def name_run(tx: ScopedTransaction, error: ThreadBusy) -> ThreadBusy:
    """Return the refusal with the response by which programs know the run that is active: its first."""
    # It may have been deleted since, with its thread.
    for origin in (await origins.find(tx, [error.response_id])).values():
        error.response_id = origin.first_id
    return error


def naming_run(operation: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Return the operation; what it refuses because a run is active names that run."""

    @wraps(operation)
    async def named(tx: ScopedTransaction, *arguments: Any) -> Any:  # Any: what the operation takes and returns.
        try:
            return await operation(tx, *arguments)
        except ThreadBusy as error:
            raise await name_run(tx, error) from None

    return named
