"""What the tests of examples share: each example as it was built, served at an origin of its own, and its user."""

import asyncio
import mimetypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from browser.conftest import chromium, chromium_path, database_kind  # noqa: F401 - fixtures.
from support.answering import open_place
from support.ports import free_port
from support.scripted_model import Call, answer_of
from threadkeep.titles.prompt import INSTRUCTION

EXAMPLES = Path(__file__).parents[2] / "examples"


class Site:
    """Serves the files of a built example."""

    def __init__(self, name: str) -> None:
        self.files = EXAMPLES / name / "dist"
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        name = head.split()[1].decode().split("?")[0].lstrip("/") or "index.html"
        file = self.files / name
        body, status = (file.read_bytes(), "200 OK") if file.is_file() else (b"", "404 Not Found")
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close"]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()
        writer.close()


@pytest.fixture(scope="module")
def example(request):
    """The name of the example that a module, or a test, is about."""
    return request.param


@pytest.fixture(scope="module")
async def site(example):
    site = Site(example)
    if not (site.files / "index.html").is_file():
        pytest.fail("The example is not built: `make test-examples` builds it with npm.")
    server = await asyncio.start_server(site.answer, "127.0.0.1", site.port)
    yield site
    server.close()


@pytest.fixture(scope="module")
async def place(new_database, zygote, example, site):
    # assistant-ui asks for titles itself.
    settings = {"THREADKEEP_CORS_ORIGINS": site.origin, "THREADKEEP_AUTO_NAME": str(example != "assistant-ui").lower()}
    async with open_place(new_database, zygote, **settings) as place:
        yield place


@pytest.fixture
async def page(place, chromium, site):  # noqa: F811 - the fixture.
    """The example's page for somebody's user; `page.go` lets the model go on where it was asked slowly."""
    page = await chromium.new_page(viewport={"width": 960, "height": 540})
    page.go = asyncio.Event()
    page.model = place.fresh_model()
    page.model.script = lambda call: speak(call, page.go)
    page.who = await place.people.product_user(await place.people.owner())
    page.fragment = f"#server={place.server.url}&token={page.who.token}"
    await page.goto(f"{site.origin}/{page.fragment}")
    yield page
    page.go.set()
    await page.close()


def speak(call: Call, go: asyncio.Event) -> Sequence[Any]:
    if call.body["messages"][0]["content"] == INSTRUCTION:
        return answer_of("A fine title")
    asked = call.last_user_text
    return answer_of("said ", *([go] if "slowly" in asked else []), asked)
