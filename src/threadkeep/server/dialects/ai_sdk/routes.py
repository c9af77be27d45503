"""Every path of this dialect, one line each."""

from threadkeep.contract.answers import Nothing
from threadkeep.server.dialects.ai_sdk import chats
from threadkeep.server.dialects.ai_sdk.requests import ChatCreate
from threadkeep.server.endpoint import Endpoint, ExecutionMode
from threadkeep.server.routes import path_only

PREFIX = "/ai-sdk"
CHATS = f"{PREFIX}/chat"
CHAT = f"{CHATS}/{{chatId}}"
ANSWER = ExecutionMode.ANSWER

ENDPOINTS = [
    Endpoint("POST", CHATS, chats.chat, "Answer a turn of a chat",
             lambda request: [request.body, request.allowed, request.presence], Nothing, ANSWER, body=ChatCreate,
             errors=("thread_not_found", "thread_locked", "thread_archived", "message_not_found", "message_stored",
                     "external_id_taken", "thread_empty", "assistant_not_found", "assistant_bound",
                     "assistant_deleted"), streams=True),
    Endpoint("GET", f"{CHAT}/stream", chats.follow, "Follow the answer that runs",
             lambda request: [*request.path, request.query], None, ANSWER, query=chats.ChatStreamQuery,
             errors=("thread_not_found",), streams=True, more_statuses=(204,)),
    Endpoint("POST", f"{CHAT}/stop", chats.stop, "Stop the answer that runs", path_only, chats.Stopped, ANSWER,
             body=chats.ChatStop, errors=("thread_not_found",)),
    Endpoint("GET", f"{CHAT}/messages", chats.messages, "List a chat's messages",
             lambda request: [*request.path, request.query], chats.ChatMessages, ExecutionMode.READ_ONE_COMMIT,
             query=chats.ChatMessagesQuery, errors=("thread_not_found", "message_not_found", "invalid_cursor")),
]  # fmt: skip
