"""examples/assistant-ui in a browser, from another origin: its list, titles and branches, and what is stored of it."""

import asyncio
import mimetypes
from pathlib import Path

import pytest
from playwright.async_api import expect

from browser.conftest import chromium, chromium_path, database_kind  # noqa: F401 - fixtures.
from support.answering import open_place, texts
from support.ports import free_port
from support.scripted_model import answer_of
from support.waiting import SOON_S, eventually

BUILT = Path(__file__).parents[2] / "examples" / "assistant-ui" / "dist"


async def serve_file(reader, writer):
    """Answer with a file of the built page."""
    head = await reader.readuntil(b"\r\n\r\n")
    name = head.split()[1].decode().split("?")[0].lstrip("/") or "index.html"
    file = BUILT / name
    body, status = (file.read_bytes(), "200 OK") if file.is_file() else (b"", "404 Not Found")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close"]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    await writer.drain()
    writer.close()


@pytest.fixture(scope="module")
async def origin():
    if not (BUILT / "index.html").is_file():
        pytest.fail("The example is not built: `make test-examples` builds it with npm.")
    port = free_port()
    server = await asyncio.start_server(serve_file, "127.0.0.1", port)
    yield f"http://127.0.0.1:{port}"
    server.close()


@pytest.fixture(scope="module")
async def place(new_database, zygote, origin):
    settings = {"THREADKEEP_CORS_ORIGINS": origin, "THREADKEEP_AUTO_NAME": "false"}
    async with open_place(new_database, zygote, **settings) as place:
        yield place


def speak(call):
    asked = call.last_user_text
    return answer_of("A fine title") if "title" in str(call.body["messages"][0]) else answer_of("said ", asked)


@pytest.fixture
async def page(place, chromium, origin):  # noqa: F811 - the fixture.
    place.fresh_model().script = speak
    who = await place.people.owner()
    page = await chromium.new_page()
    page.who = who
    await page.goto(f"{origin}/#server={place.server.url}&token={who.token}")
    yield page
    await page.close()


async def ask(page, text):
    await page.get_by_placeholder("Ask something").fill(text)
    await page.get_by_role("button", name="Send").last.click()
    await expect(page.locator("[data-role=assistant]").last).to_contain_text(f"said {text}")


async def test_a_conversation_with_branches_is_the_same_after_a_reload(page):
    await ask(page, "one")
    await page.get_by_role("button", name="Again").click()
    await expect(page.locator("[data-role=assistant]")).to_contain_text("2/2")
    await ask(page, "two")
    await page.get_by_role("button", name="Edit").last.click()
    await page.locator("form textarea").first.fill("three")
    await page.get_by_role("button", name="Send").first.click()
    await expect(page.locator("[data-role=assistant]").last).to_contain_text("said three")

    [listed] = (await page.who.list_threads()).data
    stored = await eventually(
        lambda: page.who.list_messages(listed, limit=100),
        lambda found: all(each["payloadFormat"] == "ai-sdk/v6" for each in found.data),
        SOON_S,
    )
    assert texts(stored.data) == ["one", "said one", "said one", "two", "said two", "three", "said three"]
    titled = await eventually(lambda: page.who.get(listed), lambda thread: thread.title is not None, SOON_S)

    await page.reload()
    await page.get_by_role("button", name=titled.title).click()
    await expect(page.locator("[data-role=user]")).to_have_count(2)
    await expect(page.locator("[data-role=user]").last).to_contain_text("three")
    await expect(page.locator("[data-role=user]").last).to_contain_text("2/2")
    await page.get_by_role("button", name="‹").last.click()
    await expect(page.locator("[data-role=assistant]").last).to_contain_text("said two")


async def test_an_archived_thread_leaves_the_list(page):
    await ask(page, "one")
    [listed] = (await page.who.list_threads()).data

    await page.get_by_role("button", name="Archive").click()

    await eventually(lambda: page.who.get(listed), lambda thread: thread["state"] == "archived", SOON_S)
    await expect(page.get_by_role("button", name="Archive")).to_have_count(0)
