"""The rows of the way in for LangGraph's clients."""

from proof.tenants.rows import ASSISTANT, CHOSEN_ID, EVERY, MESSAGE, OK, RESPONSE, RETRIED, THREAD, Kind, Row

L = "/langgraph"
T = f"{L}/threads/{{graphThreadId}}"
R = f"{T}/runs/{{graphRunId}}"
# A search that names another's thread finds nothing, and behind another's message no state is older.
FINDS_NONE = Kind(OK, OK)
IN_THREAD = EVERY | {"path graphThreadId": THREAD}
IN_RUN = IN_THREAD | {"path graphRunId": RESPONSE}
AT = {"body checkpoint_id": MESSAGE, "body checkpoint.checkpoint_id": MESSAGE}
NEW_RUN = Row("member", IN_THREAD | RETRIED | AT | {"body assistant_id": ASSISTANT})
SEARCH = Row("member", EVERY | {"body ids": FINDS_NONE})

LANGGRAPH = {
    f"GET {L}/info": Row("member", EVERY),
    f"GET {L}/ok": Row("member", EVERY),
    f"POST {L}/assistants/search": Row("member", EVERY | RETRIED),
    f"POST {L}/assistants/count": Row("member", EVERY | RETRIED),
    f"GET {L}/assistants/{{graphAssistantId}}": Row("member", EVERY | {"path graphAssistantId": ASSISTANT}),
    f"POST {L}/threads": Row("member", EVERY | RETRIED | {"body thread_id": CHOSEN_ID}),
    f"POST {L}/threads/search": SEARCH,
    f"POST {L}/threads/count": SEARCH,
    f"GET {T}": Row("member", IN_THREAD),
    f"PATCH {T}": Row("member", IN_THREAD),
    f"DELETE {T}": Row("member", IN_THREAD),
    f"POST {T}/copy": Row("member", IN_THREAD | RETRIED),
    f"GET {T}/state": Row("member", IN_THREAD),
    f"POST {T}/state": Row("member", IN_THREAD | RETRIED | AT),
    f"POST {T}/history": Row("member", IN_THREAD | RETRIED | {
        "body before": FINDS_NONE, "body before.checkpoint_id": FINDS_NONE}),
    f"GET {T}/stream": Row("member", IN_THREAD),
    f"POST {T}/runs/stream": NEW_RUN,
    f"POST {T}/runs/wait": NEW_RUN,
    f"POST {T}/runs": NEW_RUN,
    f"GET {T}/runs": Row("member", IN_THREAD),
    f"GET {R}": Row("member", IN_RUN),
    f"POST {R}/cancel": Row("member", IN_RUN | RETRIED),
    f"GET {R}/join": Row("member", IN_RUN),
    f"GET {R}/stream": Row("member", IN_RUN),
}  # fmt: skip
