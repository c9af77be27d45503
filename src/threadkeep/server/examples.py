"""One example of each object and of each body, for the OpenAPI document and the reference; a test checks them."""

from typing import Any

Json = dict[str, Any]  # Any: JSON.

ORGANIZATION = "ORG_acme"
USER = "uid_lea"
THREAD = "thread_01m83e1pf8fctsytf9ppk22sey"
ASSISTANT = "asst_01m83e1pg2e1mvs5m3c7tdgvny"
RESPONSE = "resp_01m83e1pn5fv0adq6zws5v4fjc"
QUESTION_ID = "msg_01m83e1pjhey7sy9fbc80r7w7a"
ANSWER_ID = "msg_01m83e1pn5fjcv6x0zzc4nmbmx"
KEY = "key_01m8354jyveqna80azmb6w12g9"
BEGAN, ENDED = 1_795_411_728, 1_795_411_731
QUESTION = "My invoice has no VAT number."
ANSWER = "I can add it. What is the number?"
METADATA = {"category": "billing", "tags": ["pdf", "tax"]}
SETTINGS = {
    "instructions": "Be brief.",
    "model": None,
    "temperature": 0.2,
    "topP": None,
    "maxOutputTokens": 800,
    "stop": None,
    "responseFormat": None,
    "toolChoice": None,
    "tools": None,
    "contextMode": "recent",
    "contextTokens": None,
}

MESSAGE: Json = {
    "id": QUESTION_ID,
    "object": "thread.message",
    "createdAt": BEGAN,
    "updatedAt": BEGAN,
    "threadId": THREAD,
    "seq": 1,
    "role": "user",
    "content": [{"type": "text", "text": QUESTION}],
    "status": "completed",
    "userId": USER,
    "assistantId": None,
    "responseId": None,
    "toolCalls": None,
    "toolCallId": None,
    "metadata": {},
}
KEY_WITHOUT_SECRET: Json = {
    "id": KEY,
    "object": "organization.key",
    "createdAt": BEGAN,
    "organizationId": ORGANIZATION,
    "userId": "uid_backend",
    "role": "admin",
    "name": "backend",
}
TOTAL: Json = {
    "key": None,
    "responses": 2,
    "inputTokens": 86,
    "outputTokens": 44,
    "totalTokens": 130,
    "estimatedTokens": 0,
}

EXAMPLES: dict[str, Json] = {
    "Thread": {
        "id": THREAD,
        "object": "thread",
        "createdAt": BEGAN,
        "updatedAt": ENDED,
        "metadata": METADATA,
        "assistantId": ASSISTANT,
        "organizationId": ORGANIZATION,
        "userId": USER,
        "title": "Broken invoice",
        "visibleInUi": True,
        "messageCount": 2,
        "status": "inactive",
        "state": "open",
        "lastMessageAt": ENDED,
    },
    "ThreadCreate": {"title": "Broken invoice", "metadata": METADATA},
    "ThreadUpdate": {"title": "Invoice without VAT number", "metadata": {"priority": 2, "tags": None}},
    "Message": MESSAGE,
    "MessageCreate": {"role": "user", "content": QUESTION},
    "MessagesCreate": {
        "messages": [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": ANSWER}],
    },
    "MessageUpdate": {"content": "My invoice has no VAT number and no date.", "metadata": {"edited": True}},
    "Response": {
        "id": RESPONSE,
        "object": "response",
        "createdAt": BEGAN,
        "completedAt": ENDED,
        "threadId": THREAD,
        "organizationId": ORGANIZATION,
        "userId": USER,
        "assistantId": ASSISTANT,
        "model": "large",
        "status": "completed",
        "finishReason": "stop",
        "inputMessageIds": [QUESTION_ID],
        "messageId": ANSWER_ID,
        "outputText": ANSWER,
        "usage": {"inputTokens": 43, "outputTokens": 22, "totalTokens": 65, "estimated": False},
        "error": None,
        "metadata": {},
    },
    "ResponseCreate": {"input": QUESTION},
    "ResponseInThreadCreate": {"thread": {"title": "Broken invoice"}, "input": QUESTION},
    "Context": {
        "object": "thread.context",
        "threadId": THREAD,
        "contextMode": "recent",
        "contextTokens": 8000,
        "totalTokens": 12,
        "messages": [
            {
                "id": QUESTION_ID,
                "role": "user",
                "content": MESSAGE["content"],
                "toolCalls": None,
                "toolCallId": None,
                "tokens": 12,
            }
        ],
    },
    "NameCreate": {"messages": [{"role": "user", "content": QUESTION}]},
    "NameGenerated": {
        "success": True,
        "threadId": THREAD,
        "name": "Invoice without VAT number",
        "message": "Named by the model.",
    },
    "Assistant": {
        "id": ASSISTANT,
        "object": "assistant",
        "createdAt": BEGAN,
        "updatedAt": BEGAN,
        "organizationId": ORGANIZATION,
        "name": "Billing",
        **SETTINGS,
        "metadata": {},
    },
    "AssistantCreate": {"name": "Billing", "instructions": "Be brief.", "temperature": 0.2, "maxOutputTokens": 800},
    "AssistantUpdate": {"temperature": None},
    "Organization": {
        "id": ORGANIZATION,
        "object": "organization",
        "createdAt": BEGAN,
        "updatedAt": BEGAN,
        "name": "Acme",
    },
    "OrganizationUpdate": {"name": "Acme Ltd."},
    "Member": {
        "object": "organization.member",
        "organizationId": ORGANIZATION,
        "userId": USER,
        "role": "member",
        "createdAt": BEGAN,
        "updatedAt": BEGAN,
    },
    "MemberPut": {"role": "member"},
    "MemberDeleted": {
        "userId": USER,
        "object": "organization.member.deleted",
        "deleted": True,
        "threadsDeleted": 0,
    },
    "Key": KEY_WITHOUT_SECRET,
    "KeyCreate": {"userId": "uid_backend", "role": "admin", "name": "backend"},
    "KeyCreated": {**KEY_WITHOUT_SECRET, "key": "tk_…"},
    "Usage": {
        "object": "organization.usage",
        "organizationId": ORGANIZATION,
        "from": "2026-11-22",
        "to": "2026-11-23",
        "groupBy": "day",
        "data": [{**TOTAL, "key": "2026-11-23"}],
        "hasMore": False,
        "total": TOTAL,
    },
    "User": {
        "id": USER,
        "object": "user",
        "credential": "token",
        "organizations": [{"id": ORGANIZATION, "name": "Acme", "role": "member"}],
    },
    "Deleted": {"id": THREAD, "object": "thread.deleted", "deleted": True},
    "ListDeleted": {"object": "list.deleted", "deleted": 2},
    "Nothing": {},
}


def page_of(example: Json) -> Json:
    """Return a list with this one object."""
    id = example.get("id", example.get("userId"))
    return {"object": "list", "data": [example], "firstId": id, "lastId": id, "hasMore": False, "nextCursor": None}


# The sentences of errors that are worded where they are raised; the others say the default of their class.
ERROR_MESSAGES = {
    "invalid_field": "This field is not what it must be: Expected str, got int.",
    "unknown_field": "This field is unknown here: leave it out.",
    "unknown_parameter": "This path does not take this parameter.",
    "invalid_parameter": "This parameter is an integer.",
    "too_large": "A request body has at most 4194304 bytes.",
    "uri_too_long": "The path and query are too long: at most 8192 bytes together.",
    "headers_too_large": "The header is too large: at most 32768 bytes.",
    "insufficient_permissions": "This needs the role owner in the organization.",
}
ERROR_PARAMS = {
    "invalid_field": "title",
    "unknown_field": "colour",
    "unknown_parameter": "colour",
    "invalid_parameter": "limit",
}


def error(code: str, type: str, default: str) -> Json:
    """Return an error as the service answers it."""
    message = ERROR_MESSAGES.get(code, default)
    param = ERROR_PARAMS.get(code)
    return {
        "error": {"message": message, "type": type, "code": code, "param": param, "requestId": "req_a899d55b5cb8_c"}
    }
