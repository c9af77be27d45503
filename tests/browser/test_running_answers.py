"""An answer that is being written: seen after a refresh, in a second tab, and through a broken connection."""

import asyncio

import httpx
from playwright.async_api import expect

from support.answering import begin_talk
from support.scripted_model import DONE, finish


async def test_a_refresh_in_mid_answer_shows_it_from_where_it_is(visit, model, ada):
    talk = await begin_talk(ada, model, "Once upon", " a time.")
    screen = await visit(ada, talk.thread)
    await expect(screen.texts.last).to_have_text("Once upon")

    await screen.page.reload()

    await expect(screen.texts.last).to_have_text("Once upon")
    await expect(screen.button("Stop the answer")).to_be_enabled()
    await talk.ended(ada)
    await expect(screen.texts.last).to_have_text("Once upon a time.")
    await expect(screen.button("Send")).to_be_visible()


async def test_two_tabs_show_the_same_answer_as_it_comes(visit, model, ada):
    thread = await ada.create_thread(title="shared")
    one = await visit(ada, thread)
    await one.page.get_by_label("Stay signed in").check()
    two = await visit(beside=one, thread=thread)
    go = model_waits(model, "Hel", "lo")

    await one.write("hi")

    for tab in (one, two):
        await expect(tab.texts).to_have_text(["hi", "Hel"])
        await expect(tab.rows.first).to_contain_text("Answering")
    go.set()
    for tab in (one, two):
        await expect(tab.texts).to_have_text(["hi", "Hello"])
        await expect(tab.rows.first).not_to_contain_text("Answering")


async def test_an_answer_that_somebody_else_began_is_seen_without_a_touch(visit, model, ada):
    thread = await ada.create_thread(title="quiet")
    screen = await visit(ada, thread)

    talk = await begin_talk(ada, model, "From", " afar", thread=thread)

    await expect(screen.texts.last).to_have_text("From")
    await talk.ended(ada)
    await expect(screen.texts.last).to_have_text("From afar")


async def test_a_stream_that_breaks_goes_on_without_loss_or_repeat(visit, model, ada):
    screen = await visit(ada, await ada.create_thread())
    go = model_waits(model, "One, ", "two, three.")
    positions = []

    async def cut(route):
        """Let the request through, and hand on its first two events only."""
        body = await head_of_stream(route.request, b"One, ")
        await route.fulfill(status=200, content_type="text/event-stream", body=body)

    async def note(route):
        positions.append(route.request.headers.get("last-event-id"))
        await route.continue_()

    await screen.page.route("**/responses?*", cut)
    await screen.page.route("**/events?*", note)
    await screen.write("count")
    await expect(screen.texts.last).to_have_text("One,")
    go.set()

    await expect(screen.texts.last).to_have_text("One, two, three.")
    await expect(screen.button("Send")).to_be_visible()
    assert positions[0] is not None and positions[0].endswith(":2")


async def test_a_request_whose_answer_was_lost_is_sent_again_with_the_same_key(visit, model, ada):
    thread = await ada.create_thread()
    screen = await visit(ada, thread)
    keys = []

    async def lose_first(route):
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) > 1:
            return await route.continue_()
        request = route.request
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.post(request.url, headers=request.headers, content=request.post_data)
        return await route.abort("connectionreset")

    screen.expects_refusals = True
    await screen.page.route("**/responses?*", lose_first)
    model.answer("only once")
    await screen.write("hi")

    await expect(screen.texts).to_have_text(["hi", "only once"])
    await expect(screen.button("Send")).to_be_visible()
    assert len(set(keys)) == 1 and len(keys) == 2
    assert len(model.calls) == 1
    screen.forget("ERR_CONNECTION_RESET")


async def test_of_an_answer_whose_server_is_lost_the_page_says_no_more_than_it_knows(visit, model, ada):
    screen = await visit(ada, await ada.create_thread())
    go = model_waits(model, "Half of it", " and the rest.")

    async def cut(route):
        body = await head_of_stream(route.request, b"Half of it")
        await route.fulfill(status=200, content_type="text/event-stream", body=body)

    await screen.page.route("**/responses?*", cut)
    await screen.page.route("**/events?*", lambda route: route.abort("connectionrefused"))
    await screen.write("hi")

    lost = screen.page.locator(".progress")
    await expect(lost).to_contain_text(
        "The connection to the server is lost. This is what has come so far; trying again"
    )
    await expect(screen.page.get_by_text("goes on")).to_have_count(0)

    go.set()
    await screen.page.unroute("**/events?*")
    await expect(screen.texts.last).to_have_text("Half of it and the rest.")
    screen.forget("ERR_CONNECTION_REFUSED")


def model_waits(model, said, then):
    go = asyncio.Event()
    model.script = [said, go, then, finish(), DONE]
    return go


async def test_an_answer_looks_the_same_while_it_streams_and_read_later(visit, model, ada):
    screen = await visit(ada, await ada.create_thread())
    go = asyncio.Event()
    model.script = [*(MARKDOWN[start : start + 7] for start in range(0, len(MARKDOWN), 7)), go, finish(), DONE]
    await screen.write("everything that Markdown has")
    prose = screen.page.locator(".prose")
    streamed = await whole(prose)

    go.set()
    await expect(screen.button("Send")).to_be_visible()
    assert await whole(prose) == streamed
    await screen.page.reload()

    assert await whole(prose) == streamed


async def whole(prose):
    """Return what an answer looks like when its end is there, and its code coloured by a library that comes later."""
    await expect(prose).to_contain_text("the end")
    await expect(prose.locator("[data-language]")).to_have_count(0)
    return await prose.inner_html()


async def test_a_link_that_is_defined_at_the_end_is_a_link_at_the_end(visit, model, ada):
    screen = await visit(ada, await ada.create_thread())
    model.answer("See [the page][1].\n\nMore.\n\n", "[1]: https://example.org/")

    await screen.write("where?")

    await expect(screen.page.get_by_role("link", name="the page")).to_have_attribute("href", "https://example.org/")


async def test_a_position_that_the_server_does_not_know_starts_the_text_over(visit, model, ada):
    screen = await visit(ada, await ada.create_thread())
    go = model_waits(model, "One, ", "two, three.")

    async def cut(route):
        """Hand on two events, the second with another text and a number that was never given."""
        body = await head_of_stream(route.request, b"One, ")
        body = body.replace(b":2\n", b":99\n").replace(b"One, ", b"Never\\n\\nsaid")
        await route.fulfill(status=200, content_type="text/event-stream", body=body)

    await screen.page.route("**/responses?*", cut)
    await screen.write("count")

    await expect(screen.texts.last).to_have_text("One,")
    go.set()
    await expect(screen.texts.last).to_have_text("One, two, three.")
    await expect(screen.button("Send")).to_be_visible()


async def test_leaving_a_thread_does_not_stop_its_answer(visit, model, ada):
    thread, other = await ada.create_thread(title="talks"), await ada.create_thread(title="other")
    screen = await visit(ada, thread)
    go = model_waits(model, "Hel", "lo")
    await screen.write("hi")
    await expect(screen.texts.last).to_have_text("Hel")

    await screen.rows.filter(has_text="other").click()
    await expect(screen.page.get_by_text("Nothing has been said yet")).to_be_visible()
    await expect(screen.rows.filter(has_text="talks")).to_contain_text("Answering")
    await screen.rows.filter(has_text="talks").click()

    await expect(screen.texts.last).to_have_text("Hel")
    go.set()
    await expect(screen.texts.last).to_have_text("Hello")
    assert (await ada.get(other)).messageCount == 0


async def head_of_stream(request, until: bytes) -> bytes:
    """Send the browser's request, and return what is answered until it holds these bytes."""
    async with (
        httpx.AsyncClient(trust_env=False) as client,
        client.stream("POST", request.url, headers=request.headers, content=request.post_data) as answer,
    ):
        body = b""
        async for piece in answer.aiter_bytes():
            body += piece
            if until in body:
                break
    return body


MARKDOWN = """# Head

A paragraph with a [link](https://example.org/)
and a line break.

- a list

  with a second paragraph
  1. and an inner list
  2. of two

> a quotation
>
> > in a quotation

Setext
======

| a | b |
|---|--:|
| 1 | 2 |

    indented code

~~~js
fenced()

code()
~~~

***

the end
"""
