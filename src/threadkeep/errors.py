"""Every error that a caller can meet: its status, type and code, in one tree.

ApiError                            (a ThreadkeepError, as are the client's own in client/failures.py)
├── InvalidRequest          400  InvalidJson InvalidField UnknownField InvalidString UnknownParameter InvalidParameter
│                                InvalidCursor MetadataTooMany MetadataKeyTooLong MetadataValueTooLong
│                                OrganizationRequired ThreadEmpty
│                           405 MethodNotAllowed  413 TooLarge  414 UriTooLong  415 UnsupportedMediaType
│                           431 HeadersTooLarge
├── AuthenticationError     401  MissingAuthentication InvalidCredentials
├── PermissionDenied        403  InsufficientPermissions OrganizationAccessDenied BearerTokenRequired
├── NotFound                404  ThreadNotFound MessageNotFound AssistantNotFound ResponseNotFound KeyNotFound
│                                MemberNotFound BulkNotFound
├── Conflict                409  ThreadLocked ThreadArchived ThreadBusy ThreadExists LastOwner AssistantBound
│                                AssistantExists AssistantDeleted ExternalIdTaken
│                           412  PreconditionFailed
├── IdempotencyConflict     409  RequestInProgress  422  KeyReused
├── RateLimited             429
├── UpstreamError           502  ModelUnavailable  504  ModelTimeout
└── ServerError             500  Internal   503  Unavailable   507  StorageFull

A message names the thing, what is wrong and what would be right. It never echoes input or internals.
"""

from typing import ClassVar


class ThreadkeepError(Exception):
    """The base of every error that the Python client raises."""


class ApiError(ThreadkeepError):
    """An error that the API answers with, or that the client raises for such an answer."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: ClassVar[str] = "internal"
    default: ClassVar[str] = "The server failed. Nothing is known about the outcome; try again."
    # Set only in the client, which reads them from the answer.
    request_id: str | None = None
    retry_after_s: float | None = None

    def __init__(self, message: str = "", *, param: str | None = None, headers: dict[str, str] | None = None) -> None:
        self.message = message or self.default
        self.param = param
        self.headers = headers or {}
        super().__init__(self.message)

    def __str__(self) -> str:
        if self.request_id is None:
            return self.message
        field = f"{self.param}, " if self.param else ""
        return f"{self.code}: {self.message} ({field}request {self.request_id})"


def member_path(path: str, key: str) -> str:
    """Return the path of an object's key for `param`, such as `metadata.colour`. An unusual key is shown as `…`."""
    is_plain = key.isascii() and key.replace("_", "").replace("-", "").isalnum() and len(key) <= 64
    name = key if is_plain else "…"
    return f"{path}.{name}" if path else name


class InvalidRequest(ApiError):
    status = 400
    type = "invalid_request_error"
    code = "invalid_field"


class InvalidJson(InvalidRequest):
    code = "invalid_json"
    default = "The body is not valid JSON: send one JSON object in UTF-8."


class InvalidField(InvalidRequest):
    code = "invalid_field"


class UnknownField(InvalidRequest):
    code = "unknown_field"


class InvalidString(InvalidRequest):
    code = "invalid_string"
    default = "Text must not contain U+0000 or half of a surrogate pair: remove it."


class UnknownParameter(InvalidRequest):
    code = "unknown_parameter"


class InvalidParameter(InvalidRequest):
    code = "invalid_parameter"


class InvalidCursor(InvalidRequest):
    code = "invalid_cursor"
    default = "This is not a position in this list: send an id from it, or its nextCursor with the same sort."


class MetadataTooMany(InvalidRequest):
    code = "metadata_too_many"
    default = "Metadata holds at most 16 pairs: remove some, for example by setting them to null."


class MetadataKeyTooLong(InvalidRequest):
    code = "metadata_key_too_long"
    default = "A metadata key has 1 to 64 characters."


class MetadataValueTooLong(InvalidRequest):
    code = "metadata_value_too_long"
    default = "A metadata value has at most 512 characters; an array counts as its JSON."


class OrganizationRequired(InvalidRequest):
    code = "organization_required"
    default = "You belong to more than one organization, or to none: name one with organizationId."


class ThreadEmpty(InvalidRequest):
    code = "thread_empty"
    default = "There is nothing in this thread to answer or to name: send input, or add a message first."


class MethodNotAllowed(InvalidRequest):
    status = 405
    code = "method_not_allowed"
    default = "This path does not take this method: see the Allow header."


class TooLarge(InvalidRequest):
    status = 413
    code = "too_large"


class UriTooLong(InvalidRequest):
    status = 414
    code = "uri_too_long"


class HeadersTooLarge(InvalidRequest):
    status = 431
    code = "headers_too_large"


class UnsupportedMediaType(InvalidRequest):
    status = 415
    code = "unsupported_media_type"
    default = "Send the body as JSON: Content-Type: application/json, UTF-8, without Content-Encoding."


class AuthenticationError(ApiError):
    status = 401
    type = "authentication_error"


class MissingAuthentication(AuthenticationError):
    code = "missing_authentication"
    default = "Send an API key in X-API-Key, or a key or user token as Authorization: Bearer."


class InvalidCredentials(AuthenticationError):
    code = "invalid_credentials"
    default = "This API key or token is unknown, revoked or expired: ask an owner for a new one."


class PermissionDenied(ApiError):
    status = 403
    type = "permission_error"


class InsufficientPermissions(PermissionDenied):
    code = "insufficient_permissions"


class OrganizationAccessDenied(PermissionDenied):
    code = "organization_access_denied"
    default = "You do not belong to this organization."


class BearerTokenRequired(PermissionDenied):
    code = "bearer_token_required"
    default = "Only a signed-in person may change visibleInUi: send a user token instead of an API key."


class NotFound(ApiError):
    status = 404
    type = "not_found_error"
    code = "not_found"
    default = "There is nothing at this path."


class ThreadNotFound(NotFound):
    code = "thread_not_found"
    default = "There is no such thread, or you may not see it."


class MessageNotFound(NotFound):
    code = "message_not_found"
    default = "There is no such message in this thread."


class AssistantNotFound(NotFound):
    code = "assistant_not_found"
    default = "There is no such assistant in this organization."


class ResponseNotFound(NotFound):
    code = "response_not_found"
    default = "There is no such response in this thread."


class KeyNotFound(NotFound):
    code = "key_not_found"
    default = "There is no such API key in this organization."


class MemberNotFound(NotFound):
    code = "member_not_found"
    default = "There is no such member in this organization."


class BulkNotFound(NotFound):
    code = "bulk_not_found"
    default = "There is no such bulk change, or you may not see it: it is kept for 24 hours."


class Conflict(ApiError):
    status = 409
    type = "conflict_error"


class ThreadLocked(Conflict):
    code = "thread_locked"
    default = "This thread is locked: unlock it first. Its metadata may still be changed."


class ThreadArchived(Conflict):
    code = "thread_archived"
    default = "This thread is archived: unarchive it first."


class ThreadBusy(Conflict):
    code = "thread_busy"
    default = "A response is being generated in this thread: wait for its end or cancel it."
    # Which response runs, and where; empty in the client.
    thread_id = response_id = ""


class ThreadExists(Conflict):
    code = "thread_exists"
    default = "This organization has a thread with this id already: choose another, or read that one."


class AssistantExists(Conflict):
    code = "assistant_exists"
    default = "This organization has, or had, an assistant with this id: choose another. No id is given twice."


class ExternalIdTaken(Conflict):
    code = "external_id_taken"
    default = "This externalId is taken: read the object that has it, or choose another."


class AssistantBound(Conflict):
    code = "assistant_bound"
    default = "This thread has messages and an assistant: the assistant can no longer be changed."


class AssistantDeleted(Conflict):
    code = "assistant_deleted"
    default = "This thread's assistant was deleted: set the thread's assistantId to another one, or to null."


class LastOwner(Conflict):
    code = "last_owner"
    default = "This is the organization's last owner: make somebody else an owner first."


class PreconditionFailed(Conflict):
    status = 412
    code = "precondition_failed"
    default = "The object has changed since you read it: read it again and send its new ETag in If-Match."


class IdempotencyConflict(ApiError):
    status = 409
    type = "idempotency_error"
    code = "request_in_progress"


class RequestInProgress(IdempotencyConflict):
    code = "request_in_progress"
    default = "A request with this Idempotency-Key is being worked on: wait a little, then send it again."


class KeyReused(IdempotencyConflict):
    status = 422
    code = "key_reused"
    default = "This Idempotency-Key was sent with another body before: use a new key for a new request."


class RateLimited(ApiError):
    status = 429
    type = "rate_limit_error"
    code = "rate_limited"
    default = "Too many requests in this minute: wait as long as Retry-After says."


class UpstreamError(ApiError):
    status = 502
    type = "upstream_error"


class ModelUnavailable(UpstreamError):
    code = "model_unavailable"
    default = "The model cannot be reached or refused the request: try again later."


class ModelTimeout(UpstreamError):
    status = 504
    code = "model_timeout"
    default = "The model did not answer in time: try again later."


class ServerError(ApiError):
    pass


class Internal(ServerError):
    code = "internal"


class Unavailable(ServerError):
    status = 503
    code = "unavailable"
    default = "The database did not answer in time: try again, with an Idempotency-Key where work is created."

    def __init__(self, message: str = "") -> None:
        super().__init__(message, headers={"Retry-After": "1"})


class LeaseExpired(Unavailable):
    """The thread holds a response whose worker died. Never sent to a caller: it is settled and the work retried."""

    def __init__(self, thread_id: str) -> None:
        super().__init__()
        self.thread_id = thread_id


class StorageFull(ServerError):
    status = 507
    code = "storage_full"
    default = "The storage is full and nothing was written: free some space, then try again."
