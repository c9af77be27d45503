"""The page without a mouse: everything within reach, the focus always in sight and never lost."""

from playwright.async_api import expect

# The focused element, and whether somebody who looks can see that it has the focus.
FOCUSED = """() => {
  const element = document.activeElement;
  const shown = element.id === "composer" ? element.closest("form") : element;
  const style = getComputedStyle(shown);
  const name = element.getAttribute("aria-label") || element.innerText || element.id || element.tagName;
  return { name: name.trim().slice(0, 40), tag: element.tagName, isSeen: style.outlineStyle !== "none" };
}"""

REACHABLE = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
  .filter((element) => !element.disabled && element.tabIndex >= 0)
  .filter((element) => element.checkVisibility({ visibilityProperty: true }))
  .length"""


async def tab_round(screen, key="Tab", most=60):
    """Press Tab until the focus is where it was first; return what had it."""
    seen = []
    for _ in range(most):
        await screen.page.keyboard.press(key)
        focused = await screen.page.evaluate(FOCUSED)
        if focused["tag"] == "BODY":
            break
        seen.append(focused)
    return seen


async def test_a_conversation_by_keyboard_alone(visit, model, ada):
    await ada.create_thread(title="older")
    screen = await visit(ada)
    keyboard = screen.page.keyboard
    await expect(screen.rows).to_have_count(1)

    await keyboard.press("n")
    await keyboard.type("What is a thread?")
    await keyboard.press("Enter")
    await expect(screen.texts).to_have_text(["What is a thread?", "Hello world"])
    await expect(screen.composer).to_be_focused()
    await keyboard.type("And a lock?")
    await keyboard.press("Enter")
    await expect(screen.texts).to_have_count(4)

    assert (await ada.list_threads()).data[0]["messageCount"] == 4


async def test_threads_are_found_and_opened_by_keyboard_alone(visit, ada):
    for title in ("first", "second", "third"):
        await ada.create_thread(title=title)
    screen = await visit(ada)
    keyboard = screen.page.keyboard
    await expect(screen.rows).to_have_count(3)

    await keyboard.press("j")
    await expect(screen.rows.nth(0)).to_be_focused()
    await keyboard.press("j")
    await keyboard.press("ArrowDown")
    await keyboard.press("ArrowDown")
    await keyboard.press("ArrowUp")
    await keyboard.press("k")
    await keyboard.press("j")
    await keyboard.press("Enter")
    await expect(screen.page.get_by_role("heading", name="second")).to_be_visible()
    await expect(screen.rows.nth(1)).to_have_attribute("aria-current", "true")
    await keyboard.press("/")
    await keyboard.type("first")
    await expect(screen.row_titles).to_have_text(["first"])
    await keyboard.press("Escape")
    await keyboard.press("Escape")
    await keyboard.press("m")
    await expect(screen.composer).to_be_focused()


async def test_the_focus_in_the_list_survives_a_change_of_order(visit, ada):
    older = await ada.create_thread(title="older")
    for title in ("newer", "still newer", "newest"):
        await ada.create_thread(title=title)
    screen = await visit(ada)
    await expect(screen.rows).to_have_count(4)
    for _ in range(4):
        await screen.page.keyboard.press("j")
    await expect(screen.rows.filter(has_text="older")).to_be_focused()

    await ada.update(older, title="older no more")

    await expect(screen.row_titles.first).to_have_text("older no more")
    await expect(screen.rows.filter(has_text="older")).to_be_focused()


async def test_everything_on_the_page_is_reached_by_tab_and_shows_its_focus(visit, ada):
    thread = await ada.create_thread(title="one")
    code = "```sh\nls\n```\n\n| a |\n|---|\n| b |\n\n[link](https://example.org/)"
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    await ada.post_messages(
        thread,
        [{"role": "user", "content": "hi"}, {"role": "assistant", "content": code, "toolCalls": [call]}],
    )
    screen = await visit(ada, thread)
    await expect(screen.messages).to_have_count(2)
    await screen.button("Filters").click()
    await screen.page.get_by_label("Metadata key").fill("key")
    await screen.button("Add").click()
    await expect(screen.page.locator(".chip")).to_have_count(1)
    await screen.page.get_by_role("link", name="threadkeep").focus()
    reachable = await screen.page.evaluate(REACHABLE)

    seen = await tab_round(screen)

    assert [focused["name"] for focused in seen if not focused["isSeen"]] == []
    assert len(seen) >= reachable - 1
    names = " ".join(focused["name"] for focused in seen)
    for name in ("Rename", "Copy code", "Table", "Try again", "Edit message", "Lock", "Archive", "Sign out", "link"):
        assert name in names, names


async def test_the_details_keep_the_focus_inside_and_give_it_back(visit, ada):
    screen = await visit(ada, await ada.create_thread(title="one"))
    opener = screen.button("Details, tags and metadata")
    await opener.focus()
    await screen.page.keyboard.press("Enter")
    await expect(screen.dialog).to_be_visible()

    for _ in range(30):
        await screen.page.keyboard.press("Tab")
        assert await screen.page.evaluate(
            "document.activeElement.closest('dialog') !== null || document.activeElement === document.body"
        )

    await screen.page.keyboard.press("Escape")
    await expect(screen.dialog).to_have_count(0)
    await expect(opener).to_be_focused()


async def test_a_deletion_is_undone_by_a_key(visit, ada):
    thread = await ada.create_thread(title="by mistake")
    screen = await visit(ada, thread)
    await screen.button("Delete thread").press("Enter")
    await expect(screen.rows).to_have_count(0)

    await screen.page.keyboard.press("z")

    await expect(screen.row_titles).to_have_text(["by mistake"])


async def test_the_shortcuts_are_listed_and_can_be_switched_off(visit, ada):
    screen = await visit(ada)
    await screen.page.keyboard.press("?")
    await expect(screen.dialog).to_contain_text("New thread")

    await screen.page.get_by_label("Single letters are shortcuts").uncheck()
    await screen.page.keyboard.press("Escape")
    await screen.page.keyboard.press("n")

    assert not screen.page.url.endswith("/new")


async def test_shortcuts_stay_out_of_what_is_being_written(visit, ada):
    screen = await visit(ada, await ada.create_thread(title="one"))
    await screen.composer.focus()

    await screen.page.keyboard.type("nz/?jk m")

    await expect(screen.composer).to_have_value("nz/?jk m")
    await expect(screen.dialog).to_have_count(0)


async def test_an_answer_is_announced_paragraph_by_paragraph(visit, model, ada):
    screen = await visit(ada, await ada.create_thread())
    model.answer("First paragraph.\n\nSecond ", "paragraph.")

    await screen.write("speak")
    await expect(screen.texts.last).to_contain_text("Second paragraph.")

    said = screen.page.get_by_role("log", name="Announcements").locator("p")
    await expect(said).to_have_text(
        ["The answer is being written.", "First paragraph.", "Second paragraph.", "The answer is complete."]
    )
