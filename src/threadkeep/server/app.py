"""The application: /v1 goes straight to the API, the few other paths through Starlette."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from threadkeep import clock
from threadkeep.database.driver import Database
from threadkeep.errors import ApiError, InvalidParameter, MethodNotAllowed, NotFound, Unavailable
from threadkeep.runtime.runtime import Runtime
from threadkeep.server import dialects, openapi, pages
from threadkeep.server.answers import error_answer
from threadkeep.server.auth import Authenticator
from threadkeep.server.cursors import CursorSeal
from threadkeep.server.metrics import Metrics
from threadkeep.server.pipeline import Limits, Pipeline
from threadkeep.server.request_heads import request_id_of
from threadkeep.server.routes import ENDPOINTS
from threadkeep.server.tokens import TokenVerifier
from threadkeep.server.transport.cycle import SAFE_HEADERS, Handler
from threadkeep.settings import NONE, Settings, split

READINESS_KEPT_S = 1.0
# What programs in browsers may read; those that nothing sends yet are in the contract.
EXPOSED_HEADERS = ["ETag", "Thread-ETag", "X-Request-Id", "Idempotent-Replayed", "Retry-After", "RateLimit-Limit",
                   "RateLimit-Remaining", "RateLimit-Reset", "Location", "Content-Location",
                   "X-Error-Code"]  # fmt: skip
ALLOWED_HEADERS = ["Authorization", "X-API-Key", "api-key", "X-User-Id", "Content-Type", "Idempotency-Key", "If-Match",
                   "If-None-Match", "X-Request-Id", "Last-Event-ID"]  # fmt: skip


class Cors(CORSMiddleware):
    """Starlette's, but a refused preflight gets an error in our one shape."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        error = InvalidParameter("This origin, method or header is not allowed here: see THREADKEEP_CORS_ORIGINS.")
        return refusal(request_headers, error)


class App:
    """An ASGI application. Any: servers and middleware pass plain dictionaries and callables."""

    def __init__(self, database: Database, settings: Settings, secret: str, runtime: Runtime) -> None:
        self._database = database
        # The latest check whether the database takes writes, and when it began.
        self._writable: asyncio.Task[None] | None = None
        self._asked_s = 0.0
        self.metrics = Metrics(runtime.tally)
        authenticator = Authenticator(database, TokenVerifier(settings, secret), settings.credential_cache_s)
        shared = (database, authenticator, settings, self.metrics, CursorSeal(secret), runtime.answering)
        limits = Limits(settings)
        self._api = Pipeline(ENDPOINTS, *shared, limits)
        spoken = [dialects.load(name) for name in split(settings.dialects) if name != NONE]
        # The pipeline of each dialect, by what its paths begin with.
        self._dialects = {each.speech.prefix: Pipeline(each.endpoints, *shared, limits, each.speech) for each in spoken}
        self._documents = {f"{each.speech.prefix}/openapi.json": each for each in spoken}
        self._pages = Starlette(
            routes=[
                Route("/healthz", self._health),
                Route("/readyz", self._ready),
                Route("/metrics", self._metrics),
                Route("/openapi.json", self._openapi),
                *(Route(path, self._openapi) for path in self._documents),
                *pages.ROUTES,
            ],
            exception_handlers={HTTPException: answer_http_error, ApiError: answer_api_error},
        )
        # A redirect would lead to whatever host the request names.
        self._pages.router.redirect_slashes = False
        self._serve: Any = self._dispatch
        self._is_read_at_once = database.is_served_alone
        self._has_origins = bool(split(settings.cors_origins))
        if self._has_origins:
            self._serve = Cors(
                self._dispatch,
                allow_origins=split(settings.cors_origins),
                allow_methods=["GET", "POST", "PATCH", "PUT", "DELETE"],
                allow_headers=[*ALLOWED_HEADERS, *(name for each in spoken for name in each.speech.headers)],
                expose_headers=[*EXPOSED_HEADERS, *(name for each in spoken for name in each.speech.answer_headers)],
                max_age=600,
            )

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        pipeline = self._pipeline_of(scope["path"])
        if pipeline is not None and self._is_answered_alone(scope):
            return pipeline(scope, receive, send)
        if pipeline is None or scope["method"] == "OPTIONS":
            send = with_common_headers(send, request_id_of(dict(scope["headers"])))
        return self._serve(scope, receive, send)  # type: ignore[no-any-return]

    def handler_of(self, scope: Any) -> tuple[Handler | None, bool]:
        """Return the handler that answers a request without ASGI messages, and whether it may start outside a task.

        A GET on SQLite may: it reads without waiting.
        """
        pipeline = self._pipeline_of(scope["path"])
        if pipeline is None or not self._is_answered_alone(scope):
            return None, False
        return pipeline.answer, self._is_read_at_once and scope["method"] == "GET"

    def set_ready(self, is_ready: bool) -> None:
        """Say in /readyz and in the metrics whether this process takes requests."""
        self.metrics.is_ready = is_ready

    def _is_answered_alone(self, scope: Any) -> bool:
        """Return whether a pipeline answers without anything around it."""
        return not self._has_origins and scope["method"] != "OPTIONS"

    def _pipeline_of(self, path: str) -> Pipeline | None:
        if path.startswith("/v1/"):
            return self._api
        for prefix, pipeline in self._dialects.items():
            # The prefix alone may be a path, and another path may begin with the same letters.
            if path.startswith(prefix) and path[len(prefix) :][:1] in ("", "/") and path not in self._documents:
                return pipeline
        return None

    async def _dispatch(self, scope: Any, receive: Any, send: Any) -> None:
        pipeline = self._pipeline_of(scope["path"])
        if pipeline is not None:
            await pipeline(scope, receive, send)
        else:
            # Only under its unescaped path: a proxy that blocks a path from outside need not know other spellings.
            await self._pages({**scope, "path": scope["raw_path"].decode("latin-1")}, receive, send)

    async def _health(self, _request: Request) -> Response:
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def _ready(self, _request: Request) -> Response:
        if not self.metrics.is_ready:
            raise Unavailable("The server is starting or stopping.")
        # No credential is needed here, so requests share a check: a flood of them must not load the database.
        now_s = clock.monotonic_s()
        if self._writable is None or (self._writable.done() and now_s > self._asked_s + READINESS_KEPT_S):
            self._asked_s = now_s
            self._writable = asyncio.create_task(self._database.require_writable())
        await asyncio.shield(self._writable)
        return Response(b'{"status":"ready"}', media_type="application/json")

    async def _metrics(self, _request: Request) -> Response:
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _openapi(self, request: Request) -> Response:
        dialect = self._documents.get(request.url.path)
        document = openapi.document(tuple(ENDPOINTS)) if dialect is None else dialect.document()
        return Response(document, media_type="application/json")


def with_common_headers(send: Any, request_id: bytes) -> Any:
    """Return a `send` that adds the common headers to an answer, unless it has them already."""

    async def send_with_headers(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            names = {name for name, _ in headers}
            headers += [each for each in ((b"x-request-id", request_id), *SAFE_HEADERS) if each[0] not in names]
            message = {**message, "headers": headers}
        await send(message)

    return send_with_headers


async def answer_http_error(request: Request, error: Exception) -> Response:
    """Answer Starlette's own errors in our one shape."""
    assert isinstance(error, HTTPException)
    allow = (error.headers or {}).get("Allow", "GET")
    refused = MethodNotAllowed(headers={"Allow": allow}) if error.status_code == 405 else NotFound()
    return refusal(request.headers, refused)


async def answer_api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return refusal(request.headers, error)


def refusal(headers: Headers, error: ApiError) -> Response:
    status, raw_headers, body = error_answer(error, request_id_of(dict(headers.raw)))
    response = Response(body, status_code=status)
    response.raw_headers = raw_headers
    return response
