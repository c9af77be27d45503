"""Every path of this dialect, one line each."""

from collections.abc import Sequence
from typing import Any

from threadkeep.scope import Role
from threadkeep.server.dialects.openai import assistants, messages, models, threads
from threadkeep.server.dialects.openai.common import PREFIX, Deleted, ListQuery, Page, window_of
from threadkeep.server.endpoint import Endpoint, ExecutionMode, Request
from threadkeep.server.routes import (
    METADATA,
    append_mode,
    create_mode,
    list_threads_mode,
    path_and_precondition,
    path_body_precondition,
    path_only,
)

WRITE = ExecutionMode.WRITE
V1 = f"{PREFIX}/v1"
THREAD = f"{V1}/threads/{{threadId}}"
MESSAGE = f"{THREAD}/messages/{{messageId}}"
ASSISTANT = f"{V1}/assistants/{{assistantId}}"
MESSAGE_WRITE = ("thread_not_found", "thread_locked", "thread_archived", "message_not_found", "precondition_failed")


def model_and_path(request: Request) -> Sequence[Any]:
    return [request.answering.default_model, *request.path]


THREADS = [
    Endpoint("POST", f"{V1}/threads", threads.create, "Create a thread", lambda request: [threads.given(request.body)],
             threads.Thread, create_mode, body=threads.ThreadCreate, messages_at=("messages",),
             errors=("unsupported_value", *METADATA)),
    Endpoint("GET", f"{V1}/threads", threads.list_threads, "List threads",
             lambda request: [threads.query_of(request.query)], (Page, threads.Thread), list_threads_mode,
             query=threads.ThreadsQuery, errors=("invalid_cursor",)),
    Endpoint("GET", THREAD, threads.read, "Retrieve a thread", path_only, threads.Thread,
             errors=("thread_not_found",)),
    Endpoint("POST", THREAD, threads.update, "Modify a thread", path_body_precondition, threads.Thread, WRITE,
             body=threads.ThreadUpdate, takes_precondition=True,
             errors=("thread_not_found", "thread_locked", "thread_archived", "unsupported_value",
                     "precondition_failed", *METADATA)),
    Endpoint("DELETE", THREAD, threads.delete, "Delete a thread", path_and_precondition, Deleted, WRITE,
             takes_precondition=True, errors=("thread_not_found", "precondition_failed"), may_end_response=True),
]  # fmt: skip

MESSAGES = [
    Endpoint("POST", f"{THREAD}/messages", messages.create, "Create a message",
             lambda request: [*request.path, messages.given(request.body), request.precondition], messages.Message,
             append_mode, body=messages.MessageCreate, takes_precondition=True,
             errors=(*MESSAGE_WRITE, "unsupported_value", *METADATA)),
    Endpoint("GET", f"{THREAD}/messages", messages.list_messages, "List messages",
             lambda request: [*request.path, request.query], (Page, messages.Message), query=messages.MessagesQuery,
             errors=("thread_not_found", "invalid_cursor")),
    Endpoint("GET", MESSAGE, messages.read, "Retrieve a message", path_only, messages.Message,
             errors=("thread_not_found", "message_not_found")),
    Endpoint("POST", MESSAGE, messages.update, "Modify a message", path_body_precondition, messages.Message, WRITE,
             body=messages.MessageUpdate, takes_precondition=True, errors=(*MESSAGE_WRITE, *METADATA)),
    Endpoint("DELETE", MESSAGE, messages.delete, "Delete a message", path_and_precondition, Deleted, WRITE,
             takes_precondition=True, errors=MESSAGE_WRITE),
]  # fmt: skip

ASSISTANTS = [
    Endpoint("POST", f"{V1}/assistants", assistants.create, "Create an assistant",
             lambda request: [request.answering.default_model, assistants.given(request.body)], assistants.Assistant,
             ExecutionMode.WRITE_ONCE, Role.ADMIN, body=assistants.AssistantCreate,
             errors=("assistant_exists", "unsupported_value", *METADATA)),
    Endpoint("GET", f"{V1}/assistants", assistants.list_assistants, "List assistants",
             lambda request: [request.answering.default_model, window_of(request.query)],
             (Page, assistants.Assistant), query=ListQuery, errors=("invalid_cursor",)),
    Endpoint("GET", ASSISTANT, assistants.read, "Retrieve an assistant", model_and_path, assistants.Assistant,
             errors=("assistant_not_found",)),
    Endpoint("POST", ASSISTANT, assistants.update, "Modify an assistant",
             lambda request: [*model_and_path(request), request.body, request.precondition], assistants.Assistant,
             WRITE, Role.ADMIN, body=assistants.AssistantUpdate, takes_precondition=True,
             errors=("assistant_not_found", "unsupported_value", "precondition_failed", *METADATA)),
    Endpoint("DELETE", ASSISTANT, assistants.delete, "Delete an assistant", path_and_precondition, Deleted, WRITE,
             Role.ADMIN, takes_precondition=True, errors=("assistant_not_found", "precondition_failed")),
]  # fmt: skip

MODELS = [
    Endpoint("GET", f"{V1}/models", models.list_models, "List models", path_only, (Page, models.Model),
             ExecutionMode.ANSWER, query=models.ModelsQuery),
    Endpoint("GET", f"{V1}/models/{{model}}", models.read, "Retrieve a model", path_only, models.Model,
             ExecutionMode.ANSWER, errors=("not_found",)),
]  # fmt: skip

ENDPOINTS = [*THREADS, *MESSAGES, *ASSISTANTS, *MODELS]
