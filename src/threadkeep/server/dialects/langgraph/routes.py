"""Every path of this dialect, one line each."""

from dataclasses import replace
from typing import Any

from threadkeep.operations.threads import threads as native_threads
from threadkeep.server.dialects.langgraph import assistants, ids, runs, states, threads
from threadkeep.server.dialects.lenient import Lenient
from threadkeep.server.endpoint import Endpoint, ExecutionMode, Request

PREFIX = "/langgraph"
THREAD = f"{PREFIX}/threads/{{graphThreadId}}"
RUN = f"{THREAD}/runs/{{graphRunId}}"
ANSWER, ONE_COMMIT, WRITE = ExecutionMode.ANSWER, ExecutionMode.READ_ONE_COMMIT, ExecutionMode.WRITE
SLOWLY = ExecutionMode.READ_SLOWLY
NO_THREAD = ("thread_not_found",)
METADATA = ("metadata_too_many", "metadata_key_too_long", "metadata_value_too_long")
WRITES = ("thread_not_found", "thread_locked", "thread_archived", "message_not_found")


class Empty(Lenient):
    """A request that needs no body."""


def in_thread(request: Request) -> list[Any]:
    """Return the path with native ids: readers of the thread are told by that one."""
    request.path[0] = ids.native(request.path[0], "thread")
    if len(request.path) > 1:
        request.path[1] = ids.native(request.path[1], "resp")
    return request.path


def with_body(request: Request) -> list[Any]:
    return [*in_thread(request), request.body]


BEGIN = Endpoint(
    "POST",
    f"{THREAD}/runs/stream",
    runs.stream,
    "Create a run and stream it",
    lambda request: [*with_body(request), request.allowed, request.presence],
    runs.GraphRun,
    ANSWER,
    body=runs.GraphRunCreate,
    messages_at=("input.messages",),
    errors=(*WRITES, "thread_exists", "assistant_not_found", "assistant_bound", "assistant_deleted", *METADATA),
    streams=True,
)

ENDPOINTS = [
    Endpoint("GET", f"{PREFIX}/info", assistants.information, "Read what the server is", lambda request: request.path,
             assistants.Information, ExecutionMode.CALLER),
    Endpoint("GET", f"{PREFIX}/ok", assistants.information, "Ask whether the server is there",
             lambda request: request.path, assistants.Information, ExecutionMode.CALLER),
    Endpoint("POST", f"{PREFIX}/assistants/search", assistants.search, "Search assistants",
             lambda request: [request.body], list[assistants.GraphAssistant], ONE_COMMIT,
             body=assistants.AssistantSearch),
    Endpoint("POST", f"{PREFIX}/assistants/count", assistants.count, "Count assistants", lambda request: [request.body],
             None, ONE_COMMIT, body=assistants.AssistantSearch),
    Endpoint("GET", f"{PREFIX}/assistants/{{graphAssistantId}}", assistants.read, "Read an assistant",
             lambda request: request.path, assistants.GraphAssistant, ONE_COMMIT, errors=("assistant_not_found",)),
    Endpoint("POST", f"{PREFIX}/threads", threads.create, "Create a thread", lambda request: [request.body],
             threads.GraphThread, WRITE, body=threads.GraphThreadCreate, errors=("thread_exists", *METADATA)),
    Endpoint("POST", f"{PREFIX}/threads/search", threads.search, "Search threads", lambda request: [request.body],
             list[threads.GraphThread], SLOWLY, body=threads.ThreadSearch),
    Endpoint("POST", f"{PREFIX}/threads/count", threads.count, "Count threads", lambda request: [request.body], None,
             SLOWLY, body=threads.ThreadSearch),
    Endpoint("GET", THREAD, threads.read, "Read a thread", in_thread, threads.GraphThread, ONE_COMMIT,
             errors=NO_THREAD),
    Endpoint("PATCH", THREAD, threads.update, "Change a thread", with_body, threads.GraphThread, WRITE,
             body=threads.GraphThreadUpdate, errors=(*WRITES[:3], *METADATA)),
    Endpoint("DELETE", THREAD, native_threads.delete, "Delete a thread", in_thread, None, WRITE, status=204,
             errors=NO_THREAD, may_end_response=True),
    Endpoint("POST", f"{THREAD}/copy", threads.copy, "Copy a thread", in_thread, threads.GraphThread, WRITE, body=Empty,
             errors=NO_THREAD),
    Endpoint("GET", f"{THREAD}/state", states.read, "Read a thread's state", in_thread, states.ThreadState, ONE_COMMIT,
             errors=NO_THREAD),
    Endpoint("POST", f"{THREAD}/state", states.update, "Add to a thread's state", with_body, states.Updated, WRITE,
             body=states.StateUpdate, messages_at=("values.messages",), errors=WRITES),
    Endpoint("POST", f"{THREAD}/history", states.history, "Read a thread's history", with_body,
             list[states.ThreadState], ONE_COMMIT, body=states.HistoryAsked, errors=NO_THREAD),
    Endpoint("GET", f"{THREAD}/stream", runs.follow_thread, "Follow what runs in a thread",
             lambda request: [*in_thread(request), request.query, request.last_event_id], runs.GraphRun, ANSWER,
             query=runs.FollowQuery, errors=NO_THREAD, streams=True),
    BEGIN,
    replace(BEGIN, path=f"{THREAD}/runs/wait", operation=runs.wait, summary="Create a run and wait for it",
            answer=None),
    replace(BEGIN, path=f"{THREAD}/runs", operation=runs.create, summary="Create a run",
            wants_neither=lambda body: True),
    Endpoint("GET", f"{THREAD}/runs", runs.list_runs, "List runs",
             lambda request: [*in_thread(request), request.query], list[runs.GraphRun], ONE_COMMIT,
             query=runs.RunsQuery, errors=NO_THREAD),
    Endpoint("GET", RUN, runs.read, "Read a run", in_thread, runs.GraphRun,
             errors=("thread_not_found", "response_not_found")),
    Endpoint("POST", f"{RUN}/cancel", runs.cancel, "Cancel a run",
             lambda request: [*in_thread(request), request.query], None, WRITE, body=Empty, query=runs.CancelQuery,
             status=202, errors=("thread_not_found", "response_not_found"), may_end_response=True),
    Endpoint("GET", f"{RUN}/join", runs.join, "Wait for a run",
             lambda request: [*in_thread(request), request.query, request.allowed, request.presence], None, ANSWER,
             query=runs.FollowQuery, errors=("thread_not_found", "response_not_found"), streams=True),
    Endpoint("GET", f"{RUN}/stream", runs.follow, "Follow a run",
             lambda request: [*in_thread(request), request.query, request.last_event_id], runs.GraphRun, ANSWER,
             query=runs.FollowQuery, errors=("thread_not_found", "response_not_found"), streams=True),
]  # fmt: skip
