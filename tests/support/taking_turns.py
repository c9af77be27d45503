"""A client of several servers that serve one database: its requests go to one after the other."""

import itertools
from collections.abc import Iterable

import httpx

from support.server import Server


class TakingTurns(httpx.AsyncBaseTransport):
    """Sends each request to the next server, like a balancer that does not notice who is dead."""

    def __init__(self, servers: Iterable[Server]) -> None:
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
        self._transport = httpx.AsyncHTTPTransport(limits=limits)
        self._turns = itertools.cycle([httpx.URL(server.url) for server in servers])

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        server = next(self._turns)
        request.url = request.url.copy_with(host=server.host, port=server.port)
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        await self._transport.aclose()
