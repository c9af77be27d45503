"""Every path under /v1, one line each."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from threadkeep.contract.answers import Deleted, ListDeleted, Nothing, Page
from threadkeep.contract.assistants import Assistant, AssistantCreate, AssistantUpdate
from threadkeep.contract.messages import Message, MessageCreate, MessagesCreate, MessageUpdate
from threadkeep.contract.names import NameCreate, NameGenerated
from threadkeep.contract.organizations import (
    Key,
    KeyCreate,
    KeyCreated,
    Member,
    MemberDeleted,
    MemberPut,
    Organization,
    OrganizationUpdate,
    User,
)
from threadkeep.contract.responses import Context, Response, ResponseCreate, ResponseInThreadCreate
from threadkeep.contract.threads import Thread, ThreadCreate, ThreadUpdate
from threadkeep.contract.usage import Usage
from threadkeep.operations.assistants import assistants
from threadkeep.operations.messages import listing as message_list
from threadkeep.operations.messages import messages
from threadkeep.operations.organizations import keys, members, organizations, usage
from threadkeep.operations.responses import responses
from threadkeep.operations.threads import listing as thread_list
from threadkeep.operations.threads import state as thread_state
from threadkeep.operations.threads import threads
from threadkeep.runtime.answering import Answering
from threadkeep.scope import Role
from threadkeep.server.auth import Caller
from threadkeep.server.endpoint import Endpoint, ExecutionMode, Request
from threadkeep.server.query import (
    ContextQuery,
    EventsQuery,
    ListQuery,
    MemberDeleteQuery,
    MessagesQuery,
    NameQuery,
    ThreadsQuery,
    UsageQuery,
)

WRITE = ExecutionMode.WRITE
STATE = ("thread_not_found", "precondition_failed", "thread_archived")
CHANGE = ("thread_not_found", "thread_locked", "thread_archived", "thread_busy")
MESSAGE_CHANGE = (*CHANGE, "message_not_found", "precondition_failed")
METADATA = ("metadata_too_many", "metadata_key_too_long", "metadata_value_too_long")


def path_only(request: Request) -> list[str]:
    return request.path


def path_and_body(request: Request) -> list[Any]:
    return [*request.path, request.body]


def path_and_precondition(request: Request) -> list[Any]:
    return [*request.path, request.precondition]


def path_body_precondition(request: Request) -> list[Any]:
    return [*request.path, request.body, request.precondition]


def path_and_position(request: Request) -> list[Any]:
    last_id = request.last_event_id
    return [*request.path, request.query.after, None if last_id is None else last_id.decode("latin-1")]


def list_threads_mode(arguments: Sequence[Any]) -> ExecutionMode:
    return ExecutionMode.READ_SLOWLY if arguments[0].is_slow else ExecutionMode.READ


def list_messages_mode(arguments: Sequence[Any]) -> ExecutionMode:
    # No index leads with the role: a rare one may be far apart in a long thread.
    role = arguments[-1]
    return ExecutionMode.READ if role is None else ExecutionMode.READ_SLOWLY


def create_mode(arguments: Sequence[Any]) -> ExecutionMode:
    return ExecutionMode.WRITE_ONCE if threads.is_one_statement(arguments[-1]) else ExecutionMode.WRITE


def append_mode(arguments: Sequence[Any]) -> ExecutionMode:
    return ExecutionMode.WRITE_ONCE if messages.is_one_statement(arguments[-1]) else ExecutionMode.WRITE


THREADS = [
    Endpoint("POST", "/v1/threads", threads.create, "Create a thread", path_and_body, Thread, create_mode,
             body=ThreadCreate, messages_at=("messages",), status=201,
             errors=("thread_exists", "assistant_not_found", "bearer_token_required", *METADATA)),
    Endpoint("GET", "/v1/threads", thread_list.list_threads, "List threads",
             lambda request: [request.query.query()], (Page, Thread), list_threads_mode,
             query=ThreadsQuery, errors=("invalid_cursor",)),
    Endpoint("GET", "/v1/user", Caller.user, "Read who is calling", path_only, User, ExecutionMode.CALLER),
    Endpoint("GET", "/v1/user/threads", thread_list.list_own_threads, "List the caller's own threads",
             lambda request: [request.query.query()], (Page, Thread), list_threads_mode,
             query=ThreadsQuery, errors=("invalid_cursor",)),
    Endpoint("GET", "/v1/threads/{threadId}", threads.read, "Read a thread", path_only, Thread,
             errors=("thread_not_found",)),
    Endpoint("PATCH", "/v1/threads/{threadId}", threads.update, "Change a thread", path_body_precondition, Thread,
             WRITE, body=ThreadUpdate, takes_precondition=True,
             errors=(*CHANGE, "assistant_not_found", "assistant_bound", "bearer_token_required", "precondition_failed",
                     *METADATA)),
    Endpoint("DELETE", "/v1/threads/{threadId}", threads.delete, "Delete a thread", path_and_precondition, Deleted,
             WRITE, takes_precondition=True, errors=("thread_not_found", "precondition_failed"),
             may_end_response=True),
    Endpoint("POST", "/v1/threads/{threadId}/lock", thread_state.lock, "Lock a thread", path_and_precondition, Thread,
             WRITE, body=Nothing, takes_precondition=True, errors=STATE, may_end_response=True),
    Endpoint("POST", "/v1/threads/{threadId}/unlock", thread_state.unlock, "Unlock a thread", path_and_precondition,
             Thread, WRITE, body=Nothing, takes_precondition=True, errors=STATE),
    Endpoint("POST", "/v1/threads/{threadId}/archive", thread_state.archive, "Archive a thread", path_and_precondition,
             Thread, WRITE, body=Nothing, takes_precondition=True, errors=STATE, may_end_response=True),
    Endpoint("POST", "/v1/threads/{threadId}/unarchive", thread_state.unarchive, "Unarchive a thread",
             path_and_precondition, Thread, WRITE, body=Nothing, takes_precondition=True, errors=STATE),
]  # fmt: skip

MESSAGES = [
    Endpoint("POST", "/v1/threads/{threadId}/messages", messages.append, "Add messages", path_and_body,
             (Message, (Page, Message)), append_mode, body=MessageCreate | MessagesCreate,
             choose_body=lambda decoded: MessagesCreate if "messages" in decoded else MessageCreate, status=201,
             messages_at=("messages",),
             errors=(*CHANGE, *METADATA)),
    Endpoint("GET", "/v1/threads/{threadId}/messages", message_list.list_messages, "List messages",
             lambda request: [*request.path, request.query.window(), request.query.role], (Page, Message),
             list_messages_mode, query=MessagesQuery, errors=("thread_not_found", "invalid_cursor")),
    Endpoint("DELETE", "/v1/threads/{threadId}/messages", messages.delete_all, "Delete all messages",
             path_and_precondition, ListDeleted, WRITE, takes_precondition=True,
             errors=(*CHANGE, "precondition_failed")),
    Endpoint("GET", "/v1/threads/{threadId}/messages/{messageId}", messages.read, "Read a message", path_only, Message,
             errors=("thread_not_found", "message_not_found")),
    Endpoint("PATCH", "/v1/threads/{threadId}/messages/{messageId}", messages.update, "Change a message",
             path_body_precondition, Message, WRITE, body=MessageUpdate, takes_precondition=True,
             errors=(*MESSAGE_CHANGE, *METADATA)),
    Endpoint("DELETE", "/v1/threads/{threadId}/messages/{messageId}", messages.delete, "Delete a message",
             path_and_precondition, Deleted, WRITE, takes_precondition=True, errors=MESSAGE_CHANGE),
]  # fmt: skip

RESPONSE = "/v1/threads/{threadId}/responses/{responseId}"
ANSWER = (
    "thread_not_found",
    "thread_locked",
    "thread_archived",
    "thread_busy",
    "thread_empty",
    "assistant_not_found",
    "assistant_bound",
    "assistant_deleted",
    *METADATA,
)
BEGIN = Endpoint(
    "POST",
    "/v1/threads/{threadId}/responses",
    Answering.create,
    "Create a response",
    lambda request: [*request.path, request.body, request.allowed, request.presence],
    Response,
    ExecutionMode.ANSWER,
    body=ResponseCreate,
    messages_at=("input",),
    errors=ANSWER,
    streams=True,
    wants_neither=lambda body: body.background and not body.stream,
    more_statuses=(202,),
)

RESPONSES = [
    BEGIN,
    replace(BEGIN, path="/v1/responses", summary="Create a response in a new or an existing thread",
            arguments=lambda request: [None, request.body, request.allowed, request.presence],
            body=ResponseInThreadCreate, messages_at=("input", "thread.messages"),
            organization_at=("organizationId", "thread.organizationId"),
            errors=(*ANSWER, "thread_exists", "bearer_token_required")),
    Endpoint("GET", "/v1/threads/{threadId}/responses", responses.list_responses, "List responses",
             lambda request: [*request.path, request.query.window()], (Page, Response), query=ListQuery,
             errors=("thread_not_found", "invalid_cursor")),
    Endpoint("GET", RESPONSE, responses.read, "Read a response", path_only, Response,
             errors=("thread_not_found", "response_not_found")),
    Endpoint("POST", f"{RESPONSE}/cancel", responses.cancel, "Cancel a response", path_only, Response, WRITE,
             body=Nothing, errors=("thread_not_found", "response_not_found"), may_end_response=True),
    Endpoint("GET", f"{RESPONSE}/events", Answering.follow, "Follow a response", path_and_position, None,
             ExecutionMode.ANSWER, query=EventsQuery, errors=("thread_not_found", "response_not_found"),
             streams=True, more_statuses=(204,)),
    Endpoint("GET", "/v1/threads/{threadId}/stream", Answering.follow_thread, "Follow whatever runs in a thread",
             path_and_position, None, ExecutionMode.ANSWER, query=EventsQuery, errors=("thread_not_found",),
             streams=True, more_statuses=(204,)),
    Endpoint("GET", "/v1/threads/{threadId}/context", Answering.context, "Show the context of the next response",
             lambda request: [*request.path, request.query.configuration()], Context, ExecutionMode.ANSWER,
             query=ContextQuery, errors=("thread_not_found", "assistant_bound", "assistant_deleted")),
    Endpoint("POST", "/v1/threads/{threadId}/generateName", Answering.generate_name, "Generate a name",
             lambda request: [
                 *request.path, request.body, request.query.stream, request.allowed, request.presence
             ], NameGenerated, ExecutionMode.ANSWER, body=NameCreate, query=NameQuery, streams=True,
             errors=("thread_not_found", "thread_locked", "thread_archived", "thread_empty", "request_in_progress",
                     "model_unavailable", "model_timeout")),
]  # fmt: skip

ASSISTANTS = [
    Endpoint("POST", "/v1/assistants", assistants.create, "Create an assistant", path_and_body, Assistant,
             ExecutionMode.WRITE_ONCE, Role.ADMIN, body=AssistantCreate, status=201,
             errors=("name_taken", "assistant_not_found", *METADATA)),
    Endpoint("GET", "/v1/assistants", assistants.list_assistants, "List assistants",
             lambda request: [request.query.window()], (Page, Assistant), query=ListQuery, errors=("invalid_cursor",)),
    Endpoint("GET", "/v1/assistants/{assistantId}", assistants.read, "Read an assistant", path_only, Assistant,
             errors=("assistant_not_found",)),
    Endpoint("PATCH", "/v1/assistants/{assistantId}", assistants.update, "Change an assistant",
             path_body_precondition, Assistant, WRITE, Role.ADMIN, body=AssistantUpdate, takes_precondition=True,
             errors=("assistant_not_found", "name_taken", "precondition_failed", *METADATA)),
    Endpoint("DELETE", "/v1/assistants/{assistantId}", assistants.delete, "Delete an assistant",
             path_and_precondition, Deleted, WRITE, Role.ADMIN, takes_precondition=True,
             errors=("assistant_not_found", "precondition_failed")),
]  # fmt: skip

ORGANIZATION = "/v1/organizations/{organizationId}"

ORGANIZATIONS = [
    Endpoint("GET", ORGANIZATION, organizations.read, "Read an organization", path_only, Organization),
    Endpoint("PATCH", ORGANIZATION, organizations.update, "Change an organization", path_body_precondition,
             Organization, WRITE, Role.OWNER, body=OrganizationUpdate, takes_precondition=True,
             errors=("precondition_failed",)),
    Endpoint("DELETE", ORGANIZATION, organizations.delete, "Delete an organization with everything in it",
             path_and_precondition, Deleted, WRITE, Role.OWNER, takes_precondition=True,
             errors=("precondition_failed",)),
    Endpoint("GET", f"{ORGANIZATION}/members", members.list_members, "List members",
             lambda request: [request.query.window()], (Page, Member), role=Role.ADMIN, query=ListQuery,
             errors=("invalid_cursor",)),
    Endpoint("PUT", f"{ORGANIZATION}/members/{{userId}}", members.put, "Add a member or change a role",
             path_body_precondition, Member, WRITE, Role.OWNER, body=MemberPut, takes_precondition=True,
             errors=("last_owner", "precondition_failed")),
    Endpoint("DELETE", f"{ORGANIZATION}/members/{{userId}}", members.remove, "Remove a member",
             lambda request: [*request.path, request.query.threads == "delete", request.precondition], MemberDeleted,
             ExecutionMode.STEPS, Role.OWNER, query=MemberDeleteQuery, takes_precondition=True,
             errors=("member_not_found", "last_owner", "precondition_failed")),
    Endpoint("POST", f"{ORGANIZATION}/keys", keys.create, "Create an API key", path_and_body, KeyCreated, WRITE,
             Role.OWNER, body=KeyCreate, status=201),
    Endpoint("GET", f"{ORGANIZATION}/keys", keys.list_keys, "List API keys",
             lambda request: [request.query.window()], (Page, Key), role=Role.ADMIN, query=ListQuery,
             errors=("invalid_cursor",)),
    Endpoint("DELETE", f"{ORGANIZATION}/keys/{{keyId}}", keys.delete, "Revoke an API key", path_and_precondition,
             Deleted, WRITE, Role.OWNER, takes_precondition=True, errors=("key_not_found", "precondition_failed")),
    Endpoint("GET", f"{ORGANIZATION}/usage", usage.read, "Read usage",
             lambda request: [request.query.days(), request.query.group_by, request.query.limit], Usage,
             ExecutionMode.READ_SLOWLY, Role.ADMIN, query=UsageQuery),
]  # fmt: skip

LISTED = [*THREADS, *MESSAGES, *RESPONSES, *ASSISTANTS, *ORGANIZATIONS]

# An update answers to PATCH and POST alike.
ENDPOINTS = [*LISTED, *(replace(each, method="POST") for each in LISTED if each.method == "PATCH")]
