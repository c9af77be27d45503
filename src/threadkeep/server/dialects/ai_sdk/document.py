"""The OpenAPI document of this dialect."""

from threadkeep.server.dialects.ai_sdk.routes import ENDPOINTS
from threadkeep.server.dialects.document import describing

document = describing(
    "the AI SDK's chats",
    "What the AI SDK's `useChat` sends, over the threads of this server: docs/ai-sdk.md says how to point it here.",
    ENDPOINTS,
    error=None,
)
