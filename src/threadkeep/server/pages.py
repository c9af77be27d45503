"""The pages for browsers: files of the package's `web` folder, with headers that keep foreign code out of them."""

import os
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parent.parent / "web"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# On the page itself a text becomes elements through these two libraries or not at all (W3C Trusted Types).
TEXT_POLICY = PAGE_POLICY + "; require-trusted-types-for 'script'; trusted-types lit-html dompurify"
HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    # Asked again each time and answered 304: after an upgrade no browser runs yesterday's page on today's API.
    "Cache-Control": "no-cache",
    "Accept-Ranges": "none",
}


class WebFiles(StaticFiles):
    """Starlette's file server, with `HEADERS` on every answer."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        # A part of a small file is of no use, and Starlette refuses bad ranges in a shape of its own.
        scope["headers"] = [header for header in scope["headers"] if header[0] != b"range"]
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(HEADERS)
        return response


FILES = WebFiles(directory=FOLDER)


async def page(request: Request) -> Response:
    response = await FILES.get_response("index.html", request.scope)
    response.headers["Content-Security-Policy"] = TEXT_POLICY
    return response


async def api_page(request: Request) -> Response:
    return await FILES.get_response("docs/index.html", request.scope)


ROUTES: list[BaseRoute] = [Route("/", page), Route("/docs", api_page), Mount("/web", FILES)]
