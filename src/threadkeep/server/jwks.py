"""An outside issuer's public keys (JWKS, RFC 7517), fetched in the background: a token with a known key never waits."""

import asyncio
import json
import ssl
from typing import Any

import httpx
import jwt

from threadkeep import clock
from threadkeep.errors import InvalidCredentials, Unavailable

# Older keys are fetched again; meanwhile they stay valid.
FRESH_S = 300.0
# Keys are dropped at this age: an issuer that cannot be reached for so long may have withdrawn them.
KEPT_S = 24 * 3600.0
# An unknown key id causes a fetch, but a flood of such tokens causes one in this time at most.
REFRESH_S = 10.0
# While there are no keys, the issuer is asked again sooner.
AGAIN_S = 1.0
# The time limit of a whole fetch, however slowly the answer arrives.
FETCH_S = 5.0
ANSWER_BYTES_MAX = 256 * 1024


class JwksCache:
    """The keys at one address."""

    def __init__(self, url: str, *, fresh_s: float = FRESH_S, kept_s: float = KEPT_S, refresh_s: float = REFRESH_S):
        self._url = url
        self._fresh_s = fresh_s
        self._kept_s = kept_s
        self._refresh_s = refresh_s
        self._keys: dict[str | None, Any] = {}  # Any: keys of several kinds.
        self._given_s = self._asked_s = float("-inf")
        self._tls: ssl.SSLContext | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, key_id: str | None) -> Any:
        """Return the key with this id. Raises InvalidCredentials, or Unavailable while the issuer gives none."""
        now_s = clock.monotonic_s()
        if now_s - self._given_s > self._kept_s:
            self._keys = {}
        is_known = key_id in self._keys
        if not is_known or now_s - self._given_s > self._fresh_s:
            self._begin_fetching(now_s)
        if not is_known and self._fetching is not None:
            # Shielded: a cancelled request must not cancel the fetch for the others.
            await asyncio.shield(self._fetching)
        if not self._keys:
            raise Unavailable("The issuer of the token gives no keys; try again.")
        if key_id not in self._keys:
            raise InvalidCredentials()
        return self._keys[key_id]

    def _begin_fetching(self, now_s: float) -> None:
        again_s = self._refresh_s if self._keys else min(AGAIN_S, self._refresh_s)
        if self._fetching is None and now_s - self._asked_s > again_s:
            self._asked_s = now_s
            self._fetching = asyncio.ensure_future(self._fetch())

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(FETCH_S):
                answer = await self._ask()
            self._keys = await asyncio.to_thread(keys_of, answer)
            self._given_s = clock.monotonic_s()
        # Unreachable, too slow, broken off, or not a key set: the earlier keys stay in use.
        except (httpx.HTTPError, httpx.InvalidURL, jwt.PyJWTError, OSError, ValueError, TypeError, RecursionError):
            pass
        finally:
            self._fetching = None

    async def _ask(self) -> bytes:
        if self._tls is None:
            # In a thread: loading the CA certificates takes long enough to hold up other requests.
            self._tls = await asyncio.to_thread(httpx.create_ssl_context)
        answer = b""
        async with (
            httpx.AsyncClient(verify=self._tls, timeout=FETCH_S, follow_redirects=False) as client,
            client.stream("GET", self._url, headers={"Accept-Encoding": "identity"}) as response,
        ):
            if response.status_code != 200:
                raise ValueError
            async for chunk in response.aiter_raw():
                answer += chunk
                if len(answer) > ANSWER_BYTES_MAX:
                    raise ValueError
        return answer


def keys_of(answer: bytes) -> dict[str | None, Any]:
    """Return the signature keys by their ids. Raises ValueError, TypeError, RecursionError or jwt.PyJWTError."""
    found = json.loads(answer)
    if not isinstance(found, dict):
        raise TypeError
    return {key.key_id: key.key for key in jwt.PyJWKSet.from_dict(found).keys if key.public_key_use in (None, "sig")}
