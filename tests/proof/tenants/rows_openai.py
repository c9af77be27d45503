"""The rows of the ways in for OpenAI's clients, and all rows together."""

from proof.tenants import rows
from proof.tenants.rows import (
    CHOSEN_ASSISTANT_ID,
    EVERY,
    FILTER,
    IN_MESSAGE,
    IN_THREAD,
    OF_ASSISTANT,
    OF_ASSISTANTS,
    OF_MESSAGES,
    RETRIED,
    THREAD_POSITION,
    Kind,
    Row,
)

# Models are of the server: there is none of somebody to name.
MODEL = Kind("", "")
V1 = "/openai/v1"
T = f"{V1}/threads/{{threadId}}"
M = f"{T}/messages/{{messageId}}"
A = f"{V1}/assistants/{{assistantId}}"

OPENAI = {
    f"POST {V1}/threads": Row("member", EVERY | RETRIED),
    f"GET {V1}/threads": Row("member", EVERY | {"query after": THREAD_POSITION, "query before": THREAD_POSITION}),
    f"GET {T}": Row("member", IN_THREAD),
    f"POST {T}": Row("member", IN_THREAD | RETRIED),
    f"DELETE {T}": Row("member", IN_THREAD),
    f"POST {T}/messages": Row("member", IN_THREAD | RETRIED),
    f"GET {T}/messages": Row("member", IN_THREAD | OF_MESSAGES | {"query run_id": FILTER}),
    f"GET {M}": Row("member", IN_MESSAGE),
    f"POST {M}": Row("member", IN_MESSAGE | RETRIED),
    f"DELETE {M}": Row("member", IN_MESSAGE),
    f"POST {V1}/assistants": Row("admin", EVERY | RETRIED | {"body id": CHOSEN_ASSISTANT_ID}),
    f"GET {V1}/assistants": Row("member", EVERY | OF_ASSISTANTS),
    f"GET {A}": Row("member", OF_ASSISTANT),
    f"POST {A}": Row("admin", OF_ASSISTANT | RETRIED),
    f"DELETE {A}": Row("admin", OF_ASSISTANT),
    f"GET {V1}/models": Row("member", EVERY),
    f"GET {V1}/models/{{model}}": Row("member", EVERY | {"path model": MODEL}),
}

ROWS = rows.ROWS | OPENAI
