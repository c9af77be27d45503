"""Encodes answers: results of operations as JSON with their headers, and errors in their one shape."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from threadkeep.contract.answers import Error, ErrorDetail
from threadkeep.errors import ApiError
from threadkeep.operations.revisions import Versioned
from threadkeep.runtime.frames import Answered
from threadkeep.server.transport.cycle import SAFE_HEADERS, Headers

encode = msgspec.json.Encoder().encode


# Returns the media type and the body of an error, given also the request's id.
Written = Callable[[ApiError, str], tuple[bytes, bytes]]
JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"


class Result(msgspec.Struct):
    """A whole answer, with its body encoded."""

    status: int
    body: bytes
    revision: int | None
    thread_revision: int | None = None
    replayed: bool = False
    headers: Sequence[tuple[bytes, bytes]] = ()
    media_type: bytes = JSON


def result_of(value: Any, status: int) -> Result:
    if type(value) is Versioned:
        return Result(status, encode(value.object), value.revision, value.thread_revision)
    return Result(status, b"" if status == 204 else encode(value), None)


def result_of_answered(answered: Answered) -> Result:
    body = b"" if answered.value is None else encode(answered.value)
    media_type = JSON
    if isinstance(answered.value, str):
        media_type, body = TEXT, answered.value.encode()
    return Result(
        answered.status, body, None, replayed=answered.was_replayed, headers=answered.headers, media_type=media_type
    )


def headers_of(result: Result, request_id: bytes) -> Headers:
    if result.status == 204:
        return [(b"x-request-id", request_id), *SAFE_HEADERS, *result.headers]
    headers = [
        (b"content-type", result.media_type),
        (b"content-length", b"%d" % len(result.body)),
        (b"x-request-id", request_id),
        *SAFE_HEADERS,
    ]
    if result.revision is not None:
        headers.append((b"etag", b'"%d"' % result.revision))
    if result.thread_revision is not None:
        headers.append((b"thread-etag", b'"%d"' % result.thread_revision))
    if result.replayed:
        headers.append((b"idempotent-replayed", b"true"))
    if result.headers:
        headers += result.headers
    return headers


def unless_known(known: bytes, status: int, headers: Headers, body: bytes) -> tuple[int, Headers, bytes]:
    """Return the answer to a GET with a weak ETag of its content, or 304 without a body if the caller has it already.

    Only for callers who send some weak ETag, so that others need not wait for a hash. It replaces the revision's ETag,
    because a revision does not change with everything that an answer shows.
    """
    if status != 200 or b'W/"' not in known:
        return status, headers, body
    tag = b'W/"%b"' % hashlib.blake2b(body, digest_size=12).hexdigest().encode()
    tagged = [header for header in headers if header[0] != b"etag"] + [(b"etag", tag)]
    if tag not in known:
        return status, tagged, body
    return 304, [header for header in tagged if not header[0].startswith(b"content-")], b""


def native_written(error: ApiError, request_id: str) -> tuple[bytes, bytes]:
    # In another service's shape some errors have no code.
    code: Any = error.code or None
    return JSON, encode(Error(ErrorDetail(error.message, error.type, code, error.param, request_id)))


def error_answer(error: ApiError, request_id: bytes, written: Written = native_written) -> tuple[int, Headers, bytes]:
    """Return status, headers and body of an error, in the shape that the API has for all."""
    media_type, body = written(error, request_id.decode())
    headers = [
        (b"content-type", media_type),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id),
        *SAFE_HEADERS,
        *((name.lower().encode(), value.encode()) for name, value in error.headers.items()),
    ]
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return error.status, headers, body
