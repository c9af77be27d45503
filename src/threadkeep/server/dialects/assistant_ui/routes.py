"""The paths of assistant-ui's cloud, one line each."""

from msgspec import Struct

from threadkeep.contract.organizations import TokenCreate
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.errors import InsufficientPermissions
from threadkeep.ids import new_id
from threadkeep.operations.organizations import tokens
from threadkeep.server.dialects.assistant_ui import rows, threads, titles
from threadkeep.server.dialects.assistant_ui.common import PREFIX
from threadkeep.server.dialects.lenient import Lenient
from threadkeep.server.endpoint import Endpoint, ExecutionMode
from threadkeep.server.routes import CHANGE, METADATA, path_and_body, path_only

THREADS = f"{PREFIX}/threads"
THREAD = f"{THREADS}/{{threadId}}"
MESSAGES = f"{THREAD}/messages"
MESSAGE = f"{MESSAGES}/{{rowId}}"
WRITE = ExecutionMode.WRITE
MESSAGE_CHANGE = (*CHANGE, "message_not_found")


class Telemetry(Lenient):
    """What a front end says of itself. Nothing of it is kept."""


class RunReported(Struct):
    """The receipt for a report."""

    run_id: str


class TokenMade(Struct):
    """A token for a user."""

    token: str


async def report(_tx: ScopedTransaction, _body: Telemetry) -> RunReported:
    return RunReported(new_id("run"))


async def ignore(_tx: ScopedTransaction, _body: Telemetry) -> None:
    pass


async def make_token(tx: ScopedTransaction, sign: tokens.Sign) -> TokenMade:
    """Make a token for the user whom a key acts for."""
    if not tx.scope.key_id or not tx.scope.is_product_user:
        raise InsufficientPermissions("Tokens are made by an admin's key with the header Aui-User-Id.")
    return TokenMade((await tokens.create(tx, sign, TokenCreate(tx.scope.user_id))).token)


ENDPOINTS = [
    Endpoint("POST", THREADS, threads.create, "Create a thread", path_and_body, threads.ThreadMade, WRITE,
             body=threads.CloudThreadCreate, errors=("external_id_taken", *METADATA)),
    Endpoint("GET", THREADS, threads.list_threads, "List threads", lambda request: [request.query],
             threads.CloudThreads, ExecutionMode.READ_ONE_COMMIT, query=threads.CloudThreadsQuery,
             errors=("invalid_cursor",)),
    Endpoint("GET", THREAD, threads.read, "Read a thread", path_only, threads.OneThread, errors=("thread_not_found",)),
    Endpoint("PUT", THREAD, threads.update, "Change a thread", path_and_body, None, WRITE,
             body=threads.CloudThreadUpdate, status=204, errors=(*CHANGE, *METADATA), may_end_response=True),
    Endpoint("DELETE", THREAD, threads.delete, "Delete a thread", path_only, None, WRITE, status=204,
             errors=("thread_not_found",), may_end_response=True),
    Endpoint("GET", MESSAGES, rows.list_rows, "List messages", lambda request: [*request.path, request.query],
             rows.Rows, ExecutionMode.READ_ONE_COMMIT, query=rows.RowsQuery,
             errors=("thread_not_found", "invalid_cursor")),
    Endpoint("POST", MESSAGES, rows.create, "Create a message", path_and_body, rows.RowMade, WRITE,
             body=rows.RowCreate, choose_body=rows.RowCreate.of, payloads_at=("",), errors=MESSAGE_CHANGE),
    Endpoint("DELETE", MESSAGES, rows.delete, "Delete messages", path_and_body, None, WRITE, body=rows.RowsDelete,
             status=204, errors=MESSAGE_CHANGE),
    Endpoint("PUT", MESSAGE, rows.update, "Change a message", path_and_body, None, WRITE, body=rows.RowUpdate,
             choose_body=rows.RowUpdate.of, payloads_at=("",), status=204, errors=MESSAGE_CHANGE),
    Endpoint("POST", f"{MESSAGE}/feedback", rows.keep_feedback, "Keep feedback", path_and_body, rows.FeedbackKept,
             WRITE, body=rows.Feedback, errors=(*MESSAGE_CHANGE, *METADATA)),
    Endpoint("POST", f"{PREFIX}/runs/stream", titles.stream, "Make a title",
             lambda request: [request.body, request.allowed, request.presence], None, ExecutionMode.ANSWER,
             body=titles.RunStream, streams=True,
             errors=(*CHANGE[:3], "assistant_not_found", "thread_empty", "model_unavailable", "model_timeout")),
    Endpoint("POST", f"{PREFIX}/runs", report, "Report a run", path_and_body, RunReported, body=Telemetry),
    Endpoint("POST", f"{PREFIX}/events", ignore, "Report events", path_and_body, None, body=Telemetry, status=204),
    Endpoint("POST", f"{PREFIX}/auth/tokens", make_token, "Create a token", path_only, TokenMade, ExecutionMode.SIGN),
]  # fmt: skip
