"""Messages: what one is, how one is added, read, changed and deleted."""

import re
from typing import Any

import pytest

FIELDS = {
    "id",
    "object",
    "createdAt",
    "updatedAt",
    "threadId",
    "seq",
    "parentId",
    "externalId",
    "role",
    "content",
    "status",
    "userId",
    "assistantId",
    "responseId",
    "toolCalls",
    "toolCallId",
    "payloadFormat",
    "metadata",
}


def text(words):
    return [{"type": "text", "text": words}]


async def test_a_message_comes_back_whole(ada):
    thread = await ada.create_thread()

    message = await ada.post_message(thread, "hello", metadata={"source": "web"})

    assert message.status == 201
    assert set(message.body) == FIELDS
    assert re.fullmatch(r"msg_[0-7][0-9a-hjkmnp-tv-z]{25}", message.id)
    assert message.body == {
        "id": message.id,
        "object": "thread.message",
        "createdAt": message.createdAt,
        "updatedAt": message.createdAt,
        "threadId": thread.id,
        "seq": 1,
        "parentId": None,
        "externalId": None,
        "role": "user",
        "content": text("hello"),
        "status": "completed",
        "userId": "uid_ada",
        "assistantId": None,
        "responseId": None,
        "toolCalls": None,
        "toolCallId": None,
        "payloadFormat": None,
        "metadata": {"source": "web"},
    }
    assert (await ada.get_message(thread, message)).body == message.body
    assert (await ada.list_messages(thread)).data == [message.body]


async def test_a_message_moves_the_threads_count_and_times(ada):
    thread = await ada.create_thread()

    message = await ada.post_message(thread)

    after = await ada.get(thread)
    assert (after.messageCount, after.lastMessageAt) == (1, message.createdAt)
    assert after.updatedAt >= thread.updatedAt
    assert after.etag != thread.etag


async def test_seq_counts_per_thread_and_is_the_order(ada):
    thread, other = await ada.create_thread(), await ada.create_thread()

    for words in ("one", "two", "three"):
        await ada.post_message(thread, words)
        await ada.post_message(other, words)

    listed = await ada.list_messages(thread)
    assert [message["seq"] for message in listed.data] == [1, 2, 3]
    assert [message["content"][0]["text"] for message in listed.data] == ["one", "two", "three"]
    assert (await ada.list_messages(thread, order="desc")).ids == listed.ids[::-1]


async def test_a_batch_is_answered_as_a_list_in_order(ada):
    thread = await ada.create_thread()

    answer = await ada.post_messages(
        thread,
        [{"role": role, "content": role} for role in ("system", "user", "assistant")]
        + [{"role": "tool", "content": "42", "toolCallId": "call_1"}],
    )

    assert (answer.status, answer.object) == (201, "list")
    assert [(message["seq"], message["role"]) for message in answer.data] == [
        (1, "system"),
        (2, "user"),
        (3, "assistant"),
        (4, "tool"),
    ]
    assert (answer.firstId, answer.lastId) == (answer.ids[0], answer.ids[-1])
    assert (await ada.list_messages(thread)).data == answer.data
    assert (await ada.get(thread)).messageCount == 4


async def test_a_batch_is_all_or_nothing(ada):
    thread = await ada.create_thread()

    refused = await ada.post_messages(thread, [{"role": "user", "content": "good"}, {"role": "user", "content": " "}])

    assert (refused.status, refused.code) == (400, "invalid_field")
    assert refused.param.startswith("messages")
    assert (await ada.get(thread)).body == thread.body
    assert (await ada.list_messages(thread)).data == []
    assert (await ada.post_message(thread)).seq == 1


@pytest.mark.parametrize("how", ["create", "append"])
async def test_a_call_takes_up_to_100_messages(ada, how):
    thread = await ada.create_thread()
    messages = [{"role": "user", "content": str(number)} for number in range(101)]

    async def send(messages):
        return await (ada.post_messages(thread, messages) if how == "append" else ada.create_thread(messages=messages))

    accepted = await send(messages[:100])
    refused = await send(messages)

    assert accepted.status == 201
    assert (refused.status, refused.code, refused.param) == (400, "invalid_field", "messages")
    written = thread if how == "append" else accepted
    assert (await ada.get(written)).messageCount == 100
    assert [m["seq"] for m in (await ada.list_messages(written, limit=100)).data] == list(range(1, 101))


async def test_a_thread_created_with_bad_messages_is_not_created(fresh_user):
    refused = await fresh_user.create_thread(
        messages=[{"role": "user", "content": "a"}, {"role": "bot", "content": "b"}]
    )

    assert (refused.status, refused.code) == (400, "invalid_field")
    assert refused.param.startswith("messages")
    assert (await fresh_user.list_threads(state="all")).data == []


async def test_an_empty_batch_is_refused(ada):
    thread = await ada.create_thread()

    assert (await ada.post_messages(thread, [])).code == "invalid_field"
    assert (await ada.create_thread(messages=[])).status == 201


async def test_content_goes_in_as_parts_and_comes_out_as_parts(ada):
    thread = await ada.create_thread()
    parts = [
        {"type": "text", "text": "look: "},
        {"type": "image", "url": "https://example.com/a.png"},
        {"type": "file", "url": "https://example.com/b.pdf", "name": "b.pdf", "mimeType": "application/pdf"},
        {"type": "text", "text": ""},
    ]

    message = await ada.post_message(thread, parts)

    assert message.status == 201
    assert message.content == parts
    assert (await ada.get_message(thread, message)).content == parts


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "video", "url": "x"}],
        [{"type": "text"}],
        [{"text": "no type"}],
        [{"type": "text", "text": 1}],
        [{"type": "text", "text": "a", "url": "b"}],
        [{"type": "image", "url": ""}],
        ["text"],
        {"type": "text", "text": "a"},
        7,
        None,
    ],
)
async def test_content_of_another_shape_is_refused(ada, content):
    thread = await ada.create_thread()

    refused = await ada.post_message(thread, content)

    assert (refused.status, refused.type) == (400, "invalid_request_error")
    assert refused.param is not None
    assert (await ada.get(thread)).messageCount == 0


def attachments(url):
    return [{"type": "image", "url": url}], [{"type": "file", "url": url}]


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "gopher://a/", "javascript:alert(1)", "ftp://a/", "/a.png", "a.png", "//a/b", " https://a/",
     "\thttps://a/", "https//a", "blob:https://a/b", "x", "ws://a/", "httpss://a/", "vbscript:data:", "\u0001data:,a"],
)  # fmt: skip
async def test_an_address_that_is_none_of_the_web_is_refused_wherever_it_comes_in(ada, url):
    thread = await ada.create_thread()
    message = await ada.post_message(thread, "hello")

    for parts in attachments(url):
        content = [{"type": "text", "text": "look"}, *parts]
        new = {"role": "user", "content": content}
        refused = {
            "content[1].url": await ada.post_message(thread, content),
            "messages[1].content[1].url": await ada.post_messages(thread, [{"role": "user", "content": "a"}, new]),
            "messages[0].content[1].url": await ada.create_thread(messages=[new]),
            "input[0].content[1].url": await ada.respond(thread, input=[new]),
        }
        changed = await ada.update_message(thread, message, content=content)

        for param, answer in [*refused.items(), ("content[1].url", changed)]:
            assert (answer.status, answer.code, answer.param) == (400, "invalid_field", param), answer
            assert url.strip() not in answer.message
    assert (await ada.get(thread)).messageCount == 1


@pytest.mark.parametrize("url", ["https://a/b.png", "HTTP://a", "http:a", "data:,a", "DATA:image/png;base64,AAAA"])
async def test_an_address_of_the_web_or_with_its_content_is_kept_as_it_is(ada, url):
    thread = await ada.create_thread()

    for parts in attachments(url):
        message = await ada.post_message(thread, parts)
        assert (message.status, message.content[0]["url"]) == (201, url)


async def test_an_address_has_8192_characters_and_a_data_url_as_many_as_the_body(ada):
    thread = await ada.create_thread()
    longest = "https://" + "ü" * (8192 - 8)

    for parts, beyond in zip(attachments(longest), attachments(longest + "ü"), strict=True):
        assert (await ada.post_message(thread, parts)).status == 201
        refused = await ada.post_message(thread, beyond)
        assert (refused.status, refused.code, refused.param) == (400, "invalid_field", "content[0].url")
    large = await ada.post_message(thread, attachments("data:image/png;base64," + "A" * 4_000_000)[0])
    assert large.status == 201


async def test_a_message_has_up_to_64_parts(ada):
    thread = await ada.create_thread()

    accepted = await ada.post_message(thread, text("a") * 64)
    refused = await ada.post_message(thread, text("a") * 65)

    assert (accepted.status, len(accepted.content)) == (201, 64)
    assert (refused.status, refused.code, refused.param) == (400, "invalid_field", "content")


@pytest.mark.parametrize("character", ["a", "😀"])
async def test_a_message_has_up_to_256_ki_characters_of_text_in_all(ada, character):
    thread = await ada.create_thread()
    most = 256 * 1024

    accepted = await ada.post_message(thread, character * most)
    in_parts = await ada.post_message(thread, text(character * (most - 1)) + text(character))
    refused = await ada.post_message(thread, character * (most + 1))
    refused_in_parts = await ada.post_message(thread, text(character * most) + text(character))

    assert (accepted.status, in_parts.status) == (201, 201)
    assert (await ada.get_message(thread, accepted)).content == text(character * most)
    assert (refused.status, refused.code, refused.param) == (400, "invalid_field", "content")
    assert (refused_in_parts.status, refused_in_parts.code) == (400, "invalid_field")


@pytest.mark.parametrize("role", ["user", "system"])
@pytest.mark.parametrize("blank", ["", " \n\t", "\u00a0\u3000", [], [{"type": "text", "text": "  "}]])
async def test_a_user_or_system_message_needs_content_that_is_not_blank(ada, role, blank):
    thread = await ada.create_thread()

    refused = await ada.post_message(thread, blank, role)

    assert (refused.status, refused.code, refused.param) == (400, "invalid_field", "content")


async def test_an_image_alone_is_not_blank(ada):
    thread = await ada.create_thread()

    message = await ada.post_message(thread, [{"type": "image", "url": "https://example.com/a.png"}])

    assert message.status == 201


@pytest.mark.parametrize("role", ["User", "developer", "", None, 1])
async def test_an_unknown_role_is_refused(ada, role):
    refused = await ada.post_message(await ada.create_thread(), "x", role)

    assert (refused.status, refused.code, refused.param) == (400, "invalid_field", "role")


async def test_a_role_is_required(ada):
    thread = await ada.create_thread()

    refused = await ada.request("POST", f"/v1/threads/{thread.id}/messages", {"content": "x"})

    assert (refused.status, refused.code, refused.param) == (400, "invalid_field", "role")


async def test_tool_calls_and_their_results_are_kept_as_given(ada):
    thread = await ada.create_thread()
    calls = [{"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b":2}'}}]

    asked = await ada.post_message(thread, "", "assistant", toolCalls=calls)
    answered = await ada.post_message(thread, "3", "tool", toolCallId="call_1")

    assert (asked.status, asked.toolCalls, asked.toolCallId) == (201, calls, None)
    assert (answered.status, answered.toolCalls, answered.toolCallId) == (201, None, "call_1")
    assert (await ada.list_messages(thread)).data == [asked.body, answered.body]


def called(*arguments: str) -> dict[str, Any]:
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": each}} for each in arguments]
    return {"role": "assistant", "content": "", "toolCalls": calls}


async def test_arguments_that_are_nothing_become_an_empty_object(ada):
    thread = await ada.create_thread(messages=[called("", " \n")])

    [message] = (await ada.list_messages(thread)).data

    assert [call["function"]["arguments"] for call in message["toolCalls"]] == ["{}", "{}"]


@pytest.mark.parametrize("arguments", ['{"city": "Os', "Oslo", "{}{}", "NaN", "'{}'"])
async def test_arguments_that_are_no_json_are_refused(ada, arguments):
    thread = await ada.create_thread()
    body = called("{}", arguments)

    posted = await ada.request("POST", f"/v1/threads/{thread.id}/messages", body)
    several = await ada.request("POST", f"/v1/threads/{thread.id}/messages", {"messages": [called("{}"), body]})
    created = await ada.request("POST", "/v1/threads", {"messages": [body]})
    asked = await ada.respond(thread, input=[body])

    place = "toolCalls[1].function.arguments"
    assert (posted.status, posted.code, posted.param) == (400, "invalid_field", place)
    assert (several.status, several.param) == (400, f"messages[1].{place}")
    assert (created.status, created.param) == (400, f"messages[0].{place}")
    assert (asked.status, asked.param) == (400, f"input[0].{place}")


@pytest.mark.parametrize(
    ("role", "more", "param"),
    [
        (
            "user",
            {"toolCalls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}]},
            "toolCalls",
        ),
        ("user", {"toolCallId": "call_1"}, "toolCallId"),
        ("assistant", {"toolCallId": "call_1"}, "toolCallId"),
    ],
)
async def test_tool_fields_belong_to_their_roles(ada, role, more, param):
    refused = await ada.post_message(await ada.create_thread(), "x", role, **more)

    assert (refused.status, refused.code, refused.param) == (400, "invalid_field", param)


async def test_a_message_of_another_thread_is_not_found(ada):
    thread, other = await ada.create_thread(), await ada.create_thread()
    message = await ada.post_message(other)

    answers = [
        await ada.get_message(thread, message),
        await ada.update_message(thread, message, content="x"),
        await ada.delete_message(thread, message),
        await ada.get_message(thread, "nonsense"),
    ]

    assert [(answer.status, answer.code) for answer in answers] == [(404, "message_not_found")] * 4
    assert (await ada.get_message(other, message)).body == message.body


async def test_the_author_of_a_message_is_who_posted_it(ada, ben, people):
    user = people.new_user()
    thread = await ada.create_thread(userId=user)

    mine = await ada.post_message(thread)
    theirs = await ada.as_user(user).post_message(thread)

    assert (mine.userId, theirs.userId) == ("uid_ada", user)


async def test_a_message_is_listed_by_role(ada):
    thread = await ada.create_thread(
        messages=[{"role": role, "content": "x"} for role in ("user", "assistant", "user", "system")]
    )

    answers = [await ada.list_messages(thread, role=role) for role in ("user", "assistant", "tool")]
    refused = await ada.list_messages(thread, role="robot")

    assert [[message["seq"] for message in answer.data] for answer in answers] == [[1, 3], [2], []]
    assert (refused.status, refused.code, refused.param) == (400, "invalid_parameter", "role")


async def test_a_page_of_messages_stops_at_4_mib_and_says_so(ada):
    thread = await ada.create_thread()
    for _ in range(6):
        await ada.post_message(thread, "😀" * (256 * 1024))
    path = f"/v1/threads/{thread.id}/messages"

    pages = [page async for page in ada.pages(path)]

    assert [message["seq"] for page in pages for message in page.data] == [1, 2, 3, 4, 5, 6]
    assert len(pages) >= 2
    assert all(len(page.data) == 1 or len(page.response.content) <= 4 * 1024**2 + 1024 for page in pages)
    assert all(page.data for page in pages)
    backwards = await ada.list_messages(thread, before=pages[-1].lastId)
    assert backwards.data[-1]["seq"] == 5
    assert backwards.hasMore is True


@pytest.mark.parametrize(
    "words", ["NUL-free \x01\x7f", "\u202e right", "e\u0301\u0303", "\U0010ffff", "\r\n", "a\ufeffb"]
)
async def test_any_accepted_text_comes_back_identical(ada, words):
    thread = await ada.create_thread()

    message = await ada.post_message(thread, f"x{words}y")

    assert (await ada.get_message(thread, message)).content == text(f"x{words}y")
