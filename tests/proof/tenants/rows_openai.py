"""The rows of the ways in for OpenAI's clients."""

from proof.tenants.rows import (
    ASSISTANT,
    BY_ID,
    CHOSEN_ASSISTANT_ID,
    EVERY,
    FILTER,
    IN_MESSAGE,
    IN_THREAD,
    OF_ASSISTANT,
    OF_ASSISTANTS,
    OF_MESSAGES,
    RESPONSE,
    RETRIED,
    THREAD_POSITION,
    Kind,
    Row,
)

# Models are of the server: there is none of somebody to name.
MODEL = Kind("", "")
RUN = Kind("404 run_not_found", "404 run_not_found")
STEP = Kind("404 step_not_found", "404 step_not_found")
# Here a thread is described, and never named.
DESCRIBED = Kind("400 invalid_field", "400 invalid_field")
CONVERSATION = Kind("404 conversation_not_found", "404 conversation_not_found")
ITEM = Kind("404 item_not_found", "404 item_not_found")
FOLLOWED = Kind("400 previous_response_not_found", "400 previous_response_not_found")
V1 = "/openai/v1"
T = f"{V1}/threads/{{threadId}}"
M = f"{T}/messages/{{messageId}}"
R = f"{T}/runs/{{runId}}"
S = f"{R}/steps/{{stepId}}"
C = f"{V1}/conversations/{{conversationId}}"
I = f"{C}/items/{{itemId}}"  # noqa: E741 - one letter for each resource.
P = f"{V1}/responses/{{responseId}}"
A = f"{V1}/assistants/{{assistantId}}"

IN_RUN = IN_THREAD | {"path runId": RUN}
NEW_RUN = RETRIED | {"body assistant_id": ASSISTANT}
IN_CONVERSATION = EVERY | {"path conversationId": CONVERSATION}
IN_ITEM = IN_CONVERSATION | {"path itemId": ITEM}
OF_RESPONSE = EVERY | {"path responseId": RESPONSE}
GOES_ON = {
    "body conversation": CONVERSATION,
    "body conversation.id": CONVERSATION,
    "body previous_response_id": FOLLOWED,
}

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
    f"POST {T}/runs": Row("member", IN_THREAD | NEW_RUN),
    f"POST {V1}/threads/runs": Row("member", EVERY | NEW_RUN | {"body thread": DESCRIBED}),
    f"GET {T}/runs": Row("member", IN_THREAD | BY_ID),
    f"GET {R}": Row("member", IN_RUN),
    f"POST {R}": Row("member", IN_RUN | RETRIED),
    f"POST {R}/cancel": Row("member", IN_RUN | RETRIED),
    f"POST {R}/submit_tool_outputs": Row("member", IN_RUN | RETRIED),
    f"GET {R}/steps": Row("member", IN_RUN | BY_ID),
    f"GET {S}": Row("member", IN_RUN | {"path stepId": STEP}),
    f"POST {V1}/conversations": Row("member", EVERY | RETRIED),
    f"GET {C}": Row("member", IN_CONVERSATION),
    f"POST {C}": Row("member", IN_CONVERSATION | RETRIED),
    f"DELETE {C}": Row("member", IN_CONVERSATION),
    f"POST {C}/items": Row("member", IN_CONVERSATION | RETRIED),
    f"GET {C}/items": Row("member", IN_CONVERSATION | OF_MESSAGES),
    f"GET {I}": Row("member", IN_ITEM),
    f"DELETE {I}": Row("member", IN_ITEM),
    f"POST {V1}/responses": Row("member", EVERY | RETRIED | GOES_ON),
    f"POST {V1}/responses/input_tokens": Row("member", EVERY | GOES_ON),
    f"GET {P}": Row("member", OF_RESPONSE),
    f"POST {P}/cancel": Row("member", OF_RESPONSE | RETRIED),
    f"GET {P}/input_items": Row("member", OF_RESPONSE | OF_MESSAGES),
    f"DELETE {P}": Row("member", OF_RESPONSE),
    f"POST {V1}/assistants": Row("admin", EVERY | RETRIED | {"body id": CHOSEN_ASSISTANT_ID}),
    f"GET {V1}/assistants": Row("member", EVERY | OF_ASSISTANTS),
    f"GET {A}": Row("member", OF_ASSISTANT),
    f"POST {A}": Row("admin", OF_ASSISTANT | RETRIED),
    f"DELETE {A}": Row("admin", OF_ASSISTANT),
    f"GET {V1}/models": Row("member", EVERY),
    f"GET {V1}/models/{{model}}": Row("member", EVERY | {"path model": MODEL}),
}
