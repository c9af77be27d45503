"""What comes out of the printer: the thread's title and its loaded messages, and nothing to press."""

import pytest
from playwright.async_api import expect

from browser.test_looks import GROUND, LONG, TABLE, TEXT

CHROME = ".sidebar", ".composer", ".head-tools", ".message-tools", ".code-head", "#toasts", ".ways"
# What is cut off beside, above, or below what shows it.
CUT = """() => [...document.querySelectorAll(".head h1, .messages, .messages *")]
  .filter((element) => element.checkVisibility() && !element.closest(".unseen, svg"))
  .filter((element) => !["visible", "clip"].includes(getComputedStyle(element).overflow))
  .filter((element) => element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1)
  .map((element) => element.outerHTML.slice(0, 120))"""
OUTSIDE = """() => [...document.querySelectorAll("[data-message] *")]
  .filter((element) => element.checkVisibility() && element.getBoundingClientRect().right > innerWidth + 1)
  .map((element) => element.outerHTML.slice(0, 120))"""


@pytest.fixture
async def long(ada):
    thread = await ada.create_thread(title=LONG)
    wide = TEXT + TABLE + "\n| " + " | ".join("a heading" for _ in range(20)) + " |\n" + "|---" * 20 + "|\n"
    for number in range(15):
        question = {"role": "user", "content": f"question {number} " * 30}
        await ada.post_messages(thread, [question, {"role": "assistant", "content": wide}])
    return thread


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
async def test_on_paper_stand_the_title_and_all_loaded_messages_and_nothing_to_press(visit, ada, long, color_scheme):
    screen = await visit(ada, long, color_scheme=color_scheme)

    await screen.page.emulate_media(media="print", color_scheme=color_scheme)

    for selector in CHROME:
        for piece in await screen.page.locator(selector).all():
            await expect(piece).to_be_hidden()
    await expect(screen.page.get_by_role("heading", name=LONG)).to_be_visible()
    await expect(screen.messages).to_have_count(30)
    assert await screen.page.evaluate(GROUND) == "rgb(255, 255, 255)"
    assert await screen.page.evaluate(CUT) == []
    assert await screen.page.evaluate(OUTSIDE) == []
    height = await screen.page.evaluate("document.documentElement.scrollHeight")
    assert height > 10 * 800


async def test_a_long_thread_takes_as_many_pages_as_it_needs(visit, ada, long):
    screen = await visit(ada, long)
    await expect(screen.messages.last).to_be_in_viewport()
    before = await screen.messages.last.bounding_box()

    pdf = await screen.page.pdf(format="A4")

    assert pdf.count(b"/Type /Page\n") >= 10
    await expect(screen.messages.last).to_be_in_viewport()
    assert await screen.messages.last.bounding_box() == before
