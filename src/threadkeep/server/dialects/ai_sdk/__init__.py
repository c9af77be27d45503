"""The AI SDK's chats: what `useChat` sends through its `DefaultChatTransport`, over the threads of this service.

A chat is a thread, and its id either the thread's or, if it does not begin with `thread_`, its `externalId`.
"""

from threadkeep.errors import ApiError
from threadkeep.server.answers import TEXT
from threadkeep.server.dialects import Dialect
from threadkeep.server.dialects.ai_sdk.document import document
from threadkeep.server.dialects.ai_sdk.routes import ENDPOINTS, PREFIX
from threadkeep.server.speech import Speech

ERROR_CODE = "X-Error-Code"


def with_code(error: ApiError, _path: str) -> ApiError:
    error.headers = {**error.headers, ERROR_CODE: error.code}
    return error


def as_text(error: ApiError, _request_id: str) -> tuple[bytes, bytes]:
    """The client shows the whole body to people, so it is the sentence alone."""
    return TEXT, error.message.encode()


DIALECT = Dialect(Speech(PREFIX, None, error=with_code, written=as_text), ENDPOINTS, document)
