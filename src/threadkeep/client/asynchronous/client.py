"""The client: one server, one credential, and the calls of its API."""

from dataclasses import replace
from types import TracebackType
from typing import Self

import httpx
from msgspec import UNSET, UnsetType

from threadkeep.client.asynchronous.assistants import AsyncAssistants
from threadkeep.client.asynchronous.connection import AsyncConnection, AsyncPool
from threadkeep.client.asynchronous.models import AsyncModels
from threadkeep.client.asynchronous.organizations import AsyncOrganizations
from threadkeep.client.asynchronous.threads import AsyncThreads
from threadkeep.client.asynchronous.tokens import AsyncTokens
from threadkeep.client.asynchronous.user import AsyncCurrentUser
from threadkeep.client.calls import Call, HttpAnswer
from threadkeep.client.options import Options, address, credential, from_environment


class AsyncClient:
    """Calls a threadkeep server.

    `base_url`, `api_key`, `token` and `organization_id` default to THREADKEEP_URL (http://127.0.0.1:8000),
    THREADKEEP_API_KEY, THREADKEEP_TOKEN and THREADKEEP_ORGANIZATION. With `user_id` an admin's key acts for that user.
    An `http_client` of your own, with a proxy for example, is used as it is and stays open. Time-outs are in seconds:
    `timeout_s` for a server that is silent, `total_timeout_s` for a call with its `retries_max` retries,
    `stream_timeout_s` for a stream that is silent; the server sends something every 15 s.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        api_key: str | None = None,
        token: str | None = None,
        user_id: str | None = None,
        organization_id: str | None = None,
        timeout_s: float = 30.0,
        connect_timeout_s: float = 5.0,
        total_timeout_s: float = 120.0,
        stream_timeout_s: float = 40.0,
        retries_max: int = 4,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        options = Options(
            base_url=address(base_url),
            credential=credential(api_key, token),
            user_id=user_id,
            organization_id=organization_id or from_environment("organization"),
            connect_timeout_s=connect_timeout_s,
            timeout_s=timeout_s,
            total_timeout_s=total_timeout_s,
            stream_timeout_s=stream_timeout_s,
            retries_max=retries_max,
        )
        self._is_copy = False
        self._connect(AsyncPool(options.base_url, http_client), options)

    def _connect(self, pool: AsyncPool, options: Options) -> None:
        connection = self._connection = AsyncConnection(pool, options)
        self.user = AsyncCurrentUser(connection)
        self.threads = AsyncThreads(connection)
        self.assistants = AsyncAssistants(connection)
        self.models = AsyncModels(connection)
        self.organizations = AsyncOrganizations(connection)
        self.tokens = AsyncTokens(connection)

    def with_options(
        self,
        *,
        token: str | UnsetType = UNSET,
        user_id: str | UnsetType | None = UNSET,
        organization_id: str | UnsetType | None = UNSET,
        timeout_s: float | UnsetType = UNSET,
        connect_timeout_s: float | UnsetType = UNSET,
        total_timeout_s: float | UnsetType = UNSET,
        stream_timeout_s: float | UnsetType = UNSET,
        retries_max: int | UnsetType = UNSET,
    ) -> Self:
        """Return a client with the given options changed, over the same connections: one for each user, for example.

        It need not be closed: it ends with the client that it was made from.
        """
        given = {
            "credential": UNSET if token is UNSET else credential(None, token),
            "user_id": user_id,
            "organization_id": organization_id,
            "timeout_s": timeout_s,
            "connect_timeout_s": connect_timeout_s,
            "total_timeout_s": total_timeout_s,
            "stream_timeout_s": stream_timeout_s,
            "retries_max": retries_max,
        }
        changes = {name: value for name, value in given.items() if value is not UNSET}
        other = object.__new__(type(self))
        other._is_copy = True
        other._connect(self._connection.pool, replace(self._connection.options, **changes))  # type: ignore[arg-type]  # Each has its option's type.
        return other

    async def send(self, call: Call) -> HttpAnswer:
        """Send a call made with `threadkeep.client.calls`, with the usual retries, and return the undecoded answer.

        For bodies that are JSON already: they are sent as they are.
        """
        return await self._connection.answer(call)

    async def aclose(self) -> None:
        """Close the connections."""
        if not self._is_copy:
            await self._connection.pool.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._connection.options}>"
