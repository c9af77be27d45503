"""A page of another origin, with the code of docs/browser-clients.md: it calls, streams and renews without a proxy."""

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from support.answering import open_place
from support.ports import free_port
from support.waiting import eventually

GUIDE = Path(__file__).parents[2] / "docs" / "browser-clients.md"
SERVER = '"https://threads.example.com"'
PAGE = "<!doctype html><title>Somebody's product</title><pre></pre>"
SHOWN = "document.querySelector('pre').textContent"


class Site:
    """Really serves an empty page: to one that only the test makes up, Chromium denies calls to this machine."""

    def __init__(self):
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"

    async def answer(self, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(PAGE)}\r\nConnection: close"
        writer.write(f"{head}\r\n\r\n{PAGE}".encode())
        await writer.drain()
        writer.close()


@pytest.fixture(scope="module")
async def sites():
    """Two origins, of which only the first may call."""
    made = [Site(), Site()]
    servers = [await asyncio.start_server(site.answer, "127.0.0.1", site.port) for site in made]
    yield made
    for server in servers:
        server.close()


@pytest.fixture(scope="module")
async def place(new_database, zygote, sites):
    settings = {"THREADKEEP_CORS_ORIGINS": sites[0].origin, "THREADKEEP_CREDENTIAL_CACHE_S": "0.2"}
    async with open_place(new_database, zygote, **settings) as place:
        yield place


@pytest.fixture
async def product(place, ada, chromium, sites):
    """Open the product's page in a browser; its backend, which is played here, makes tokens with ada's key."""
    opened = []

    async def open_page(script, user="uid_lea"):
        page = await chromium.new_page()
        opened.append(page)
        page.tokens = []

        async def make_token(route):
            if route.request.method != "POST":
                return await route.abort()
            made = await ada.create_token(userId=user, expiresIn=60)
            page.tokens.append(made.token)
            return await route.fulfill(json=made.body)

        await page.route(f"{sites[0].origin}/threadkeep-token", make_token)
        await page.goto(sites[0].origin)
        await page.add_script_tag(content=f"{parts_of_the_guide()[0]}\n{script}", type="module")
        return page

    def parts_of_the_guide():
        found = re.findall(r"^```js\n(.*?)^```$", GUIDE.read_text(), re.M | re.S)
        return [part.replace(SERVER, f'"{place.server.url}"') for part in found]

    open_page.example = parts_of_the_guide()[1]
    yield open_page
    for page in opened:
        await page.close()


async def test_the_guides_page_creates_a_thread_and_streams_an_answer(product, ada, place):
    place.fresh_model().script = ["Hel", "lo"]

    page = await product(f"{product.example}\n{SHOWN} = text")

    await expect(page.locator("pre")).to_have_text("Hello")
    [thread] = (await ada.list_threads(userId="uid_lea")).data
    assert thread["title"] == "From a browser"
    assert len(page.tokens) == 1


async def test_a_page_may_read_the_headers_that_it_needs(product):
    page = await product(
        'const made = await call("POST", "/v1/threads", {});'
        'const names = ["ETag", "X-Request-Id"].filter((name) => made.headers.get(name));'
        "const thread = await made.json();"
        'await call("PATCH", `/v1/threads/${thread.id}`, { title: "x" }, { "If-Match": made.headers.get("ETag") });'
        'const error = await call("PATCH", `/v1/threads/${thread.id}`, { title: "y" },'
        '  { "If-Match": made.headers.get("ETag") }).catch((error) => error);'
        f"{SHOWN} = `${{names}} ${{error.code}}`"
    )

    await expect(page.locator("pre")).to_have_text("ETag,X-Request-Id precondition_failed")


async def test_calls_that_meet_the_end_of_a_token_share_a_new_one(product, ada):
    page = await product("window.list = () => call('GET', '/v1/threads').then((answer) => answer.status);")
    first = await page.evaluate("list()")
    await ada.delete_member("uid_lea")

    answers = await page.evaluate("Promise.all([list(), list(), list()])")

    assert (first, answers, len(page.tokens)) == (200, [200] * 3, 2)


async def test_an_answer_goes_on_with_the_next_token(product, ada, place):
    go = asyncio.Event()
    place.fresh_model().script = ["Hel", go, "lo"]
    page = await product(product.example.replace("text += data.delta", f"{SHOWN} = text += data.delta"))
    await expect(page.locator("pre")).to_have_text("Hel")

    await ada.delete_member("uid_lea")

    async def tokens():
        return len(page.tokens)

    # The stream that is open is cut off, and the next one needs a token of its own.
    await eventually(tokens, lambda count: count == 2, 15)
    go.set()
    await expect(page.locator("pre")).to_have_text("Hello")


async def test_a_page_of_an_origin_that_is_not_named_gets_nothing(place, ada, chromium, sites):
    page = await chromium.new_page()
    token = (await ada.create_token(userId="uid_lea")).token
    outcomes = []
    for site in sites:
        await page.goto(site.origin)
        outcomes.append(
            await page.evaluate(
                "([url, token]) => fetch(url, { headers: { Authorization: `Bearer ${token}` } })"
                ".then((answer) => answer.status, (error) => error.name)",
                [f"{place.server.url}/v1/threads", token],
            )
        )

    assert outcomes == [200, "TypeError"]
    await page.close()
