"""Every path of this dialect, one line each."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from threadkeep.contract.answers import Nothing
from threadkeep.contract.messages import MessagesCreate
from threadkeep.scope import Role
from threadkeep.server.dialects.openai import (
    assistants,
    beginning,
    conversations,
    items,
    messages,
    models,
    responding,
    responses,
    runs,
    steps,
    threads,
)
from threadkeep.server.dialects.openai.common import PREFIX, Deleted, ListQuery, Page, window_of
from threadkeep.server.dialects.openai.errors import naming_run
from threadkeep.server.endpoint import Endpoint, ExecutionMode, Request
from threadkeep.server.routes import (
    METADATA,
    append_mode,
    create_mode,
    list_threads_mode,
    path_and_body,
    path_and_precondition,
    path_body_precondition,
    path_only,
)

WRITE = ExecutionMode.WRITE
V1 = PREFIX
THREAD = f"{V1}/threads/{{threadId}}"
MESSAGE = f"{THREAD}/messages/{{messageId}}"
CONVERSATION = f"{V1}/conversations/{{conversationId}}"
ITEM = f"{CONVERSATION}/items/{{itemId}}"
RESPONSE = f"{V1}/responses/{{responseId}}"
ITEM_WRITE = ("conversation_not_found", "conversation_locked", "thread_locked", "thread_archived", "item_not_found")
ASSISTANT = f"{V1}/assistants/{{assistantId}}"
MESSAGE_WRITE = ("thread_not_found", "thread_locked", "thread_archived", "message_not_found", "precondition_failed")


def in_thread(request: Request) -> list[Any]:
    """Return the path, with the id of the thread that a conversation is: its readers are told by that one."""
    request.path[0] = conversations.thread_id_of(request.path[0])
    return request.path


def items_given(request: Request) -> list[Any]:
    found = items.given(request.body.items)
    return [*in_thread(request), found.places, MessagesCreate(found.messages), request.precondition]


def list_messages_mode(arguments: Sequence[Any]) -> ExecutionMode:
    # The messages of one run may be anywhere in a long thread.
    return ExecutionMode.READ_ONE_COMMIT if arguments[-1].run_id is None else ExecutionMode.READ_SLOWLY


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
    Endpoint("POST", THREAD, naming_run(threads.update), "Modify a thread", path_body_precondition, threads.Thread,
             WRITE, body=threads.ThreadUpdate, takes_precondition=True,
             errors=("thread_not_found", "thread_locked", "thread_archived", "unsupported_value",
                     "precondition_failed", *METADATA)),
    Endpoint("DELETE", THREAD, threads.delete, "Delete a thread", path_and_precondition, Deleted, WRITE,
             takes_precondition=True, errors=("thread_not_found", "precondition_failed"), may_end_response=True),
]  # fmt: skip

MESSAGES = [
    Endpoint("POST", f"{THREAD}/messages", naming_run(messages.create), "Create a message",
             lambda request: [*request.path, messages.given(request.body), request.precondition], messages.Message,
             append_mode, body=messages.MessageCreate, takes_precondition=True,
             errors=(*MESSAGE_WRITE, "unsupported_value", *METADATA)),
    Endpoint("GET", f"{THREAD}/messages", messages.list_messages, "List messages",
             lambda request: [*request.path, request.query], (Page, messages.Message),
             list_messages_mode, query=messages.MessagesQuery,
             errors=("thread_not_found", "invalid_cursor")),
    Endpoint("GET", MESSAGE, messages.read, "Retrieve a message", path_only, messages.Message,
             errors=("thread_not_found", "message_not_found")),
    Endpoint("POST", MESSAGE, naming_run(messages.update), "Modify a message", path_body_precondition,
             messages.Message, WRITE, body=messages.MessageUpdate, takes_precondition=True,
             errors=(*MESSAGE_WRITE, *METADATA)),
    Endpoint("DELETE", MESSAGE, naming_run(messages.delete), "Delete a message", path_and_precondition, Deleted, WRITE,
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

RUN = f"{THREAD}/runs/{{runId}}"
# How long a client waits until it reads a run again, unless its program says so.
POLL: list[tuple[bytes, bytes]] = [(b"openai-poll-after-ms", b"250")]
RUN_ERRORS = ("thread_not_found", "thread_locked", "thread_archived", "unsupported_value")

BEGIN = Endpoint(
    "POST",
    f"{THREAD}/runs",
    beginning.create,
    "Create a run",
    lambda request: [*request.path, *runs.given(request.body), request.allowed, request.presence],
    runs.Run,
    ExecutionMode.ANSWER,
    body=runs.RunCreate,
    messages_at=("additional_messages",),
    errors=(*RUN_ERRORS, "assistant_not_found", "assistant_bound", "assistant_deleted", "model_not_found", *METADATA),
    streams=True,
    wants_neither=lambda body: not body.stream,
    headers=POLL,
)

RUNS = [
    BEGIN,
    replace(BEGIN, path=f"{V1}/threads/runs", operation=beginning.create_with_thread, summary="Create a thread and run",
            arguments=lambda request: [*runs.given_with_thread(request.body), request.allowed, request.presence],
            body=runs.ThreadRunCreate, messages_at=("thread.messages",)),
    Endpoint("GET", f"{THREAD}/runs", runs.list_runs, "List runs",
             lambda request: [*request.path, window_of(request.query)], (Page, runs.Run), query=ListQuery,
             errors=("thread_not_found", "invalid_cursor"), headers=POLL),
    Endpoint("GET", RUN, runs.read, "Retrieve a run", path_only, runs.Run, errors=("thread_not_found", "run_not_found"),
             headers=POLL),
    Endpoint("POST", RUN, runs.update, "Modify a run", path_and_body, runs.Run, WRITE, body=runs.RunUpdate,
             errors=("thread_not_found", "thread_archived", "run_not_found", *METADATA), headers=POLL),
    Endpoint("POST", f"{RUN}/cancel", runs.cancel, "Cancel a run", path_only, runs.Run, WRITE, body=Nothing,
             errors=("thread_not_found", "run_not_found"), may_end_response=True, headers=POLL),
    replace(BEGIN, path=f"{RUN}/submit_tool_outputs", operation=beginning.submit_tool_outputs,
            summary="Submit tool outputs",
            arguments=lambda request: [*request.path, request.body, request.allowed, request.presence],
            body=beginning.ToolOutputs, messages_at=(), errors=(*RUN_ERRORS[:3], "run_not_found")),
    Endpoint("GET", f"{RUN}/steps", steps.list_steps, "List run steps",
             lambda request: [*request.path, window_of(request.query)], (Page, steps.Step), query=ListQuery,
             errors=("thread_not_found", "run_not_found", "invalid_cursor")),
    Endpoint("GET", f"{RUN}/steps/{{stepId}}", steps.read, "Retrieve a run step", path_only, steps.Step,
             errors=("thread_not_found", "run_not_found", "step_not_found")),
]  # fmt: skip

MODELS = [
    Endpoint("GET", f"{V1}/models", models.list_models, "List models", path_only, (Page, models.Model),
             ExecutionMode.ANSWER, query=models.ModelsQuery),
    Endpoint("GET", f"{V1}/models/{{model}}", models.read, "Retrieve a model", path_only, models.Model,
             ExecutionMode.ANSWER, errors=("not_found",)),
]  # fmt: skip

CONVERSATIONS = [
    Endpoint("POST", f"{V1}/conversations", conversations.create, "Create a conversation",
             lambda request: conversations.given(request.body), conversations.Conversation, create_mode,
             body=conversations.ConversationCreate, errors=("unsupported_value", *METADATA)),
    Endpoint("GET", CONVERSATION, conversations.read, "Retrieve a conversation", in_thread,
             conversations.Conversation, errors=("conversation_not_found",)),
    Endpoint("POST", CONVERSATION, conversations.update, "Update a conversation",
             lambda request: [*in_thread(request), request.body, request.precondition], conversations.Conversation,
             WRITE, body=conversations.ConversationUpdate, takes_precondition=True,
             errors=("conversation_not_found", "thread_locked", "thread_archived", "precondition_failed", *METADATA)),
    Endpoint("DELETE", CONVERSATION, conversations.delete, "Delete a conversation",
             lambda request: [*in_thread(request), request.precondition], Deleted, WRITE, takes_precondition=True,
             errors=("conversation_not_found", "precondition_failed"), may_end_response=True),
    Endpoint("POST", f"{CONVERSATION}/items", items.create, "Create items", items_given, (Page, items.ItemOut),
             append_mode, body=items.ItemsCreate, takes_precondition=True,
             errors=(*ITEM_WRITE, "precondition_failed", "unsupported_value")),
    Endpoint("GET", f"{CONVERSATION}/items", items.list_items, "List items",
             lambda request: [*in_thread(request), request.query], (Page, items.ItemOut),
             ExecutionMode.READ_ONE_COMMIT, query=ListQuery, errors=("conversation_not_found", "invalid_cursor")),
    Endpoint("GET", ITEM, items.read_item, "Retrieve an item", in_thread, items.KINDS,
             errors=("conversation_not_found", "item_not_found")),
    Endpoint("DELETE", ITEM, conversations.delete_item, "Delete an item", in_thread, conversations.Conversation,
             WRITE, errors=ITEM_WRITE),
]  # fmt: skip

RESPONSES = [
    Endpoint("POST", f"{V1}/responses", responding.create, "Create a response",
             lambda request: [responses.given(request.body), request.allowed, request.presence], responses.Response,
             ExecutionMode.ANSWER, body=responses.ResponseCreate, streams=True,
             wants_neither=lambda body: body.background and not body.stream,
             errors=("conversation_not_found", "conversation_locked", "thread_locked", "thread_archived",
                     "previous_response_not_found", "model_not_found", "unsupported_value", *METADATA)),
    Endpoint("GET", RESPONSE, responding.retrieve, "Retrieve a response, or follow it",
             lambda request: [*request.path, request.query], responses.Response, ExecutionMode.ANSWER,
             query=responses.ResponseQuery, streams=True, wants_neither=lambda query: not query.stream,
             errors=("response_not_found",)),
    Endpoint("POST", f"{RESPONSE}/cancel", responding.cancel, "Cancel a response", path_only, responses.Response,
             WRITE, body=Nothing, errors=("response_not_found",), may_end_response=True),
    Endpoint("GET", f"{RESPONSE}/input_items", responses.input_items, "List input items",
             lambda request: [*request.path, request.query], (Page, items.ItemOut), query=ListQuery,
             errors=("response_not_found", "invalid_cursor")),
    Endpoint("DELETE", RESPONSE, responding.delete, "Delete a response", path_only, Deleted, WRITE,
             errors=("response_not_found", "conversation_locked", "thread_locked", "thread_archived"),
             may_end_response=True),
    Endpoint("POST", f"{V1}/responses/input_tokens", responding.input_tokens, "Count input tokens",
             lambda request: [request.body], responding.InputTokens, ExecutionMode.READ_SLOWLY,
             body=responses.InputCreate,
             errors=("conversation_not_found", "previous_response_not_found", "unsupported_value")),
]  # fmt: skip

ENDPOINTS = [*THREADS, *MESSAGES, *ASSISTANTS, *RUNS, *CONVERSATIONS, *RESPONSES, *MODELS]
