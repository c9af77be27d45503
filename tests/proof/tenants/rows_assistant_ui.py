"""The rows of the way in for assistant-ui's cloud."""

from proof.tenants.rows import EVERY, IN_THREAD, MESSAGE, MESSAGE_POSITION, RETRIED, THREAD, THREAD_POSITION, Kind, Row

V1 = "/assistant-ui/v1"
T = f"{V1}/threads/{{threadId}}"
M = f"{T}/messages/{{rowId}}"
# Only the cloud's own assistant runs.
ITS_OWN = Kind("404 assistant_not_found", "404 assistant_not_found")
IN_ROW = IN_THREAD | {"path rowId": MESSAGE}

ASSISTANT_UI = {
    f"POST {V1}/threads": Row("member", EVERY | RETRIED),
    f"GET {V1}/threads": Row("member", EVERY | {"query after": THREAD_POSITION}),
    f"GET {T}": Row("member", IN_THREAD),
    f"PUT {T}": Row("member", IN_THREAD),
    f"DELETE {T}": Row("member", IN_THREAD),
    f"GET {T}/messages": Row("member", IN_THREAD | {"query after": MESSAGE_POSITION}),
    f"POST {T}/messages": Row("member", IN_THREAD | RETRIED | {
        "body parent_id": MESSAGE, "body parent_external_id": MESSAGE}),
    f"DELETE {T}/messages": Row("member", IN_THREAD | {"body message_ids": MESSAGE}),
    f"PUT {M}": Row("member", IN_ROW),
    f"POST {M}/feedback": Row("member", IN_ROW | RETRIED),
    f"POST {V1}/runs/stream": Row("member", EVERY | RETRIED | {"body thread_id": THREAD, "body assistant_id": ITS_OWN}),
    f"POST {V1}/runs": Row("member", EVERY),
    f"POST {V1}/events": Row("member", EVERY),
    f"POST {V1}/auth/tokens": Row("admin", EVERY, is_for_keys=True),
}  # fmt: skip
