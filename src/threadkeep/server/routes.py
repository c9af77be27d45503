"""Every path under /v1, one line each, with what the OpenAPI document says of it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from threadkeep.contract.answers import Deleted, ListDeleted, ListPage, Nothing
from threadkeep.contract.assistants import Assistant, AssistantCreate, AssistantUpdate
from threadkeep.contract.basis import ListQuery
from threadkeep.contract.bulk import Bulk, BulkCreate, BulkPreview
from threadkeep.contract.messages import Message, MessageCreate, MessagesCreate, MessagesQuery, MessageUpdate
from threadkeep.contract.models import Model
from threadkeep.contract.names import NameCreate, NameGenerated, NameQuery
from threadkeep.contract.organizations import (
    Key,
    KeyCreate,
    KeyCreated,
    Member,
    MemberDeleted,
    MemberDeleteQuery,
    MemberPut,
    Organization,
    OrganizationUpdate,
    TokenCreate,
    TokenCreated,
    User,
)
from threadkeep.contract.responses import (
    Context,
    ContextQuery,
    EventsQuery,
    Response,
    ResponseCreate,
    ResponseInThreadCreate,
)
from threadkeep.contract.threads import Thread, ThreadCopy, ThreadCreate, ThreadsQuery, ThreadUpdate
from threadkeep.contract.usage import Usage, UsageQuery
from threadkeep.operations.assistants import assistants
from threadkeep.operations.bulk import finding, jobs
from threadkeep.operations.messages import appending, messages
from threadkeep.operations.messages import listing as message_list
from threadkeep.operations.organizations import keys, members, organizations, tokens, usage
from threadkeep.operations.responses import responses
from threadkeep.operations.threads import copying, threads
from threadkeep.operations.threads import listing as thread_list
from threadkeep.operations.threads import state as thread_state
from threadkeep.runtime.answering import Answering
from threadkeep.scope import Role
from threadkeep.server.auth import Caller
from threadkeep.server.endpoint import Endpoint, ExecutionMode, Request
from threadkeep.server.query import bulk_filter, bulk_kind, configuration_of, days_of, thread_query, window_of

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
    query = arguments[0]
    if query.is_slow:
        return ExecutionMode.READ_SLOWLY
    return ExecutionMode.READ_ONE_COMMIT if query.with_payload else ExecutionMode.READ


def list_messages_mode(arguments: Sequence[Any]) -> ExecutionMode:
    query = arguments[-1]
    if query.role is not None:
        # No index begins with the role: messages of a rare one may be far apart in a long thread.
        return ExecutionMode.READ_SLOWLY
    is_line = query.branch is not None or query.through is not None
    takes_several = is_line or query.with_payload or query.with_siblings
    return ExecutionMode.READ_ONE_COMMIT if takes_several else ExecutionMode.READ


def create_mode(arguments: Sequence[Any]) -> ExecutionMode:
    return ExecutionMode.WRITE_ONCE if threads.is_one_statement(arguments[-1]) else ExecutionMode.WRITE_CHECKED


def append_mode(arguments: Sequence[Any]) -> ExecutionMode:
    body, precondition = arguments[-2:]
    if appending.is_one_statement(body, precondition):
        return ExecutionMode.WRITE_ONCE
    is_checked = isinstance(body, MessagesCreate) and appending.is_at_the_end(body, precondition)
    return ExecutionMode.WRITE_CHECKED if is_checked else ExecutionMode.WRITE


THREADS = [
    Endpoint("POST", "/v1/threads", threads.create, "Create a thread", path_and_body, Thread, create_mode,
             body=ThreadCreate, messages_at=("messages",), payloads_at=("", "messages"), status=201,
             errors=("thread_exists", "external_id_taken", "message_not_found", "assistant_not_found",
                     "bearer_token_required", *METADATA),
             description="Creates a thread with its first messages, all or nothing. No body is needed."),
    Endpoint("GET", "/v1/threads", thread_list.list_threads, "List threads",
             lambda request: [thread_query(request.query)], (ListPage, Thread), list_threads_mode,
             query=ThreadsQuery, errors=("invalid_cursor",),
             description="Lists the threads that the caller may see: a member's own, for admins and owners all of the "
                         "organization. Archived ones only with `state`. All filters given must match."),
    Endpoint("GET", "/v1/user", Caller.user, "Read who is calling", path_only, User, ExecutionMode.CALLER,
             description="Says who is calling, with what, and which organizations that opens."),
    Endpoint("GET", "/v1/user/threads", thread_list.list_own_threads, "List the caller's own threads",
             lambda request: [thread_query(request.query)], (ListPage, Thread), list_threads_mode,
             query=ThreadsQuery, errors=("invalid_cursor",),
             description="Lists the caller's own threads, whatever the caller's role."),
    Endpoint("GET", "/v1/threads/{threadId}", threads.read, "Read a thread", path_only, Thread,
             errors=("thread_not_found",),
             description="The `ETag` is the thread's revision, for `If-Match`."),
    Endpoint("PATCH", "/v1/threads/{threadId}", threads.update, "Change a thread", path_body_precondition, Thread,
             WRITE, body=ThreadUpdate, takes_precondition=True, payloads_at=("",),
             errors=(*CHANGE, "assistant_not_found", "assistant_bound", "bearer_token_required", "precondition_failed",
                     *METADATA),
             description="Changes what the body names; what is absent stays. Metadata merges: a pair that is null is "
                         "removed. A locked thread takes metadata only, an archived one nothing."),
    Endpoint("DELETE", "/v1/threads/{threadId}", threads.delete, "Delete a thread", path_and_precondition, Deleted,
             WRITE, takes_precondition=True, errors=("thread_not_found", "precondition_failed"),
             may_end_response=True,
             description="Deletes for good, with all messages and responses. A running response ends. In every state."),
    Endpoint("POST", "/v1/threads/{threadId}/copy", copying.copy, "Copy a thread", path_and_body, Thread, WRITE,
             body=ThreadCopy, status=201, errors=("thread_not_found", "message_not_found", *METADATA),
             description="Makes a new thread of the current line, or of the line that ends at a message. The source "
                         "may be locked or archived."),
    Endpoint("POST", "/v1/threads/{threadId}/lock", thread_state.lock, "Lock a thread", path_and_precondition, Thread,
             WRITE, body=Nothing, takes_precondition=True, errors=STATE, may_end_response=True,
             description="A locked thread takes no messages; its metadata may be changed. A running response ends, "
                         "its text stays. What an admin locked, an admin unlocks."),
    Endpoint("POST", "/v1/threads/{threadId}/unlock", thread_state.unlock, "Unlock a thread", path_and_precondition,
             Thread, WRITE, body=Nothing, takes_precondition=True, errors=STATE,
             description="Lifts the lock."),
    Endpoint("POST", "/v1/threads/{threadId}/archive", thread_state.archive, "Archive a thread", path_and_precondition,
             Thread, WRITE, body=Nothing, takes_precondition=True, errors=STATE, may_end_response=True,
             description="Freezes the thread and takes it out of the default lists. A running response ends, its text "
                         "stays."),
    Endpoint("POST", "/v1/threads/{threadId}/unarchive", thread_state.unarchive, "Unarchive a thread",
             path_and_precondition, Thread, WRITE, body=Nothing, takes_precondition=True, errors=STATE,
             description="Takes the thread out of the archive; one that was locked before is locked still."),
]  # fmt: skip

BULK = "/v1/threads/bulk/{bulkId}"

BULKS = [
    Endpoint("POST", "/v1/threads/bulk", jobs.ask, "Change many threads",
             lambda request: [request.body, bulk_filter(request.body)], (Bulk, BulkPreview), ExecutionMode.PREPARED,
             prepare=finding.prepare, body=BulkCreate, choose_body=bulk_kind, payloads_at=("change",),
             organization_at=("organizationId", "filter.organizationId"), status=202, more_statuses=(200,),
             description="Does the same with many threads, in the background: with those that match now, neither more "
                         "nor less. Each is checked as by the call for one thread. With `dryRun` it is only said what "
                         "would be done."),
    Endpoint("GET", BULK, jobs.read, "Read a bulk", path_only, Bulk, errors=("bulk_not_found",),
             description="Says how far a change of many threads is. It is kept for 24 hours."),
    Endpoint("POST", f"{BULK}/cancel", jobs.cancel, "Cancel a bulk", path_only, Bulk, WRITE, body=Nothing,
             errors=("bulk_not_found",),
             description="Ends it where it is; what is done stays. One that has ended stays as it is."),
    Endpoint("POST", f"{BULK}/undo", jobs.undo, "Undo a bulk", path_only, Bulk, WRITE, body=Nothing,
             errors=("bulk_not_found",),
             description="Takes back what it has changed, in the background; one that goes on ends first. A thread "
                         "that has changed since stays as it is. A deletion cannot be undone."),
]  # fmt: skip

MESSAGES = [
    Endpoint("POST", "/v1/threads/{threadId}/messages", appending.append, "Add messages", path_body_precondition,
             (Message, (ListPage, Message)), append_mode, body=MessageCreate | MessagesCreate,
             choose_body=lambda decoded: MessagesCreate if "messages" in decoded else MessageCreate, status=201,
             messages_at=("messages",), takes_precondition=True, payloads_at=("", "messages", "thread"),
             errors=(*MESSAGE_CHANGE, "external_id_taken", *METADATA),
             description="Adds one message, or with `messages` up to 100, all or nothing. With `If-Match`, the "
                         "thread's tag, only if the thread has not changed since; with `thread` or `replaces`, "
                         "other changes in the same transaction. Such an answer has the thread's new tag as "
                         "`Thread-ETag`."),
    Endpoint("GET", "/v1/threads/{threadId}/messages", message_list.list_messages, "List messages",
             lambda request: [*request.path, message_list.query_of(request.query)], (ListPage, Message),
             list_messages_mode, query=MessagesQuery,
             errors=("thread_not_found", "message_not_found", "invalid_cursor"),
             description="Lists messages, the oldest first: of all branches, or with `branch` or `through` of "
                         "one line."),
    Endpoint("DELETE", "/v1/threads/{threadId}/messages", messages.delete_all, "Delete all messages",
             path_and_precondition, ListDeleted, WRITE, takes_precondition=True,
             errors=(*CHANGE, "precondition_failed"),
             description="Deletes all messages at once. Their numbers are not given again."),
    Endpoint("GET", "/v1/threads/{threadId}/messages/{messageId}", messages.read, "Read a message", path_only, Message,
             errors=("thread_not_found", "message_not_found"),
             description="While it is being generated, `content` is what is stored so far."),
    Endpoint("PATCH", "/v1/threads/{threadId}/messages/{messageId}", messages.update, "Change a message",
             path_body_precondition, Message, WRITE, body=MessageUpdate, takes_precondition=True, payloads_at=("",),
             errors=(*MESSAGE_CHANGE, *METADATA),
             description="Changes content or metadata. Metadata merges."),
    Endpoint("DELETE", "/v1/threads/{threadId}/messages/{messageId}", messages.delete, "Delete a message",
             path_and_precondition, Deleted, WRITE, takes_precondition=True, errors=MESSAGE_CHANGE,
             description="Deletes for good. The response that wrote it, if any, stays without its text."),
]  # fmt: skip

RESPONSE = "/v1/threads/{threadId}/responses/{responseId}"
ANSWER = (
    "thread_not_found",
    "thread_locked",
    "thread_archived",
    "thread_busy",
    "thread_empty",
    "message_not_found",
    "external_id_taken",
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
    payloads_at=("input",),
    errors=ANSWER,
    streams=True,
    wants_neither=lambda body: body.background and not body.stream,
    more_statuses=(202,),
    description="Asks a model for an answer. Waits for its end and answers with the response, a failed one too; with "
    "`stream` as a stream; with `background` with 202 at once. Input and the empty answer are stored before the model "
    "is called. Going away cancels nothing.",
)

RESPONSES = [
    BEGIN,
    replace(BEGIN, path="/v1/responses", summary="Create a response in a new or an existing thread",
            arguments=lambda request: [None, request.body, request.allowed, request.presence],
            body=ResponseInThreadCreate, messages_at=("input", "thread.messages"),
            payloads_at=("input", "thread", "thread.messages"),
            organization_at=("organizationId", "thread.organizationId"),
            errors=(*ANSWER, "thread_exists", "bearer_token_required"),
            description="The same, for a thread that is named or described in `thread`."),
    Endpoint("GET", "/v1/threads/{threadId}/responses", responses.list_responses, "List responses",
             lambda request: [*request.path, window_of(request.query)], (ListPage, Response), query=ListQuery,
             errors=("thread_not_found", "invalid_cursor"),
             description="Lists the thread's responses in the order in which they began."),
    Endpoint("GET", RESPONSE, responses.read, "Read a response", path_only, Response,
             errors=("thread_not_found", "response_not_found"),
             description="Of a running response, `outputText` is what is stored so far."),
    Endpoint("POST", f"{RESPONSE}/cancel", responses.cancel, "Cancel a response", path_only, Response, WRITE,
             body=Nothing, errors=("thread_not_found", "response_not_found"), may_end_response=True,
             description="Ends a running response; its text stays. One that has ended stays as it is."),
    Endpoint("GET", f"{RESPONSE}/events", Answering.follow, "Follow a response", path_and_position, None,
             ExecutionMode.ANSWER, query=EventsQuery, errors=("thread_not_found", "response_not_found"), streams=True,
             more_statuses=(204,),
             description="Follows a response as a stream, from its start or from a position, without a gap or a "
                         "repeat. 204 for whoever has its last event."),
    Endpoint("GET", "/v1/threads/{threadId}/stream", Answering.follow_thread, "Follow whatever runs in a thread",
             path_and_position, None, ExecutionMode.ANSWER, query=EventsQuery, errors=("thread_not_found",),
             streams=True, more_statuses=(204,),
             description="Follows whatever runs in the thread; 204 when nothing does."),
    Endpoint("GET", "/v1/threads/{threadId}/context", Answering.context, "Show the context of the next response",
             lambda request: [*request.path, configuration_of(request.query)], Context, ExecutionMode.ANSWER,
             query=ContextQuery, errors=("thread_not_found", "assistant_bound", "assistant_deleted"),
             description="Shows what a response would send to the model now."),
    Endpoint("POST", "/v1/threads/{threadId}/generateName", Answering.generate_name, "Generate a name",
             lambda request: [
                 *request.path, request.body, request.query.stream, request.allowed, request.presence
             ], NameGenerated, ExecutionMode.ANSWER, body=NameCreate, query=NameQuery, streams=True,
             errors=("thread_not_found", "thread_locked", "thread_archived", "thread_empty", "request_in_progress",
                     "model_unavailable", "model_timeout"),
             description="Makes a title of 2 to 5 words from what was said, and saves it unless somebody changes the "
                         "title meanwhile. Without a model it is made of the user's own words."),
]  # fmt: skip

ASSISTANTS = [
    Endpoint("POST", "/v1/assistants", assistants.create, "Create an assistant", path_and_body, Assistant,
             ExecutionMode.WRITE_ONCE, Role.ADMIN, body=AssistantCreate, status=201,
             errors=("assistant_exists", "assistant_not_found", *METADATA),
             description="What an assistant leaves null, each request may say."),
    Endpoint("GET", "/v1/assistants", assistants.list_assistants, "List assistants",
             lambda request: [window_of(request.query)], (ListPage, Assistant), query=ListQuery,
             errors=("invalid_cursor",),
             description="Lists assistants, the oldest first."),
    Endpoint("GET", "/v1/assistants/{assistantId}", assistants.read, "Read an assistant", path_only, Assistant,
             errors=("assistant_not_found",),
             description="The `ETag` is the assistant's revision, for `If-Match`."),
    Endpoint("PATCH", "/v1/assistants/{assistantId}", assistants.update, "Change an assistant",
             path_body_precondition, Assistant, WRITE, Role.ADMIN, body=AssistantUpdate, takes_precondition=True,
             errors=("assistant_not_found", "precondition_failed", *METADATA),
             description="Changes what the body names, null clears, metadata merges. Responses that run keep what "
                         "they began with."),
    Endpoint("DELETE", "/v1/assistants/{assistantId}", assistants.delete, "Delete an assistant",
             path_and_precondition, Deleted, WRITE, Role.ADMIN, takes_precondition=True,
             errors=("assistant_not_found", "precondition_failed"),
             description="Deletes for good. Threads that have it keep its id, which no other assistant gets, and "
                         "need another one for their next response."),
]  # fmt: skip

MODELS = [
    Endpoint("GET", "/v1/models", Answering.models, "List models", lambda request: [window_of(request.query)],
             (ListPage, Model), ExecutionMode.ANSWER, query=ListQuery, errors=("invalid_cursor",),
             description="Lists the models that an assistant or a request may name, in the order of the server's "
                         "configuration. A server may take other names besides."),
]  # fmt: skip

ORGANIZATION = "/v1/organizations/{organizationId}"

ORGANIZATIONS = [
    Endpoint("GET", ORGANIZATION, organizations.read, "Read an organization", path_only, Organization,
             description="For all of its members."),
    Endpoint("PATCH", ORGANIZATION, organizations.update, "Change an organization", path_body_precondition,
             Organization, WRITE, Role.OWNER, body=OrganizationUpdate, takes_precondition=True,
             errors=("precondition_failed",),
             description="Renames it."),
    Endpoint("DELETE", ORGANIZATION, organizations.delete, "Delete an organization with everything in it",
             path_and_precondition, Deleted, WRITE, Role.OWNER, takes_precondition=True,
             errors=("precondition_failed",),
             description="Deletes for good, with everything in it."),
    Endpoint("GET", f"{ORGANIZATION}/members", members.list_members, "List members",
             lambda request: [window_of(request.query)], (ListPage, Member), role=Role.ADMIN, query=ListQuery,
             errors=("invalid_cursor",),
             description="Lists members by user id, which is also what `after` and `before` take."),
    Endpoint("PUT", f"{ORGANIZATION}/members/{{userId}}", members.put, "Add a member or change a role",
             path_body_precondition, Member, WRITE, Role.OWNER, body=MemberPut, takes_precondition=True,
             errors=("last_owner", "precondition_failed"),
             description="Makes the user a member, or changes the role. The last owner stays one."),
    Endpoint("DELETE", f"{ORGANIZATION}/members/{{userId}}", members.remove, "Remove a member",
             lambda request: [*request.path, request.query.threads == "delete", request.precondition], MemberDeleted,
             ExecutionMode.STEPS, Role.OWNER, query=MemberDeleteQuery, takes_precondition=True,
             errors=("member_not_found", "last_owner", "precondition_failed"),
             description="Removes the member and revokes the keys and tokens with that user id, which need not be a "
                         "member's; with `threads=delete` the user's threads go too."),
    Endpoint("POST", f"{ORGANIZATION}/keys", keys.create, "Create an API key", path_and_body, KeyCreated, WRITE,
             Role.OWNER, body=KeyCreate, status=201,
             description="The answer is the only place where the secret is ever shown."),
    Endpoint("GET", f"{ORGANIZATION}/keys", keys.list_keys, "List API keys",
             lambda request: [window_of(request.query)], (ListPage, Key), role=Role.ADMIN, query=ListQuery,
             errors=("invalid_cursor",),
             description="Lists keys without their secrets, the oldest first."),
    Endpoint("DELETE", f"{ORGANIZATION}/keys/{{keyId}}", keys.delete, "Revoke an API key", path_and_precondition,
             Deleted, WRITE, Role.OWNER, takes_precondition=True, errors=("key_not_found", "precondition_failed"),
             description="Revokes the key: every process refuses it within 10 seconds."),
    Endpoint("POST", "/v1/tokens", tokens.create, "Create a user token", path_and_body, TokenCreated,
             ExecutionMode.SIGN, Role.ADMIN, body=TokenCreate, status=201,
             description="Makes a token for one of your users, who need not be a member. It opens the key's "
                         "organization as a member, and counts no longer than the key. For API keys without "
                         "`X-User-Id` only. A retry makes another."),
    Endpoint("GET", f"{ORGANIZATION}/usage", usage.read, "Read usage",
             lambda request: [days_of(request.query), request.query.group_by, request.query.limit], Usage,
             ExecutionMode.READ_SLOWLY, Role.ADMIN, query=UsageQuery,
             description="Adds up the tokens of responses by the day on which they ended, cancelled and failed ones "
                         "too."),
]  # fmt: skip

LISTED = [*THREADS, *BULKS, *MESSAGES, *RESPONSES, *ASSISTANTS, *MODELS, *ORGANIZATIONS]

ALIAS = "The same as `PATCH`, for whoever cannot send it."
# An update answers to PATCH and POST alike.
ENDPOINTS = [
    *LISTED,
    *(
        replace(each, method="POST", description=f"{each.description} {ALIAS}")
        for each in LISTED
        if each.method == "PATCH"
    ),
]
