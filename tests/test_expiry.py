"""Threads that delete themselves: at a time that a caller set, or after the organization's retention."""

import asyncio
import time

import pytest

from support.answering import begin_talk, change_stored, open_place
from support.streams import CANCELLED, Stream
from support.waiting import eventually

DAY_S = 24 * 3600
GONE_S = 60


def now_s():
    return int(time.time())


async def is_gone(who, thread):
    await eventually(lambda: who.get(thread), lambda read: read.status == 404, GONE_S)


# At a time that a caller sets


async def test_a_thread_expires_at_a_time_from_now_on_or_never(ada):
    soon = now_s() + 100

    made = await ada.create_thread(expiresAt=soon)
    moved = await ada.update(made, expiresAt=soon + 1)
    kept = await ada.update(made, expiresAt=None)
    plain = await ada.create_thread()
    passed = await ada.create_thread(expiresAt=now_s() - 5)
    refused = await ada.update(made, expiresAt=now_s() - 5)

    assert [each.expiresAt for each in (made, moved, kept, plain)] == [soon, soon + 1, None, None]
    for each in (passed, refused):
        assert (each.status, each.code, each.param) == (400, "invalid_field", "expiresAt")
    assert (await ada.get(made)).expiresAt is None


@pytest.mark.parametrize("value", ["tomorrow", 1.5, -1, True, 2**53 + 1])
async def test_an_expiry_is_whole_seconds(ada, value):
    refused = await ada.create_thread(expiresAt=value)

    assert (refused.status, refused.param) == (400, "expiresAt")


async def test_the_latest_expiry_that_json_can_say_is_kept(ada):
    made = await ada.create_thread(expiresAt=2**53)

    assert made.expiresAt == 2**53


async def test_an_expiry_moves_the_revision_only_if_it_changes(ada):
    made = await ada.create_thread(expiresAt=now_s() + 100)

    same = await ada.update(made, expiresAt=made.expiresAt)
    moved = await ada.update(made, expiresAt=made.expiresAt + 1)

    assert same.etag == made.etag
    assert moved.etag != made.etag


async def test_a_locked_or_archived_thread_keeps_its_expiry(ada):
    thread = await ada.create_thread(expiresAt=now_s() + 100)

    await ada.lock(thread)
    locked = await ada.update(thread, expiresAt=None)
    await ada.archive(thread)
    archived = await ada.update(thread, expiresAt=thread.expiresAt)

    assert (locked.status, locked.code) == (409, "thread_locked")
    assert (archived.status, archived.code) == (409, "thread_archived")


async def test_an_expired_thread_goes_as_by_a_deletion_in_every_state(ada):
    soon = now_s() + 2
    made = [await ada.create_thread(expiresAt=soon, externalId=f"temporary-{n}") for n in range(3)]
    chosen = await ada.create_thread(expiresAt=soon, id="thread_temporary", payload={"format": "x", "data": "y"})
    await ada.post_message(made[0], "hello")
    await ada.lock(made[1])
    await ada.archive(made[2])
    stays = await ada.create_thread(expiresAt=soon + 3600)
    cursor = made[0].id

    for thread in (*made, chosen):
        await is_gone(ada, thread)

    assert (await ada.get(stays)).status == 200
    assert (await ada.list_messages(made[0])).code == "thread_not_found"
    assert (await ada.create_thread(id="thread_temporary", externalId="temporary-0")).status == 201
    assert (await ada.list_threads(after=cursor)).status == 200


async def test_a_thread_whose_expiry_is_moved_in_time_stays(ada):
    soon = now_s() + 2
    moved, never, gone = [await ada.create_thread(expiresAt=soon) for _ in range(3)]

    await ada.update(moved, expiresAt=soon + 3600)
    await ada.update(never, expiresAt=None)
    await is_gone(ada, gone)

    assert (await ada.get(moved)).expiresAt == soon + 3600
    assert (await ada.get(never)).expiresAt is None


async def test_an_append_may_move_the_expiry_in_the_same_transaction(ada):
    thread = await ada.create_thread(expiresAt=now_s() + 100)

    added = await ada.post_messages(
        thread, [{"role": "user", "content": "hi"}], thread={"expiresAt": now_s() + 500, "title": "kept for longer"}
    )
    read = await ada.get(thread)

    assert added.status == 201
    assert read.expiresAt > thread.expiresAt
    assert (read.title, read.messageCount) == ("kept for longer", 1)


async def test_a_retry_of_the_creation_of_an_expired_thread_creates_no_other(ada):
    retrying = ada.retrying("temporary-creation")
    body = {"expiresAt": now_s() + 2, "title": "temporary"}
    thread = await retrying.create_thread(**body)
    await is_gone(ada, thread)

    again = await retrying.create_thread(**body)

    assert (again.status, again.code) == (404, "thread_not_found")


async def test_readers_of_a_running_response_are_told_that_the_thread_was_deleted(new_database, zygote):
    async with open_place(new_database, zygote) as place:
        ada = place.cast.ada
        thread = await ada.create_thread(expiresAt=now_s() + 3)
        talk = await begin_talk(ada, place.fresh_model(), thread=thread)
        async with await Stream.follow(ada, thread, talk) as stream:
            events = await stream.rest()
        await is_gone(ada, thread)
        talk.go.set()

    assert (events[-1].type, events[-1].data["response"]["error"]["code"]) == (CANCELLED, "thread_deleted")


# After the organization's retention


async def test_a_new_thread_is_kept_for_the_organizations_retention_counted_from_its_storing(fresh_owner):
    before = await fresh_owner.create_thread()
    set_to = await fresh_owner.update_organization(retentionDays=30)
    assert (set_to.status, set_to.retentionDays) == (200, 30)
    await eventually(fresh_owner.create_thread, lambda made: made.expiresAt is not None, 10)

    plain = await fresh_owner.create_thread()
    imported = await fresh_owner.create_thread(createdAt=1_000_000_000)
    own = await fresh_owner.create_thread(expiresAt=now_s() + 100)
    never = await fresh_owner.create_thread(expiresAt=None)

    in_thirty_days = now_s() + 30 * DAY_S
    assert abs(plain.expiresAt - in_thirty_days) < 60
    assert (imported.createdAt, abs(imported.expiresAt - in_thirty_days) < 60) == (1_000_000_000, True)
    assert abs(own.expiresAt - now_s() - 100) < 60
    assert (before.expiresAt, never.expiresAt) == (None, None)


@pytest.mark.parametrize("value", [0, -1, 36_501, 1.5, "30", True])
async def test_a_retention_is_between_1_and_36500_days(fresh_owner, value):
    refused = await fresh_owner.update_organization(retentionDays=value)

    assert (refused.status, refused.code, refused.param) == (400, "invalid_field", "retentionDays")


async def test_a_retention_ends_for_new_threads_only(fresh_owner):
    for days in (1, 36_500):
        assert (await fresh_owner.update_organization(retentionDays=days)).retentionDays == days
    kept = await eventually(fresh_owner.create_thread, lambda made: made.expiresAt is not None, 10)

    ended = await fresh_owner.update_organization(retentionDays=None)
    new = await eventually(fresh_owner.create_thread, lambda made: made.expiresAt is None, 10)

    assert (ended.retentionDays, new.expiresAt) == (None, None)
    assert (await fresh_owner.get(kept)).expiresAt == kept.expiresAt


async def test_only_owners_set_the_retention(ada, ben):
    refused = await ben.update_organization(retentionDays=1)

    assert (refused.status, refused.code) == (403, "insufficient_permissions")
    assert (await ada.get_organization()).retentionDays is None


async def test_each_message_that_is_stored_moves_the_retention_on_and_nothing_else_does(fresh_owner, server):
    await fresh_owner.update_organization(retentionDays=1)
    thread = await eventually(fresh_owner.create_thread, lambda made: made.expiresAt is not None, 10)
    own = await fresh_owner.create_thread(expiresAt=thread.expiresAt - 1000)
    never = await fresh_owner.create_thread(expiresAt=None)
    hello = {"role": "user", "content": "hello"}
    writes = [
        lambda: fresh_owner.post_message(thread, "one"),
        lambda: fresh_owner.post_messages(thread, [hello, hello]),
        lambda: fresh_owner.post_message(thread, "placed", externalId="placed"),
        lambda: fresh_owner.post_messages(thread, [hello], replaces="all"),
        lambda: fresh_owner.respond(thread, input="answer me"),
    ]

    for write in writes:
        await change_stored(
            server.database, f"update threads set expires_ms = expires_ms - 5000000 where id = '{thread.id}'"
        )
        assert (await fresh_owner.get(thread)).expiresAt < now_s() + DAY_S - 4000
        assert (await write()).status in (200, 201)
        assert (await fresh_owner.get(thread)).expiresAt > now_s() + DAY_S - 1000

    moved_on = (await fresh_owner.get(thread)).expiresAt
    await fresh_owner.update(thread, title="renamed", metadata={"a": 1})
    await fresh_owner.lock(thread)
    assert (await fresh_owner.get(thread)).expiresAt == moved_on
    for other in (own, never):
        await fresh_owner.post_message(other, "one")
        await fresh_owner.post_messages(other, [hello, hello])
        assert (await fresh_owner.get(other)).expiresAt == other.expiresAt


async def test_an_expiry_that_a_caller_set_is_never_moved_by_the_retention(fresh_owner):
    await fresh_owner.update_organization(retentionDays=1)
    first, second = [
        await eventually(fresh_owner.create_thread, lambda made: made.expiresAt is not None, 10) for _ in range(2)
    ]

    await fresh_owner.update(first, expiresAt=first.expiresAt)
    await fresh_owner.update(second, expiresAt=None)
    for thread in (first, second):
        await asyncio.sleep(1.1)
        await fresh_owner.post_message(thread, "later")

    assert (await fresh_owner.get(first)).expiresAt == first.expiresAt
    assert (await fresh_owner.get(second)).expiresAt is None
