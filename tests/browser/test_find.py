"""Find in a thread: all of its messages, also those that are not in the document."""

import asyncio

from playwright.async_api import expect

from browser.test_long_thread import ROWS_MAX, long
from browser.test_looks import PHONE, check_accessible

__all__ = ["long"]

MARKED = """(name) => [...(CSS.highlights.get(name) ?? [])].map((range) => range.toString())"""


async def opened(visit, ada, thread, **more):
    screen = await visit(ada, thread, **more)
    await expect(screen.texts.last).to_contain_text("number 299.")
    return screen, screen.page.get_by_role("textbox", name="Find in the thread"), screen.page.locator("#find-state")


async def test_what_is_far_above_is_found_shown_and_marked(visit, ada, long):
    screen, field, state = await opened(visit, ada, long)
    await screen.page.keyboard.press("Control+f")
    await expect(field).to_be_focused()

    await screen.page.keyboard.type("NUMBER 01")
    await screen.page.keyboard.press("Enter")

    await expect(state).to_have_text("1 of 10")
    await expect(screen.texts.filter(has_text="number 019.")).to_be_in_viewport()
    assert await screen.page.evaluate(MARKED, "found-here") == ["number 01"]
    await screen.page.keyboard.press("Enter")
    await expect(state).to_have_text("2 of 10")
    await expect(screen.texts.filter(has_text="number 018.")).to_be_in_viewport()
    await screen.page.keyboard.press("Shift+Enter")
    await screen.page.keyboard.press("Shift+Enter")
    await expect(state).to_have_text("10 of 10")
    await expect(screen.texts.filter(has_text="number 010.")).to_be_in_viewport()
    assert await screen.messages.count() <= ROWS_MAX
    await screen.page.keyboard.press("Escape")
    await expect(field).to_have_count(0)
    await expect(screen.page.get_by_role("region", name="Messages")).to_be_focused()
    assert await screen.page.evaluate(MARKED, "found-here") == []


async def test_a_search_shows_how_far_it_is_and_can_be_stopped_and_gone_on_with(visit, ada, long):
    screen, field, state = await opened(visit, ada, long)
    held, go = asyncio.Event(), asyncio.Event()

    async def hold(route):
        if "limit=100" in route.request.url and "after=" in route.request.url:
            held.set()
            await go.wait()
        await route.continue_()

    await screen.page.route("**/messages?*", hold)
    await screen.button("Find in the thread").click()
    await field.fill("number 000.")
    await field.press("Enter")
    await asyncio.wait_for(held.wait(), 10)

    await expect(state).to_have_text("Nothing yet, 100 of 300 read")
    await screen.button("Stop").click()
    await expect(state).to_have_text("Nothing found, 100 of 300 read")
    go.set()
    await screen.button("Go on").click()
    await expect(state).to_have_text("1 of 1")
    await expect(screen.texts.first).to_contain_text("number 000.")


async def test_a_find_that_breaks_off_says_why_and_goes_on(visit, ada, long):
    screen, field, state = await opened(visit, ada, long)
    screen.expects_refusals = True
    await screen.page.route("**/messages?*limit=100*after=*", lambda route: route.fulfill(status=502), times=1)
    await screen.button("Find in the thread").click()
    await field.fill("number 000.")
    await field.press("Enter")
    await expect(state).to_contain_text("The server answered 502.")

    await screen.button("Go on").click()

    await expect(state).to_have_text("1 of 1")


async def test_words_of_calls_are_found_in_their_fold_and_deleted_messages_are_left_out(visit, ada, long):
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"x": "needle"}'}}
    await ada.post_messages(long, [{"role": "assistant", "content": "", "toolCalls": [call]}])
    [message] = (await ada.list_messages(long, limit=1, order="asc")).data
    await ada.update_message(long, message, content="a needle too")
    screen = await visit(ada, long)
    await screen.page.keyboard.press("Control+f")
    await screen.page.keyboard.type("needle")
    await screen.page.keyboard.press("Enter")
    state = screen.page.locator("#find-state")
    await expect(state).to_have_text("1 of 2")
    await expect(screen.page.get_by_text('"needle"')).to_be_in_viewport()
    screen.expects_refusals = True
    await ada.delete_message(long, message)

    await screen.page.keyboard.press("Enter")

    await expect(state).to_have_text("1 of 1")


async def test_nothing_is_found_nothing_is_said_and_another_thread_has_no_bar(visit, ada, long):
    other = await ada.create_thread(title="other")
    screen, field, state = await opened(visit, ada, long)
    await screen.page.locator("body").press("f")
    await field.fill("no such words")
    await field.press("Enter")
    await expect(state).to_have_text("Nothing found")
    await check_accessible(screen)

    await screen.open_thread(ada, other)

    await expect(field).to_have_count(0)


async def test_finding_on_a_phone_fits_and_leads_to_the_first_message(visit, ada, long):
    screen, field, state = await opened(visit, ada, long, **PHONE)
    await screen.button("Find in the thread").tap()
    await field.fill("number 150.")
    await field.press("Enter")
    await expect(state).to_have_text("1 of 1")
    assert await screen.page.evaluate("document.documentElement.scrollWidth") <= 360

    await screen.button("First message").tap()

    await expect(screen.texts.first).to_contain_text("number 000.")
    await expect(screen.texts.first).to_be_in_viewport()
