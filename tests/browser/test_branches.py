"""Branches on the page: edits and second answers keep what was there, and a switch leads from one to the other."""

import asyncio

import pytest
from playwright.async_api import expect

from browser.test_long_thread import READ_UNTIL
from browser.test_looks import OVERFLOW, PHONE, check_accessible
from support.answering import begin_talk, texts
from support.scripted_model import DONE, Head, finish


def switch(screen, words):
    """Return the switch at the message that says this."""
    return screen.messages.filter(has_text=words).get_by_role("group")


def said_to(model):
    """Return what the model was sent last."""
    return [message["content"] for message in model.calls[-1].body["messages"]]


async def edit(screen, before, after):
    await screen.button("Edit message", screen.messages.filter(has_text=before).first).click()
    field = screen.page.get_by_role("textbox", name="Edit message")
    await field.fill(after)
    await field.press("Control+Enter")


@pytest.fixture
async def tree(ada):
    """A question with three answers; the first and the last go on."""
    return await ada.create_thread(
        title="tree",
        messages=[
            {"role": "user", "content": "question", "externalId": "q"},
            {"role": "assistant", "content": "answer one", "externalId": "a1"},
            {"role": "user", "content": "more of one"},
            {"role": "assistant", "content": "answer two", "parentId": "q"},
            {"role": "assistant", "content": "answer three", "parentId": "q"},
            {"role": "user", "content": "more of three"},
        ],
    )


async def test_an_edit_is_answered_anew_and_keeps_what_was_there(visit, model, ada):
    thread = await ada.create_thread()
    screen = await visit(ada, thread)
    model.answer("Hello!")
    for words in ("helo", "and then?"):
        await screen.write(words)
        await expect(screen.texts.last).to_have_text("Hello!")
        await expect(screen.button("Send")).to_be_visible()
    await expect(screen.texts).to_have_text(["helo", "Hello!", "and then?", "Hello!"])
    go = asyncio.Event()
    model.script = ["Good ", go, "day!", finish(), DONE]

    await edit(screen, "helo", "hello")

    await expect(screen.texts).to_have_text(["hello", "Good"])
    await expect(screen.page.locator(".editor")).to_have_count(0)
    go.set()
    await expect(screen.texts).to_have_text(["hello", "Good day!"])
    await expect(switch(screen, "hello")).to_contain_text("2 / 2")
    await expect(screen.button("Previous version", switch(screen, "hello"))).to_be_focused()
    assert said_to(model) == ["hello"]
    await screen.button("Previous version").click()
    await expect(screen.texts).to_have_text(["helo", "Hello!", "and then?", "Hello!"])


async def test_an_edit_of_a_later_message_keeps_what_is_before_it(visit, model, ada):
    thread = await ada.create_thread()
    screen = await visit(ada, thread)
    for words in ("first", "second"):
        await screen.write(words)
        await expect(screen.texts.last).to_have_text("Hello world")
        await expect(screen.button("Send")).to_be_visible()

    await edit(screen, "second", "second, said better")

    await expect(screen.texts).to_have_text(["first", "Hello world", "second, said better", "Hello world"])
    await expect(screen.page.get_by_role("group", name="Version 2 of 2")).to_have_count(1)
    assert said_to(model) == ["first", "Hello world", "second, said better"]


async def test_the_switch_shows_the_other_versions_with_what_followed_them(visit, ada, tree):
    screen = await visit(ada, tree)
    await expect(screen.texts).to_have_text(["question", "answer three", "more of three"])
    await expect(screen.page.get_by_role("group", name="Version 3 of 3")).to_contain_text("3 / 3")
    await expect(screen.button("Next version")).to_be_disabled()

    await screen.button("Previous version").click()
    await expect(screen.texts).to_have_text(["question", "answer two"])
    await screen.button("Previous version").click()
    await expect(screen.texts).to_have_text(["question", "answer one", "more of one"])
    await expect(screen.page.get_by_role("group", name="Version 1 of 3")).to_be_visible()
    await expect(screen.button("Previous version")).to_be_disabled()
    await screen.button("Next version").click()

    await expect(screen.texts).to_have_text(["question", "answer two"])


async def test_two_steps_at_once_lead_two_versions_on(visit, ada, tree):
    screen = await visit(ada, tree)
    await expect(screen.texts).to_have_text(["question", "answer three", "more of three"])
    go = asyncio.Event()
    await screen.page.route("**/messages?*", lambda route: _when(go, route))

    await screen.button("Previous version").click()
    await screen.button("Previous version").click()
    await screen.button("Previous version").click()
    go.set()

    await expect(screen.texts).to_have_text(["question", "answer one", "more of one"])


async def _when(go, route):
    await go.wait()
    await route.continue_()


async def test_the_switch_is_used_by_keyboard_and_heard(visit, ada, tree):
    screen = await visit(ada, tree)
    await screen.button("Previous version").focus()

    await screen.page.keyboard.press("Enter")
    await expect(screen.texts).to_have_text(["question", "answer two"])
    await expect(screen.button("Previous version")).to_be_focused()
    await screen.page.keyboard.press("Enter")

    await expect(screen.texts).to_have_text(["question", "answer one", "more of one"])
    await expect(screen.button("Next version")).to_be_focused()
    said = screen.page.get_by_role("log", name="Announcements").locator("p")
    await expect(said).to_have_text(["Version 2 of 3.", "Version 1 of 3."])


async def test_what_is_written_goes_on_with_the_version_that_is_shown(visit, model, ada, tree):
    screen = await visit(ada, tree)
    await screen.button("Previous version").click()
    await expect(screen.texts).to_have_text(["question", "answer two"])

    await screen.write("more of two")

    await expect(screen.texts).to_have_text(["question", "answer two", "more of two", "Hello world"])
    assert said_to(model) == ["question", "answer two", "more of two"]
    await screen.button("Next version").click()
    await expect(screen.texts).to_have_text(["question", "answer three", "more of three"])


async def test_what_others_write_elsewhere_does_not_tear_the_shown_line(visit, model, ada, tree):
    screen = await visit(ada, tree)
    await screen.button("Previous version").click()
    await expect(screen.texts).to_have_text(["question", "answer two"])

    [question, *_] = (await ada.list_messages(tree)).ids
    await ada.post_message(tree, "answer four", role="assistant", parentId=question)
    await expect(screen.page.get_by_role("group", name="Version 2 of 4")).to_be_visible()
    await expect(screen.texts).to_have_text(["question", "answer two"])
    talk = await begin_talk(ada, model, "From", " afar", thread=tree)
    await expect(screen.page.get_by_text("Another version of this thread is being answered")).to_be_visible()
    await talk.ended(ada)

    await expect(screen.button("Send")).to_be_visible()
    await expect(screen.texts).to_have_text(["question", "answer two"])
    await screen.button("Next version").click()
    await screen.button("Next version").click()
    await expect(screen.texts).to_have_text(["question", "answer four", "hi", "From afar"])


async def test_a_second_tab_keeps_its_line_while_the_first_one_edits(visit, model, ada):
    thread = await ada.create_thread(title="shared")
    await ada.post_messages(thread, [{"role": "user", "content": "one"}, {"role": "assistant", "content": "Hello!"}])
    first = await visit(ada, thread)
    await first.page.get_by_label("Stay signed in").check()
    second = await visit(beside=first, thread=thread)
    await expect(second.texts).to_have_text(["one", "Hello!"])

    await edit(first, "one", "one, said better")

    await expect(first.texts).to_have_text(["one, said better", "Hello world"])
    await expect(second.page.get_by_role("group", name="Version 1 of 2")).to_be_visible()
    await expect(second.texts).to_have_text(["one", "Hello!"])
    await second.write("go on")
    await expect(second.texts).to_have_text(["one", "Hello!", "go on", "Hello world"])
    await expect(first.button("Send")).to_be_visible()
    await expect(first.texts).to_have_text(["one, said better", "Hello world"])


async def test_what_others_write_on_the_shown_line_is_shown(visit, ada, tree):
    screen = await visit(ada, tree)
    await screen.button("Previous version").click()
    await expect(screen.texts).to_have_text(["question", "answer two"])

    [two] = [each["id"] for each in (await ada.list_messages(tree)).data if texts([each]) == ["answer two"]]
    await ada.post_message(tree, "more of two", parentId=two)

    await expect(screen.texts).to_have_text(["question", "answer two", "more of two"])


async def test_a_deleted_version_leaves_the_switch_and_the_line_goes_on_before_it(visit, ada, tree):
    screen = await visit(ada, tree)
    await screen.button("Previous version").click()
    await expect(screen.texts).to_have_text(["question", "answer two"])

    await screen.button("Delete message", screen.messages.last).click()
    await screen.button("Delete message", screen.dialog).click()

    await expect(screen.texts).to_have_text(["question", "answer three", "more of three"])
    await expect(screen.page.get_by_role("group", name="Version 2 of 2")).to_be_visible()


async def test_an_edit_whose_answer_fails_is_shown_with_the_reason_and_asked_for_again(visit, model, ada):
    thread = await ada.create_thread()
    await ada.post_messages(thread, [{"role": "user", "content": "one"}, {"role": "assistant", "content": "Hello!"}])
    screen = await visit(ada, thread)
    model.script = [Head(500, {"content-type": "application/json", "content-length": "2"}), b"{}"]

    await edit(screen, "one", "two")

    await expect(screen.page.locator(".trouble")).to_contain_text("model_unavailable")
    await expect(screen.texts).to_have_text(["two"])
    model.answer("Here it is")
    await screen.button("Try again").click()
    await expect(screen.texts).to_have_text(["two", "Here it is"])
    await expect(switch(screen, "two")).to_contain_text("2 / 2")


async def test_the_first_message_of_a_long_thread_is_switched_and_found(visit, ada):
    thread = await ada.create_thread(title="long")
    for start in range(0, 200, 100):
        await ada.post_messages(
            thread, [{"role": "user", "content": f"number {number:03}."} for number in range(start, start + 100)]
        )
    await ada.post_message(thread, "another beginning", parentId=None)
    [first, *_] = (await ada.list_messages(thread)).ids
    await ada.post_message(thread, "the end of the first line", parentId=(await line_end(ada, thread, first)))
    screen = await visit(ada, thread)
    screen.expects_refusals = True
    await expect(screen.texts.last).to_have_text("the end of the first line")

    await screen.page.get_by_role("region", name="Messages").press("Home")
    await expect(switch(screen, "number 000.")).to_contain_text("1 / 2")
    await screen.button("Next version").click()
    await expect(screen.texts).to_have_text(["another beginning"])
    await screen.button("Find in the thread").click()
    await screen.page.get_by_role("textbox", name="Find in the thread").fill("number 100.")
    await screen.page.keyboard.press("Enter")

    await expect(screen.texts.filter(has_text="number 100.")).to_be_in_viewport()
    await screen.page.keyboard.press("Escape")
    await screen.page.get_by_role("region", name="Messages").press("End")
    await expect(screen.texts.last).to_have_text("the end of the first line")


async def line_end(who, thread, message):
    return (await who.list_messages(thread, through=message, order="desc", limit=1)).ids[0]


async def test_a_line_of_many_messages_with_branches_is_read_up_and_down(visit, ada):
    thread = await ada.create_thread(title="long")
    for start in range(0, 200, 100):
        await ada.post_messages(
            thread, [{"role": "user", "content": f"number {number:03}."} for number in range(start, start + 100)]
        )
    line = [message["id"] async for message in every(ada, thread)]
    await ada.post_message(thread, "elsewhere", parentId=line[50])
    await ada.post_message(thread, "number 200.", parentId=line[199])
    screen = await visit(ada, thread)
    await expect(screen.texts.last).to_have_text("number 200.")

    await screen.page.get_by_role("region", name="Messages").press("Home")
    await expect(screen.texts.first).to_have_text("number 000.")
    await screen.page.evaluate(READ_UNTIL, [1, "number 051."])
    await expect(switch(screen, "number 051.")).to_contain_text("1 / 2")
    await ada.post_message(thread, "also elsewhere", parentId=line[50])

    await expect(switch(screen, "number 051.")).to_contain_text("1 / 3")
    await expect(screen.texts.filter(has_text="elsewhere")).to_have_count(0)


async def every(who, thread):
    async for page in who.pages(f"/v1/threads/{thread.id}/messages", limit=100):
        for message in page.data:
            yield message


@pytest.mark.parametrize("window", [{}, {"color_scheme": "dark"}, PHONE], ids=["light", "dark", "phone"])
async def test_the_switch_and_the_editor_fit_and_are_accessible(visit, ada, tree, window):
    screen = await visit(ada, tree, **window)
    await expect(screen.texts).to_have_count(3)
    assert await screen.page.evaluate(OVERFLOW) == []
    await check_accessible(screen)

    await screen.button("Edit message", screen.messages.last).click()

    assert await screen.page.evaluate(OVERFLOW) == []
    await check_accessible(screen)
