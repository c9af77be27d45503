"""The API under /v1: from an ASGI request to its endpoint and back."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from threadkeep.database.driver import Database
from threadkeep.database.scoped import ScopedDatabase
from threadkeep.errors import (
    ApiError,
    Internal,
    InvalidCredentials,
    InvalidCursor,
    InvalidField,
    InvalidParameter,
    MethodNotAllowed,
    RateLimited,
)
from threadkeep.operations import idempotency, paging
from threadkeep.operations.revisions import precondition
from threadkeep.runtime.answering import Answering
from threadkeep.runtime.frames import Allowed, Streamed
from threadkeep.runtime.places import Place, Places
from threadkeep.scope import Credential, Scope
from threadkeep.server import cursors
from threadkeep.server.answer_heads import encode_error, error_headers, headers_of, unless_known
from threadkeep.server.auth import Authenticator
from threadkeep.server.body import LARGE_BYTES, Disconnected, Receive, Share, decode, read_body
from threadkeep.server.connection_limits import HOLDER, Room
from threadkeep.server.cursors import CursorSeal
from threadkeep.server.endpoint import (
    Endpoint,
    Request,
    Result,
    Way,
    check_idempotency_key,
    convert,
    result_of,
)
from threadkeep.server.metrics import Metrics
from threadkeep.server.paths import Route, build_routes, check_path, find_route
from threadkeep.server.query import parse_query
from threadkeep.server.rates import RateLimit, network_of
from threadkeep.server.request_ids import request_id_of
from threadkeep.server.routes import ENDPOINTS
from threadkeep.server.sse import leave_when_gone, send_stream
from threadkeep.server.transport.cycle import Headers
from threadkeep.settings import Settings

logger = logging.getLogger(__name__)

Send = Callable[[dict[str, Any]], Awaitable[None]]  # Any: ASGI messages are plain dictionaries.

REFUSED = "Too many requests without valid credentials came from this address: wait as long as Retry-After says."

LISTS = (b"if-match", b"if-none-match")
SINGLE = {
    b"x-user-id": "X-User-Id",
    b"idempotency-key": "Idempotency-Key",
    b"authorization": "Authorization",
    b"x-api-key": "X-API-Key",
    b"api-key": "api-key",
    b"content-type": "Content-Type",
    b"last-event-id": "Last-Event-ID",
}


class Stream(NamedTuple):
    """An answer that goes on for a while."""

    streamed: Streamed
    allowed: Allowed
    place: Place


class Api:
    """Answers everything below /v1."""

    def __init__(
        self,
        database: Database,
        authenticator: Authenticator,
        settings: Settings,
        metrics: Metrics,
        seal: CursorSeal,
        answering: Answering,
    ) -> None:
        self._answering = answering
        self._database = database
        self._seal = seal
        self._authenticator = authenticator
        self._settings = settings
        self._room = Room(settings.transfer_bytes_max)
        self._metrics = metrics
        self._routes = build_routes(ENDPOINTS)
        self._places = Places(
            "streams and waiting calls", settings.waiting_per_user_max, settings.waiting_per_organization_max
        )
        self._refused = RateLimit(settings.rate_refused_per_minute, REFUSED)
        self._rates = {
            Credential.KEY: RateLimit(settings.rate_key_per_minute),
            Credential.TOKEN: RateLimit(settings.rate_token_per_minute),
        }

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        whole = await self.answer(scope, receive, send)
        if whole is not None:
            status, headers, body = whole
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    async def answer(self, scope: dict[str, Any], receive: Receive, send: Send) -> tuple[int, Headers, bytes] | None:
        """Return the answer's status, headers and body, or send it piece by piece and return None."""
        started_s = time.perf_counter()
        raw_headers = scope["headers"]
        headers: dict[bytes, bytes] = dict(raw_headers)
        request_id = request_id_of(headers)
        method = scope["method"]
        route: Route | None = None
        streams = False
        answer_headers: Headers
        try:
            if len(headers) < len(raw_headers):
                headers = join_repeated(raw_headers)
            route, values = find_route(self._routes, scope)
            result = await self._answer(route, values, method, scope, headers, receive)
            if isinstance(result, Stream):
                streams = True
                self._metrics.count(method, route.path, 200, time.perf_counter() - started_s)
                try:
                    await send_stream(result.streamed, receive, send, request_id, result.allowed)
                finally:
                    result.place.leave()
                return None
            status, body = result.status, result.body
            answer_headers = headers_of(result, request_id)
            if b"if-none-match" in headers and method == "GET":
                status, answer_headers, body = unless_known(headers[b"if-none-match"], status, answer_headers, body)
        except ApiError as raised:
            error = self._count_refused(raised, scope) if raised.status == 401 else raised
            status, body = error.status, encode_error(error, request_id)
            answer_headers = error_headers(error, body, request_id)
        except Disconnected:
            return None
        except Exception:  # Where a request ends: the log gets what happened, the caller gets no internals.
            logger.exception("Request %s failed.", request_id.decode())
            if streams:
                return None  # Its reader has a part of it: the connection ends there.
            internal = Internal()
            status, body = internal.status, encode_error(internal, request_id)
            answer_headers = error_headers(internal, body, request_id)
        self._metrics.count(method, route.path if route else "unknown", status, time.perf_counter() - started_s)
        return status, answer_headers, body

    def _count_refused(self, error: ApiError, scope: dict[str, Any]) -> ApiError:
        """Return what to answer to somebody without valid credentials: the refusal, or that there were too many."""
        try:
            self._refused.count(network_of(scope.get("client")))
        except RateLimited as limited:
            return limited
        return error

    async def _answer(
        self,
        route: Route,
        values: list[str],
        method: str,
        scope: dict[str, Any],
        headers: dict[bytes, bytes],
        receive: Receive,
    ) -> "Result | Stream":
        endpoint = route.endpoints.get(method)
        if endpoint is None:
            raise MethodNotAllowed(headers={"Allow": ", ".join(sorted(route.endpoints))})
        caller = self._authenticator.remembered(headers) or await self._authenticator.caller(headers)
        self._rates[caller.credential].count(caller.rate_id)
        query = self._read_query(endpoint, scope["query_string"])
        acting_for = headers.get(b"x-user-id")
        if caller.is_person or acting_for is not None:
            scope[HOLDER] = (caller.rate_id, acting_for)
        if endpoint.way is Way.CALLER:
            return result_of(endpoint.operation(caller, query.organization_id, acting_for), endpoint.status)
        decoded, body = ({}, None) if endpoint.body is None else await self._read_body(endpoint, headers, receive)
        organization_id = named_organization(query, body, values.pop(0) if route.names_organization else None)
        acting = caller.scope(organization_id, acting_for)
        check_path(route, values, method)
        allowed = self._still_allowed(headers, organization_id, acting)
        if_match = precondition(headers.get(b"if-match")) if endpoint.takes_precondition else None
        request = Request(values, query, body, if_match, headers.get(b"last-event-id"), allowed)
        keyed = None
        if method == "POST" and b"idempotency-key" in headers:
            keyed = idempotency_request(headers[b"idempotency-key"], acting.user_id, scope, decoded)
        changes_credentials = route.names_organization and method != "GET"
        standing = None if method == "GET" else caller.standing(organization_id, is_strict=changes_credentials)
        db = ScopedDatabase(self._database, acting, standing)
        if endpoint.takes_its_time(body):
            return await self._take_time(endpoint, db, request, keyed, receive)
        result = await endpoint.run(db, request, keyed, self._seal, self._answering)
        assert isinstance(result, Result)
        if changes_credentials:
            # A removed member, key or organization is refused by this process at once.
            self._authenticator.forget()
        return result

    async def _take_time(
        self,
        endpoint: Endpoint,
        db: ScopedDatabase,
        request: Request,
        keyed: idempotency.Request | None,
        receive: Receive,
    ) -> "Result | Stream":
        """Run what waits or streams, in one of the caller's places. Raises RateLimited when there is none."""
        assert request.allowed is not None
        place = self._places.take(db.scope)
        watch = asyncio.ensure_future(leave_when_gone(receive, request.presence))
        result: Result | Streamed | None = None
        try:
            result = await endpoint.run(db, request, keyed, self._seal, self._answering)
        except ApiError:
            if request.presence.is_gone:
                raise Disconnected from None
            raise
        finally:
            watch.cancel()
            if not isinstance(result, Streamed):
                place.leave()
        return Stream(result, request.allowed, place) if isinstance(result, Streamed) else result

    def _still_allowed(self, headers: dict[bytes, bytes], organization_id: str | None, acting: Scope) -> Allowed:
        """Return what raises InvalidCredentials or PermissionDenied when a credential does not count as it did."""

        async def allowed() -> None:
            caller = await self._authenticator.caller(headers)
            if caller.scope(organization_id, headers.get(b"x-user-id")) != acting:
                raise InvalidCredentials("This credential does not count any more as it did.")

        return allowed

    def _read_query(self, endpoint: Endpoint, raw: bytes) -> Any:
        if not raw:
            return endpoint.default_query
        query = parse_query(raw, endpoint.query, endpoint.query_kinds)
        for param in ("after", "before"):
            cursor = getattr(query, param, None)
            if cursor is not None and (cursor.startswith(cursors.PREFIX) or paging.is_position(cursor)):
                position = self._seal.open(cursor)
                if position is None:
                    raise InvalidCursor(param=param)
                query = msgspec.structs.replace(query, **{param: position})
        return query

    async def _read_body(
        self, endpoint: Endpoint, headers: dict[bytes, bytes], receive: Receive
    ) -> tuple[dict[str, Any], Any]:
        settings = self._settings
        with Share(self._room) as share:
            raw = await read_body(headers, receive, settings.body_bytes_max, settings.body_read_s, share)
            if len(raw) > LARGE_BYTES:
                return await asyncio.to_thread(self._decode_body, endpoint, raw)
            return self._decode_body(endpoint, raw)

    def _decode_body(self, endpoint: Endpoint, raw: bytes) -> tuple[dict[str, Any], Any]:
        decoded = decode(raw)
        body = convert(decoded, endpoint.body_for(decoded))
        self._check_messages_count(body)
        return decoded, body

    def _check_messages_count(self, body: Any) -> None:
        places = {
            "messages": getattr(body, "messages", None),
            "input": getattr(body, "input", None),
            "thread.messages": getattr(getattr(body, "thread", None), "messages", None),
        }
        for param, found in places.items():
            if isinstance(found, list) and len(found) > self._settings.messages_per_call_max:
                raise InvalidField(
                    f"One call takes at most {self._settings.messages_per_call_max} messages: send several calls.",
                    param=param,
                )


def join_repeated(raw_headers: Headers) -> dict[bytes, bytes]:
    """Return headers that came in several lines; only a list may. Raises InvalidParameter for two different values."""
    headers: dict[bytes, bytes] = {}
    for name, value in raw_headers:
        if name in LISTS and name in headers:
            value = headers[name] + b"," + value
        elif name in SINGLE and headers.get(name, value) != value:
            raise InvalidParameter("This header stands twice with different values: send it once.", param=SINGLE[name])
        headers[name] = value
    return headers


def idempotency_request(
    header: bytes, user_id: str, scope: dict[str, Any], decoded: dict[str, Any]
) -> idempotency.Request:
    key = header.decode("latin-1")
    check_idempotency_key(key)
    request = f"{scope['method']} {scope['path']}?{scope['query_string'].decode('latin-1')}"
    return idempotency.Request(user_id, request, key, idempotency.fingerprint(decoded))


def named_organization(query: Any, body: Any, in_path: str | None) -> str | None:
    """Return the organization that a request names, perhaps in several places. Raises InvalidParameter."""
    organization_id: str | None = query.organization_id
    if body is not None:
        thread = getattr(body, "thread", None)
        for each in (body, thread):
            organization_id = agreed(organization_id, getattr(each, "organization_id", None))
    return agreed(organization_id, in_path)


def agreed(first: str | None, second: Any) -> str | None:
    if second is None or second is msgspec.UNSET:
        return first
    if first is not None and first != second:
        raise InvalidParameter("Two different organizations are named: name one.", param="organizationId")
    return str(second)
