"""Sends calls, again where that is safe, and decodes what they are answered with."""

import asyncio
import os
from typing import TypeVar

import httpx

from threadkeep.client.calls import Answer, Call, decode, headers_of
from threadkeep.client.options import LIMITS, Options, certificates
from threadkeep.client.retrying import Attempts

T = TypeVar("T")


class AsyncPool:
    """The connections of a client and of all that were made from it. A forked process makes its own.

    Two processes on one connection would read each other's answers.
    """

    def __init__(self, base_url: str, given: httpx.AsyncClient | None) -> None:
        self._base_url = base_url
        self._given = given
        self._closes_given = False
        self._process = os.getpid()
        self._own: httpx.AsyncClient | None = None if given is not None else self._make()

    @property
    def http(self) -> httpx.AsyncClient:
        if self._given is not None:
            return self._given
        if self._own is None or self._process != os.getpid():
            self._own, self._process = self._make(), os.getpid()
        return self._own

    def own(self) -> None:
        """Close what was given, too."""
        self._closes_given = True

    async def aclose(self) -> None:
        if self._given is None or self._closes_given:
            await self.http.aclose()

    def _make(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(limits=LIMITS, verify=certificates(self._base_url), trust_env=False)


class AsyncConnection:
    """One server, and how it is called. Any number of calls may be under way."""

    def __init__(self, pool: AsyncPool, options: Options) -> None:
        self.pool = pool
        self.options = options

    async def call(self, call: Call, kind: type[T]) -> T:
        """Return what the call is answered with. Raises ApiError, or TransportError."""
        return decode(await self.answer(call), kind)

    async def answer(self, call: Call) -> Answer:
        attempts = Attempts(call, self.options)
        while True:
            try:
                outcome = attempts.after_answer(await self._exchange(call, attempts))
            except httpx.RequestError as error:
                outcome = attempts.after_failure(error)
            if isinstance(outcome, Answer):
                return outcome
            await asyncio.sleep(outcome)

    async def begin(self, call: Call, silence_s: float, request_id: str) -> httpx.Response:
        """Send a call; return the answer with its body still to be read, and to be closed."""
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
        # A redirect might lead the credential elsewhere, and `auth` might put another in its place.
        return await http.send(request, stream=True, auth=None, follow_redirects=False)

    async def _exchange(self, call: Call, attempts: Attempts) -> Answer:
        response = await self.begin(call, attempts.silence_s, attempts.request_id)
        return await self.read(response, attempts)

    async def read(self, response: httpx.Response, attempts: Attempts) -> Answer:
        """Read the whole answer."""
        content = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                content += chunk
                attempts.check_total()
        finally:
            await response.aclose()
        return Answer(response.status_code, headers_of(response), bytes(content))
