"""AG-UI: a front end's conversation goes in, and its thread and the events of its answer come out."""

from threadkeep.server.dialects import Dialect
from threadkeep.server.dialects.ag_ui.runs import RunAgentInput, run
from threadkeep.server.dialects.document import describing
from threadkeep.server.endpoint import Endpoint, ExecutionMode, Request
from threadkeep.server.speech import Speech

PREFIX = "/ag-ui"
DESCRIPTION = """AG-UI over threadkeep's threads: set an agent's URL to /ag-ui, or to /ag-ui/{assistantId}.

Fields and events mean what AG-UI's reference says of them. What is refused and why stands in docs/ag-ui.md."""
ERRORS = ("thread_not_found", "thread_locked", "thread_archived", "thread_busy", "external_id_taken",
          "assistant_not_found", "assistant_bound", "model_not_found", "message_not_found")  # fmt: skip


def arguments(request: Request) -> list[object]:
    assistant_id = request.path[0] if request.path else None
    return [request.body, assistant_id, request.allowed, request.presence]


ENDPOINTS = [
    Endpoint("POST", path, run, summary, arguments, None, ExecutionMode.ANSWER, body=RunAgentInput, streams=True,
             errors=ERRORS)
    for path, summary in ((PREFIX, "Run"), (f"{PREFIX}/{{assistantId}}", "Run an assistant"))
]  # fmt: skip

document = describing("an AG-UI agent", DESCRIPTION, ENDPOINTS)

DIALECT = Dialect(Speech(PREFIX, ignored_parameters=None), ENDPOINTS, document)
