"""What can be done to a thread: its title, state, assistant, visibility, tags and metadata."""

import re

from playwright.async_api import expect

from support.waiting import eventually


async def test_a_thread_is_renamed_in_place(visit, ada):
    thread = await ada.create_thread(title="old")
    screen = await visit(ada, thread)
    await screen.button("Rename").click()
    await screen.page.get_by_role("textbox", name="Title").fill("new name")

    await screen.page.keyboard.press("Enter")

    await expect(screen.page.get_by_role("heading", name="new name")).to_be_visible()
    await expect(screen.row_titles).to_have_text(["new name"])
    await expect(screen.button("Rename")).to_be_focused()
    assert (await ada.get(thread)).title == "new name"


async def test_a_title_that_is_too_long_is_refused_before_it_is_sent(visit, ada):
    thread = await ada.create_thread(title="old")
    screen = await visit(ada, thread)
    await screen.button("Rename").click()
    await screen.page.get_by_role("textbox", name="Title").fill("🎈" * 201)

    await screen.page.keyboard.press("Enter")
    assert await screen.page.get_by_role("textbox", name="Title").evaluate("field => field.validationMessage") != ""
    await screen.page.get_by_role("textbox", name="Title").fill("🎈" * 200)
    await screen.page.keyboard.press("Enter")

    await eventually(lambda: ada.get(thread), lambda answer: answer.title == "🎈" * 200, 5)


async def test_a_name_is_generated_and_seen_coming(visit, model, ada):
    thread = await ada.create_thread()
    await ada.post_message(thread, "How do I pay an invoice from abroad?")
    screen = await visit(ada, thread)
    model.answer("Paying invoices", " abroad")

    await screen.button("Name it").click()

    await expect(screen.page.get_by_role("heading", name="Paying invoices abroad")).to_be_visible()
    await expect(screen.row_titles).to_have_text(["Paying invoices abroad"])


async def test_a_name_is_offered_in_words_while_there_is_none(visit, model, ada):
    screen = await visit(ada, viewport={"width": 360, "height": 740})
    await screen.page.keyboard.press("n")
    await screen.write("Hello?")

    await expect(screen.button("Stop the answer")).to_have_count(0)
    await screen.button("Name it").click()

    await expect(screen.page.get_by_role("heading", name="Hello world")).to_be_visible()
    await expect(screen.button("Name it")).to_have_count(0)


async def test_locking_and_archiving_close_the_conversation_and_can_be_undone(visit, ada):
    thread = await ada.create_thread(title="a case")
    screen = await visit(ada, thread)

    await screen.button("Lock").click()
    await expect(screen.page.get_by_text("This thread is locked")).to_be_visible()
    await expect(screen.rows.first).to_contain_text("Locked")
    await screen.button("Undo").click()
    await expect(screen.composer).to_be_visible()
    await screen.button("Archive").click()
    await expect(screen.page.get_by_text("This thread is archived")).to_be_visible()
    await expect(screen.rows).to_have_count(0)
    assert (await ada.get(thread)).state == "archived"
    await screen.page.locator(".composer").get_by_role("button", name="Unarchive").click()
    await expect(screen.composer).to_be_visible()
    await expect(screen.rows).to_have_count(1)
    assert (await ada.get(thread)).state == "open"


async def test_a_lock_that_only_an_admin_may_lift_says_so(visit, ada, place):
    ben = await place.people.member(ada)
    thread = await ben.create_thread(title="Ben's")
    await ada.lock(thread)
    screen = await visit(ben, thread)
    screen.expects_refusals = True

    await screen.page.locator(".composer").get_by_role("button", name="Unlock").click()

    await expect(screen.toast).to_contain_text("insufficient_permissions")


async def test_metadata_is_edited_and_keeps_its_types(visit, ada):
    metadata = {"category": "billing", "priority": 2, "paid": True, "codes": [1, "1", False], "old": "x", "tags": ["a"]}
    thread = await ada.create_thread(metadata=metadata)
    screen = await visit(ada, thread)
    await screen.button("Details, tags and metadata").click()

    await screen.page.get_by_label("Value of category").fill("refund")
    await screen.page.get_by_label("Value of paid").select_option("No")
    await screen.page.get_by_label("Value of codes").press("Control+End")
    await screen.page.keyboard.type("\ntwo")
    await screen.button("Remove old").click()
    await screen.page.get_by_label("Add a tag").fill("urgent")
    await screen.page.keyboard.press("Enter")
    await screen.button("Remove the tag a").click()
    await screen.button("Add a pair").click()
    await screen.page.get_by_label("Key", exact=True).last.fill("score")
    await screen.page.get_by_label("Type of score").select_option("Number")
    await screen.page.get_by_label("Value of score").fill("0.5")
    await screen.button("Save").click()

    await expect(screen.dialog.get_by_text("Saved.")).to_be_visible()
    assert (await ada.get(thread)).metadata == {
        "category": "refund",
        "priority": 2,
        "paid": False,
        "codes": [1, "1", False, "two"],
        "tags": ["urgent"],
        "score": 0.5,
    }


async def test_the_limits_of_metadata_are_shown_before_it_is_sent(visit, ada):
    metadata = {f"key{number}": number for number in range(15)}
    thread = await ada.create_thread(metadata=metadata)
    screen = await visit(ada, thread)
    await screen.button("Details, tags and metadata").click()
    await expect(screen.dialog.get_by_text("15 of 16 pairs")).to_be_visible()

    await screen.button("Add a pair").click()
    await expect(screen.button("Add a pair")).to_be_disabled()
    await screen.page.get_by_label("Key", exact=True).last.fill("key0")
    await expect(screen.dialog.get_by_text("This key is there already.")).to_be_visible()
    await expect(screen.button("Save")).to_be_disabled()
    await screen.page.get_by_label("Key", exact=True).last.fill("k" * 65)
    await expect(screen.dialog.get_by_text("at most 64 characters")).to_be_visible()
    await screen.page.get_by_label("Key", exact=True).last.fill("long")
    await screen.page.get_by_label("Value of long").fill("v" * 513)
    await expect(screen.dialog.get_by_text("this one has 513")).to_be_visible()
    await screen.page.get_by_label("Value of long").fill("v" * 512)
    await screen.button("Save").click()

    await expect(screen.dialog.get_by_text("Saved.")).to_be_visible()


async def test_the_assistant_is_chosen_and_then_stays(visit, model, ada):
    assistant = await ada.create_assistant(name="Clerk", instructions="Be brief.")
    thread = await ada.create_thread()
    await ada.post_message(thread, "hi")
    screen = await visit(ada, thread)
    await screen.button("Details, tags and metadata").click()
    field = screen.dialog.get_by_label("Assistant")

    await field.select_option("Clerk")

    await expect(screen.page.get_by_text("It stays, since messages were written with it.")).to_be_visible()
    await expect(field).to_be_disabled()
    assert (await ada.get(thread)).assistantId == assistant.id
    await screen.page.keyboard.press("Escape")
    await expect(screen.page.locator(".subtitle")).to_contain_text("Clerk")


async def test_an_assistant_without_a_name_goes_by_its_id(visit, ada):
    await ada.create_assistant(id="asst_nameless")
    await ada.create_assistant(name="Clerk")
    thread = await ada.create_thread(assistantId="asst_nameless")
    screen = await visit(ada, thread)

    await screen.button("Details, tags and metadata").click()

    options = screen.dialog.get_by_label("Assistant").locator("option")
    await expect(options).to_have_text([re.compile("None"), "asst_nameless", "Clerk"])
    await expect(screen.page.locator(".subtitle")).to_contain_text("asst_nameless")


async def test_a_deleted_assistant_may_be_replaced(visit, ada):
    gone, other = await ada.create_assistant(name="Gone"), await ada.create_assistant(name="Other")
    thread = await ada.create_thread(assistantId=gone.id, messages=[{"role": "user", "content": "hi"}])
    await ada.delete_assistant(gone)
    screen = await visit(ada, thread)
    await screen.button("Details, tags and metadata").click()

    await screen.dialog.get_by_label("Assistant").select_option("Other")

    await eventually(lambda: ada.get(thread), lambda answer: answer.assistantId == other.id, 5)


async def test_a_new_thread_may_have_an_assistant(visit, model, ada):
    assistant = await ada.create_assistant(name="Clerk", instructions="Be brief.")
    screen = await visit(ada)
    await screen.page.keyboard.press("n")
    await screen.page.get_by_label("Assistant").select_option("Clerk")

    await screen.write("hello")

    await expect(screen.texts).to_have_text(["hello", "Hello world"])
    [thread] = (await ada.list_threads()).data
    assert thread["assistantId"] == assistant.id
    assert model.calls[0].body["messages"][0] == {"role": "system", "content": "Be brief."}


async def test_a_person_hides_a_thread_and_shows_it_again(visit, ada):
    thread = await ada.create_thread(title="private")
    screen = await visit(ada, thread)
    await screen.button("Details, tags and metadata").click()
    switch = screen.page.get_by_role("switch", name="Shown in lists")

    await switch.uncheck()

    await eventually(lambda: ada.get(thread), lambda answer: answer.visibleInUi is False, 5)
    await expect(screen.rows).to_have_count(0)
    await switch.check()
    await expect(screen.rows).to_have_count(1)


async def test_a_key_is_told_that_only_a_person_may_hide_a_thread(visit, ada):
    thread = await ada.create_thread(title="private")
    screen = await visit()
    await screen.sign_in(ada, ada.key)
    await screen.open_thread(ada, thread)

    await screen.button("Details, tags and metadata").click()

    await expect(screen.page.get_by_role("switch", name="Shown in lists")).to_be_disabled()
    await expect(screen.page.get_by_text("Only a signed-in person may change this")).to_be_visible()


async def test_an_archived_threads_metadata_cannot_be_edited(visit, ada):
    thread = await ada.create_thread(metadata={"category": "x"})
    await ada.archive(thread)
    screen = await visit(ada, thread)

    await screen.button("Details, tags and metadata").click()

    await expect(screen.page.get_by_label("Value of category")).to_be_disabled()
    await expect(screen.dialog.get_by_text("take it out of the archive first")).to_be_visible()
