"""examples/ai-sdk in a browser, from another origin: stream, stop, reload and branches, and what is stored of it."""

import pytest
from playwright.async_api import expect

from examples.screen import ask, messages, only_thread, send
from support.answering import texts
from support.waiting import SOON_S, eventually

pytestmark = pytest.mark.parametrize("example", ["ai-sdk"], indirect=True, scope="module")


async def test_a_conversation_has_a_title_and_is_the_same_after_a_reload(page):
    await ask(page, "one")
    await ask(page, "two")
    await expect(page.get_by_role("button", name="A fine title")).to_be_visible()

    await page.reload()
    await expect(messages(page, "assistant").last).to_contain_text("said two")
    await expect(messages(page, "user")).to_have_count(2)
    thread = await only_thread(page)
    assert texts((await page.who.list_messages(thread)).data) == ["one", "said one", "two", "said two"]

    await page.get_by_role("button", name="New chat").click()
    await expect(messages(page, "user")).to_have_count(0)
    await ask(page, "three")
    await expect(page.get_by_role("button", name="A fine title")).to_have_count(2)
    await page.get_by_role("button", name="A fine title").last.click()
    await expect(messages(page, "assistant").last).to_contain_text("said two")


async def test_a_thread_that_was_made_natively_is_gone_on_with(page):
    thread = await page.who.create_thread(title="Made natively")
    await page.who.post_messages(thread, [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}])

    await page.get_by_role("button", name="Made natively").click()
    await expect(messages(page, "assistant")).to_contain_text("hello")
    await ask(page, "one")

    assert texts((await page.who.list_messages(thread)).data) == ["hi", "hello", "one", "said one"]


async def test_a_reload_in_mid_answer_shows_the_whole_answer(page):
    await send(page, "slowly")
    await expect(messages(page, "assistant")).to_have_text("said ")

    await page.reload()
    await expect(messages(page, "assistant")).to_have_text("said ")
    await expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.go.set()

    await expect(page.get_by_role("button", name="Again")).to_be_visible()
    await expect(messages(page, "assistant").locator("p")).to_have_text("said slowly")
    await expect(messages(page, "user")).to_have_count(1)
    assert len([call for call in page.model.calls if call.last_user_text == "slowly"]) == 1


async def test_stop_ends_the_answer_and_the_chat_goes_on(page):
    await send(page, "slowly")
    await expect(messages(page, "assistant")).to_have_text("said ")

    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_role("button", name="Send")).to_be_visible()

    [_, answer] = (await page.who.list_messages(await only_thread(page))).data
    assert (answer["status"], texts([answer])) == ("incomplete", ["said "])
    await ask(page, "and now?")
    await expect(messages(page, "user")).to_have_count(2)


async def test_an_edit_and_another_answer_keep_what_was_there(page):
    await ask(page, "one")
    await page.get_by_role("button", name="Again").click()
    await expect(messages(page, "assistant")).to_contain_text("2/2")
    await ask(page, "two")
    await page.get_by_role("button", name="Edit").last.click()
    await page.get_by_placeholder("Ask something").fill("three")
    await page.get_by_role("button", name="Send").click()
    await expect(messages(page, "assistant").last).to_contain_text("said three")
    await expect(messages(page, "user").last).to_contain_text("2/2")

    thread = await only_thread(page)
    expected = ["one", "said one", "said one", "two", "said two", "three", "said three"]
    assert texts((await page.who.list_messages(thread)).data) == expected

    await page.get_by_role("button", name="Version before").last.click()
    await expect(messages(page, "assistant").last).to_contain_text("said two")
    await ask(page, "four")
    stored = await eventually(
        lambda: page.who.list_messages(thread, branch="current"), lambda found: len(found.data) == 6, SOON_S
    )
    assert texts(stored.data) == ["one", "said one", "two", "said two", "four", "said four"]


async def test_an_origin_that_is_not_named_is_told_failed_to_fetch(page, site):
    await page.goto(f"http://localhost:{site.port}/{page.fragment}")

    await expect(page.get_by_role("alert")).to_have_text("Failed to fetch")
