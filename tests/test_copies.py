"""Copies: a new thread with one line of another, and where it says it comes from."""

import pytest

from support.cast import Caller

SAME = ("role", "content", "status", "userId", "assistantId", "toolCalls", "toolCallId", "payloadFormat", "metadata")


async def talk(who: Caller, **fields):
    return await who.create_thread(
        title="Broken invoice",
        metadata={"category": "billing"},
        messages=[
            {"role": "user", "content": "q", "externalId": "q", "metadata": {"a": 1}, "createdAt": 1_600_000_000},
            {"role": "assistant", "content": "a", "payload": {"format": "x", "data": '{"\\u0000": 1}'}},
            {"role": "assistant", "content": "another answer", "parentId": "q"},
        ],
        **fields,
    )


async def test_a_copy_has_the_current_line_and_says_where_it_is_from(ada):
    source = await talk(ada, payload={"format": "acme/state", "data": "{}"}, externalId="own-copied")
    question, _, answer = (await ada.list_messages(source, include="payload")).data

    copy = await ada.copy(source)

    copied = (await ada.list_messages(copy, include="payload")).data
    assert copy.status == 201
    assert [[each[name] for name in SAME] for each in copied] == [
        [e[name] for name in SAME] for e in (question, answer)
    ]
    assert [each["externalId"] for each in copied] == ["q", None]
    assert [each["createdAt"] for each in copied] == [question["createdAt"], answer["createdAt"]]
    assert [each["seq"] for each in copied] == [1, 2]
    assert [each["parentId"] for each in copied] == [None, copied[0]["id"]]
    assert not {each["id"] for each in copied} & {question["id"], answer["id"]}
    assert copy.copiedFrom == {"threadId": source.id, "messageId": answer["id"]}
    assert (copy.title, copy.metadata, copy.messageCount) == ("Broken invoice", {"category": "billing"}, 2)
    assert (copy.externalId, copy.state, copy.payloadFormat) == (None, "open", "acme/state")
    assert (await ada.get(copy)).payload == {"format": "acme/state", "data": "{}"}
    assert (await ada.get(copy)).copiedFrom == copy.copiedFrom
    [listed] = [each for each in (await ada.list_threads(limit=100)).data if each["id"] == copy.id]
    assert listed["copiedFrom"] == copy.copiedFrom
    assert copy.id in (await ada.list_threads(**{"metadata.category": "billing"}, limit=100)).ids


async def test_a_copy_may_end_at_a_message_and_have_its_own_title_and_metadata(ada):
    source = await talk(ada)
    _, first_answer, _ = (await ada.list_messages(source, include="payload")).data

    copy = await ada.copy(source, messageId=first_answer["id"], title=None, metadata={"b": 2})

    copied = (await ada.list_messages(copy, include="payload")).data
    assert [each["content"][0]["text"] for each in copied] == ["q", "a"]
    assert copied[1]["payload"] == first_answer["payload"]
    assert (copy.title, copy.metadata) == (None, {"b": 2})
    assert copy.copiedFrom["messageId"] == first_answer["id"]
    missing = await ada.copy(source, messageId="msg_00000000000000000000000000")
    assert (missing.status, missing.code, missing.param) == (404, "message_not_found", "messageId")


@pytest.mark.parametrize("change", ["lock", "archive"])
async def test_a_source_in_any_state_is_copied_into_an_open_thread(ada, change):
    source = await talk(ada)
    await (ada.lock(source) if change == "lock" else ada.archive(source))

    copy = await ada.copy(source)

    assert (copy.state, copy.messageCount) == ("open", 2)
    assert (await ada.post_message(copy, "more")).seq == 3


async def test_an_empty_thread_is_copied_too(ada):
    copy = await ada.copy(await ada.create_thread())

    assert (copy.messageCount, copy.lastMessageAt, copy.copiedFrom["messageId"]) == (0, None, None)


async def test_where_it_is_from_is_shown_only_to_who_may_see_it(ada, ben):
    source = await talk(ben)
    given = await ada.copy(source, userId="uid_somebody")
    copy = await ben.copy(source)
    refused = await ben.copy(source, userId="uid_somebody")

    somebody = ada.as_user("uid_somebody")
    assert (given.userId, given.copiedFrom["threadId"]) == ("uid_somebody", source.id)
    assert (await somebody.get(given)).copiedFrom is None
    assert (refused.status, refused.code, refused.param) == (403, "insufficient_permissions", "userId")
    assert (await somebody.copy(source)).code == "thread_not_found"
    await ben.delete(source)
    assert (await ben.get(copy)).copiedFrom is None


async def test_many_messages_are_copied_by_one_statement(ada):
    source = await ada.create_thread()
    for n in range(12):
        await ada.post_messages(source, [{"role": "user", "content": f"{n} {m}"} for m in range(100)])

    copy = await ada.copy(source)

    assert copy.messageCount == 1200
    page = await ada.list_messages(copy, limit=100, order="desc")
    assert [each["content"][0]["text"] for each in page.data] == [f"11 {m}" for m in range(99, -1, -1)]
