"""`If-None-Match`: whoever reads the same again and again gets 304 until something in it differs."""

import re

import pytest

ASKS = {"If-None-Match": 'W/"0"'}
WEAK = re.compile(r'W/"[0-9a-f]{24}"')


@pytest.mark.parametrize("path", ["/v1/threads?include=lastMessage", "/v1/threads/thread_watched", "/v1/user"])
async def test_a_read_that_is_known_is_answered_without_its_content(ada, path):
    await ada.create_thread(id="thread_watched", title="one")
    first = await ada.request("GET", path, headers=ASKS)
    tag = first.headers["etag"]

    again = await ada.request("GET", path, headers={"If-None-Match": f'"5", {tag}'})

    assert first.status == 200
    assert WEAK.fullmatch(tag)
    assert (again.status, again.response.content, again.headers["etag"]) == (304, b"", tag)
    assert "content-type" not in again.headers
    assert again.headers["x-request-id"]


async def test_a_list_is_sent_again_when_any_of_its_rows_has_changed(ada):
    thread = await ada.create_thread(title="one")
    first = await ada.request("GET", "/v1/threads", headers=ASKS)

    await ada.update(thread, title="two")
    again = await ada.request("GET", "/v1/threads", headers={"If-None-Match": first.headers["etag"]})

    assert again.status == 200
    assert again.headers["etag"] != first.headers["etag"]
    assert again.data[0]["title"] == "two"


async def test_who_sends_no_weak_tag_gets_what_they_got_before(ada):
    thread = await ada.create_thread(title="one")

    plain = await ada.request("GET", "/v1/threads")
    strong = await ada.request("GET", f"/v1/threads/{thread.id}", headers={"If-None-Match": thread.etag})

    assert "etag" not in plain.headers
    assert (strong.status, strong.etag) == (200, thread.etag)


async def test_what_is_refused_or_written_is_never_unchanged(ada):
    refused = await ada.request("GET", "/v1/threads/thread_nothing", headers=ASKS)
    written = await ada.request("POST", "/v1/threads", {"title": "one"}, headers=ASKS)

    assert (refused.status, refused.code) == (404, "thread_not_found")
    assert written.status == 201
    assert re.fullmatch(r'"\d+"', written.etag)


async def test_a_weak_tag_changes_nothing_by_if_match(ada):
    thread = await ada.create_thread(title="one")
    known = await ada.request("GET", f"/v1/threads/{thread.id}", headers=ASKS)

    refused = await ada.if_match(known.headers["etag"]).update(thread, title="two")

    assert (refused.status, refused.code) == (412, "precondition_failed")
