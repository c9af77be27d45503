"""What is chosen for a new thread: an assistant, a model, and that it deletes itself."""

import time

import pytest
from playwright.async_api import expect

from browser.hostile import INTRUDERS
from browser.test_hostile import WATCH
from browser.test_looks import OVERFLOW, PHONE, check_accessible
from support.answering import open_place

HOSTILE = "<img src=x onerror=pwn()>"
DAY_S = 24 * 3600


@pytest.fixture(scope="module")
async def place(new_database, zygote):
    """A server with several models, one of them with a hostile name."""
    async with open_place(new_database, zygote, THREADKEEP_MODEL=f"scripted,large,{HOSTILE}") as place:
        yield place


def model_field(screen):
    return screen.page.get_by_label("Model")


def temporary(screen):
    return screen.page.get_by_label("Temporary: deleted after 24 h")


async def answered_by(who):
    """Return the models that answered in the newest thread, the first one first."""
    [thread, *_] = (await who.list_threads()).data
    return [each["model"] for each in (await who.request("GET", f"/v1/threads/{thread['id']}/responses")).data][::-1]


async def test_a_chosen_model_answers_in_the_thread_from_then_on(visit, model, ada):
    screen = await visit(ada)
    await screen.page.keyboard.press("n")
    await expect(model_field(screen).locator("option")).to_have_text(["scripted (default)", "large", HOSTILE])

    await model_field(screen).select_option("large")
    await screen.write("one")
    await expect(screen.texts).to_have_text(["one", "Hello world"])
    await expect(screen.button("Send")).to_be_visible()
    await screen.write("two")
    await expect(screen.texts).to_have_count(4)
    await expect(screen.button("Send")).to_be_visible()
    assert await answered_by(ada) == ["large", "large"]
    await screen.page.reload()
    await screen.write("three")
    await expect(screen.texts).to_have_count(6)

    await expect(screen.button("Send")).to_be_visible()
    assert await answered_by(ada) == ["large", "large", "large"]
    await screen.page.get_by_title("New thread (n)").click()
    await screen.write("elsewhere")
    await expect(screen.texts).to_have_text(["elsewhere", "Hello world"])
    assert await answered_by(ada) == ["scripted"]


async def test_a_chosen_assistant_brings_its_model(visit, model, ada):
    desk = await ada.create_assistant(name="Desk", model="large")
    screen = await visit(ada)
    await screen.page.keyboard.press("n")
    await model_field(screen).select_option(HOSTILE)

    await screen.page.get_by_label("Assistant").select_option("Desk")
    await expect(model_field(screen)).to_have_count(0)
    await screen.write("one")
    await expect(screen.texts).to_have_text(["one", "Hello world"])
    await expect(screen.button("Send")).to_be_visible()
    await screen.write("two")

    await expect(screen.texts).to_have_count(4)
    assert await answered_by(ada) == ["large", "large"]
    [thread] = (await ada.list_threads()).data
    assert thread["assistantId"] == desk.id


async def test_without_assistants_there_is_no_choice_of_one(visit, ada):
    screen = await visit(ada)

    await screen.page.keyboard.press("n")

    await expect(model_field(screen)).to_be_visible()
    await expect(screen.page.get_by_label("Assistant")).to_have_count(0)


async def test_names_of_models_and_assistants_stay_texts(visit, ada):
    await ada.create_assistant(name=HOSTILE)
    screen = await visit()
    await screen.context.add_init_script(WATCH)
    await screen.sign_in(ada)

    await screen.page.keyboard.press("n")

    await expect(model_field(screen).locator("option")).to_have_count(3)
    await expect(screen.page.get_by_label("Assistant").locator("option")).to_have_text(["None", HOSTILE])
    assert await screen.page.evaluate("window.pwned") == 0
    assert await screen.page.evaluate(INTRUDERS) == []


async def test_a_temporary_thread_says_when_it_goes_and_can_be_kept(visit, model, ada):
    screen = await visit(ada)
    await screen.page.keyboard.press("n")

    await temporary(screen).check()
    await screen.write("for a day")

    await expect(screen.texts).to_have_text(["for a day", "Hello world"])
    head = screen.page.locator(".head .mark", has_text="Deleted")
    await expect(head).to_contain_text("in 24")
    await expect(screen.rows.first).to_contain_text("Deleted in 24")
    [thread] = (await ada.list_threads()).data
    assert abs(thread["expiresAt"] - time.time() - DAY_S) < 60
    await screen.button("Details, tags and metadata").click()
    await screen.button("Keep for good", screen.dialog).click()
    await expect(screen.toast).to_contain_text("It is kept.")
    await expect(head).to_have_count(0)
    await expect(screen.rows.first).not_to_contain_text("Deleted")
    assert (await ada.get(thread["id"])).expiresAt is None


async def test_a_thread_is_not_temporary_unless_that_is_chosen(visit, model, ada):
    screen = await visit(ada)
    await screen.page.keyboard.press("n")
    await temporary(screen).check()
    await screen.page.keyboard.press("n")
    await temporary(screen).uncheck()

    await screen.write("for good")

    await expect(screen.texts).to_have_text(["for good", "Hello world"])
    [thread] = (await ada.list_threads()).data
    assert thread["expiresAt"] is None


async def test_a_thread_that_goes_in_months_says_so_above_it_and_not_in_the_list(visit, ada):
    await ada.create_thread(title="kept for a while", expiresAt=int(time.time()) + 90 * DAY_S)
    screen = await visit(ada)

    await screen.rows.first.click()

    await expect(screen.page.locator(".head .mark", has_text="Deleted in 90 d")).to_be_visible()
    await expect(screen.rows.first).not_to_contain_text("Deleted")


@pytest.mark.parametrize("window", [{}, {"color_scheme": "dark"}, PHONE], ids=["light", "dark", "phone"])
async def test_the_choices_fit_are_reached_by_tab_and_are_accessible(visit, model, ada, window):
    await ada.create_assistant(name="Desk " * 40)
    screen = await visit(ada, **window)
    await screen.page.get_by_title("New thread (n)").click()
    await expect(model_field(screen)).to_be_visible()
    assert await screen.page.evaluate(OVERFLOW) == []
    await check_accessible(screen)

    await screen.page.get_by_label("Assistant").focus()
    await screen.page.keyboard.press("Tab")
    await expect(model_field(screen)).to_be_focused()
    await screen.page.keyboard.press("Tab")
    await expect(temporary(screen)).to_be_focused()
    await screen.page.keyboard.press("Space")
    await screen.write("one")

    await expect(screen.page.locator(".head .mark", has_text="Deleted")).to_be_visible()
    assert await screen.page.evaluate(OVERFLOW) == []
    await check_accessible(screen)
