# Made from ../asynchronous by tests/support/sync_client.py: change it there.
"""Sends calls, retries them where that is safe, and decodes the answers."""

import time
from typing import TypeVar

import httpx

from threadkeep.client.calls import Call, HttpAnswer, decode, headers_of
from threadkeep.client.failures import ClientUnusable
from threadkeep.client.options import LIMITS, Options, certificates
from threadkeep.client.places import Place, making
from threadkeep.client.retrying import Attempts

T = TypeVar("T")


class Pool:
    """The connections of a client and of all clients made from it. Each process and event loop has its own.

    Two processes on one connection would read each other's answers.
    """

    def __init__(self, base_url: str, given: httpx.Client | None) -> None:
        self._certificates = True if given is not None else certificates(base_url)
        self._given = given
        self._closes_given = False
        self._is_closed = False
        self._own: dict[Place, httpx.Client] = {}

    @property
    def http(self) -> httpx.Client:
        """Return the httpx client for this process and loop. Raises ClientUnusable after `close`."""
        if self._is_closed:
            raise ClientUnusable("This client has been closed: make another.")
        if self._given is not None:
            return self._given
        here = Place.here()
        return self._own.get(here) or self._made(here)

    def own(self) -> None:
        """Let `close` close the caller's `http_client` too."""
        self._closes_given = True

    def close(self) -> None:
        self._is_closed = self._given is None or self._closes_given
        if self._given is not None:
            if self._closes_given:
                self._given.close()
            return
        with making:
            http = self._own.pop(Place.here(), None)
        if http is not None:
            http.close()

    def _made(self, here: Place) -> httpx.Client:
        with making:
            if here not in self._own:
                # Clients of ended loops are dropped, not closed: closing needs their loop.
                self._own = {place: each for place, each in self._own.items() if not place.is_gone}
                self._own[here] = httpx.Client(limits=LIMITS, verify=self._certificates, trust_env=False)
            return self._own[here]


class Connection:
    """One server, and the options for calling it. Any number of calls may run at once."""

    def __init__(self, pool: Pool, options: Options) -> None:
        self.pool = pool
        self.options = options

    def call(self, call: Call, kind: type[T]) -> T:
        """Send the call and return its decoded answer. Raises ApiError, or TransportError."""
        return decode(self.answer(call), kind)

    def answer(self, call: Call) -> HttpAnswer:
        attempts = Attempts(call, self.options)
        while True:
            try:
                outcome = attempts.after_answer(self._exchange(call, attempts))
            except httpx.RequestError as error:
                outcome = attempts.after_failure(error)
            if isinstance(outcome, HttpAnswer):
                return outcome
            time.sleep(outcome)

    def begin(self, call: Call, silence_s: float, request_id: str) -> httpx.Response:
        """Send a call and return the answer, whose body the caller must read and close."""
        call = call.within(self.options.organization_id)
        headers = {**self.options.headers, **call.headers, "X-Request-Id": request_id}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        http = self.pool.http
        request = http.build_request(
            call.method,
            f"{self.options.base_url}{call.url_path}",
            headers=headers,
            content=call.body,
            timeout=self.options.timeout(silence_s),
        )
        # No redirects: one might send the credential elsewhere. No `auth`: it might replace the credential.
        try:
            return http.send(request, stream=True, auth=None, follow_redirects=False)
        except RuntimeError as error:
            # The caller's own `http_client` is closed, or belongs to an event loop that has ended.
            raise ClientUnusable(f"This client cannot be used here: {error}") from error

    def _exchange(self, call: Call, attempts: Attempts) -> HttpAnswer:
        response = self.begin(call, attempts.silence_s, attempts.request_id)
        return self.read(response, attempts)

    def read(self, response: httpx.Response, attempts: Attempts) -> HttpAnswer:
        """Read the whole answer."""
        content = bytearray()
        try:
            for chunk in response.iter_bytes():
                content += chunk
                attempts.check_total()
        finally:
            response.close()
        return HttpAnswer(response.status_code, headers_of(response), bytes(content))
