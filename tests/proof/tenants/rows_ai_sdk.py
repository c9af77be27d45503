"""The rows of the way in for the AI SDK's clients."""

from proof.tenants.rows import ASSISTANT, EVERY, MESSAGE, OK, RETRIED, THREAD, Kind, Row

CHAT = "/ai-sdk/chat/{chatId}"
# Whoever asks before the first message must get no error.
NOTHING_RUNS = Kind(OK, OK)
# Only compared with the id of the message beside it.
SAME = Kind("", "", shared=True)
IN_CHAT = EVERY | {"path chatId": THREAD}

AI_SDK = {
    "POST /ai-sdk/chat": Row(
        "member", EVERY | RETRIED | {"body id": THREAD, "body assistantId": ASSISTANT, "body messageId": SAME}
    ),
    f"GET {CHAT}/stream": Row("member", EVERY | {"path chatId": NOTHING_RUNS, "query responseId": NOTHING_RUNS}),
    f"POST {CHAT}/stop": Row("member", IN_CHAT | RETRIED),
    f"GET {CHAT}/messages": Row("member", IN_CHAT | {"query before": MESSAGE}),
}
