"""A thread of hundreds of messages: only what is near the reader is in the document, and nothing that is read jumps."""

import asyncio

import pytest
from playwright.async_api import expect

from support.answering import begin_talk
from support.scripted_model import DONE, finish

COUNT = 300
# As many rows as a thread shows when it is opened, and half as many again.
ROWS_MAX = 45

# Scroll up (-1) or down (1) by a little less than a page until that text is in the document.
READ_UNTIL = """async ([direction, words]) => {
  const area = document.getElementById("messages");
  let most = 0;
  for (let step = 0; step < 400; step++) {
    area.scrollTop += direction * area.clientHeight * 0.9;
    await new Promise((done) => setTimeout(done, 40));
    const rows = [...document.querySelectorAll("[data-message]")];
    most = Math.max(most, rows.length);
    const found = rows.find((row) => row.textContent.includes(words));
    if (found) return most;
  }
  throw new Error(`${words} was not met`);
}"""
# With texts and comments: what marks the place of a row leaves with it.
NODES = "document.evaluate('count(//node())', document, null, XPathResult.NUMBER_TYPE).numberValue"
# Where a row that is in sight stands, again and again, while one goes up by small steps: it moves by those alone.
JUMPS = """async (direction) => {
  const area = document.getElementById("messages");
  const jumps = [];
  for (let step = 0; step < 120; step++) {
    const { top, bottom } = area.getBoundingClientRect();
    const seen = [...document.querySelectorAll("[data-message]")].find((row) => {
      const rect = row.getBoundingClientRect();
      return rect.bottom > top + 10 && rect.top < bottom;
    });
    const before = seen.getBoundingClientRect().top;
    const from = area.scrollTop;
    area.scrollTop += direction * 120;
    const moved = area.scrollTop - from;
    await new Promise((done) => setTimeout(done, 30));
    const jump = seen.isConnected ? seen.getBoundingClientRect().top - (before - moved) : "gone";
    if (jump === "gone" || Math.abs(jump) > 2) jumps.push(jump);
  }
  return jumps;
}"""


def said(number: int) -> dict[str, str]:
    role = "assistant" if number % 2 else "user"
    return {"role": role, "content": f"number {number:03}." + "\n\nand **more** of it" * (number % 7)}


@pytest.fixture
async def long(ada):
    thread = await ada.create_thread(title="long")
    for start in range(0, COUNT, 100):
        await ada.post_messages(thread, [said(number) for number in range(start, start + 100)])
    return thread


async def test_a_long_thread_read_to_its_beginning_and_back_keeps_the_document_small(visit, ada, long):
    screen = await visit(ada, long)
    await expect(screen.texts.last).to_contain_text("number 299.")
    nodes = await screen.page.evaluate(NODES)

    up = await screen.page.evaluate(READ_UNTIL, [-1, "number 000."])
    down = await screen.page.evaluate(READ_UNTIL, [1, "number 299."])

    assert max(up, down) <= ROWS_MAX
    assert await screen.page.evaluate(NODES) <= 1.5 * nodes
    await expect(screen.texts.last).to_contain_text("number 299.")


@pytest.mark.parametrize("direction", [-1, 1], ids=["up", "down"])
async def test_what_is_being_read_does_not_jump_when_rows_come_and_go(visit, ada, long, direction):
    screen = await visit(ada, long)
    await expect(screen.texts.last).to_contain_text("number 299.")
    if direction == 1:
        await screen.page.get_by_role("region", name="Messages").press("Home")
        await expect(screen.texts.first).to_contain_text("number 000.")
    else:
        await screen.page.evaluate("document.getElementById('messages').scrollTop -= 400")

    assert await screen.page.evaluate(JUMPS, direction) == []


async def test_the_first_and_the_newest_message_are_one_press_away(visit, ada, long):
    screen = await visit(ada, long)
    await expect(screen.texts.last).to_contain_text("number 299.")
    area = screen.page.get_by_role("region", name="Messages")

    await area.press("Home")
    await expect(screen.texts.first).to_contain_text("number 000.")
    await expect(screen.texts.first).to_be_in_viewport()
    assert await screen.messages.count() <= ROWS_MAX
    await expect(screen.messages.first).to_have_attribute("aria-posinset", "1")
    await area.press("End")
    await expect(screen.texts.last).to_contain_text("number 299.")
    await expect(screen.texts.last).to_be_in_viewport()
    await screen.page.locator("body").press("g")
    await expect(screen.texts.first).to_be_in_viewport()
    await screen.button("To the newest message").click()

    await expect(screen.texts.last).to_be_in_viewport()
    await expect(screen.texts.last).to_contain_text("number 299.")


async def test_who_writes_while_reading_the_beginning_is_taken_to_the_answer(visit, model, ada, long):
    screen = await visit(ada, long)
    await screen.page.get_by_role("region", name="Messages").press("Home")
    await expect(screen.texts.first).to_contain_text("number 000.")
    go = asyncio.Event()
    model.script = ["Half of", go, " it", finish(), DONE]

    await screen.write("and now?")

    await expect(screen.texts.last).to_have_text("Half of")
    await expect(screen.texts.last).to_be_in_viewport()
    await expect(screen.texts.filter(has_text="and now?")).to_have_count(1)
    await expect(screen.texts.filter(has_text="number 299.")).to_have_count(1)
    go.set()
    await expect(screen.texts.last).to_have_text("Half of it")


async def test_an_answer_that_grows_is_found_again_after_reading_far_above_it(visit, model, ada, long):
    talk = await begin_talk(ada, model, "Once upon", " a time.", thread=long)
    screen = await visit(ada, long)
    await expect(screen.texts.last).to_have_text("Once upon")
    await screen.page.evaluate(READ_UNTIL, [-1, "number 150."])
    await expect(screen.texts.filter(has_text="Once upon")).to_have_count(0)

    await screen.button("To the newest message").click()
    await expect(screen.texts.last).to_have_text("Once upon")
    await talk.ended(ada)

    await expect(screen.texts.last).to_have_text("Once upon a time.")
    await expect(screen.texts.last).to_be_in_viewport()


async def test_a_row_that_is_edited_or_has_the_focus_or_is_selected_stays(visit, ada, long):
    screen = await visit(ada, long)
    await expect(screen.texts.last).to_contain_text("number 299.")
    row = screen.messages.filter(has_text="number 298.")
    await screen.button("Edit message", row).click()
    field = screen.page.get_by_role("textbox", name="Edit message")
    await field.fill("half a change")

    await screen.page.evaluate(READ_UNTIL, [-1, "number 200."])

    await expect(field).to_be_focused()
    await expect(field).to_have_value("half a change")
    assert await screen.messages.count() <= ROWS_MAX + 1
    await field.press("Escape")
    await expect(screen.texts.filter(has_text="number 298.")).to_have_count(1)
    await screen.composer.focus()
    await expect(screen.texts.filter(has_text="number 298.")).to_have_count(0)
    await screen.page.evaluate(READ_UNTIL, [-1, "number 200."])
    await screen.texts.filter(has_text="number 200.").evaluate("text => getSelection().selectAllChildren(text)")
    await screen.page.evaluate(READ_UNTIL, [-1, "number 100."])
    assert "number 200." in await screen.page.evaluate("getSelection().toString()")


async def test_what_others_change_is_seen_in_the_middle_of_a_long_thread(visit, ada, long):
    [message] = (await ada.list_messages(long, limit=1, order="asc")).data
    screen = await visit(ada, long)
    await screen.page.get_by_role("region", name="Messages").press("Home")
    await expect(screen.texts.first).to_contain_text("number 000.")

    await ada.update_message(long, message, content="changed meanwhile")
    await expect(screen.texts.first).to_have_text("changed meanwhile")
    await ada.delete_message(long, message)

    await expect(screen.texts.first).to_contain_text("number 001.")
    assert await screen.messages.count() <= ROWS_MAX
