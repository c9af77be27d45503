"""A conversation in the browser: asking, reading along, stopping, copying, trying again, editing, deleting."""

import asyncio

from playwright.async_api import expect

from support.answering import begin_talk, texts
from support.scripted_model import DONE, Head, finish, tool_call
from support.waiting import eventually

MARKDOWN = """# Invoices

Three **things** to check:

1. the *number*
2. the [date](https://example.org/dates)

```python
print("paid" if invoice.paid else "open")
```

| item | price |
|:-----|------:|
| tea  |  4.20 |
"""

SCROLL_NEAR_THE_TOP = """() => {
  document.getElementById("messages").scrollTop = 300;
  return document.querySelector("[data-message]").getBoundingClientRect().top;
}"""


async def test_a_whole_conversation(visit, model, ada):
    screen = await visit(ada)
    go = asyncio.Event()
    model.script = [MARKDOWN, go, "\nThat is all.", finish(), DONE]

    await screen.page.get_by_role("link", name="New thread").click()
    await screen.write("What about my invoices?")

    await expect(screen.page.locator(".prose h1")).to_have_text("Invoices")
    await expect(screen.page.locator(".prose pre")).to_contain_text('print("paid"')
    await expect(screen.page.locator(".prose td[data-align=right]")).to_have_text("4.20")
    await expect(screen.rows.first).to_contain_text("Answering")
    await expect(screen.button("Stop the answer")).to_be_enabled()
    go.set()
    await expect(screen.texts.last).to_contain_text("That is all.")
    await expect(screen.button("Send")).to_be_visible()
    await expect(screen.rows.first).to_contain_text("Invoices")
    [thread] = (await ada.list_threads()).data
    assert screen.page.url.endswith(f"#/{ada.organization}/{thread['id']}")
    stored = (await ada.list_messages(thread)).data
    assert texts(stored) == ["What about my invoices?", MARKDOWN + "\nThat is all."]


async def test_links_of_a_text_open_apart_and_tell_nothing(visit, model, ada):
    model.answer("[date](https://example.org/dates)")
    screen = await visit(ada, await ada.create_thread())

    await screen.write("when?")

    link = screen.page.get_by_role("link", name="date", exact=True)
    await expect(link).to_have_attribute("rel", "noopener noreferrer")
    await expect(link).to_have_attribute("target", "_blank")
    await expect(link).to_have_attribute("title", "https://example.org/dates")


async def test_pictures_of_a_text_are_links_and_never_loaded(visit, model, ada):
    model.answer(
        "![a chart](https://example.org/chart.png) and [![in a link](https://example.org/b.png)](https://example.org/)"
    )
    screen = await visit(ada, await ada.create_thread())

    await screen.write("draw")

    link = screen.page.get_by_role("link", name="a chart (picture)")
    await expect(link).to_have_attribute("href", "https://example.org/chart.png")
    await expect(screen.page.get_by_role("link", name="in a link", exact=True)).to_have_attribute(
        "href", "https://example.org/"
    )
    await expect(screen.page.locator(".prose img")).to_have_count(0)


async def test_stopping_keeps_what_was_said_and_says_so(visit, model, ada):
    thread = await ada.create_thread()
    screen = await visit(ada, thread)
    model.script = ["Half of", asyncio.Event(), finish(), DONE]
    await screen.write("all of it")
    await expect(screen.texts.last).to_have_text("Half of")

    await screen.button("Stop the answer").click()

    await expect(screen.page.locator(".cut-off")).to_contain_text("The answer was stopped.")
    await expect(screen.texts.last).to_have_text("Half of")
    await expect(screen.button("Send")).to_be_visible()
    await screen.page.reload()
    await expect(screen.messages.last).to_contain_text("The answer was stopped.")


async def test_an_answer_that_reached_its_greatest_length_says_so(visit, model, ada):
    screen = await visit(ada, await ada.create_thread())
    model.script = ["Once upon a", finish("length"), DONE]

    await screen.write("a tale")

    await expect(screen.texts.last).to_have_text("Once upon a")
    await expect(screen.page.locator(".cut-off")).to_contain_text("reached its greatest length")


async def test_a_stopped_answer_of_a_closed_thread_is_told_what_is_possible_there(visit, model, ada):
    thread = await ada.create_thread()
    screen = await visit(ada, thread)
    model.script = ["Half of", asyncio.Event(), finish(), DONE]
    await screen.write("all of it")
    await expect(screen.texts.last).to_have_text("Half of")
    await screen.button("Stop the answer").click()
    note = screen.page.locator(".cut-off")
    await expect(note).to_contain_text("Press Try again for another answer, or write on.")

    await screen.button("Lock").click()
    await expect(note).to_contain_text("Unlock the thread to try again or to write on.")
    await screen.button("Archive").click()
    await expect(note).to_contain_text("Take the thread out of the archive to try again or to write on.")
    await expect(note).not_to_contain_text("Press Try again")
    await expect(screen.button("Try again")).to_have_count(0)

    await screen.button("Unarchive").click()
    await screen.button("Unlock", screen.page.locator(".composer")).click()
    model.answer("All right")
    await screen.write("never mind")
    await expect(screen.texts.last).to_have_text("All right")
    await expect(note).not_to_contain_text("again")


async def test_a_failed_answer_of_a_locked_thread_is_not_offered_again(visit, model, ada):
    thread = await ada.create_thread()
    screen = await visit(ada, thread)
    model.script = [Head(500, {"content-type": "application/json", "content-length": "2"}), b"{}"]
    await screen.write("question")
    trouble = screen.page.locator(".trouble")
    await expect(screen.button("Try again", trouble)).to_be_visible()

    await screen.button("Lock").click()

    await expect(trouble).to_contain_text("Unlock the thread to try again or to write on.")
    await expect(screen.button("Try again")).to_have_count(0)


async def test_escape_stops_the_answer(visit, model, ada):
    screen = await visit(ada, await ada.create_thread())
    model.script = ["Half of", asyncio.Event(), finish(), DONE]
    await screen.write("all of it")
    await expect(screen.texts.last).to_have_text("Half of")

    await screen.page.keyboard.press("Escape")

    await expect(screen.page.locator(".cut-off")).to_contain_text("The answer was stopped.")


async def test_trying_again_keeps_the_newest_answer_and_shows_another(visit, model, ada):
    thread = await ada.create_thread()
    screen = await visit(ada, thread)
    model.answer("The first answer")
    await screen.write("question")
    await expect(screen.texts).to_have_text(["question", "The first answer"])
    model.answer("The second answer")

    await screen.button("Try again").click()

    await expect(screen.texts).to_have_text(["question", "The second answer"])
    await expect(screen.button("Send")).to_be_visible()
    stored = (await ada.list_messages(thread)).data
    assert texts(stored) == ["question", "The first answer", "The second answer"]
    assert stored[1]["parentId"] == stored[2]["parentId"] == stored[0]["id"]


async def test_an_answer_that_fails_says_why_and_can_be_asked_for_again(visit, model, ada):
    screen = await visit(ada, await ada.create_thread())
    model.script = [Head(500, {"content-type": "application/json", "content-length": "2"}), b"{}"]
    await screen.write("question")
    await expect(screen.page.locator(".trouble")).to_contain_text("model_unavailable")

    await screen.page.reload()
    await expect(screen.page.locator(".trouble")).to_contain_text("model_unavailable")
    model.answer("Here it is")
    await screen.button("Try again").click()

    await expect(screen.texts).to_have_text(["question", "Here it is"])
    await expect(screen.page.locator(".trouble")).to_have_count(0)


async def test_an_answer_that_breaks_off_keeps_its_text_with_the_reason(visit, model, ada):
    screen = await visit(ada, await ada.create_thread())
    model.script = ["The beginning", Head(), b"data: nonsense\n\n"]

    await screen.write("question")

    await expect(screen.page.locator(".cut-off")).to_contain_text("model_unavailable")
    await expect(screen.texts.last).to_have_text("The beginning")


async def test_a_message_is_deleted_and_what_followed_it_stays(visit, ada):
    thread = await ada.create_thread()
    await ada.post_messages(thread, [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "Hello!"}])
    screen = await visit(ada, thread)

    await screen.button("Delete message", screen.messages.first).click()
    await screen.button("Delete message", screen.dialog).click()

    await expect(screen.texts).to_have_text(["Hello!"])
    assert texts((await ada.list_messages(thread)).data) == ["Hello!"]


async def test_an_edit_keeps_pictures_and_files(visit, model, ada):
    thread = await ada.create_thread()
    picture = {"type": "image", "url": "https://example.org/cat.png"}
    report = {"type": "file", "url": "https://example.org/r.pdf", "name": "report.pdf", "mimeType": "application/pdf"}
    await ada.post_message(thread, [{"type": "text", "text": "see"}, picture, report])
    screen = await visit(ada, thread)
    await expect(screen.page.get_by_role("link", name="Picture")).to_have_attribute("href", picture["url"])
    await expect(screen.page.get_by_role("link", name="report.pdf")).to_have_attribute("href", report["url"])

    await screen.button("Edit message").click()
    await screen.page.get_by_role("textbox", name="Edit message").fill("look")
    await screen.page.keyboard.press("Control+Enter")

    await expect(screen.texts).to_have_text(["look", "Hello world"])
    before, edited, _ = (await ada.list_messages(thread)).data
    assert before["content"] == [{"type": "text", "text": "see"}, picture, report]
    assert edited["content"] == [{"type": "text", "text": "look"}, picture, report]


async def test_messages_and_code_are_copied(visit, model, ada, place):
    screen = await visit(ada, await ada.create_thread())
    await screen.context.grant_permissions(["clipboard-read", "clipboard-write"])
    model.answer("Do this:\n\n```sh\nls -l\n```")
    await screen.write("how?")
    await expect(screen.button("Send")).to_be_visible()

    await screen.button("Copy code").click()
    await expect(screen.toast).to_contain_text("Code copied.")
    assert await screen.page.evaluate("navigator.clipboard.readText()") == "ls -l\n"
    await screen.button("Copy message", screen.messages.last).click()
    await expect(screen.toast.last).to_contain_text("Message copied.")
    assert await screen.page.evaluate("navigator.clipboard.readText()") == "Do this:\n\n```sh\nls -l\n```"


async def test_tool_calls_and_results_are_shown_folded(visit, model, ada):
    thread = await ada.create_thread()
    screen = await visit(ada, thread)
    model.script = [tool_call(0, "call_1", "weather", '{"city":"Oslo"}'), finish("tool_calls"), DONE]
    await screen.write("how warm is it?")
    call = screen.page.locator("details", has_text="Calls weather")
    await expect(call).to_be_visible()
    await expect(call).not_to_have_attribute("open", "")
    await expect(screen.button("Send")).to_be_visible()

    await ada.post_message(thread, "4 °C", "tool", toolCallId="call_1")

    result = screen.page.locator("details", has_text="Result of call_1")
    await result.locator("summary").click()
    await expect(result).to_contain_text("4 °C")
    model.answer("It is 4 °C.")
    await screen.button("Ask for an answer").click()
    await expect(screen.texts.last).to_have_text("It is 4 °C.")


async def test_what_was_written_and_not_sent_is_kept_for_each_thread(visit, ada):
    one, two = await ada.create_thread(title="one"), await ada.create_thread(title="two")
    screen = await visit(ada, one)
    await screen.composer.fill("half a thought")

    await screen.rows.filter(has_text="two").click()
    await expect(screen.composer).to_have_value("")
    await screen.page.go_back()

    await expect(screen.composer).to_have_value("half a thought")
    await screen.page.reload()
    await expect(screen.composer).to_have_value("half a thought")
    assert two.id


async def test_the_thread_that_was_opened_last_is_the_one_that_is_shown(visit, ada):
    slow, quick = await ada.create_thread(title="slow"), await ada.create_thread(title="quick")
    await ada.post_message(slow, "from the slow one")
    await ada.post_message(quick, "from the quick one")
    screen = await visit(ada)
    go = asyncio.Event()

    async def wait(route):
        await go.wait()
        await route.continue_()

    await screen.page.route(f"**/{slow.id}/messages?*", wait)
    await screen.rows.filter(has_text="slow").first.click()
    await screen.page.locator(f"[data-thread={quick.id}]").click()
    await expect(screen.texts).to_have_text(["from the quick one"])
    async with screen.page.expect_response(f"**/{slow.id}/messages?*"):
        go.set()

    await expect(screen.page.get_by_role("heading", name="quick")).to_be_visible()
    await expect(screen.texts).to_have_text(["from the quick one"])


async def test_a_new_line_and_an_input_method_do_not_send(visit, ada):
    thread = await ada.create_thread()
    screen = await visit(ada, thread)
    await screen.composer.fill("one")
    await screen.page.keyboard.press("Shift+Enter")
    await screen.page.keyboard.type("two")

    await screen.composer.dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    await screen.composer.dispatch_event("keydown", {"key": "Enter", "keyCode": 229})

    await expect(screen.composer).to_have_value("one\ntwo")
    assert (await ada.get(thread)).messageCount == 0


async def test_a_long_thread_is_read_backwards_without_a_jump(visit, ada):
    thread = await ada.create_thread()
    for start in (0, 100):
        lines = [f"number {number}\n\nand more" for number in range(start, start + 100)]
        await ada.post_messages(thread, [{"role": "user", "content": line} for line in lines])
    screen = await visit(ada, thread)
    await expect(screen.texts.last).to_contain_text("number 199")
    await expect(screen.texts.last).to_be_in_viewport()
    await expect(screen.messages).to_have_count(30)

    before = await screen.page.evaluate(SCROLL_NEAR_THE_TOP)
    await expect(screen.messages).to_have_count(40)

    after = await screen.messages.filter(has_text="number 170").bounding_box()
    assert abs(after["y"] - before) < 2


async def test_somebody_elses_answer_that_runs_is_shown_when_ones_own_is_refused(visit, model, ada):
    thread = await ada.create_thread()
    screen = await visit(ada, thread)
    screen.expects_refusals = True
    await screen.composer.fill("mine")
    talk = await begin_talk(ada, model, "Their", " answer", thread=thread)
    await screen.page.evaluate("document.querySelector('.composer').requestSubmit()")

    await expect(screen.toast.or_(screen.texts.filter(has_text="Their")).first).to_be_visible()
    await talk.ended(ada)

    await expect(screen.texts.last).to_have_text("Their answer")
    await expect(screen.composer).to_have_value("mine")
    await eventually(lambda: ada.get(thread), lambda answer: answer["status"] == "inactive", 10)
