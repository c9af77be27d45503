"""Errors as LangGraph's clients know them: `{"detail": sentence, "code"}`, and 422 for what is wrong in a request."""

import msgspec

from threadkeep.errors import ApiError, InvalidRequest, MethodNotAllowed, NotFound
from threadkeep.server.answers import JSON

# What is looked for where nothing is, by the beginning of its path.
NOT_HERE = {
    "/langgraph/runs": "Runs need a thread here: use /threads/{thread_id}/runs, one at a time.",
    "/langgraph/store": "threadkeep has no LangGraph store: keep such data where it belongs, or in metadata.",
    "/langgraph/assistants": "Assistants are read here; create and change them at /v1/assistants.",
}
NO_GRAPH = "There is nothing at this path: threadkeep keeps threads of messages, no graphs, crons or checkpoints."


class LangGraphError(msgspec.Struct):
    """What is wrong: `code` is for programs, `detail` for people."""

    detail: str
    code: str


class Unprocessable(InvalidRequest):
    """Another error whose status is 400 natively."""

    status = 422

    def __init__(self, told: ApiError) -> None:
        super().__init__(told.message, param=told.param, headers=told.headers)
        self.told = told


class InvalidId(InvalidRequest):
    status = 422
    code = "invalid_id"
    default = "This is no id: ids of threads, runs and assistants are UUIDs here, or native ids."


class Unsupported(InvalidRequest):
    """A part of LangGraph's API that is not there."""

    status = 422
    code = "unsupported_value"


class AmbiguousName(InvalidRequest):
    """Several assistants have the name."""

    status = 422
    code = "ambiguous_name"


def reworded(error: ApiError, path: str) -> ApiError:
    """Return the error as this dialect words it, given the request's path."""
    if type(error) is NotFound or isinstance(error, MethodNotAllowed):
        return NotFound(next((text for start, text in NOT_HERE.items() if path.startswith(start)), NO_GRAPH))
    return Unprocessable(error) if error.status == 400 else error


def written(error: ApiError, _request_id: str) -> tuple[bytes, bytes]:
    told = error.told if isinstance(error, Unprocessable) else error
    detail = told.message if told.param is None else f"{told.message} ({told.param})"
    return JSON, msgspec.json.encode(LangGraphError(detail, told.code))
