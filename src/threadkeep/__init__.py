"""threadkeep keeps conversation threads for products with an AI assistant."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threadkeep.client import (
        AsyncClient,
        Client,
        ConnectionFailed,
        ReasoningDelta,
        ResponseCancelled,
        ResponseCompleted,
        ResponseCreated,
        ResponseFailed,
        ResponseReset,
        TextDelta,
        TimedOut,
        ToolCallDelta,
        TransportError,
        UnexpectedAnswer,
    )
    from threadkeep.database.sqlite import DatabaseInUse
    from threadkeep.embedded.service import open, open_async
    from threadkeep.errors import (
        ApiError,
        AuthenticationError,
        Conflict,
        IdempotencyConflict,
        InvalidRequest,
        NotFound,
        PermissionDenied,
        PreconditionFailed,
        RateLimited,
        ServerError,
        ThreadArchived,
        ThreadBusy,
        ThreadExists,
        ThreadkeepError,
        ThreadLocked,
        ThreadNotFound,
        UpstreamError,
    )
    from threadkeep.settings import SettingError, Settings

__version__ = "0.1.0"

__all__ = [
    "ApiError",
    "AsyncClient",
    "AuthenticationError",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "DatabaseInUse",
    "IdempotencyConflict",
    "InvalidRequest",
    "NotFound",
    "PermissionDenied",
    "PreconditionFailed",
    "RateLimited",
    "ReasoningDelta",
    "ResponseCancelled",
    "ResponseCompleted",
    "ResponseCreated",
    "ResponseFailed",
    "ResponseReset",
    "ServerError",
    "SettingError",
    "Settings",
    "TextDelta",
    "ThreadArchived",
    "ThreadBusy",
    "ThreadExists",
    "ThreadLocked",
    "ThreadNotFound",
    "ThreadkeepError",
    "TimedOut",
    "ToolCallDelta",
    "TransportError",
    "UnexpectedAnswer",
    "UpstreamError",
    "open",
    "open_async",
]


# The modules of the public names that are neither errors of the API nor part of the client.
ELSEWHERE = {
    "open": "threadkeep.embedded.service",
    "open_async": "threadkeep.embedded.service",
    "DatabaseInUse": "threadkeep.database.sqlite",
    "SettingError": "threadkeep.settings",
    "Settings": "threadkeep.settings",
}


def __getattr__(name: str) -> Any:  # Any: the type depends on the name.
    """Import a public name on first use, so that the server does not load the client, nor the client the server."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in ELSEWHERE:
        return getattr(import_module(ELSEWHERE[name]), name)
    errors = import_module("threadkeep.errors")
    return getattr(errors, name) if hasattr(errors, name) else getattr(import_module("threadkeep.client"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
