"""Takes the pictures for the documentation, of a desk where people have worked: make screenshots."""

import asyncio
import time
from pathlib import Path

import pytest
from playwright.async_api import expect

from support.answering import Place
from support.scripted_model import DONE, Head, finish, tool_call

USERS = iter(
    ["uid_ada_lovelace", "uid_grace_hopper", "uid_mary_somerville", "uid_emmy_noether", "uid_sonya_k", "uid_ida_rhodes"]
)
IMAGES = Path(__file__).parents[2] / "docs" / "images"
WINDOW = {"viewport": {"width": 1180, "height": 760}}
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}

QUESTION = "Our invoice INV-2041 was refused: the VAT number is missing. How do we correct it?"
ANSWER = """You correct it with a **new invoice** that replaces the old one; the old one stays in the books.

1. Cancel `INV-2041` with a credit note.
2. Issue a new invoice with the VAT number of *both* parties.
3. Name the replaced invoice in it.

| field | value |
|:------|:------|
| Replaces | INV-2041 |
| VAT number | DE123456789 |

To check a number before you send it:

```python
from stdnum.eu import vat

assert vat.is_valid("DE123456789")
```
"""
MORE = "Yes. Keep both for ten years: the credit note, and "


async def furnish(ada):
    """Let people have worked here."""
    billing = await ada.create_assistant(name="Billing desk", instructions="Answer as the billing desk.")
    await ada.create_assistant(name="Travel desk", instructions="Answer as the travel desk.")
    for title, said, more in (
        ("Travel costs for the Lisbon meeting", "Please send me the receipts by Friday.", {}),
        ("Σύνοψη της σύμβασης", "Η σύμβαση ισχύει για τρία χρόνια.", {}),
        ("جدول اجتماعات الفريق", "الاجتماع القادم يوم الأحد.", {}),
        ("Onboarding: first week of Ben", "A list of accounts to create is below.", {}),
        ("Draft of the autumn newsletter", "Three headlines to choose from.", {}),
    ):
        thread = await ada.create_thread(title=title, **more)
        await ada.post_messages(thread, [{"role": "user", "content": title}, {"role": "assistant", "content": said}])
        if "Onboarding" in title:
            await ada.lock(thread)
    thread = await ada.create_thread(
        title="Correcting invoice INV-2041",
        assistantId=billing.id,
        metadata={"category": "billing", "priority": 2, "paid": False, "tags": ["vat", "invoice"]},
    )
    await ada.post_messages(thread, [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": ANSWER}])
    return thread


@pytest.fixture
async def owner(place: Place):
    ada = await place.people.owner(user=next(USERS))
    await ada.update_organization(name="Acme Trading")
    return ada


async def take(screen, name):
    IMAGES.mkdir(exist_ok=True)
    await screen.page.mouse.move(0, 0)
    await screen.page.evaluate("document.fonts.ready")
    await screen.page.screenshot(path=IMAGES / f"page-{name}.png", caret="initial", animations="disabled")


async def test_signing_in_and_an_empty_desk(visit, owner):
    screen = await visit(**WINDOW)
    await screen.page.goto(screen.server_url)
    await expect(screen.page.get_by_role("heading", name="Sign in")).to_be_visible()
    await take(screen, "sign-in")
    await screen.sign_in(owner)
    await expect(screen.page.get_by_text("No threads yet")).to_be_visible()
    await take(screen, "empty")


async def test_a_conversation_and_what_can_be_done(visit, owner, model):
    thread = await furnish(owner)
    screen = await visit(owner, thread, **WINDOW)
    await expect(screen.messages).to_have_count(2)
    await screen.page.locator("#messages").evaluate("area => area.scrollTop = 0")
    await screen.page.wait_for_timeout(300)
    await take(screen, "conversation")
    model.script = [MORE, asyncio.Event(), finish(), DONE]
    await screen.write("Do we keep both?")
    await expect(screen.texts.last).to_contain_text("Keep both")
    await expect(screen.rows.first).to_contain_text("Answering")
    await take(screen, "streaming")
    await screen.page.keyboard.press("Escape")
    await expect(screen.page.locator(".cut-off")).to_be_visible()
    await take(screen, "stopped")
    await screen.button("Details, tags and metadata").click()
    await take(screen, "details")
    await screen.page.keyboard.press("Escape")
    await screen.button("Filters").click()
    await screen.page.get_by_label("Metadata key").fill("category")
    await screen.page.get_by_label("Value").fill("billing")
    await screen.button("Add").click()
    await expect(screen.rows).to_have_count(1)
    await screen.button("Delete thread").click()
    await take(screen, "filters-and-undo")
    await screen.button("Undo").click()


RICH = r"""The mean of a sample of size \(n\) has a standard error of

\[
\operatorname{SE}(\bar x) = \frac{\sigma}{\sqrt{n}}, \qquad \sigma^2 = \frac{1}{n} \sum_{i=1}^{n} (x_i - \mu)^2
\]

so four times the sample halves it[^1]. In Python:

```python
from math import sqrt

def standard_error(sigma: float, n: int) -> float:
    return sigma / sqrt(n)  # of the mean
```

- [x] formula
- [ ] figures of last year

[^1]: As long as the values are independent.
"""


async def test_a_rich_answer_and_a_long_thread(visit, owner):
    thread = await owner.create_thread(title="How large a sample?")
    await owner.post_messages(
        thread, [{"role": "user", "content": "How large must it be?"}, {"role": "assistant", "content": RICH}]
    )
    screen = await visit(owner, thread, **WINDOW)
    await expect(screen.page.locator(".katex")).to_have_count(2)
    await expect(screen.page.locator(".hljs-keyword").first).to_be_visible()
    await take(screen, "rich")
    long = await owner.create_thread(title="Minutes of the year")
    for month in range(10):
        said = [f"Week {month * 5 + number // 2 + 1}: the budget was discussed." for number in range(100)]
        roles = ["user", "assistant"] * 50
        await owner.post_messages(
            long, [{"role": role, "content": text} for role, text in zip(roles, said, strict=True)]
        )
    await screen.open_thread(owner, long)
    await expect(screen.page.get_by_role("heading", name="Minutes of the year")).to_be_visible()
    await screen.button("Find in the thread").click()
    await screen.page.get_by_role("textbox", name="Find in the thread").fill("week 7:")
    await screen.page.keyboard.press("Enter")
    await expect(screen.page.locator("#find-state")).to_have_text("1 of 4")
    await take(screen, "find")


async def test_dark_and_trouble(visit, owner, model):
    thread = await furnish(owner)
    screen = await visit(owner, thread, color_scheme="dark", **WINDOW)
    await take(screen, "dark")
    calls = [tool_call(0, "call_1", "find_invoice", '{"number": "INV-2041"}'), finish("tool_calls"), DONE]
    model.script = calls
    await screen.write("Who wrote it?")
    await expect(screen.page.locator("summary").first).to_be_visible()
    await owner.post_message(thread, '{"author": "Ben", "date": "2026-11-02"}', "tool", toolCallId="call_1")
    await screen.page.locator("summary", has_text="Result").click()
    await expect(screen.page.locator("details[open]")).to_be_visible()
    model.script = [Head(500, {"content-type": "application/json", "content-length": "2"}), b"{}"]
    await screen.button("Ask for an answer").click()
    await expect(screen.page.locator(".trouble")).to_be_visible()
    await take(screen, "tools-and-trouble")
    await screen.page.locator("body").press("?")
    await take(screen, "shortcuts")


async def test_a_phone(visit, owner, model):
    thread = await furnish(owner)
    screen = await visit(owner, **PHONE)
    await expect(screen.rows).to_have_count(6)
    await take(screen, "phone-list")
    await screen.open_thread(owner, thread)
    await expect(screen.messages).to_have_count(2)
    await screen.page.locator("#messages").evaluate("area => area.scrollTop = 0")
    await take(screen, "phone-conversation")
    await screen.button("Details, tags and metadata").tap()
    await take(screen, "phone-details")


async def test_versions_of_an_imported_thread_and_a_new_one(visit, owner):
    await furnish(owner)
    then = int(time.time()) - 40 * 24 * 3600
    payload = {"format": "ai-sdk/ui-message", "data": "{}"}
    thread = await owner.create_thread(
        title="Naming the new printer",
        createdAt=then,
        messages=[
            {"role": "user", "content": "A name for our new printer?", "createdAt": then, "externalId": "q"},
            {"role": "assistant", "content": "Gutenberg.", "createdAt": then + 20},
            {"role": "assistant", "content": "Caxton, after the first English printer.", "createdAt": then + 90,
             "parentId": "q", "payload": payload, "externalId": "a"},
            {"role": "assistant", "content": "Inky.", "createdAt": then + 150, "parentId": "q"},
            {"role": "user", "content": "And for the old one?", "createdAt": then + 24 * 3600, "parentId": "a"},
            {"role": "assistant", "content": "Caxton's Ghost.", "createdAt": then + 24 * 3600 + 30},
        ],
    )  # fmt: skip
    screen = await visit(owner, thread, **WINDOW)
    await expect(screen.page.get_by_role("group", name="Version 2 of 3")).to_be_visible()
    await take(screen, "versions")
    await screen.page.get_by_title("New thread (n)").click()
    await screen.page.get_by_label("Temporary").check()
    await expect(screen.page.get_by_label("Assistant")).to_be_visible()
    await screen.composer.fill("What shall we call it?")
    await take(screen, "new-thread")
