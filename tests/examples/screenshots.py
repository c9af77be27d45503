"""Takes the pictures of the examples for the documentation: make screenshots."""

import pytest
from playwright.async_api import expect

from examples.conftest import EXAMPLES
from examples.screen import messages, send
from support.scripted_model import answer_of
from threadkeep.titles.prompt import INSTRUCTION

IMAGES = EXAMPLES.parent / "docs" / "images"
TALK = {
    "Our invoice INV-2041 was refused: the VAT number is missing. How do we correct it?": (
        "Correcting invoice INV-2041",
        "With a new invoice that replaces the old one: cancel the old one with a credit note, issue a new one with the "
        "VAT number of both parties, and name the replaced invoice in it.",
    ),
    "A name for our new printer?": ("Naming the new printer", "Gutenberg."),
}
SECOND = "Caxton, after the first English printer."


def speak(call):
    asked = call.body["messages"]
    said = next(said for said in TALK if said in str(asked))
    if asked[0]["content"] == INSTRUCTION:
        return answer_of(TALK[said][0])
    return answer_of(TALK[said][1])


@pytest.mark.parametrize("example", ["ai-sdk", "assistant-ui"], indirect=True, scope="module")
async def test_two_threads_and_two_answers(page, example):
    page.model.script = speak
    for said, (title, answer) in TALK.items():
        await page.get_by_role("button", name="New").click()
        await send(page, said)
        await expect(messages(page, "assistant")).to_contain_text(answer)
        await expect(page.get_by_role("button", name=title)).to_be_visible()
    page.model.answer(SECOND)
    await page.get_by_role("button", name="Again").click()
    for shown in (SECOND, "2/2"):
        await expect(messages(page, "assistant")).to_contain_text(shown)
    await expect(page.get_by_role("button", name="Again")).to_be_enabled()
    await page.screenshot(path=IMAGES / f"example-{example}.png", animations="disabled")
