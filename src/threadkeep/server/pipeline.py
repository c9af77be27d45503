"""The steps of a request, from its header to its answer: route, caller, query, body, scope, run, answer."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from threadkeep.contract.answers import ListPage
from threadkeep.contract.basis import OrganizationQuery
from threadkeep.database.driver import Database
from threadkeep.database.scoped import ScopedDatabase, ScopedTransaction
from threadkeep.errors import (
    ApiError,
    InsufficientPermissions,
    Internal,
    InvalidCredentials,
    InvalidParameter,
    RateLimited,
)
from threadkeep.operations import idempotency
from threadkeep.operations.idempotency import Stored, concerns_of, without_secret
from threadkeep.operations.responses.expiring import past_expired
from threadkeep.operations.revisions import precondition
from threadkeep.runtime.answering import Answering
from threadkeep.runtime.frames import Allowed, Presence, Streamed
from threadkeep.runtime.places import ConcurrencyLimit, Slot
from threadkeep.scope import Credential, Scope
from threadkeep.server.answers import Result, error_answer, headers_of, result_of, result_of_answered, unless_known
from threadkeep.server.auth import Authenticator
from threadkeep.server.body import (
    LARGE_BYTES,
    Disconnected,
    Receive,
    Reservation,
    check_messages_count,
    check_payloads,
    convert,
    decode,
    read_body,
    value_at,
)
from threadkeep.server.connection_limits import HOLDER, ByteBudget
from threadkeep.server.cursors import CursorSeal
from threadkeep.server.endpoint import Endpoint, ExecutionMode, Request
from threadkeep.server.metrics import Metrics
from threadkeep.server.paths import Routes, check_path
from threadkeep.server.query import parse_query
from threadkeep.server.rates import RateLimit, network_of
from threadkeep.server.request_heads import idempotency_request, join_repeated, request_id_of
from threadkeep.server.speech import NATIVE, Speech
from threadkeep.server.sse import leave_when_gone, send_stream
from threadkeep.server.transport.cycle import Headers
from threadkeep.settings import Settings

logger = logging.getLogger(__name__)

Send = Callable[[dict[str, Any]], Awaitable[None]]  # Any: ASGI messages are plain dictionaries.
Decoded = dict[str, Any]  # Any: decoded JSON.

# Found faster than an enumeration's member, and most requests read.
READ = ExecutionMode.READ

REFUSED = "Too many requests without valid credentials came from this address: wait as long as Retry-After says."


class Stream(NamedTuple):
    """A streamed answer. Its place is left when it ends."""

    streamed: Streamed
    place: Slot


class Limits:
    """What all requests of a process together may take, whichever way they come in."""

    def __init__(self, settings: Settings) -> None:
        self.body_budget = ByteBudget(settings.transfer_bytes_max)
        self.places = ConcurrencyLimit(
            "streams and waiting calls", settings.waiting_per_user_max, settings.waiting_per_organization_max
        )
        self.refused = RateLimit(settings.rate_refused_per_minute, REFUSED)
        self.rates = {
            Credential.KEY: RateLimit(settings.rate_key_per_minute),
            Credential.TOKEN: RateLimit(settings.rate_token_per_minute),
        }


class Pipeline:
    """Answers the requests to a table of endpoints, in one way of speaking."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        database: Database,
        authenticator: Authenticator,
        settings: Settings,
        metrics: Metrics,
        seal: CursorSeal,
        answering: Answering,
        limits: Limits,
        speech: Speech = NATIVE,
    ) -> None:
        self._speech = speech
        self._routes = Routes(endpoints)
        self._limits = limits
        self._database = database
        self._authenticator = authenticator
        self._settings = settings
        self._metrics = metrics
        self._seal = seal
        self._answering = answering

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        whole = await self.answer(scope, receive, send)
        if whole is not None:
            status, headers, body = whole
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    async def answer(self, scope: dict[str, Any], receive: Receive, send: Send) -> tuple[int, Headers, bytes] | None:
        """Return the answer's status, headers and body, or send it piece by piece and return None."""
        started_s = time.perf_counter()
        method, raw_headers = scope["method"], scope["headers"]
        request = Request(dict(raw_headers), self._answering)
        request_id = request_id_of(request.headers)
        result: Result | Stream | None = None
        try:
            if len(request.headers) < len(raw_headers):
                request.headers = join_repeated(raw_headers)
            if self._speech.heard is not None:
                request.headers = self._speech.heard(request.headers)
            result = await self._result(request, scope, receive)
            if isinstance(result, Stream):
                self._metrics.count(method, request.route, 200, time.perf_counter() - started_s)
                try:
                    await send_stream(result.streamed, receive, send, request_id, request.allowed)
                finally:
                    result.place.leave()
                return None
            headers = headers_of(result, request_id)
            headers += request.answer_headers
            whole = result.status, headers, result.body
            if method == "GET" and b"if-none-match" in request.headers:
                whole = unless_known(request.headers[b"if-none-match"], *whole)
        except ApiError as error:
            refused = self._count_refused(error, scope) if error.status == 401 else error
            whole = error_answer(self._speech.error(refused, scope["path"]), request_id, self._speech.written)
        except Disconnected:
            return None
        except Exception:  # Where a request ends: the log gets what happened, the caller gets no internals.
            logger.exception("Request %s failed.", request_id.decode())
            if isinstance(result, Stream):
                return None  # A part was sent already: the connection is closed.
            whole = error_answer(Internal(), request_id, self._speech.written)
        self._metrics.count(method, request.route, whole[0], time.perf_counter() - started_s)
        return whole

    async def _result(self, request: Request, scope: dict[str, Any], receive: Receive) -> Result | Stream:
        method, headers = scope["method"], request.headers
        # Route.
        route, values = self._routes.find(scope)
        request.route = route.path
        endpoint = route.endpoint(method)
        request.answer_headers = endpoint.headers
        # Caller.
        caller = self._authenticator.remembered(headers) or await self._authenticator.caller(headers)
        self._limits.rates[caller.credential].count(caller.rate_id)
        acting_for = headers.get(b"x-user-id")
        # Query.
        request.query = endpoint.default_query
        if raw := scope["query_string"]:
            request.query = self._seal.open_in(parse_query(raw, endpoint.query, endpoint.query_kinds, self._speech))
        if caller.is_person or acting_for is not None:
            scope[HOLDER] = (caller.rate_id, acting_for)
        if endpoint.mode is ExecutionMode.CALLER:
            return result_of(endpoint.operation(caller, request.query.organization_id, acting_for), endpoint.status)
        # Body.
        decoded: Decoded = {}
        if endpoint.body is not None:
            decoded, request.body = await self._read_body(endpoint, headers, receive)
        # Scope.
        organization_id = named_organization(endpoint, request.query, decoded, values)
        acting = caller.scope(organization_id, acting_for)
        if self._speech.check is not None:
            self._speech.check(headers, acting)
        check_path(route, values, method)
        request.path = values
        if method == "POST" and b"idempotency-key" in headers and endpoint.takes_idempotency_key:
            request.keyed = idempotency_request(headers[b"idempotency-key"], acting.user_id, scope, decoded)
        check_role(endpoint, acting)
        standing = None if method == "GET" else caller.standing(organization_id, is_strict=endpoint.changes_credentials)
        db = ScopedDatabase(self._database, acting, standing)
        # Run.
        if endpoint.only_reads:
            result = await self._execute(endpoint, db, endpoint.arguments(request), None)
            assert isinstance(result, Result)
            return result
        if endpoint.takes_precondition:
            request.precondition = precondition(headers.get(b"if-match"))
        if not endpoint.streams:
            result = await self._run(endpoint, db, request)
            assert isinstance(result, Result)
            return result
        request.last_event_id = headers.get(b"last-event-id")
        request.allowed = self._still_allowed(headers, organization_id, acting)
        return await self._run_for_a_while(endpoint, db, request, receive)

    async def _run(self, endpoint: Endpoint, db: ScopedDatabase, request: Request) -> Result | Streamed:
        result = await past_expired(db, self._execute, endpoint, db, endpoint.arguments(request), request.keyed)
        if endpoint.may_end_response:
            self._answering.wake(db.scope.organization, request.path[0])
        if endpoint.changes_credentials:
            # A removed member, key or organization is refused by this process at once.
            self._authenticator.forget()
        return result

    async def _execute(
        self,
        endpoint: Endpoint,
        db: ScopedDatabase,
        arguments: Sequence[Any],
        keyed: idempotency.IdempotentRequest | None,
    ) -> Result | Streamed:
        operation, mode = endpoint.operation, endpoint.mode
        if not isinstance(mode, ExecutionMode):
            mode = mode(arguments)
        if mode is READ:
            return self._answer_of(endpoint, await db.read(operation, *arguments))
        if mode is ExecutionMode.ANSWER:
            answered = await operation(self._answering, db, keyed, *arguments)
            return answered if isinstance(answered, Streamed) else result_of_answered(answered)
        if mode is ExecutionMode.PREPARED:
            assert endpoint.prepare is not None
            prepared, status = await endpoint.prepare(db, *arguments)
            # The statements that write are short, however much was read.
            endpoint, arguments = replace(endpoint, mode=ExecutionMode.WRITE, status=status), [*arguments, prepared]
            return await self._execute(endpoint, db, arguments, keyed)
        if keyed is not None:
            return await db.write(run_keyed, endpoint, arguments, keyed)
        match mode:
            case ExecutionMode.WRITE_ONCE:
                value = await db.write_once(operation, *arguments)
            case ExecutionMode.WRITE_CHECKED:
                value = await db.write_checked(operation, *arguments)
            case ExecutionMode.WRITE:
                value = await db.write(operation, *arguments)
            case ExecutionMode.READ_ONE_COMMIT:
                value = await db.read_one_commit(operation, *arguments)
            case ExecutionMode.READ_SLOWLY:
                value = await db.read_slowly(operation, *arguments)
            case ExecutionMode.SIGN:
                value = await db.write(operation, self._authenticator.sign, *arguments)
            case ExecutionMode.STEPS:
                value = await operation(db, *arguments)
        return self._answer_of(endpoint, value)

    def _answer_of(self, endpoint: Endpoint, value: Any) -> Result:  # Any: whatever an operation returns.
        if type(value) is ListPage and value.next_cursor is not None:
            value.next_cursor = self._seal.seal(value.next_cursor)
        return result_of(value, endpoint.status)

    async def _run_for_a_while(
        self, endpoint: Endpoint, db: ScopedDatabase, request: Request, receive: Receive
    ) -> Result | Stream:
        """Run an endpoint that streams or waits. Raises RateLimited if the caller has too many such calls open."""
        presence = request.presence = Presence()
        if endpoint.wants_neither(request.query if request.body is None else request.body):
            result = await self._run(endpoint, db, request)
            assert isinstance(result, Result)
            return result
        place = self._limits.places.take(db.scope)
        watch = asyncio.ensure_future(leave_when_gone(receive, presence))
        ran: Result | Streamed | None = None
        try:
            ran = await self._run(endpoint, db, request)
        except ApiError:
            if presence.is_gone:
                raise Disconnected from None
            raise
        finally:
            watch.cancel()
            if not isinstance(ran, Streamed):
                place.leave()
        return Stream(ran, place) if isinstance(ran, Streamed) else ran

    def _still_allowed(self, headers: dict[bytes, bytes], organization_id: str | None, acting: Scope) -> Allowed:
        """Return a check that raises InvalidCredentials or PermissionDenied once the caller's access has changed."""

        async def allowed() -> None:
            caller = await self._authenticator.caller(headers)
            if caller.scope(organization_id, headers.get(b"x-user-id")) != acting:
                raise InvalidCredentials("This credential does not count any more as it did.")

        return allowed

    async def _read_body(
        self, endpoint: Endpoint, headers: dict[bytes, bytes], receive: Receive
    ) -> tuple[Decoded, Any]:  # Any: the endpoint's own body struct.
        settings = self._settings
        with Reservation(self._limits.body_budget) as reservation:
            if self._speech is NATIVE:
                bytes_max = settings.body_bytes_max + (settings.payload_bytes_max if endpoint.payloads_at else 0)
            else:
                bytes_max = settings.dialect_body_bytes_max
            raw = await read_body(headers, receive, bytes_max, settings.body_read_s, reservation)
            if len(raw) > LARGE_BYTES:
                return await asyncio.to_thread(self._decode_body, endpoint, raw)
            return self._decode_body(endpoint, raw)

    def _decode_body(self, endpoint: Endpoint, raw: bytes) -> tuple[Decoded, Any]:
        decoded = decode(raw)
        body = convert(decoded, endpoint.body_for(decoded))
        check_messages_count(decoded, endpoint.messages_at, self._settings.messages_per_call_max)
        check_payloads(decoded, endpoint.payloads_at, self._settings.payload_bytes_max)
        return decoded, body

    def _count_refused(self, error: ApiError, scope: dict[str, Any]) -> ApiError:
        """Count a request without valid credentials; return its error, or RateLimited after too many."""
        try:
            self._limits.refused.count(network_of(scope.get("client")))
        except RateLimited as limited:
            return limited
        return error


async def run_keyed(
    tx: ScopedTransaction, endpoint: Endpoint, arguments: Sequence[Any], keyed: idempotency.IdempotentRequest
) -> Result:
    """Run the endpoint's operation once per Idempotency-Key: the answer is stored in the same transaction."""
    stored = await idempotency.find_or_reserve(tx, keyed)
    if stored is not None:
        return Result(stored.status, stored.body, stored.revision, stored.thread_revision, replayed=True)
    value = await endpoint.operation(tx, *arguments)
    result = result_of(value, endpoint.status)
    kept = Stored(result.status, without_secret(value, result.body), result.revision, result.thread_revision)
    await idempotency.store(tx, keyed, kept, concerns_of(value))
    return result


def check_role(endpoint: Endpoint, acting: Scope) -> None:
    if not endpoint.is_for_members and acting.role.rank < endpoint.role.rank:
        raise InsufficientPermissions(f"This needs the role {endpoint.role} in the organization.")


def named_organization(endpoint: Endpoint, query: OrganizationQuery, decoded: Decoded, values: list[str]) -> str | None:
    """Return the organization that a request names in its query, body or path; remove it from the path's values.

    Raises InvalidParameter if they name two.
    """
    organization_id = query.organization_id
    for path in endpoint.organization_at if decoded else ():
        named = value_at(decoded, path)
        # In a body whose unknown fields are ignored it may be anything.
        organization_id = agreed(organization_id, named if isinstance(named, str) else None)
    return agreed(organization_id, values.pop(0)) if endpoint.names_organization else organization_id


def agreed(first: str | None, second: str | None) -> str | None:
    if first is None or second is None or first == second:
        return first if second is None else second
    raise InvalidParameter("Two different organizations are named: name one.", param="organizationId")
