"""Ids of the caller's own on threads and messages, and times of what is brought from elsewhere."""

import asyncio
import random
import time

import pytest

DAY_S = 24 * 3600
LONG_AGO = 1_000_000_000
WRITERS = 8


def now_s():
    return int(time.time())


# Threads


async def test_an_external_id_of_a_thread_is_unique_for_the_organization_and_the_user(ada, ben, cleo, people):
    own = people.new_user()
    made = await ada.as_user(own).create_thread(externalId="ticket-1")

    taken = await ada.as_user(own).create_thread(externalId="ticket-1", title="another")
    by_admin = await ada.create_thread(externalId="ticket-1", userId=own)
    others = [await who.create_thread(externalId="ticket-1") for who in (ada.as_user(people.new_user()), cleo)]

    assert (made.status, made.externalId) == (201, "ticket-1")
    for each in (taken, by_admin):
        assert (each.status, each.code, each.param) == (409, "external_id_taken", "externalId")
        assert made.id in each.message
    assert [each.status for each in others] == [201, 201]


async def test_a_refused_thread_leaves_nothing(fresh_user):
    await fresh_user.create_thread(externalId="only-one")

    refused = await fresh_user.create_thread(
        externalId="only-one", metadata={"a": 1}, messages=[{"role": "user", "content": "hi"}], payload=None
    )

    assert refused.status == 409
    assert (await fresh_user.list_threads(includeTotal=True)).total == 1


async def test_an_external_id_of_a_thread_is_free_again_after_its_deletion(fresh_user):
    made = await fresh_user.create_thread(externalId="again")

    await fresh_user.delete(made)
    again = await fresh_user.create_thread(externalId="again")

    assert again.status == 201
    assert again.id != made.id


async def test_of_writers_of_the_same_new_thread_exactly_one_wins(fresh_user):
    for n in range(5):
        answers = await asyncio.gather(*(fresh_user.create_thread(externalId=f"race-{n}") for _ in range(WRITERS)))

        [winner] = [each for each in answers if each.status == 201]
        losers = [each for each in answers if each is not winner]
        assert {(each.status, each.code) for each in losers} == {(409, "external_id_taken")}
        assert all(winner.id in each.message for each in losers)


async def test_a_chosen_id_that_is_taken_is_told_apart_from_an_external_id(fresh_user, people):
    id = f"thread_{people.new_user()}"
    await fresh_user.create_thread(id=id, externalId="first")

    same_id = await fresh_user.create_thread(id=id, externalId="second")
    same_external_id = await fresh_user.create_thread(id=f"{id}_2", externalId="first")

    assert (same_id.code, same_id.param) == ("thread_exists", "id")
    assert (same_external_id.code, same_external_id.param) == ("external_id_taken", "externalId")


async def test_threads_are_found_by_external_id(ada, cleo, people):
    first, second = ada.as_user(people.new_user()), ada.as_user(people.new_user())
    own = f"ticket {people.new_user()}"
    mine = await first.create_thread(externalId=own, metadata={"a": 1})
    others = await second.create_thread(externalId=own)
    await first.create_thread(externalId=own + " ")
    await cleo.create_thread(externalId=own)

    assert (await first.list_threads(externalId=own)).ids == [mine.id]
    assert (await first.my_threads(externalId=own, sort="updatedAt")).ids == [mine.id]
    assert (await ada.list_threads(externalId=own)).ids == [others.id, mine.id]
    assert (await ada.list_threads(externalId=own, userId=first.user)).ids == [mine.id]
    assert (await ada.my_threads(externalId=own)).ids == []
    assert (await ada.list_threads(externalId=own, includeTotal=True)).total == 2
    assert (await ada.list_threads(**{"externalId": own, "metadata.a": "1"})).ids == [mine.id]
    assert (await ada.list_threads(externalId=own, state="archived")).ids == []
    assert [each["id"] for each in await ada.walk("/v1/threads", externalId=own, limit=1, order="asc")] == [
        mine.id,
        others.id,
    ]
    assert (await ada.list_threads(externalId=own, after=others.id)).ids == [mine.id]


GOOD = ["x", "x" * 255, "a b", " ", "ü/世界?&=#", "🧵" * 255, "thread_01", "null", "\u200d", "\ue000"]
BAD = ["", "x" * 256, "a\nb", "a\n", "\t", "\x7f", "\x85", "a\x1f", 1, {}]


@pytest.mark.parametrize("value", GOOD)
async def test_any_text_of_255_characters_is_an_external_id(ada, people, value):
    who = ada.as_user(people.new_user())

    made = await who.create_thread(externalId=value, messages=[{"role": "user", "content": "a", "externalId": value}])

    assert (made.status, made.externalId) == (201, value)
    assert (await who.list_threads(externalId=value)).ids == [made.id]
    [message] = (await who.list_messages(made, externalId=value)).data
    assert message["externalId"] == value


@pytest.mark.parametrize("value", BAD)
async def test_any_other_external_id_is_refused(ada, value):
    thread = await ada.create_thread()

    of_thread = await ada.create_thread(externalId=value)
    of_message = await ada.post_message(thread, externalId=value)

    for each in (of_thread, of_message):
        assert (each.status, each.code, each.param) == (400, "invalid_field", "externalId")


async def test_an_external_id_is_never_changed(ada):
    thread = await ada.create_thread(externalId=f"fixed-{now_s()}")
    message = await ada.post_message(thread, externalId="fixed")

    for refused in (
        await ada.update(thread, externalId="other"),
        await ada.update_message(thread, message, externalId="other"),
    ):
        assert (refused.status, refused.code, refused.param) == (400, "invalid_field", "externalId")


# Messages


async def test_an_external_id_of_a_message_is_unique_in_its_thread(ada):
    thread, other = await ada.create_thread(), await ada.create_thread()
    made = await ada.post_message(thread, externalId="m-1")

    taken = await ada.post_message(thread, externalId="m-1")
    among = await ada.post_messages(
        thread, [{"role": "user", "content": "a"}, {"role": "user", "content": "b", "externalId": "m-1"}]
    )
    in_input = await ada.respond(thread, input=[{"role": "user", "content": "a", "externalId": "m-1"}])
    twice = await ada.post_messages(thread, [{"role": "user", "content": "a", "externalId": "m-2"}] * 2)
    elsewhere = await ada.post_message(other, externalId="m-1")

    for answer, param in ((taken, "externalId"), (among, "messages[1].externalId"), (in_input, "input[0].externalId")):
        assert (answer.status, answer.code, answer.param) == (409, "external_id_taken", param)
        assert made.id in answer.message
    assert (twice.status, twice.code, twice.param) == (400, "invalid_field", "messages[1].externalId")
    assert elsewhere.status == 201
    assert (await ada.get(thread)).messageCount == 1


async def test_an_external_id_of_a_message_is_free_again_however_it_was_deleted(ada):
    thread = await ada.create_thread()

    async def add(**more):
        bodies = [{"role": "user", "content": "a", "externalId": f"m-{n}"} for n in range(3)]
        return await ada.post_messages(thread, bodies, **more)

    assert (await add()).status == 201
    for message in (await ada.list_messages(thread)).ids:
        await ada.delete_message(thread, message)
    assert (await add()).status == 201
    await ada.delete_messages(thread)
    assert (await add()).status == 201
    assert (await add(replaces="all")).status == 201
    [first, *_] = (await ada.list_messages(thread)).ids
    assert (await add(replaces=first)).status == 201
    assert (await add()).status == 409
    assert [each["externalId"] for each in (await ada.list_messages(thread)).data] == ["m-0", "m-1", "m-2"]


async def test_of_writers_of_the_same_new_message_exactly_one_wins(ada):
    thread = await ada.create_thread()
    for n in range(5):
        answers = await asyncio.gather(*(ada.post_message(thread, externalId=f"race-{n}") for _ in range(WRITERS)))

        [winner] = [each for each in answers if each.status == 201]
        losers = [each for each in answers if each is not winner]
        assert {(each.status, each.code) for each in losers} == {(409, "external_id_taken")}
        assert all(winner.id in each.message for each in losers)
    assert (await ada.get(thread)).messageCount == 5


async def test_writers_use_ids_again_while_the_sweeper_removes_the_messages_that_had_them(ada):
    thread = await ada.create_thread()
    names = [f"m-{n}" for n in range(50)]
    for _ in range(12):
        random.shuffle(names)
        bodies = [{"role": "user", "content": "a", "externalId": name} for name in names]

        added = await ada.post_messages(thread, bodies, replaces="all")

        assert added.status == 201
        assert [each["externalId"] for each in added.data] == names


async def test_messages_are_found_by_external_id(ada, ben):
    thread = await ada.create_thread()
    made = [
        await ada.post_message(thread, "a", role, externalId=f"m-{n}")
        for n, role in enumerate(("user", "assistant", "user"))
    ]
    second = made[1]

    for order in ("asc", "desc"):
        found = await ada.list_messages(thread, externalId="m-1", order=order)
        assert (found.ids, found.hasMore, found.data[0]["parentId"]) == ([second.id], False, made[0].id)
    assert (await ada.list_messages(thread, externalId="m-1", role="assistant")).ids == [second.id]
    assert (await ada.list_messages(thread, externalId="m-1", role="user")).ids == []
    assert (await ada.list_messages(thread, externalId="m-1", branch="current")).ids == [second.id]
    assert (await ada.list_messages(thread, externalId="m-1", after=second.id)).ids == []
    assert (await ada.list_messages(thread, externalId="m-1", after=made[0].id)).ids == [second.id]
    assert (await ada.list_messages(thread, externalId="m-1", before=made[2].id)).ids == [second.id]
    assert (await ada.list_messages(thread, externalId="m")).ids == []
    assert (await ben.list_messages(thread, externalId="m-1")).status == 404
    await ada.delete_messages(thread)
    assert (await ada.list_messages(thread, externalId="m-1")).ids == []


# Times of what is brought from elsewhere


async def test_what_is_imported_keeps_its_time(ada, fresh_user):
    thread = await ada.create_thread(
        createdAt=LONG_AGO,
        messages=[
            {"role": "user", "content": "a", "createdAt": LONG_AGO + 50},
            {"role": "assistant", "content": "b", "createdAt": LONG_AGO + 20},
        ],
    )
    listed = (await ada.list_messages(thread)).data

    assert (thread.createdAt, thread.updatedAt, thread.lastMessageAt) == (LONG_AGO, LONG_AGO + 50, LONG_AGO + 20)
    # Order stays the order of storing.
    assert [(each["seq"], each["createdAt"], each["updatedAt"]) for each in listed] == [
        (1, LONG_AGO + 50, LONG_AGO + 50),
        (2, LONG_AGO + 20, LONG_AGO + 20),
    ]


async def test_the_revision_of_an_import_is_of_the_time_of_its_storing(ada):
    thread = await ada.create_thread(createdAt=LONG_AGO)
    message = await ada.post_message(thread, createdAt=LONG_AGO)

    for each in (thread, message):
        assert abs(int(each.etag.strip('"')) / 1000 - now_s()) < 60


async def test_after_its_creation_an_imported_thread_changes_by_the_clock(ada):
    thread = await ada.create_thread(createdAt=LONG_AGO)

    added = await ada.post_message(thread, createdAt=LONG_AGO + 1)
    read = await ada.get(thread)
    await ada.post_message(thread, "now")
    last = await ada.get(thread)
    renamed = await ada.update(thread, title="x")

    assert (added.createdAt, added.updatedAt) == (LONG_AGO + 1, LONG_AGO + 1)
    assert (read.createdAt, read.lastMessageAt) == (LONG_AGO, LONG_AGO + 1)
    for seconds in (read.updatedAt, last.lastMessageAt, renamed.updatedAt):
        assert abs(seconds - now_s()) < 60


async def test_the_newest_message_that_is_left_says_when_the_last_one_was(ada):
    thread = await ada.create_thread()
    await ada.post_message(thread, createdAt=LONG_AGO + 9)
    newest = await ada.post_message(thread, createdAt=LONG_AGO + 5)

    before = await ada.get(thread)
    await ada.delete_message(thread, newest)
    after = await ada.get(thread)
    await ada.delete_messages(thread)

    assert (before.lastMessageAt, after.lastMessageAt) == (LONG_AGO + 5, LONG_AGO + 9)
    assert (await ada.get(thread)).lastMessageAt is None


async def test_lists_of_threads_go_by_their_given_times(ada, people):
    who = people.new_user()
    times = [LONG_AGO + n * 10 for n in (3, 1, 2, 1)]
    made = [await ada.create_thread(createdAt=each, userId=who) for each in times]
    today = await ada.create_thread(userId=who)
    oldest_first = [made[1].id, made[3].id, made[2].id, made[0].id, today.id]

    ascending = await ada.walk("/v1/threads", userId=who, order="asc", limit=2)
    descending = await ada.walk("/v1/threads", userId=who, limit=2)
    early = await ada.list_threads(userId=who, order="asc", createdBefore=LONG_AGO + 30)
    after = await ada.list_threads(userId=who, order="asc", after=made[2].id)

    assert [each["id"] for each in ascending] == oldest_first
    assert [each["id"] for each in descending] == oldest_first[::-1]
    assert early.ids == oldest_first[:3]
    assert after.ids == oldest_first[3:]


async def test_no_time_is_in_the_future(ada):
    thread = await ada.create_thread(createdAt=now_s())
    soon = now_s() + 100
    refusals = [
        (await ada.create_thread(createdAt=soon), "createdAt"),
        (
            await ada.create_thread(messages=[{"role": "user", "content": "a", "createdAt": soon}]),
            "messages[0].createdAt",
        ),
        (await ada.post_message(thread, createdAt=soon), "createdAt"),
        (
            await ada.post_messages(thread, [{"role": "user", "content": "a", "createdAt": soon}]),
            "messages[0].createdAt",
        ),
        (
            await ada.respond(thread, input=[{"role": "user", "content": "a", "createdAt": soon}]),
            "input[0].createdAt",
        ),
    ]

    assert thread.status == 201
    for answer, param in refusals:
        assert (answer.status, answer.code, answer.param) == (400, "invalid_field", param)
    assert (await ada.get(thread)).messageCount == 0


@pytest.mark.parametrize("value", [-1, 1.5, "2001", True, 2**53 + 1])
async def test_a_time_is_whole_seconds(ada, value):
    refused = await ada.create_thread(createdAt=value)

    assert (refused.status, refused.param) == (400, "createdAt")


async def test_members_and_people_bring_times_too_but_nobody_for_whom_a_backend_acts(ada, ben, people):
    acted_for = ada.as_user(people.new_user())
    thread = await acted_for.create_thread()

    for who in (ben, ben.with_token(), ada.with_token()):
        assert (await who.create_thread(createdAt=LONG_AGO)).createdAt == LONG_AGO
    assert (await ada.create_thread(createdAt=LONG_AGO, userId=acted_for.user)).status == 201
    for refused, param in (
        (await acted_for.create_thread(createdAt=LONG_AGO), "createdAt"),
        (await acted_for.post_message(thread, createdAt=LONG_AGO), "createdAt"),
        (
            await acted_for.respond(thread, input=[{"role": "user", "content": "a", "createdAt": LONG_AGO}]),
            "input[0].createdAt",
        ),
    ):
        assert (refused.status, refused.code, refused.param) == (403, "insufficient_permissions", param)


async def test_a_time_that_was_given_is_never_changed(ada):
    thread = await ada.create_thread(createdAt=LONG_AGO)
    message = await ada.post_message(thread, createdAt=LONG_AGO)

    for refused in (
        await ada.update(thread, createdAt=LONG_AGO + 1),
        await ada.update_message(thread, message, createdAt=LONG_AGO + 1),
    ):
        assert (refused.status, refused.param) == (400, "createdAt")
