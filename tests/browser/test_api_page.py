"""The API page in a real browser: it is complete, calls no other host, and its calls can be tried with a key."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from support.answering import Place


class Watched:
    """An open page, and what it asked for or complained of."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))


@pytest.fixture
async def docs(place: Place, chromium: Browser) -> AsyncIterator[Watched]:
    page = await chromium.new_page()
    watched = Watched(page, place.server.url)
    await page.goto(f"{watched.url}/docs")
    await expect(page.get_by_role("button", name="Authorize")).to_be_visible()
    yield watched
    assert [each for each in watched.requests if not each.startswith((watched.url, "data:"))] == []
    # A violation of the policy would be one.
    assert watched.complaints == []
    await page.close()


async def create_a_thread(docs: Watched, key: str, body: str) -> Any:
    """Give the page a key, fill in a call, and return what it shows as the answer's status."""
    page = docs.page
    await page.get_by_role("button", name="Authorize").click()
    await page.locator("#api_key_value").fill(key)
    await page.get_by_label("Apply credentials").first.click()
    await page.get_by_role("button", name="Close").last.click()
    call = page.locator("#operations-Threads-createThread")
    await call.locator(".opblock-summary-control").click()
    await call.locator("textarea").first.fill(body)
    await call.get_by_role("button", name="Execute").click()
    return call.locator(".live-responses-table .response-col_status").last


async def test_it_shows_every_resource_of_the_document(docs):
    document = await docs.page.request.get(f"{docs.url}/openapi.json")
    names = [tag["name"] for tag in (await document.json())["tags"]]

    for name in names:
        await expect(docs.page.locator(f"#operations-tag-{name}")).to_be_visible()


async def test_a_call_can_be_tried_with_a_key(docs, ada):
    status = await create_a_thread(docs, ada.key, '{"title": "From the page"}')

    await expect(status).to_contain_text("201")
    assert [thread["title"] for thread in (await ada.list_threads()).body["data"]] == ["From the page"]


async def test_a_call_can_be_reached_and_opened_with_the_keyboard(docs):
    call = docs.page.locator("#operations-Threads-createThread")

    for _ in range(30):
        await docs.page.keyboard.press("Tab")
        if await call.locator(".opblock-summary-control").evaluate("each => each === document.activeElement"):
            break
    await docs.page.keyboard.press("Enter")

    await expect(call.get_by_role("button", name="Execute")).to_be_visible()


async def test_it_forgets_the_key_when_it_is_loaded_again(docs, ada):
    await create_a_thread(docs, ada.key, "{}")
    await docs.page.reload()

    await expect(docs.page.get_by_role("button", name="Authorize")).to_be_visible()
    assert await docs.page.evaluate("JSON.stringify([localStorage, sessionStorage])") == "[{},{}]"
