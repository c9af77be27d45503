"""Whether a call is tried again, and after which pause."""

import random

import httpx

from threadkeep import clock, errors, ids
from threadkeep.client.calls import Call, HttpAnswer
from threadkeep.client.failures import (
    UnexpectedAnswer,
    detail_of,
    refusal,
    retry_after_s,
    transport_error,
)
from threadkeep.client.options import Options

PAUSE_S = 0.25
PAUSE_MAX_S = 8.0
# The longest pause while the server works on a call with the same idempotency key.
IN_PROGRESS_PAUSE_MAX_S = 2.0
# If the server asks for a longer wait, the error is raised and the caller decides.
RETRY_AFTER_MAX_S = 60.0

# The request did not leave this machine.
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
FROM_PROXIES = (429, 502, 503, 504)


class Attempts:
    """The attempts at one call. Each answer or failure gives the next pause, or ends the call."""

    def __init__(self, call: Call, options: Options, *, has_total: bool = True) -> None:
        self.request_id = ids.new_id("req")
        self._call = call
        self._options = options
        self._left = options.retries_max
        self._deadline_s = clock.monotonic_s() + options.total_timeout_s if has_total else float("inf")
        # Whether the server may have done the call in an earlier attempt.
        self._is_unknown = False
        self._failures = 0

    @property
    def silence_s(self) -> float:
        """Return how many seconds the server may be silent in the next attempt."""
        return max(0.001, min(self._options.timeout_s, self._deadline_s - clock.monotonic_s()))

    @property
    def where(self) -> str:
        return f"{self._options.base_url} ({self._call.method} {self._call.path})"

    def check_total(self) -> None:
        """Raise httpx's time-out if the total time is over while an answer is read."""
        if clock.monotonic_s() > self._deadline_s:
            raise httpx.ReadTimeout("the answer takes too long")

    def renew(self) -> None:
        """Allow twice the retries from now on, after something was read.

        A server that restarts is away for longer than four pauses, and a reader with half an answer waits for it.
        """
        self._left = 2 * self._options.retries_max
        self._failures = 0

    def after_failure(self, error: httpx.RequestError) -> float:
        """Return the pause before the next attempt. Raises TransportError when there is none."""
        was_sent = not isinstance(error, NEVER_SENT)
        self._is_unknown = self._is_unknown or was_sent
        failure = transport_error(error, self.where, self.request_id, is_unknown=self._is_unknown)
        if isinstance(failure, UnexpectedAnswer) or (was_sent and not self._call.repeats):
            raise failure from error
        return self._pause(failure)

    def after_answer(self, answer: HttpAnswer) -> float | HttpAnswer:
        """Return the final answer, or the pause before the next attempt. Raises ThreadkeepError."""
        status = answer.status
        if 200 <= status < 300:
            return answer
        detail = detail_of(answer.content)
        if status == 404 and detail is not None and self._is_unknown and self._call.receipt is not None:
            return HttpAnswer(200, answer.headers, self._call.receipt)
        error = refusal(status, answer.headers, answer.content, self.where, self.request_id)
        if isinstance(error, errors.RequestInProgress):
            return self._wait(error)
        if isinstance(error, errors.RateLimited | errors.Unavailable):
            return self._pause(error, retry_after_s(answer.headers))
        if detail is None and status in FROM_PROXIES:
            self._is_unknown = True
            if self._call.repeats:
                return self._pause(error, retry_after_s(answer.headers))
        raise error

    def _pause(self, error: errors.ThreadkeepError, asked_s: float | None = None) -> float:
        pause_s = jittered(PAUSE_MAX_S, self._failures)
        if asked_s is not None:
            pause_s = max(pause_s, asked_s)
        self._left -= 1
        self._failures += 1
        if self._left < 0 or pause_s > RETRY_AFTER_MAX_S or clock.monotonic_s() + pause_s > self._deadline_s:
            raise error
        return pause_s

    def _wait(self, error: errors.ApiError) -> float:
        """Return the pause while the server works on the same call. It is no failure: only the total time limits it."""
        pause_s = jittered(IN_PROGRESS_PAUSE_MAX_S, self._failures)
        self._failures += 1
        if clock.monotonic_s() + pause_s > self._deadline_s:
            raise error
        return pause_s


def jittered(pause_max_s: float, failures: int) -> float:
    """Return a random pause whose maximum doubles with each failure, so that clients do not retry in step."""
    pause_s: float = min(pause_max_s, PAUSE_S * 2**failures)
    return random.uniform(0.5, 1) * pause_s
