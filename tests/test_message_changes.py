"""Messages that are changed and deleted: what moves, what stays, what is never given again."""

import pytest

FIELDS = {
    "id",
    "object",
    "createdAt",
    "updatedAt",
    "threadId",
    "seq",
    "role",
    "content",
    "status",
    "userId",
    "assistantId",
    "responseId",
    "toolCalls",
    "toolCallId",
    "metadata",
}


def text(words):
    return [{"type": "text", "text": words}]


async def test_content_and_metadata_of_a_message_can_be_changed(ada):
    thread = await ada.create_thread()
    message = await ada.post_message(thread, "old", metadata={"a": 1})
    before = await ada.get(thread)

    changed = await ada.update_message(thread, message, content="new", metadata={"b": 2})

    assert (changed.status, changed.content, changed.metadata) == (200, text("new"), {"a": 1, "b": 2})
    assert (changed.seq, changed.createdAt, changed.role) == (message.seq, message.createdAt, message.role)
    assert (await ada.get_message(thread, message)).body == changed.body
    assert (await ada.get(thread)).etag != before.etag
    assert (await ada.get(thread)).messageCount == 1


@pytest.mark.parametrize("method", ["PATCH", "POST"])
async def test_a_message_update_answers_to_patch_and_post_alike(ada, method):
    thread = await ada.create_thread()
    message = await ada.post_message(thread)

    updated = await ada.request(method, f"/v1/threads/{thread.id}/messages/{message.id}", {"content": method})

    assert (updated.status, updated.content) == (200, text(method))


@pytest.mark.parametrize("field", sorted(FIELDS - {"content", "metadata"}))
async def test_other_fields_of_a_message_are_read_only(ada, field):
    thread = await ada.create_thread()
    message = await ada.post_message(thread, "old")

    refused = await ada.update_message(thread, message, content="new", **{field: message[field]})

    assert (refused.status, refused.param) == (400, field)
    assert (await ada.get_message(thread, message)).body == message.body


async def test_an_edit_keeps_the_rules_of_content(ada):
    thread = await ada.create_thread()
    message = await ada.post_message(thread, "old")

    for content in (" ", [], "x" * (256 * 1024 + 1), None):
        refused = await ada.update_message(thread, message, content=content)
        assert (refused.status, refused.code, refused.param) == (400, "invalid_field", "content")
    assert (await ada.get_message(thread, message)).body == message.body


async def test_an_edit_that_changes_nothing_moves_no_tag(ada):
    thread = await ada.create_thread()
    message = await ada.post_message(thread, "same", metadata={"a": 1})
    before = await ada.get(thread)

    for same in ({}, {"content": "same"}, {"content": text("same")}, {"metadata": {"a": 1}}):
        answer = await ada.update_message(thread, message, **same)
        assert (answer.status, answer.body, answer.etag) == (200, message.body, message.etag)
    assert (await ada.get(thread)).etag == before.etag


async def test_a_deleted_message_is_gone_and_its_number_is_never_given_again(ada):
    thread = await ada.create_thread()
    first, second, third = [await ada.post_message(thread, words) for words in ("a", "b", "c")]

    deleted = await ada.delete_message(thread, third)
    await ada.delete_message(thread, first)

    assert (deleted.status, deleted.body) == (
        200,
        {"id": third.id, "object": "thread.message.deleted", "deleted": True},
    )
    for answer in (await ada.get_message(thread, third), await ada.delete_message(thread, third)):
        assert (answer.status, answer.code) == (404, "message_not_found")
    assert (await ada.update_message(thread, third, content="x")).code == "message_not_found"
    assert (await ada.list_messages(thread)).data == [second.body | {"parentId": None}]
    assert (await ada.get(thread)).messageCount == 1
    assert (await ada.post_message(thread)).seq == 4


async def test_deleting_all_messages_counts_them_and_goes_on_numbering(ada):
    thread = await ada.create_thread(messages=[{"role": "user", "content": str(number)} for number in range(3)])
    await ada.delete_message(thread, (await ada.list_messages(thread)).ids[0])

    deleted = await ada.delete_messages(thread)
    again = await ada.delete_messages(thread)

    assert (deleted.status, deleted.body) == (200, {"object": "list.deleted", "deleted": 2})
    assert again.body == {"object": "list.deleted", "deleted": 0}
    assert (await ada.get(thread)).messageCount == 0
    assert (await ada.list_messages(thread)).data == []
    assert (await ada.post_message(thread)).seq == 4


async def test_last_message_at_follows_the_newest_message_that_is_left(ada):
    thread = await ada.create_thread()
    message = await ada.post_message(thread)

    await ada.delete_message(thread, message)

    assert (await ada.get(thread)).lastMessageAt in (None, message.createdAt)
    assert (await ada.create_thread()).lastMessageAt is None
