"""Nothing is lost, doubled, or done to somebody else's data, whatever comes between."""

import asyncio
from contextlib import suppress

import httpx
import pytest
from playwright.async_api import Error, expect

from browser.screen import Screen
from support.cast import Caller
from support.waiting import eventually

STORED = "() => Object.keys(sessionStorage).filter((key) => /draft|sent/.test(key))"


async def two_organizations(ada: Caller, place) -> Caller:
    """Another organization that Ada belongs to; its owner is returned."""
    other = await place.people.owner()
    await other.put_member(ada.user, "admin")
    return other


async def open_in(visit, who: Caller) -> Screen:
    screen: Screen = await visit()
    screen.who = who
    await screen.follow_link(who.token)
    await screen.page.get_by_role("button", name=f"Organization {who.organization}").click()
    return screen


async def test_a_deletion_reaches_the_organization_in_which_it_was_asked_for(visit, ada, place):
    other = await two_organizations(ada, place)
    mine = await ada.create_thread(id="thread_same", title="here")
    await other.create_thread(id="thread_same", title="there")
    screen = await open_in(visit, ada)
    await screen.open_thread(ada, mine)
    await screen.page.get_by_role("button", name="Delete", exact=False).first.click()
    await expect(screen.toast).to_contain_text("deleted")

    await screen.page.get_by_label("Organization").select_option(other.organization)

    await expect(screen.row_titles).to_have_text(["there"])
    await eventually(lambda: ada.get(mine), lambda answer: answer.status == 404, 10)
    assert (await other.get("thread_same")).status == 200


async def test_signing_out_deletes_first_and_sends_nothing_without_a_credential(visit, ada):
    thread = await ada.create_thread(title="going")
    await ada.create_thread(title="staying")
    screen = await visit(ada, thread)
    sent = []
    screen.page.on("request", lambda request: sent.append(request.headers.get("authorization", "")))
    await screen.page.get_by_role("button", name="Delete", exact=False).first.click()
    await expect(screen.toast).to_contain_text("deleted")

    await screen.button("Sign out").click()

    await expect(screen.page.get_by_role("heading", name="Sign in")).to_be_visible()
    await eventually(lambda: ada.get(thread), lambda answer: answer.status == 404, 4)
    assert "Bearer null" not in sent


@pytest.mark.parametrize("leaving", ["opens another thread", "reloads"])
async def test_a_message_that_waits_for_the_server_is_not_lost_when_one(visit, model, ada, leaving):
    thread = await ada.create_thread(title="first")
    other = await ada.create_thread(title="second")
    screen = await visit(ada, thread)
    await screen.page.route("**/responses?*", lambda route: route.abort("connectionrefused"))
    await screen.write("do not lose me")
    await expect(screen.page.locator(".pending")).to_be_visible()
    await expect(screen.composer).to_have_value("")

    if leaving == "reloads":
        await screen.page.reload()
    else:
        await screen.open_thread(ada, other)
        await expect(screen.composer).to_have_value("")
        await screen.open_thread(ada, thread)

    await expect(screen.composer).to_have_value("do not lose me")
    screen.forget("ERR_CONNECTION_REFUSED")


async def test_a_message_that_was_stored_unseen_is_not_stored_again_after_a_reload(visit, model, ada):
    thread = await ada.create_thread()
    screen = await visit(ada, thread)
    screen.expects_refusals = True
    model.answer("once")

    async def do_and_lose(route):
        await pass_on(route.request)
        # The page may be gone by now, and its request with it.
        with suppress(Error):
            await route.abort("connectionreset")

    await screen.page.route("**/responses?*", do_and_lose)
    await screen.write("hi")
    await eventually(lambda: ada.list_messages(thread), lambda answer: len(answer.data) == 2, 10)
    await screen.page.reload()
    await screen.page.unroute("**/responses?*")
    await expect(screen.composer).to_have_value("hi")

    await screen.composer.press("Enter")

    await expect(screen.composer).to_have_value("")
    await expect(screen.texts).to_have_text(["hi", "once"])
    assert len(model.calls) == 1
    screen.forget("ERR_CONNECTION")


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_what_a_proxy_says_after_the_work_was_done_doubles_nothing(visit, model, ada, status):
    thread = await ada.create_thread()
    screen = await visit(ada, thread)
    screen.expects_refusals = True
    keys = []

    async def fail_first(route):
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) > 1:
            return await route.continue_()
        await pass_on(route.request)
        return await route.fulfill(status=status, content_type="text/html", body="<h1>Bad Gateway</h1>")

    await screen.page.route("**/responses?*", fail_first)
    model.answer("once")
    await screen.write("hi")

    await expect(screen.texts).to_have_text(["hi", "once"])
    await expect(screen.button("Send")).to_be_visible()
    assert len(keys) == 2 and len(set(keys)) == 1
    assert len(model.calls) == 1


async def test_a_message_that_ends_the_session_is_there_after_signing_in_again(visit, ada):
    thread = await ada.create_thread()
    screen = await visit(ada, thread)
    screen.expects_refusals = True
    body = (await ada.with_token("tk_wrong").get(thread)).text
    await screen.page.route("**/responses?*", lambda route: route.fulfill(status=401, body=body))
    await screen.write("what I had to say")
    await expect(screen.page.get_by_role("alert")).to_contain_text("signed out")

    await screen.page.get_by_label("Token or API key").fill(ada.token)
    await screen.button("Sign in").click()

    await expect(screen.composer).to_have_value("what I had to say")


async def test_a_late_refusal_of_somebody_before_does_not_sign_out_who_came_after(visit, ada, place):
    other = await place.people.owner()
    screen = await visit(ada)
    screen.expects_refusals = True
    body = (await ada.with_token("tk_wrong").list_threads()).text
    held, go = asyncio.Event(), asyncio.Event()

    async def hold(route):
        if route.request.headers["authorization"] != f"Bearer {ada.token}":
            return await route.continue_()
        held.set()
        await go.wait()
        return await route.fulfill(status=401, body=body)

    await screen.page.route("**/v1/threads?*", hold)
    await asyncio.wait_for(held.wait(), 10)
    await screen.button("Sign out").click()
    await screen.page.get_by_label("Token or API key").fill(other.token)
    await screen.button("Sign in").click()
    await expect(screen.page.locator(".account")).to_contain_text(other.user)
    async with screen.page.expect_event("response", lambda response: response.status == 401):
        go.set()

    await screen.page.evaluate("() => new Promise((done) => setTimeout(done))")
    await expect(screen.page.locator(".account")).to_contain_text(other.user)
    await expect(screen.page.get_by_role("heading", name="Sign in")).to_have_count(0)


async def test_signing_out_forgets_what_was_being_written(visit, ada):
    thread = await ada.create_thread()
    screen = await visit(ada, thread)
    await screen.composer.fill("nobody else's business")
    assert len(await screen.page.evaluate(STORED)) == 1

    await screen.button("Sign out").click()

    await expect(screen.page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert await screen.page.evaluate(STORED) == []


async def test_a_draft_is_shown_to_its_writer_only(visit, ada, place):
    ben = await place.people.member(ada, "uid_ben_beside", "admin")
    thread = await ada.create_thread()
    screen = await visit(ada, thread)
    await screen.composer.fill("mine")
    await screen.page.evaluate("token => { location.hash = `token=${token}`; }", ben.token)
    await screen.button("Sign in", screen.dialog).click()
    await expect(screen.page.locator(".account")).to_contain_text(ben.user)

    await screen.open_thread(ben, thread)
    await expect(screen.composer).to_have_value("")


@pytest.mark.parametrize("way", ["in a window in use", "in a new tab"])
async def test_a_link_of_somebody_else_asks_before_it_takes_over(visit, ada, place, way):
    other = await place.people.owner()
    screen = await visit(ada, await ada.create_thread(title="being read"))
    await screen.page.get_by_label("Stay signed in").check()
    tab = screen
    if way == "in a new tab":
        tab = await visit(beside=screen)
        await tab.page.goto(f"{screen.server_url}/#token={other.token}")
    else:
        await tab.page.evaluate("token => { location.hash = `token=${token}`; }", other.token)

    await expect(tab.dialog).to_contain_text(f"You are signed in as {ada.user}. This link signs you in as {other.user}")
    await expect(tab.dialog).to_contain_text("of “")
    await expect(tab.button("Cancel", tab.dialog)).to_be_focused()
    await tab.button("Cancel", tab.dialog).click()

    await expect(tab.page.locator(".account")).to_contain_text(ada.user)
    if tab is screen:
        await expect(tab.page.get_by_role("heading", name="being read")).to_be_visible()
    assert other.token not in tab.page.url
    assert await tab.page.evaluate("localStorage.getItem('threadkeep.credential')") == ada.token


async def test_a_link_of_somebody_else_leaves_who_stays_signed_in_on_the_device(visit, ada, place):
    other = await place.people.owner()
    screen = await visit(ada)
    await screen.page.get_by_label("Stay signed in").check()
    tab = await visit(beside=screen)
    await tab.page.goto(f"{screen.server_url}/#token={other.token}")

    await tab.button("Sign in", tab.dialog).click()

    await expect(tab.page.locator(".account")).to_contain_text(other.user)
    await expect(tab.page.get_by_label("Stay signed in")).not_to_be_checked()
    await tab.page.reload()
    await expect(tab.page.locator(".account")).to_contain_text(other.user)
    await expect(screen.page.locator(".account")).to_contain_text(ada.user)
    assert await tab.page.evaluate("localStorage.getItem('threadkeep.credential')") == ada.token


async def test_a_link_for_the_same_person_asks_nothing(visit, ada):
    screen = await visit(ada)
    await screen.page.get_by_label("Stay signed in").check()

    await screen.sign_in(ada)

    await expect(screen.dialog).to_have_count(0)
    await expect(screen.page.get_by_label("Stay signed in")).to_be_checked()


@pytest.mark.parametrize("name", ["thread_a%2F..%2F..%2Fuser", "..", "nonsense", "thread_", "thread_a%3Fx=1"])
async def test_an_address_that_names_no_thread_shows_the_list_and_says_so(visit, ada, name):
    await ada.create_thread(title="one")
    screen = await visit(ada)
    asked = []
    screen.page.on("request", lambda request: asked.append(request.url))

    await screen.page.goto(f"{screen.server_url}/#/{ada.organization}/{name}")

    await expect(screen.toast).to_contain_text("names no thread")
    await expect(screen.row_titles).to_have_text(["one"])
    assert screen.page.url == f"{screen.server_url}/#/{ada.organization}"
    assert all(url.split("?")[0].endswith(("/v1/threads", "/v1/assistants")) for url in asked if "/v1/" in url)


async def test_the_key_proto_is_saved_like_any_other(visit, ada):
    thread = await ada.create_thread(title="t")
    screen = await visit(ada, thread)
    await screen.page.get_by_role("button", name="Details", exact=False).first.click()
    await screen.button("Add a pair", screen.dialog).click()
    await screen.dialog.get_by_label("Key").fill("__proto__")
    await screen.dialog.get_by_label("Value of __proto__").fill("kept")

    await screen.button("Save", screen.dialog).click()

    await expect(screen.dialog.get_by_text("Saved.")).to_be_visible()
    assert (await ada.get(thread)).metadata == {"__proto__": "kept"}


PICTURE = {"type": "image", "url": "https://pictures.example/a.png"}
PARTS = [{"type": "text", "text": "before"}, PICTURE, {"type": "text", "text": "after"}]


async def test_an_edit_keeps_the_order_of_texts_and_pictures(visit, model, ada):
    thread = await ada.create_thread(title="t")
    await ada.post_message(thread, PARTS)
    screen = await visit(ada, thread)
    await screen.button("Edit message").click()
    await screen.page.get_by_label("Edit text 2 of 2").fill("changed")

    await screen.button("Send anew").click()

    await expect(screen.page.locator(".editor")).to_have_count(0)
    content = (await ada.list_messages(thread)).data[1]["content"]
    assert [part.get("text", part["type"]) for part in content] == ["before", "image", "changed"]


async def test_an_edit_that_is_refused_stays_in_its_editor(visit, ada):
    thread = await ada.create_thread(title="t")
    message = await ada.post_message(thread, "first")
    screen = await visit(ada, thread)
    screen.expects_refusals = True
    await screen.button("Edit message").click()
    await screen.page.get_by_role("textbox", name="Edit message").fill("mine")
    await ada.lock(thread)

    await screen.button("Send anew").click()

    await expect(screen.toast).to_contain_text("thread_locked")
    await expect(screen.page.get_by_role("textbox", name="Edit message")).to_have_value("mine")
    assert (await ada.list_messages(thread)).ids == [message.id]


async def pass_on(request):
    """Let the server do the work, and keep its answer from the page."""
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(request.url, headers=request.headers, content=request.post_data)
