"""examples/assistant-ui in a browser, from another origin: its list, titles and branches, and what is stored of it."""

import pytest
from playwright.async_api import expect

from examples.screen import ask, messages, only_thread
from support.answering import texts
from support.waiting import SOON_S, eventually

pytestmark = pytest.mark.parametrize("example", ["assistant-ui"], indirect=True, scope="module")


async def test_a_conversation_with_branches_is_the_same_after_a_reload(page):
    await ask(page, "one")
    await page.get_by_role("button", name="Again").click()
    await expect(messages(page, "assistant")).to_contain_text("2/2")
    await ask(page, "two")
    await page.get_by_role("button", name="Edit").last.click()
    await page.locator("form textarea").first.fill("three")
    await page.get_by_role("button", name="Send").first.click()
    await expect(messages(page, "assistant").last).to_contain_text("said three")

    listed = await only_thread(page)
    stored = await eventually(
        lambda: page.who.list_messages(listed, limit=100),
        lambda found: all(each["payloadFormat"] == "ai-sdk/v6" for each in found.data),
        SOON_S,
    )
    assert texts(stored.data) == ["one", "said one", "said one", "two", "said two", "three", "said three"]
    titled = await eventually(lambda: page.who.get(listed), lambda thread: thread.title is not None, SOON_S)

    await page.reload()
    await page.get_by_role("button", name=titled.title).click()
    await expect(messages(page, "user")).to_have_count(2)
    await expect(messages(page, "user").last).to_contain_text("three")
    await expect(messages(page, "user").last).to_contain_text("2/2")
    await page.get_by_role("button", name="‹").last.click()
    await expect(messages(page, "assistant").last).to_contain_text("said two")


async def test_an_archived_thread_leaves_the_list(page):
    await ask(page, "one")
    listed = await only_thread(page)

    await page.get_by_role("button", name="Archive").click()

    await eventually(lambda: page.who.get(listed), lambda thread: thread["state"] == "archived", SOON_S)
    await expect(page.get_by_role("button", name="Archive")).to_have_count(0)
