"""The list of threads: finding, scrolling, keeping up, deleting with a way back."""

import asyncio
import re

from playwright.async_api import expect

from support.scripted_model import DONE, finish
from support.waiting import eventually


async def test_the_list_is_searched_in_titles_and_says_when_nothing_is_found(visit, ada):
    for title in ("Broken invoice", "Holiday plans", "INVOICE of May"):
        await ada.create_thread(title=title)
    screen = await visit(ada)
    await expect(screen.rows).to_have_count(3)

    await screen.page.get_by_label("Search in titles").fill("invoice")
    await expect(screen.row_titles).to_have_text(["INVOICE of May", "Broken invoice"])
    await screen.page.get_by_label("Search in titles").fill("dragons")

    await expect(screen.page.get_by_text("Nothing found")).to_be_visible()
    await screen.button("Clear the search").click()
    await expect(screen.rows).to_have_count(3)
    await expect(screen.page.get_by_label("Search in titles")).to_have_value("")


async def test_the_list_is_filtered_by_state_assistant_and_metadata(visit, ada):
    assistant = await ada.create_assistant(name="Clerk")
    await ada.create_thread(title="plain")
    await ada.create_thread(title="clerk's", assistantId=assistant.id)
    await ada.create_thread(title="billing", metadata={"category": "billing", "tags": ["a", "b"]})
    await ada.lock(await ada.create_thread(title="locked"))
    await ada.archive(await ada.create_thread(title="archived"))
    screen = await visit(ada)
    await screen.button("Filters").click()
    state = screen.page.get_by_label("State")

    await expect(screen.row_titles).to_have_text(["locked", "billing", "clerk's", "plain"])
    await state.select_option("archived")
    await expect(screen.row_titles).to_have_text(["archived"])
    await expect(screen.rows).to_contain_text(["Archived"])
    await state.select_option("locked")
    await expect(screen.row_titles).to_have_text(["locked"])
    await state.select_option("all")
    await expect(screen.rows).to_have_count(5)
    await state.select_option("")
    await screen.page.locator("#filter-panel").get_by_label("Assistant").select_option("Clerk")
    await expect(screen.row_titles).to_have_text(["clerk's"])
    await screen.page.locator("#filter-panel").get_by_label("Assistant").select_option("Any")
    for key, value in (("category", "billing"), ("tags", "b")):
        await screen.page.get_by_label("Metadata key").fill(key)
        await screen.page.get_by_label("Value").fill(value)
        await screen.button("Add").click()
    await expect(screen.row_titles).to_have_text(["billing"])
    await screen.button("Remove category = billing").click()
    await screen.button("Remove tags = b").click()
    await expect(screen.rows).to_have_count(4)


async def test_hidden_threads_are_shown_on_demand_only(visit, ada):
    await ada.create_thread(title="seen")
    await ada.with_token().create_thread(title="unseen", visibleInUi=False)
    screen = await visit(ada)
    await expect(screen.row_titles).to_have_text(["seen"])

    await screen.button("Filters").click()
    await screen.page.get_by_label("Show hidden").check()

    await expect(screen.row_titles).to_have_text(["unseen", "seen"])
    await expect(screen.rows.first).to_contain_text("Hidden")


async def test_scrolling_down_brings_every_thread_once(visit, ada):
    await asyncio.gather(*(ada.create_thread(title=f"thread {number}") for number in range(130)))
    screen = await visit(ada)
    area = screen.page.locator("#list")

    async def scroll() -> int:
        await area.evaluate("area => area.scrollTop = area.scrollHeight")
        return await screen.rows.count()

    await eventually(scroll, lambda count: count == 130, 10)
    titles = await screen.row_titles.all_text_contents()
    assert len(set(titles)) == 130


async def test_the_list_keeps_up_without_jumping(visit, ada):
    await asyncio.gather(*(ada.create_thread(title=f"thread {number}") for number in range(60)))
    screen = await visit(ada)
    area = screen.page.locator("#list")
    await expect(screen.rows).not_to_have_count(0)
    await area.evaluate("area => area.scrollTop = 400")
    seen = await screen.page.evaluate(ROW_IN_SIGHT)
    place_before = await screen.page.locator(f"[data-thread={seen}]").bounding_box()

    await ada.create_thread(title="the newest")
    await expect(screen.row_titles.first).to_have_text("the newest")

    place_after = await screen.page.locator(f"[data-thread={seen}]").bounding_box()
    assert abs(place_after["y"] - place_before["y"]) < 2


async def test_a_thread_that_was_renamed_or_deleted_elsewhere_changes_in_the_list(visit, ada):
    kept, gone = await ada.create_thread(title="old name"), await ada.create_thread(title="soon gone")
    screen = await visit(ada)
    await expect(screen.row_titles).to_have_text(["soon gone", "old name"])

    await ada.update(kept, title="new name")
    await ada.delete(gone)

    await expect(screen.row_titles).to_have_text(["new name"])


async def test_a_thread_without_a_title_shows_in_its_place_what_was_said_last(visit, ada):
    await ada.create_thread()
    talked = await ada.create_thread()
    await ada.post_messages(
        talked, [{"role": "user", "content": "How?"}, {"role": "assistant", "content": "**Like** <b>this</b>"}]
    )
    await ada.post_message(await ada.create_thread(), "And why?")
    await ada.post_message(await ada.create_thread(title="named"), "Because")
    screen = await visit(ada)

    await expect(screen.row_titles).to_have_text(["named", "And why?", "Like <b>this</b>", "Untitled"])
    below = screen.page.locator("#list .row-preview")
    await expect(screen.rows.nth(1).locator(".row-title")).to_contain_text("You:")
    await expect(below).to_have_text(["You:Because", "1 message", "2 messages", "No messages yet"])
    styles = await screen.row_titles.evaluate_all("all => all.map((one) => getComputedStyle(one).fontStyle)")
    assert styles == ["normal", "italic", "italic", "italic"]
    await screen.rows.nth(2).click()
    await expect(screen.page.get_by_role("heading", name="Untitled")).to_be_visible()


async def test_a_new_thread_shows_its_question_in_the_list_until_its_answer_has_words(visit, model, ada):
    screen = await visit(ada)
    go = asyncio.Event()
    model.script = ["The ", go, "answer", finish(), DONE]
    await screen.page.keyboard.press("n")
    await screen.write("What now?")
    await expect(screen.texts.last).to_have_text("The")

    await ada.create_thread(title="later")
    await expect(screen.row_titles.filter(has_text="later")).to_be_visible()
    await expect(screen.rows.filter(has_text="Answering").locator(".row-title bdi")).to_have_text("What now?")
    go.set()

    await expect(screen.row_titles).to_have_text(["The answer", "later"])


async def test_the_list_shows_the_time_that_it_is_sorted_by(visit, ada):
    talked = await ada.create_thread(title="talked")
    await ada.post_message(talked, "long ago")
    screen = await visit()

    async def age(route):
        """As if the message was an hour old, and the thread had been changed five minutes ago."""
        answer = await route.fetch()
        body = await answer.json()
        for thread in body["data"]:
            thread |= {"lastMessageAt": thread["updatedAt"] - 3600, "updatedAt": thread["updatedAt"] - 300}
        await route.fulfill(response=answer, json=body)

    await screen.page.route("**/v1/threads?*", age)
    await screen.sign_in(ada)

    await expect(screen.rows.locator("time")).to_have_text("5 min ago")
    await expect(screen.rows.locator("time")).to_have_attribute("title", re.compile("^Changed "))
    await screen.page.unroute_all(behavior="wait")


async def test_deleting_can_be_undone_for_a_while(visit, ada):
    thread = await ada.create_thread(title="by mistake")
    screen = await visit(ada, thread)

    await screen.button("Delete thread").click()
    await expect(screen.rows).to_have_count(0)
    await screen.button("Undo").click()

    await expect(screen.row_titles).to_have_text(["by mistake"])
    await expect(screen.page.get_by_role("heading", name="by mistake")).to_be_visible()
    assert (await ada.get(thread)).status == 200


async def test_deleting_is_done_when_the_time_is_over(visit, ada):
    thread = await ada.create_thread(title="not needed")
    screen = await visit(ada, thread)
    await screen.page.clock.install()
    await screen.button("Delete thread").click()
    await expect(screen.toast).to_be_visible()
    assert (await ada.get(thread)).status == 200

    await screen.page.clock.fast_forward(7000)

    await eventually(lambda: ada.get(thread), lambda answer: answer.status == 404, 5)
    await expect(screen.rows).to_have_count(0)


async def test_deleting_is_done_when_the_page_is_left_before(visit, ada):
    thread = await ada.create_thread(title="not needed")
    screen = await visit(ada, thread)
    await screen.button("Delete thread").click()
    await expect(screen.toast).to_be_visible()

    await screen.page.goto("about:blank")

    await eventually(lambda: ada.get(thread), lambda answer: answer.status == 404, 5)


async def test_a_list_that_cannot_be_loaded_says_so_and_can_be_tried_again(visit, ada):
    await ada.create_thread(title="there")
    screen = await visit()
    await screen.page.route("**/v1/threads?*", lambda route: route.abort("connectionrefused"))
    await screen.sign_in(ada)
    await expect(screen.page.get_by_text("The list could not be loaded")).to_be_visible()

    await screen.page.unroute("**/v1/threads?*")
    await screen.button("Try again").click()

    await expect(screen.row_titles).to_have_text(["there"])
    screen.forget("ERR_CONNECTION_REFUSED")


async def test_members_see_their_own_threads_and_admins_may_look_at_theirs_only(visit, ada, place):
    ben = await place.people.member(ada)
    await ada.create_thread(title="Ada's")
    await ben.create_thread(title="Ben's")

    members = await visit(ben)
    await expect(members.row_titles).to_have_text(["Ben's"])
    owners = await visit(ada)
    await expect(owners.row_titles).to_have_text(["Ben's", "Ada's"])
    await owners.button("Filters").click()
    await owners.page.get_by_label("Only mine").check()
    await expect(owners.row_titles).to_have_text(["Ada's"])


async def test_a_thread_that_is_not_there_is_said_to_be_missing(visit, ada):
    screen = await visit(ada)
    screen.expects_refusals = True

    await screen.page.goto(f"{screen.server_url}/#/{ada.organization}/thread_nowhere")

    await expect(screen.page.get_by_role("heading", name="There is no such thread")).to_be_visible()


ROW_IN_SIGHT = """() => {
  const list = document.getElementById("list").getBoundingClientRect();
  const row = [...document.querySelectorAll("#list .row")].find((row) => row.getBoundingClientRect().top > list.top);
  return row.dataset.thread;
}"""
