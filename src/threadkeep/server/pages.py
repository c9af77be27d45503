"""The pages for browsers, with headers that keep foreign code out of them.

What `web_files.py` makes of the package's `web` folder when somebody asks for a page for the first time:

- `/` is the page: `index.html` with its styles, and with all modules that `app.js` imports, joined into one script.
- `/web/<version>/<path>` is any file of the folder, compressed, and kept by browsers for ever. `/web/<path>` is the
  same file, asked for again each time.
- A module that is needed later is imported where it is needed: `await import("./x.js")`, in a script of its own with
  what only it needs, or `await import("./vendor/x/x.mjs")`, a library as it is. `new URL("./vendor/x/x.css",
  import.meta.url)` is the address of a file beside a module, and what that file names beside itself is found too.
  Texts between quotation marks that begin with `web/` (`src="web/icon.svg"`) become addresses of the version.
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
    # Asked again each time and answered 304: after an upgrade no browser runs yesterday's page on today's API.
    "Cache-Control": "no-cache",
    # A part of a small file is of no use: each is served whole, whatever part is asked for.
    "Accept-Ranges": "none",
    "Vary": "Accept-Encoding",
}
# Not with a weight of 0, which refuses it (RFC 9110, 12.5.3).
TAKES_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?(?:\s*,|\s*$))")
KEPT_FOR_EVER = "public, max-age=31536000, immutable"


@cache
def files() -> WebFiles:
    """Read and join the files once, for the first who asks for a page: most starts of the server would wait in vain."""
    return WebFiles(FOLDER)


def text_policy(page: WebPage) -> str:
    """Return the policy of the page itself.

    A text becomes elements through these two libraries or not at all (W3C Trusted Types). What stands in the page and
    runs is named by its hash: no other text in it does.
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
    # In a thread: reading and packing the largest file takes a few hundredths of a second, once.
    web_file = await asyncio.to_thread(lambda: files().find(path))
    if web_file is None:
        raise HTTPException(404)
    return answer(request, web_file)


def answer(request: Request, web_file: WebFile) -> Response:
    """Answer with a file, packed if the browser takes that, or with 304 if it has the same already."""
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
