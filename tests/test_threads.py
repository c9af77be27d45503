"""Threads: the whole object, every field and its limits, and the four ways to meet one."""

import re
import time

import pytest

FIELDS = {
    "id",
    "object",
    "createdAt",
    "updatedAt",
    "metadata",
    "assistantId",
    "organizationId",
    "userId",
    "title",
    "visibleInUi",
    "messageCount",
    "status",
    "state",
    "lastMessageAt",
    "externalId",
    "expiresAt",
    "payloadFormat",
    "copiedFrom",
}
ONE_AND_FOUR_BYTES = pytest.mark.parametrize("character", ["a", "é", "😀"])


async def test_an_empty_create_answers_the_whole_thread_with_its_defaults(ada):
    before = int(time.time())

    thread = await ada.create_thread()

    assert thread.status == 201
    assert set(thread.body) == FIELDS
    assert re.fullmatch(r"thread_[0-7][0-9a-hjkmnp-tv-z]{25}", thread.id)
    assert before <= thread.createdAt <= time.time() + 1
    assert thread.body == {
        "id": thread.id,
        "object": "thread",
        "createdAt": thread.createdAt,
        "updatedAt": thread.createdAt,
        "metadata": {},
        "assistantId": None,
        "organizationId": "ORG_ACME",
        "userId": "uid_ada",
        "title": None,
        "visibleInUi": True,
        "messageCount": 0,
        "status": "inactive",
        "state": "open",
        "lastMessageAt": None,
        "externalId": None,
        "expiresAt": None,
        "payloadFormat": None,
        "copiedFrom": None,
    }


async def test_a_create_needs_no_body_at_all(ada):
    thread = await ada.request("POST", "/v1/threads")

    assert (thread.status, thread.title) == (201, None)


async def test_get_and_lists_answer_what_create_answered(ada, people):
    user = ada.as_user(people.new_user())
    thread = await user.create_thread(title="Invoice of May", metadata={"category": "billing"})

    single = await user.get(thread)
    listed = await user.list_threads()

    assert single.body == thread.body
    assert listed.data == [thread.body]


async def test_every_field_of_a_create_is_kept(ada, people):
    user = people.new_user()

    thread = await ada.create_thread(
        id=f"thread_chosen-by_{user}",
        title="  kept as given ",
        metadata={"a": 1},
        assistantId=None,
        visibleInUi=True,
        organizationId="ORG_ACME",
        userId=user,
        messages=[{"role": "user", "content": "hello"}],
    )

    assert thread.status == 201
    assert (thread.id, thread.title, thread.metadata) == (f"thread_chosen-by_{user}", "  kept as given ", {"a": 1})
    assert (thread.userId, thread.messageCount) == (user, 1)
    assert thread.lastMessageAt >= thread.createdAt


async def test_a_chosen_id_is_taken_once_per_organization(ada, cleo, people):
    chosen = f"thread_{people.new_user()}"
    await ada.create_thread(id=chosen, title="ada's")

    again = await ada.create_thread(id=chosen, title="again")
    elsewhere = await cleo.create_thread(id=chosen, title="cleo's")

    assert (again.status, again.code, again.type, again.param) == (409, "thread_exists", "conflict_error", "id")
    assert elsewhere.status == 201
    assert (await ada.get(chosen)).title == "ada's"
    assert (await cleo.get(chosen)).title == "cleo's"


@pytest.mark.parametrize("length", [1, 121])
async def test_a_chosen_id_has_up_to_121_characters_after_its_prefix(ada, people, length):
    chosen = "thread_" + people.new_user().removeprefix("uid_person_").rjust(length, "x")[-length:]
    await ada.delete(chosen)

    assert (await ada.create_thread(id=chosen)).id == chosen


@pytest.mark.parametrize(
    "chosen", ["thread_", "thread_" + "x" * 122, "thread_ä", "thread_a b", "thread_a/b", "abc", "", 7]
)
async def test_an_id_of_another_shape_is_refused(ada, chosen):
    refused = await ada.create_thread(id=chosen)

    assert (refused.status, refused.code, refused.param) == (400, "invalid_field", "id")


@ONE_AND_FOUR_BYTES
async def test_a_title_has_up_to_200_characters(ada, character):
    created = await ada.create_thread(title=character * 200)
    refused = await ada.create_thread(title=character * 201)

    assert (created.status, created.title) == (201, character * 200)
    assert (refused.status, refused.code, refused.param) == (400, "invalid_field", "title")


@ONE_AND_FOUR_BYTES
async def test_an_update_keeps_to_the_same_title_limit(ada, character):
    thread = await ada.create_thread(title="before")

    refused = await ada.update(thread, title=character * 201)
    kept = await ada.get(thread)
    updated = await ada.update(thread, title=character * 200)

    assert (refused.status, refused.code, refused.param) == (400, "invalid_field", "title")
    assert kept.body == thread.body
    assert updated.title == character * 200


@pytest.mark.parametrize(
    "title", ["", " ", "a\nb\t\r", "‮abc", "e\u0301", "é", "\u007f", "\u0001", "\ufffd", "'; drop", "%_"]
)
async def test_a_title_is_stored_as_given(ada, title):
    thread = await ada.create_thread(title=title)

    assert thread.title == title
    assert (await ada.get(thread)).title == title


async def test_a_title_is_cleared_by_null_and_kept_when_absent(ada):
    thread = await ada.create_thread(title="first")

    kept = await ada.update(thread, metadata={"a": 1})
    cleared = await ada.update(thread, title=None)

    assert kept.title == "first"
    assert cleared.title is None


@pytest.mark.parametrize("method", ["PATCH", "POST"])
async def test_an_update_answers_to_patch_and_post_alike(ada, method):
    thread = await ada.create_thread()

    updated = await ada.request(method, f"/v1/threads/{thread.id}", {"title": method})

    assert (updated.status, updated.title) == (200, method)


@pytest.mark.parametrize(
    "field",
    [
        {"title": 1},
        {"title": ["a"]},
        {"title": True},
        {"visibleInUi": "false"},
        {"visibleInUi": 0},
        {"visibleInUi": None},
        {"metadata": []},
        {"metadata": "a"},
        {"userId": 1},
        {"userId": ""},
        {"userId": "a b"},
        {"userId": "u" * 129},
        {"organizationId": 1},
        {"messages": {}},
        {"messages": [1]},
        {"assistantId": 1},
    ],
)
async def test_a_create_names_the_field_of_a_wrong_type_or_shape(ada, field):
    refused = await ada.create_thread(**field)

    assert (refused.status, refused.code) == (400, "invalid_field")
    assert refused.param.split(".")[0].split("[")[0] == next(iter(field))


@pytest.mark.parametrize("field", sorted(FIELDS - {"title", "metadata", "assistantId", "visibleInUi", "expiresAt"}))
async def test_an_update_refuses_read_only_fields(ada, field):
    thread = await ada.create_thread(title="before")

    refused = await ada.update(thread, title="after", **{field: thread[field]})

    assert (refused.status, refused.type, refused.param) == (400, "invalid_request_error", field)
    assert (await ada.get(thread)).body == thread.body


@pytest.mark.parametrize(
    "field", ["object", "createdAt", "updatedAt", "messageCount", "status", "state", "lastMessageAt"]
)
async def test_a_create_refuses_read_only_fields(ada, field):
    refused = await ada.create_thread(**{field: None})

    assert (refused.status, refused.param) == (400, field)


async def test_an_unknown_field_is_refused_by_name(ada):
    created = await ada.create_thread(titel="x")
    thread = await ada.create_thread()
    updated = await ada.update(thread, titel="x")

    assert (created.status, created.code, created.param) == (400, "unknown_field", "titel")
    assert (updated.status, updated.code, updated.param) == (400, "unknown_field", "titel")


async def test_a_deleted_thread_is_gone_at_once_and_its_id_is_free_again(ada, people):
    chosen = f"thread_{people.new_user()}"
    thread = await ada.create_thread(id=chosen, messages=[{"role": "user", "content": "old words"}])

    deleted = await ada.delete(thread)
    gone = await ada.get(thread)
    again = await ada.delete(thread)
    messages = await ada.list_messages(thread)
    reborn = await ada.create_thread(id=chosen)

    assert (deleted.status, deleted.body) == (200, {"id": chosen, "object": "thread.deleted", "deleted": True})
    assert (gone.status, gone.code) == (404, "thread_not_found")
    assert (again.status, again.code) == (404, "thread_not_found")
    assert (messages.status, messages.code) == (404, "thread_not_found")
    assert (reborn.status, reborn.messageCount, reborn.lastMessageAt) == (201, 0, None)
    assert (await ada.list_messages(chosen)).data == []
    assert (await ada.post_message(chosen)).seq == 1


@pytest.mark.parametrize(
    "thread", ["thread_01h455vb4pex5vsknk084sn02q", "thread_x", "nonsense", "thread_%00", "msg_1", "%F0%9F"]
)
async def test_an_id_that_never_was_is_not_found(ada, thread):
    answers = [
        await ada.get(thread),
        await ada.update(thread, title="x"),
        await ada.delete(thread),
        await ada.lock(thread),
    ]

    assert [(answer.status, answer.code) for answer in answers] == [(404, "thread_not_found")] * 4


async def test_updated_at_and_the_tag_move_together_and_only_on_a_change(ada):
    thread = await ada.create_thread(title="a", metadata={"a": 1})
    tags = [thread.etag]

    for change in ({}, {"title": "a"}, {"metadata": {"a": 1}}, {"metadata": {"b": None}}, {"visibleInUi": True}):
        same = await ada.update(thread, **change)
        assert (same.status, same.body, same.etag) == (200, thread.body, thread.etag), change
    for change in ({"title": "b"}, {"title": None}, {"metadata": {"a": 2}}, {"metadata": None}):
        moved = await ada.update(thread, **change)
        assert moved.updatedAt >= thread.updatedAt
        tags.append(moved.etag)

    revisions = [int(re.fullmatch(r'"(\d+)"', tag)[1]) for tag in tags]
    assert revisions == [revisions[0] + step for step in range(5)]
    assert abs(revisions[0] / 1000 - thread.createdAt) <= 2
    assert (await ada.get(thread)).etag == tags[-1]


async def test_the_tag_moves_with_messages_and_states(ada):
    thread = await ada.create_thread()
    tags = [thread.etag]

    message = await ada.post_message(thread)
    tags.append((await ada.get(thread)).etag)
    await ada.update_message(thread, message, metadata={"a": 1})
    tags.append((await ada.get(thread)).etag)
    await ada.delete_message(thread, message)
    tags.append((await ada.get(thread)).etag)
    for action in ("lock", "unlock", "archive", "unarchive"):
        tags.append((await ada.act(thread, action)).etag)

    assert len(set(tags)) == len(tags)


async def test_a_reborn_thread_never_matches_an_old_tag(ada, people):
    chosen = f"thread_{people.new_user()}"
    old = await ada.create_thread(id=chosen)
    for title in "abc":
        old = await ada.update(chosen, title=title)
    await ada.delete(chosen)
    new = await ada.create_thread(id=chosen)

    refused = await ada.if_match(old.etag).update(chosen, title="x")

    assert new.etag != old.etag
    assert (refused.status, refused.code) == (412, "precondition_failed")
