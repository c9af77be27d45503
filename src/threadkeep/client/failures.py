"""The errors of a call: the API's own, and those of the connection to it.

ThreadkeepError
├── ApiError            the server refused: one class for each code, see `threadkeep.errors`
├── NotSendable         nothing was sent: an argument cannot be written as JSON, in an address or in a header
├── ClientUnusable      nothing was sent: the client is closed, or belongs to another loop or process
└── TransportError      no answer of the API came
    ├── ConnectionFailed
    ├── TimedOut
    └── UnexpectedAnswer
"""

from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import msgspec

from threadkeep import clock, errors
from threadkeep.contract.answers import Error, ErrorDetail
from threadkeep.decoding import decoder
from threadkeep.errors import ApiError, LeaseExpired, ThreadkeepError

read_error = decoder(Error).decode


class NotSendable(ThreadkeepError, ValueError):
    """An argument cannot be written in a request."""


class ClientUnusable(ThreadkeepError, RuntimeError):
    """The client is closed, or belongs to another event loop or process."""


class TransportError(ThreadkeepError):
    """No answer of the API came, after all attempts."""

    def __init__(self, message: str, request_id: str, *, outcome_is_unknown: bool = True) -> None:
        self.message = message
        self.request_id = request_id
        # False if the call cannot have been done. A POST may be repeated with its idempotency key in any case.
        self.outcome_is_unknown = outcome_is_unknown
        super().__init__(f"{message} (request {request_id})")

    def __reduce__(self) -> tuple[Any, ...]:
        # By default an exception is unpickled from its text alone, which would lose the other attributes.
        return restored, (type(self), {**vars(self), "args": self.args})


class ConnectionFailed(TransportError):
    """The server cannot be reached, or the connection broke."""


class TimedOut(TransportError):
    """The server did not answer in time."""


class UnexpectedAnswer(TransportError):
    """The answer is not the API's: from a proxy, a redirect, another program."""


def restored(kind: type[TransportError], state: dict[str, Any]) -> TransportError:
    error = kind.__new__(kind)
    error.args = state.pop("args")
    vars(error).update(state)
    return error


def transport_error(error: httpx.RequestError, where: str, request_id: str, *, is_unknown: bool) -> TransportError:
    """Return our own error for an error of httpx."""
    reason = str(error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        message = f"{where} did not answer in time ({type(error).__name__})."
        return TimedOut(message, request_id, outcome_is_unknown=is_unknown)
    if isinstance(error, httpx.ConnectError):
        message = f"There is no server to reach at {where}: does it run, and is the address right? {reason}."
        return ConnectionFailed(message, request_id, outcome_is_unknown=is_unknown)
    if isinstance(error, httpx.TransportError):
        message = f"The connection to {where} failed: {reason}."
        return ConnectionFailed(message, request_id, outcome_is_unknown=is_unknown)
    return UnexpectedAnswer(f"The answer of {where} cannot be read: {reason}.", request_id)


def detail_of(content: bytes) -> ErrorDetail | None:
    """Return the API's error in an answer, or None if it has none."""
    try:
        return read_error(content).error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def refusal(status: int, headers: Mapping[str, str], content: bytes, where: str, request_id: str) -> ThreadkeepError:
    """Return the error for an answer with an error status."""
    detail = detail_of(content)
    if detail is not None:
        return api_error(status, detail, headers)
    if 300 <= status < 400:
        message = f"{where} redirects ({status}), and redirects are not followed: give the address that it leads to."
    else:
        message = f"{where} answers {status}, and not as threadkeep does: is base_url right?"
    return UnexpectedAnswer(message, request_id, outcome_is_unknown=status >= 500)


def api_error(status: int, detail: ErrorDetail, headers: Mapping[str, str]) -> ApiError:
    """Return the error of its code's class. An unknown code, of a newer server, gets the class of its status."""
    kind = BY_CODE.get(detail.code) or BY_STATUS.get(status, ApiError)
    error = kind.__new__(kind)
    ApiError.__init__(error, detail.message, param=detail.param, headers=dict(headers))
    error.request_id = detail.request_id
    # The instance has the values of the answer, also if the class is only that of the status.
    vars(error).update(status=status, type=detail.type, code=detail.code, retry_after_s=retry_after_s(headers))
    return error


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds Retry-After asks to wait: our server sends a number, some proxies send a date."""
    text = headers.get("retry-after", "")
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - clock.now_ms() / 1000)
    except ValueError:
        return None


def kinds(kind: type[ApiError]) -> Iterator[type[ApiError]]:
    """Give the classes of the API's errors, each before its subclasses."""
    if kind.__module__ == errors.__name__ and kind is not LeaseExpired:
        yield kind
    for each in kind.__subclasses__():
        yield from kinds(each)


BY_CODE = {each.code: each for each in kinds(ApiError) if "code" in vars(each)}
BY_STATUS: dict[int, type[ApiError]] = {
    400: errors.InvalidRequest,
    401: errors.AuthenticationError,
    403: errors.PermissionDenied,
    404: errors.NotFound,
    409: errors.Conflict,
    429: errors.RateLimited,
    **dict.fromkeys((405, 412, 413, 414, 415, 422, 431), errors.InvalidRequest),
    **dict.fromkeys((502, 504), errors.UpstreamError),
    **dict.fromkeys((500, 503, 507), errors.ServerError),
}
