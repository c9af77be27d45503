"""The API under /v1: from an ASGI request to its endpoint and back."""

import logging
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from threadkeep.database.driver import Database
from threadkeep.database.scoped import ScopedDatabase
from threadkeep.errors import (
    ApiError,
    Internal,
    InvalidField,
    InvalidParameter,
    KeyNotFound,
    MemberNotFound,
    MessageNotFound,
    MethodNotAllowed,
    NotFound,
    ThreadNotFound,
)
from threadkeep.objects import Error, ErrorDetail, MessageCreate, MessagesCreate
from threadkeep.operations import idempotency
from threadkeep.operations.paging import OPAQUE_ID
from threadkeep.scope import Credential
from threadkeep.server.auth import Authenticator
from threadkeep.server.body import Disconnected, Receive, decode, read_body
from threadkeep.server.endpoint import (
    Endpoint,
    Request,
    Result,
    check_idempotency_key,
    convert,
    encode,
    precondition,
)
from threadkeep.server.metrics import Metrics
from threadkeep.server.query import parse_query
from threadkeep.server.rates import RateLimit
from threadkeep.server.request_ids import request_id_of
from threadkeep.server.routes import ENDPOINTS
from threadkeep.settings import Settings

logger = logging.getLogger(__name__)

Send = Callable[[dict[str, Any]], Awaitable[None]]  # Any: ASGI messages are plain dictionaries.
Headers = list[tuple[bytes, bytes]]

# What a path parameter looks like, and what is missing when it does not look like that.
PATH_PARAMETERS: dict[str, tuple[re.Pattern[str], type[ApiError]]] = {
    "threadId": (re.compile(r"thread_[A-Za-z0-9_-]{1,121}"), ThreadNotFound),
    "messageId": (re.compile(r"msg_[0-9a-z]{26}"), MessageNotFound),
    "keyId": (re.compile(r"key_[0-9a-z]{26}"), KeyNotFound),
    "userId": (OPAQUE_ID, MemberNotFound),
}


class Route:
    """One path: its methods and the names of its parameters."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.endpoints: dict[str, Endpoint] = {}
        self.names = re.findall(r"\{(\w+)\}", path)
        self.names_organization = "organizationId" in self.names


class Api:
    """Answers everything below /v1."""

    def __init__(self, database: Database, authenticator: Authenticator, settings: Settings, metrics: Metrics) -> None:
        self._database = database
        self._authenticator = authenticator
        self._settings = settings
        self._metrics = metrics
        self._routes = build_routes(ENDPOINTS)
        self._rates = {
            Credential.KEY: RateLimit(settings.rate_key_per_minute),
            Credential.TOKEN: RateLimit(settings.rate_token_per_minute),
        }

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        started_s = time.perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request_id = request_id_of(headers)
        method = scope["method"]
        route: Route | None = None
        answer_headers: Headers
        try:
            route, values = self._find(scope["path"])
            result = await self._answer(route, values, method, scope, headers, receive)
            status, body = result.status, result.body
            answer_headers = headers_of(result, request_id)
        except ApiError as error:
            status, body = error.status, encode_error(error, request_id)
            answer_headers = error_headers(error, body, request_id)
        except Disconnected:
            return
        except Exception:  # Where a request ends: the log gets what happened, the caller gets no internals.
            logger.exception("Request %s failed.", request_id.decode())
            internal = Internal()
            status, body = internal.status, encode_error(internal, request_id)
            answer_headers = error_headers(internal, body, request_id)
        await send({"type": "http.response.start", "status": status, "headers": answer_headers})
        await send({"type": "http.response.body", "body": body})
        self._metrics.count(method, route.path if route else "unknown", status, time.perf_counter() - started_s)

    def _find(self, path: str) -> tuple[Route, list[str]]:
        """Return the route of a path and the values of its parameters. Raises NotFound."""
        segments = path.split("/")
        route = self._routes.get(path)
        if route is not None and not route.names:
            return route, []
        # Every second segment after /v1/<collection> is a parameter.
        values = segments[3::2]
        segments[3::2] = "*" * len(values)
        route = self._routes.get("/".join(segments))
        if route is None:
            raise NotFound()
        return route, values

    async def _answer(
        self,
        route: Route,
        values: list[str],
        method: str,
        scope: dict[str, Any],
        headers: dict[bytes, bytes],
        receive: Receive,
    ) -> Result:
        endpoint = route.endpoints.get(method)
        if endpoint is None:
            raise MethodNotAllowed(headers={"Allow": ", ".join(sorted(route.endpoints))})
        caller = await self._authenticator.caller(headers)
        self._rates[caller.credential].count(caller.rate_id)
        raw_query = scope["query_string"]
        query = parse_query(raw_query, endpoint.query, endpoint.query_kinds) if raw_query else endpoint.default_query
        organization_id = query.organization_id
        decoded: dict[str, Any] = {}
        body = None
        if endpoint.body is not None:
            raw = await read_body(headers, receive, self._settings.body_bytes_max, self._settings.body_read_s)
            decoded = decode(raw)
            body = convert(decoded, body_kind(endpoint, decoded))
            organization_id = agreed(organization_id, getattr(body, "organization_id", msgspec.UNSET))
            self._check_messages_count(body)
        if route.names_organization:
            organization_id = agreed(organization_id, values.pop(0))
        acting = caller.scope(organization_id, headers.get(b"x-user-id"))
        check_path(route, values, method)
        request = Request(
            values, query, body, precondition(headers.get(b"if-match")) if endpoint.takes_precondition else None
        )
        keyed = None
        if method == "POST" and b"idempotency-key" in headers:
            key = headers[b"idempotency-key"].decode("latin-1")
            check_idempotency_key(key)
            keyed = idempotency.Request(
                acting.user_id, f"{method} {scope['path']}?{raw_query.decode('latin-1')}", key,
                idempotency.fingerprint(decoded),
            )  # fmt: skip
        return await endpoint.run(ScopedDatabase(self._database, acting), request, keyed)

    def _check_messages_count(self, body: Any) -> None:
        if len(getattr(body, "messages", ())) > self._settings.messages_per_call_max:
            raise InvalidField(
                f"One call takes at most {self._settings.messages_per_call_max} messages: send several calls.",
                param="messages",
            )


def build_routes(endpoints: list[Endpoint]) -> dict[str, Route]:
    """Return routes by path, with `*` for each parameter."""
    routes: dict[str, Route] = {}
    for endpoint in endpoints:
        shape = re.sub(r"\{\w+\}", "*", endpoint.path)
        route = routes.setdefault(shape, Route(endpoint.path))
        route.endpoints[endpoint.method] = endpoint
    return routes


def body_kind(endpoint: Endpoint, decoded: dict[str, Any]) -> Any:
    """Return which of an endpoint's body structs was sent."""
    if endpoint.body == MessageCreate | MessagesCreate:
        return MessagesCreate if "messages" in decoded else MessageCreate
    return endpoint.body


def agreed(first: str | None, second: Any) -> str | None:
    """Return the organization that a request names, perhaps in two places."""
    if second is None or second is msgspec.UNSET:
        return first
    if first is not None and first != second:
        raise InvalidParameter("Two different organizations are named: name one.", param="organizationId")
    return str(second)


def check_path(route: Route, values: list[str], method: str) -> None:
    names = route.names[1:] if route.names_organization else route.names
    for name, value in zip(names, values, strict=True):
        pattern, missing = PATH_PARAMETERS[name]
        if not pattern.fullmatch(value):
            if name == "userId" and method == "PUT":
                raise InvalidParameter("A user id has 1 to 128 of A-Z a-z 0-9 _ . : @ | -", param="userId")
            raise missing()


def headers_of(result: Result, request_id: bytes) -> Headers:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(result.body)),
        (b"x-request-id", request_id),
    ]
    if result.revision is not None:
        headers.append((b"etag", b'"%d"' % result.revision))
    if result.replayed:
        headers.append((b"idempotent-replayed", b"true"))
    return headers


def encode_error(error: ApiError, request_id: bytes) -> bytes:
    return encode(Error(ErrorDetail(error.message, error.type, error.code, error.param, request_id.decode())))


def error_headers(error: ApiError, body: bytes, request_id: bytes) -> Headers:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id),
        *((name.lower().encode(), value.encode()) for name, value in error.headers.items()),
    ]
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return headers
