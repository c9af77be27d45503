"""How the page looks: on a phone, light and dark, at rest for who wants that, and to the accessibility checker axe."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import expect

from support.scripted_model import DONE, finish

AXE = (Path(__file__).parent / "axe.min.js").read_text()
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
GROUND = "getComputedStyle(document.body).backgroundColor"
OVERFLOW = """() => [...document.querySelectorAll("#app *, dialog *")]
  .filter((element) => element.checkVisibility() && element.getBoundingClientRect().right > innerWidth + 1)
  .filter((element) => !element.closest(".prose pre, .table, .title h1, .unseen, .row-title, .row-preview"))
  .map((element) => element.outerHTML.slice(0, 120))"""
SERIOUS = """async () => {
  const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const { violations } = await axe.run(document, { runOnly: rules });
  return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html.slice(0, 200)).join(" | ")}`);
}"""
SETTLED = """() => Promise.allSettled(document.getAnimations()
  .filter((animation) => animation.effect.getTiming().iterations === 1)
  .map((animation) => animation.finished))"""
LONG = "A very long title that goes on and on about everything that was said, and then some more of it"
TEXT = (
    "# Head\n\nText with `code` and a [link](https://example.org).\n\n```python\n"
    + "x = 1 + " * 30
    + "\n```\n\n> quoted\n\n"
)
TABLE = "| a | b |\n|---|--:|\n" + "| cell with words | 1 |\n" * 2


async def check_accessible(screen):
    # In the middle of fading in, a text has less contrast.
    await screen.page.evaluate(SETTLED)
    await screen.page.evaluate(AXE)
    assert await screen.page.evaluate(SERIOUS) == []


@pytest.fixture
async def busy(ada):
    """An organization in which something has happened."""
    thread = await ada.create_thread(title=LONG, metadata={"category": "billing", "tags": ["one", "two"]})
    await ada.post_messages(
        thread,
        [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Hello there, " * 20},
            {"role": "assistant", "content": TEXT + TABLE},
        ],
    )
    await ada.lock(await ada.create_thread(title="locked"))
    await ada.with_token().create_thread(title="hidden", visibleInUi=False)
    return thread


async def test_a_phone_shows_the_list_and_the_conversation_as_two_screens(visit, ada, busy, model):
    screen = await visit(ada, **PHONE)
    await expect(screen.rows).to_have_count(2)
    await expect(screen.page.get_by_role("heading", name="Pick up a thread")).to_be_hidden()
    assert await screen.page.evaluate(OVERFLOW) == []

    await screen.rows.filter(has_text="very long").tap()
    await expect(screen.composer).to_be_visible()
    await expect(screen.rows.first).to_be_hidden()
    assert await screen.page.evaluate(OVERFLOW) == []
    await screen.write("and on a phone?")
    await expect(screen.texts.last).to_have_text("Hello world")
    await screen.button("Details, tags and metadata").tap()
    await expect(screen.dialog.get_by_role("button", name="Archive")).to_be_visible()
    assert await screen.page.evaluate(OVERFLOW) == []
    await screen.button("Close").tap()
    await screen.button("Back to the list").tap()

    await expect(screen.rows).to_have_count(2)
    await expect(screen.composer).to_be_hidden()
    await screen.button("Filters").tap()
    assert await screen.page.evaluate(OVERFLOW) == []
    assert await screen.page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("size", [{"width": 1200, "height": 800}, {"width": 800, "height": 500}, PHONE["viewport"]])
async def test_notes_cover_neither_the_header_nor_where_one_goes_on(visit, ada, size):
    screen = await visit(ada, await ada.create_thread(title="a case"), viewport=size)
    is_phone = size == PHONE["viewport"]

    if is_phone:
        await screen.button("Details, tags and metadata").click()
    await screen.button("Lock").click()
    await expect(screen.toast).to_contain_text("Locked.")
    await screen.page.evaluate(SETTLED)
    assert await screen.page.evaluate(COVERED, [".head", ".messages", ".composer.closed", ".sidebar"]) == []
    await screen.button("Unlock", screen.page.locator(".composer")).click()
    await expect(screen.toast).to_contain_text("Unlocked.")
    await expect(screen.toast).to_have_count(1)
    await screen.page.evaluate(SETTLED)

    assert await screen.page.evaluate(COVERED, [".head", ".messages", ".composer", ".sidebar"]) == []
    await screen.composer.click()
    if is_phone:
        await screen.button("Back to the list").click()
        assert await screen.page.evaluate(COVERED, [".sidebar-head", ".filters", ".list", ".sidebar-foot"]) == []


@pytest.mark.parametrize("words", ["A long title that begins here ", "כותרת ארוכה שמתחילה כאן "])
async def test_of_a_title_that_is_too_long_the_beginning_is_shown_in_either_direction(visit, ada, words):
    thread = await ada.create_thread(title=(words * 8)[:200].strip())
    await ada.post_message(thread, words * 6)
    screen = await visit(ada, thread)

    for place in (".head h1", ".row-title bdi", ".row-preview bdi"):
        shown = await screen.page.locator(place).first.evaluate(SHOWN)
        assert shown == {"first": True, "last": False}, place


async def test_a_note_moves_nothing_that_is_being_read(visit, ada):
    thread = await ada.create_thread(title="a case")
    for number in range(30):
        await ada.post_message(thread, f"message number {number} of thirty")
    screen = await visit(ada, thread)
    last = screen.messages.last
    await expect(last).to_be_in_viewport()
    before = await last.bounding_box()

    await screen.button("Lock").click()
    await expect(screen.toast).to_contain_text("Locked.")
    await screen.page.evaluate(SETTLED)
    assert await screen.page.evaluate(COVERED, [".messages"]) == []
    composer_moved = (await screen.page.locator(".composer").bounding_box())["y"]
    with_note = await last.bounding_box()
    await screen.button("Dismiss").click()
    await expect(screen.toast).to_have_count(0)

    assert abs((await last.bounding_box())["y"] - with_note["y"]) < 2
    assert before["y"] > 0 and composer_moved > with_note["y"]


async def test_light_and_dark_follow_the_system_until_one_is_chosen(visit, ada):
    light = await visit(ada, color_scheme="light")
    dark = await visit(ada, color_scheme="dark")
    light_ground, dark_ground = await light.page.evaluate(GROUND), await dark.page.evaluate(GROUND)
    assert light_ground != dark_ground

    await dark.button("Theme: As the system").click()
    assert await dark.page.evaluate(GROUND) == light_ground
    await dark.page.reload()
    await expect(dark.button("Theme: Light")).to_be_visible()
    assert await dark.page.evaluate(GROUND) == light_ground
    await dark.button("Theme: Light").click()
    await dark.button("Theme: Dark").click()

    await expect(dark.button("Theme: As the system")).to_be_visible()
    assert await dark.page.evaluate(GROUND) == dark_ground


async def test_nothing_moves_for_who_wants_less_motion(visit, ada, model):
    screen = await visit(ada, await ada.create_thread(), reduced_motion="reduce")
    go = asyncio.Event()
    model.script = [go, "done", finish(), DONE]
    await screen.write("slowly")

    await expect(screen.page.locator(".dots").first).to_be_visible()
    assert await screen.page.evaluate(MOVING) == []
    go.set()
    await expect(screen.texts.last).to_have_text("done")


async def test_axe_finds_nothing_serious_before_signing_in(visit):
    screen = await visit()
    await screen.page.goto(screen.server_url)
    await expect(screen.page.get_by_role("heading", name="Sign in")).to_be_visible()

    await check_accessible(screen)


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
async def test_axe_finds_nothing_serious_in_a_conversation(visit, ada, busy, model, color_scheme):
    screen = await visit(ada, busy, color_scheme=color_scheme)
    await expect(screen.messages).to_have_count(3)
    await check_accessible(screen)
    model.script = ["Half of it", asyncio.Event(), finish(), DONE]
    await screen.write("go on")
    await expect(screen.texts.last).to_have_text("Half of it")
    await check_accessible(screen)
    await screen.button("Stop the answer").click()
    await expect(screen.page.locator(".cut-off")).to_be_visible()
    await screen.button("Edit message", screen.messages.nth(3)).click()
    await check_accessible(screen)
    await screen.page.keyboard.press("Escape")
    await screen.button("Rename").click()
    await screen.button("Filters").click()
    await check_accessible(screen)
    await screen.button("Cancel", screen.page.locator(".title-editor")).click()
    await screen.button("Lock").click()
    await expect(screen.toast).to_be_visible()
    await check_accessible(screen)


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
async def test_axe_finds_nothing_serious_in_dialogs_and_empty_states(visit, ada, busy, place, color_scheme):
    screen = await visit(ada, busy, color_scheme=color_scheme)
    await screen.button("Details, tags and metadata").click()
    await screen.button("Add a pair").click()
    await check_accessible(screen)
    await screen.page.keyboard.press("Escape")
    await screen.button("Delete message", screen.messages.last).click()
    await check_accessible(screen)
    await screen.page.keyboard.press("Escape")
    await screen.page.locator("body").press("?")
    await check_accessible(screen)
    await screen.page.keyboard.press("Escape")
    await screen.page.locator("body").press("n")
    await check_accessible(screen)
    await screen.page.get_by_label("Search in titles").fill("nothing like it")
    await expect(screen.page.get_by_text("Nothing found")).to_be_visible()
    await check_accessible(screen)


async def test_axe_finds_nothing_serious_on_a_phone(visit, ada, busy):
    screen = await visit(ada, **PHONE)
    await expect(screen.rows).to_have_count(2)
    await check_accessible(screen)
    await screen.rows.last.tap()
    await expect(screen.messages).to_have_count(3)
    await check_accessible(screen)


# Where the first and the last of the letters that are seen stand, from the left side of what shows them.
SHOWN = """(element) => {
  const range = document.createRange();
  const [node] = [...element.childNodes].filter((each) => each.nodeType === Node.TEXT_NODE && each.data.trim());
  const at = (index) => {
    range.setStart(node, index);
    range.setEnd(node, index + 1);
    const { left, right } = range.getBoundingClientRect();
    const box = element.getBoundingClientRect();
    return left >= box.left - 1 && right <= box.right + 1;
  };
  return { first: at(0), last: at(node.data.length - 1) };
}"""
COVERED = """(selectors) => {
  const notes = [...document.querySelectorAll(".toast")].map((note) => note.getBoundingClientRect());
  return selectors.filter((selector) => {
    const { top, bottom, left, right } = document.querySelector(selector).getBoundingClientRect();
    return notes.some((note) => note.top < bottom && note.bottom > top && note.left < right && note.right > left);
  });
}"""
MOVING = """() => document.getAnimations()
  .filter((animation) => animation.playState === "running")
  .map((animation) => animation.animationName ?? animation.transitionProperty)"""
