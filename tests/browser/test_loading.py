"""How much the page loads, and what it shows while a part of it is missing."""

import asyncio

from benchmarks.page_traffic import Traffic
from playwright.async_api import Route, expect

from support.waiting import eventually

BYTES_MAX = 150_000
REQUESTS_MAX = 20
RELOAD_REQUESTS_MAX = 5


async def test_a_first_visit_is_light(visit, ada):
    for number in range(50):
        await ada.create_thread(title=f"Thread number {number} of fifty")
    screen = await visit()
    traffic = await Traffic.watch(screen.page)

    await screen.sign_in(ada)
    await screen.page.get_by_text("Pick up a thread").wait_for()
    await screen.page.wait_for_load_state("networkidle")

    assert traffic.received_bytes <= BYTES_MAX, traffic.calls
    assert len(traffic.calls) <= REQUESTS_MAX, traffic.calls


async def test_a_page_that_is_loaded_again_asks_for_little(visit, ada):
    screen = await visit(ada, thread=await ada.create_thread(title="Read again"))
    await screen.page.wait_for_load_state("networkidle")
    traffic = await Traffic.watch(screen.page)

    await screen.page.reload()
    await screen.composer.wait_for()
    await screen.page.wait_for_load_state("networkidle")

    assert len(traffic.calls) <= RELOAD_REQUESTS_MAX, traffic.calls


async def test_while_the_half_that_shows_threads_is_missing_the_list_is_there_and_says_what_helps(visit, ada):
    thread = await ada.create_thread(title="Soon to be read")
    screen = await visit()
    screen.expects_refusals = True

    async def refuse(route: Route) -> None:
        await route.fulfill(status=404)

    await screen.page.route("**/joined/*", refuse)
    await screen.sign_in(ada)
    await screen.page.get_by_role("link", name="Soon to be read").click()
    await expect(screen.page.get_by_role("alert")).to_contain_text("This part of the page could not be loaded")

    await screen.page.unroute("**/joined/*", refuse)
    await screen.button("Load the page again").click()

    await expect(screen.composer).to_be_visible()
    await expect(screen.page).to_have_url(f"{screen.server_url}/#/{ada.organization}/{thread['id']}")


async def test_what_is_typed_while_a_new_thread_is_still_loaded_is_in_it(visit, model, ada):
    screen = await visit()
    has_come = asyncio.Event()

    async def hold(route: Route) -> None:
        await has_come.wait()
        await route.continue_()

    await screen.page.route("**/joined/*", hold)
    await screen.sign_in(ada)
    await screen.page.keyboard.press("n")
    await screen.page.keyboard.type("Which jazz? And z?")
    has_come.set()

    await expect(screen.composer).to_be_focused()
    await expect(screen.composer).to_have_value("Which jazz? And z?")
    await screen.page.keyboard.type(" Why?")
    await screen.page.keyboard.press("Enter")
    await expect(screen.texts).to_have_text(["Which jazz? And z? Why?", "Hello world"])


async def asked(traffic: Traffic, count: int) -> None:
    async def answered() -> int:
        return sum(call.status > 0 for call in traffic.calls)

    await eventually(answered, lambda found: found >= count, 20)


async def test_a_tab_that_nobody_touches_is_told_only_that_nothing_has_changed(visit, ada):
    thread = await ada.create_thread(title="Left open")
    for number in range(30):
        await ada.post_message(thread, f"message number {number} of thirty")
    screen = await visit(ada, thread)
    await screen.page.wait_for_load_state("networkidle")
    traffic = await Traffic.watch(screen.page)

    await asked(traffic, 6)

    assert {call.status for call in traffic.calls} == {304}
    assert max(call.received_bytes for call in traffic.calls) < 300, traffic.calls


async def test_what_somebody_else_changes_is_shown_all_the_same(visit, ada):
    thread = await ada.create_thread(title="before")
    screen = await visit(ada, thread)
    await screen.page.wait_for_load_state("networkidle")
    traffic = await Traffic.watch(screen.page)
    await asked(traffic, 3)

    await ada.update(thread, title="after")

    await expect(screen.row_titles).to_have_text(["after"])
    await expect(screen.page.get_by_role("heading", name="after")).to_be_visible()
