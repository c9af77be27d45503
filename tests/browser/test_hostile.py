"""Hostile texts, in every place that shows a text: nothing runs, nobody else is called, the page stays what it is."""

import json

from playwright.async_api import expect

from browser.hostile import HOSTILE, INTRUDERS
from support.scripted_model import DONE, finish, reasoning, text, tool_call

WATCH = "window.pwned = 0; window.pwn = () => { window.pwned += 1; };"


async def watched(visit, who, heading="Pick up a thread"):
    screen = await visit()
    await screen.context.add_init_script(WATCH)
    await screen.follow_link(who.token)
    await expect(screen.page.get_by_role("heading", name=heading)).to_be_visible()
    return screen


async def check_untouched(screen):
    assert await screen.page.evaluate("window.pwned") == 0
    assert await screen.page.evaluate(INTRUDERS) == []


def call_of(words):
    return {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": json.dumps({"x": words})}}


async def test_hostile_titles_messages_and_metadata_stay_texts(visit, ada):
    for number, words in enumerate(HOSTILE):
        file = {"type": "file", "url": "https://example.org/f", "name": words, "mimeType": "text/plain"}
        await ada.create_thread(
            id=f"thread_h{number}",
            title=words[:200],
            metadata={words[:64]: words[:500], "tags": [words[:200], "b"], "list": [words[:200], 1]},
            messages=[
                {"role": "system", "content": words},
                {"role": "user", "content": [{"type": "text", "text": words}, file]},
                {"role": "assistant", "content": words, "toolCalls": [call_of(words)]},
                {"role": "tool", "content": words, "toolCallId": "call_1"},
                {"role": "assistant", "content": f"{words}\n\n{words}"},
                {"role": "user", "content": [{"type": "image", "url": f"https://example.org/{number}"}]},
            ],
        )
    screen = await watched(visit, ada)
    await expect(screen.rows).not_to_have_count(0)
    await check_untouched(screen)

    for number, words in enumerate(HOSTILE):
        await screen.open_thread(ada, f"thread_h{number}")
        await expect(screen.messages).to_have_count(6)
        assert await screen.texts.nth(1).text_content() == words
        assert await screen.page.locator(".title h1").text_content() == words[:200]
        await screen.page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
        await screen.button("Details, tags and metadata").click()
        await expect(screen.dialog.locator(".dialog-title")).to_be_visible()
        await check_untouched(screen)
        await screen.page.keyboard.press("Escape")
        await screen.button("Rename").click()
        await check_untouched(screen)
        await screen.page.keyboard.press("Escape")


async def test_hostile_answers_stay_texts_while_they_stream(visit, model, ada):
    screen = await watched(visit, ada)
    await screen.open_thread(ada, await ada.create_thread())
    halves = [part for words in HOSTILE for part in (words[: len(words) // 2], words[len(words) // 2 :], "\n\n")]
    calls = [tool_call(0, "call_1", "<img src=x onerror=pwn()>", '{"x": "<script>pwn()</script>"}')]
    model.script = [reasoning("".join(HOSTILE)), *map(text, filter(None, halves)), *calls, finish(), DONE]

    await screen.write("".join(HOSTILE))

    await expect(screen.button("Send")).to_be_visible()
    await expect(screen.texts.last).to_contain_text("{{constructor")
    await check_untouched(screen)


async def test_hostile_names_of_assistants_and_organizations_stay_texts(visit, ada, place):
    await ada.update_organization(name="<img src=x onerror=pwn()>")
    second = await place.people.owner()
    await second.update_organization(name="\u202e</option><script>pwn()</script>")
    await second.put_member(ada.user, "owner")
    for words in HOSTILE:
        await ada.create_assistant(name=words[:256], organizationId=ada.organization)
    screen = await watched(visit, ada, "Choose an organization")

    await screen.page.locator(".choice").first.click()
    await screen.button("Filters").click()
    await expect(screen.page.locator("#filter-panel option", has_text="constructor")).to_be_attached()
    await check_untouched(screen)
    await screen.page.keyboard.press("n")
    await expect(screen.page.locator("#new-assistant")).to_be_visible()
    await check_untouched(screen)
    for key, value in ((HOSTILE[2], HOSTILE[0]), ("__proto__", HOSTILE[54])):
        await screen.page.get_by_label("Metadata key").fill(key)
        await screen.page.get_by_label("Value").fill(value)
        await screen.button("Add").click()
    await expect(screen.page.locator(".chip")).to_have_count(2)
    await check_untouched(screen)


async def test_formulas_and_code_without_measure_are_left_as_they_are_and_freeze_nothing(visit, ada):
    long = "\\[" + "x+" * 50_000 + "x\\]"
    many = r"\(\frac{1}{2}\) " * 600
    bombs = r"\(\def\a{\a\a}\a\) " * 300
    deep = (r"\(" + r"\sqrt{" * 180 + "x" + "}" * 180 + r"\) ") * 20
    code = "```js\n" + "`${" * 16_000 + "\n```\n\n" + "```c\n" + "(" * 60_000 + "\n```"
    thread = await ada.create_thread(title="without measure")
    for words in (long, many, bombs, deep, code):
        await ada.post_message(thread, words, "assistant")
    screen = await watched(visit, ada)
    await screen.open_thread(ada, thread)
    await expect(screen.messages).to_have_count(5)

    await screen.composer.press_sequentially("still here")

    await expect(screen.composer).to_have_value("still here")
    await expect(screen.texts.nth(1).locator(".formula")).to_have_count(500)
    assert await screen.texts.nth(3).locator(".formula").count() == 0
    assert await screen.texts.nth(0).locator(".formula").count() == 0
    assert await screen.texts.nth(2).locator(".formula").count() == 0
    await check_untouched(screen)


async def test_a_formula_stays_within_its_message(visit, ada):
    thread = await ada.create_thread(title="outside")
    await ada.post_message(thread, r"\(\kern-999em\raisebox{30em}{over}\) \(x\)", "assistant")
    screen = await watched(visit, ada)
    await screen.open_thread(ada, thread)

    await expect(screen.page.locator(".formula")).to_have_count(2)

    assert await screen.texts.evaluate("text => getComputedStyle(text).overflowX") == "clip"
