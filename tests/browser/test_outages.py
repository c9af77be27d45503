"""The server cannot be reached for a while: what the page says, once, and that it comes back without a touch."""

import re

import pytest
from playwright.async_api import expect

from support.scripted_model import Head

GONE = "ERR_CONNECTION_REFUSED"
UNREACHABLE = "The server cannot be reached."


async def refuse(route):
    await route.abort("connectionrefused")


async def test_a_thread_that_could_not_be_loaded_is_loaded_when_the_server_is_back(visit, ada):
    thread = await ada.create_thread(title="a case")
    await ada.post_message(thread, "hello")
    screen = await visit(ada)
    path = re.compile(rf"/v1/threads/{thread.id}")
    await screen.page.route(path, refuse)
    await screen.page.goto(f"{screen.server_url}/#/{ada.organization}/{thread.id}")
    await expect(screen.page.get_by_text("The thread could not be loaded")).to_be_visible()
    await expect(screen.page.get_by_text("The page keeps trying.")).to_be_visible()

    await screen.page.unroute(path)

    await expect(screen.texts).to_have_text(["hello"])
    await expect(screen.composer).to_be_visible()
    screen.forget(GONE)


async def test_who_comes_while_the_server_is_away_is_signed_in_when_it_is_back(visit, ada):
    await ada.create_thread(title="a case")
    screen = await visit(ada)
    await screen.page.route("**/v1/**", refuse)
    await screen.page.reload()
    await expect(screen.page.get_by_role("heading", name="No connection")).to_be_visible()

    await screen.page.unroute("**/v1/**")

    await expect(screen.row_titles).to_have_text(["a case"])
    screen.forget(GONE)


async def test_that_the_server_is_away_is_said_once_for_list_and_thread(visit, ada):
    screen = await visit(ada, await ada.create_thread(title="a case"))

    await screen.page.route("**/v1/**", refuse)

    await expect(screen.page.locator("main .stale")).to_contain_text(UNREACHABLE)
    await expect(screen.page.get_by_text(UNREACHABLE)).to_have_count(1)
    await screen.page.unroute("**/v1/**")
    await expect(screen.page.get_by_text(UNREACHABLE)).to_have_count(0)
    screen.forget(GONE)


async def test_a_message_that_is_not_sent_yet_does_not_look_like_an_answer_that_can_be_stopped(visit, model, ada):
    screen = await visit(ada, await ada.create_thread())
    await screen.page.route("**/responses?*", refuse)

    await screen.write("are you there?")

    await expect(screen.page.locator(".pending")).to_contain_text("Not sent yet. The page keeps trying.")
    await expect(screen.page.locator("#composer-hint")).to_have_text("Sending…")
    await expect(screen.button("Stop the answer")).to_have_count(0)
    await screen.page.unroute("**/responses?*")
    await expect(screen.texts).to_have_text(["are you there?", "Hello world"])
    screen.forget(GONE)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "refused the key (401): correct the setting. If it stays, tell whoever runs this server."),
        (500, "status 500: try again later. If it stays, tell whoever runs this server."),
    ],
)
async def test_a_model_that_fails_gets_one_advice(visit, model, ada, status, sentence):
    screen = await visit(ada, await ada.create_thread())
    model.script = [Head(status, {"content-type": "application/json", "content-length": "2"}), b"{}"]

    await screen.write("question")

    await expect(screen.page.locator(".trouble")).to_contain_text(sentence)
