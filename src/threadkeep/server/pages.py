"""The pages for browsers, with headers that keep foreign code out of them.

`web_files.py` builds them from the package's `web` folder when the first page is requested:

- `/` is the page: `index.html` with its styles, and with all modules that `app.js` imports, joined into one script.
- `/web/<version>/<path>` is any file of the folder, compressed. Browsers cache it for ever. `/web/<path>` is the same
  file, but browsers ask each time whether it has changed.
- A module that is needed later is imported with `await import("./x.js")`: it gets a script of its own, with the modules
  that it adds. `await import("./vendor/x/x.mjs")` loads a library unchanged. `new URL("./vendor/x/x.css",
  import.meta.url)` is the address of a file beside a module; relative addresses inside that file work too.
  Addresses in quotation marks that begin with `web/` (`src="web/icon.svg"`) get the version.
"""

import asyncio
import gzip
import re
from functools import cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from threadkeep.server.web_files import WebFile, WebFiles, WebPage

FOLDER = Path(__file__).parent.parent / "web"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    # Browsers ask each time and mostly get 304: after an upgrade none runs the old page on the new API.
    "Cache-Control": "no-cache",
    # The files are small: requests for a range get the whole file.
    "Accept-Ranges": "none",
    "Vary": "Accept-Encoding",
}
# `q=0` refuses it (RFC 9110, 12.5.3).
TAKES_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?(?:\s*,|\s*$))")
KEPT_FOR_EVER = "public, max-age=31536000, immutable"


@cache
def files() -> WebFiles:
    """Read and join the files once, at the first request for a page, so that the server starts without waiting."""
    return WebFiles(FOLDER)


def text_policy(page: WebPage) -> str:
    """Return the Content-Security-Policy of the page itself.

    Only these two libraries may turn text into elements (W3C Trusted Types). Inline scripts and styles are allowed by
    their hashes; no others run.
    """
    policy = PAGE_POLICY.replace("script-src 'self'", f"script-src 'self' {page.scripts}")
    policy = policy.replace("style-src 'self'", f"style-src 'self' {page.styles}")
    return f"{policy}; require-trusted-types-for 'script'; trusted-types lit-html dompurify"


async def page(request: Request) -> Response:
    whole = (await asyncio.to_thread(files)).page
    response = answer(request, whole.file)
    response.headers["Content-Security-Policy"] = text_policy(whole)
    return response


async def api_page(request: Request) -> Response:
    return await found(request, "docs/index.html")


async def to_api_page(_request: Request) -> Response:
    return RedirectResponse("/docs")


async def file(request: Request) -> Response:
    path: str = request.path_params["path"]
    version, _, rest = path.partition("/")
    if version != (await asyncio.to_thread(files)).version:
        return await found(request, path)
    response = await found(request, rest)
    response.headers["Cache-Control"] = KEPT_FOR_EVER
    return response


async def found(request: Request, path: str) -> Response:
    # In a thread: reading and compressing the largest file takes a few hundredths of a second, once.
    web_file = await asyncio.to_thread(lambda: files().find(path))
    if web_file is None:
        raise HTTPException(404)
    return answer(request, web_file)


def answer(request: Request, web_file: WebFile) -> Response:
    """Answer with a file, compressed if the browser accepts that, or with 304 if it has the same already."""
    is_packed = web_file.is_packed and TAKES_GZIP.search(request.headers.get("accept-encoding", "")) is not None
    tag = f'"{web_file.tag}{"-gzip" if is_packed else ""}"'
    headers = {**HEADERS, "ETag": tag}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if is_packed:
        headers["Content-Encoding"] = "gzip"
    body = gzip.decompress(web_file.body) if web_file.is_packed and not is_packed else web_file.body
    return Response(body, headers=headers, media_type=web_file.kind)


ROUTES: list[BaseRoute] = [
    Route("/", page),
    Route("/docs", api_page),
    Route("/docs/", to_api_page),
    Route("/web/{path:path}", file),
]
