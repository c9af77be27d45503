"""Sends calls, retries them where that is safe, and decodes the answers."""

import asyncio
from typing import TypeVar

import httpx

from threadkeep.client.calls import Call, HttpAnswer, decode, headers_of
from threadkeep.client.failures import ClientUnusable
from threadkeep.client.options import LIMITS, Options, certificates
from threadkeep.client.places import AsyncPlace, making
from threadkeep.client.retrying import Attempts

T = TypeVar("T")


class AsyncPool:
    """The connections of a client and of all clients made from it. Each process and event loop has its own.

    Two processes on one connection would read each other's answers.
    """

    def __init__(self, base_url: str, given: httpx.AsyncClient | None) -> None:
        self._certificates = True if given is not None else certificates(base_url)
        self._given = given
        self._closes_given = False
        self._is_closed = False
        self._own: dict[AsyncPlace, httpx.AsyncClient] = {}

    @property
    def http(self) -> httpx.AsyncClient:
        """Return the httpx client for this process and loop. Raises ClientUnusable after `aclose`."""
        if self._is_closed:
            raise ClientUnusable("This client has been closed: make another.")
        if self._given is not None:
            return self._given
        here = AsyncPlace.here()
        return self._own.get(here) or self._made(here)

    def own(self) -> None:
        """Let `aclose` close the caller's `http_client` too."""
        self._closes_given = True

    async def aclose(self) -> None:
        self._is_closed = self._given is None or self._closes_given
        if self._given is not None:
            if self._closes_given:
                await self._given.aclose()
            return
        with making:
            http = self._own.pop(AsyncPlace.here(), None)
        if http is not None:
            await http.aclose()

    def _made(self, here: AsyncPlace) -> httpx.AsyncClient:
        with making:
            if here not in self._own:
                # Clients of ended loops are dropped, not closed: closing needs their loop.
                self._own = {place: each for place, each in self._own.items() if not place.is_gone}
                self._own[here] = httpx.AsyncClient(limits=LIMITS, verify=self._certificates, trust_env=False)
            return self._own[here]


class AsyncConnection:
    """One server, and the options for calling it. Any number of calls may run at once."""

    def __init__(self, pool: AsyncPool, options: Options) -> None:
        self.pool = pool
        self.options = options

    async def call(self, call: Call, kind: type[T]) -> T:
        """Send the call and return its decoded answer. Raises ApiError, or TransportError."""
        return decode(await self.answer(call), kind)

    async def answer(self, call: Call) -> HttpAnswer:
        attempts = Attempts(call, self.options)
        while True:
            try:
                outcome = attempts.after_answer(await self._exchange(call, attempts))
            except httpx.RequestError as error:
                outcome = attempts.after_failure(error)
            if isinstance(outcome, HttpAnswer):
                return outcome
            await asyncio.sleep(outcome)

    async def begin(self, call: Call, silence_s: float, request_id: str) -> httpx.Response:
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
            return await http.send(request, stream=True, auth=None, follow_redirects=False)
        except RuntimeError as error:
            # The caller's own `http_client` is closed, or belongs to an event loop that has ended.
            raise ClientUnusable(f"This client cannot be used here: {error}") from error

    async def _exchange(self, call: Call, attempts: Attempts) -> HttpAnswer:
        response = await self.begin(call, attempts.silence_s, attempts.request_id)
        return await self.read(response, attempts)

    async def read(self, response: httpx.Response, attempts: Attempts) -> HttpAnswer:
        """Read the whole answer."""
        content = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                content += chunk
                attempts.check_total()
        finally:
            await response.aclose()
        return HttpAnswer(response.status_code, headers_of(response), bytes(content))
