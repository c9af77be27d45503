"""The rows of the way in for AG-UI's clients."""

from proof.tenants.rows import EVERY, OF_ASSISTANT, RETRIED, THREAD, Row

CHAT = RETRIED | {"body threadId": THREAD}

AG_UI = {
    "POST /ag-ui": Row("member", EVERY | CHAT),
    "POST /ag-ui/{assistantId}": Row("member", OF_ASSISTANT | CHAT),
}
