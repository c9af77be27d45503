"""What the browser itself keeps out of the page."""

import re

import pytest
from playwright.async_api import Error

HASH = r"'sha256-[A-Za-z0-9+/]{43}='"


async def test_the_page_comes_with_a_policy_that_lets_in_no_inline_code_but_its_own(visit):
    screen = await visit()

    answer = await screen.page.goto(screen.server_url)

    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert re.fullmatch(rf"'self'( {HASH}){{2}}", policy["script-src"])
    assert re.fullmatch(rf"'self' {HASH}", policy["style-src"])
    assert policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert policy["trusted-types"] == "lit-html dompurify"
    assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "script",
    [
        "document.getElementById('toasts').innerHTML = '<b>x</b>'",
        "window.trustedTypes.createPolicy('mine', {})",
        "void document.getElementById('toasts').insertAdjacentHTML('beforeend', '<b>x</b>')",
    ],
)
async def test_no_text_becomes_elements_past_the_two_libraries(visit, ada, script):
    screen = await visit(ada)

    with pytest.raises(Error):
        await screen.page.evaluate(script)

    assert any("trusted" in trouble.lower() for trouble in screen.troubles), screen.troubles
    screen.troubles.clear()


async def test_the_page_asks_for_nothing_that_is_not_its_servers_own(visit, ada):
    screen = await visit()
    asked = []
    screen.page.on("request", lambda request: asked.append(request.url))

    await screen.sign_in(ada)
    await screen.page.get_by_text("No threads yet").wait_for()

    assert [url for url in asked if not url.startswith(screen.server_url)] == []
    assert ada.token not in " ".join(asked[1:])
