"""Positions in lists: cursors, both directions, and exact walks while others write and delete."""

import asyncio
import itertools

import pytest


@pytest.fixture
async def five(fresh_user):
    fresh_user.threads = [(await fresh_user.create_thread(title=str(number))).id for number in range(5)]
    return fresh_user


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("by", ["id", "cursor"])
async def test_after_goes_on_in_the_requested_order(five, order, by):
    expected = five.threads if order == "asc" else five.threads[::-1]

    first = await five.list_threads(order=order, limit=2)
    second = await five.list_threads(order=order, limit=2, after=first.lastId if by == "id" else first.nextCursor)
    third = await five.list_threads(order=order, limit=2, after=second.lastId if by == "id" else second.nextCursor)

    assert [first.ids, second.ids, third.ids] == [expected[:2], expected[2:4], expected[4:]]
    assert [page.hasMore for page in (first, second, third)] == [True, True, False]
    assert (first.firstId, first.lastId) == (expected[0], expected[1])


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_before_gives_the_nearest_items_in_the_requested_order(five, order):
    expected = five.threads if order == "asc" else five.threads[::-1]

    page = await five.list_threads(order=order, limit=2, before=expected[4])
    further = await five.list_threads(order=order, limit=2, before=page.nextCursor)
    start = await five.list_threads(order=order, limit=2, before=expected[0])

    assert (page.ids, page.hasMore) == (expected[2:4], True)
    assert (further.ids, further.hasMore) == (expected[0:2], False)
    assert (start.ids, start.hasMore) == ([], False)


async def test_a_page_that_ends_exactly_has_no_more(five):
    page = await five.list_threads(limit=5)

    assert (len(page.data), page.hasMore) == (5, False)


async def test_after_and_before_at_once_are_refused(five):
    refused = await five.list_threads(after=five.threads[0], before=five.threads[4])

    assert (refused.status, refused.type) == (400, "invalid_request_error")
    assert refused.param in ("after", "before")


async def test_an_id_as_cursor_works_after_its_object_was_deleted(five):
    expected = five.threads[::-1]
    await five.delete(expected[1])

    after = await five.list_threads(after=expected[1])
    before = await five.list_threads(before=expected[1])

    assert (after.ids, before.ids) == (expected[2:], expected[:1])


async def test_a_cursor_carries_the_position_itself(five):
    expected = five.threads[::-1]
    page = await five.list_threads(limit=2)

    for thread in expected[:2]:
        await five.delete(thread)

    assert (await five.list_threads(after=page.nextCursor)).ids == expected[2:]


@pytest.mark.parametrize("sort", ["createdAt", "updatedAt"])
@pytest.mark.parametrize(
    "cursor", ["", "nonsense", "thread_01h455vb4pex5vsknk084sn02q", "msg_x", "=" * 50, "a" * 2000, "😀"]
)
@pytest.mark.parametrize("name", ["after", "before"])
async def test_an_invalid_cursor_is_refused(five, sort, cursor, name):
    refused = await five.list_threads(sort=sort, **{name: cursor})

    assert (refused.status, refused.param) == (400, name)
    assert refused.code == ("invalid_cursor" if len(cursor) < 100 else refused.code)


async def test_ids_and_cursors_of_another_sort_are_refused(five):
    created = await five.list_threads(limit=2)
    updated = await five.list_threads(limit=2, sort="updatedAt")

    refused = [
        await five.list_threads(sort="updatedAt", after=five.threads[2]),
        await five.list_threads(sort="updatedAt", after=created.nextCursor),
        await five.list_threads(sort="createdAt", after=updated.nextCursor),
        await five.list_messages(five.threads[0], after=created.nextCursor),
    ]

    assert [(answer.status, answer.code, answer.param) for answer in refused] == [(400, "invalid_cursor", "after")] * 4
    assert (await five.list_threads(sort="updatedAt", after=updated.nextCursor)).status == 200


async def test_a_thread_that_the_caller_may_not_see_is_no_cursor(five, ada, ben, cleo):
    hers = await cleo.create_thread()
    his = await ben.create_thread()

    strangers = await five.list_threads(after=hers.id)
    colleagues = await five.list_threads(after=his.id)

    assert (strangers.status, strangers.code) == (400, "invalid_cursor")
    assert (colleagues.status, colleagues.code) == (400, "invalid_cursor")
    assert (await ada.list_threads(after=his.id)).status == 200


async def test_a_tampered_cursor_never_fails_the_server(five):
    cursor = (await five.list_threads(limit=2)).nextCursor

    for place in range(len(cursor)):
        for other in ("A", "-", "z"):
            answer = await five.list_threads(after=cursor[:place] + other + cursor[place + 1 :])
            assert answer.status in (200, 400)
            assert answer.status == 200 or answer.code == "invalid_cursor"


async def test_a_page_of_threads_stops_at_4_mib_and_says_so(fresh_user):
    largest = {f"{number:x}" * 64: "\x01" * 512 for number in range(16)}
    made = [(await fresh_user.create_thread(metadata=largest)).id for _ in range(90)]

    pages = [page async for page in fresh_user.pages("/v1/threads", limit=100)]

    assert [thread for page in pages for thread in page.ids] == made[::-1]
    assert 2 <= len(pages) <= 3
    assert all(len(page.response.content) <= 4 * 1024**2 + 1024 for page in pages)


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_messages_have_positions_too(ada, order):
    thread = await ada.create_thread(messages=[{"role": "user", "content": str(n)} for n in range(5)])
    ids = (await ada.list_messages(thread, order=order)).ids
    await ada.delete_message(thread, ids[1])

    first = await ada.list_messages(thread, order=order, limit=2)
    second = await ada.list_messages(thread, order=order, limit=2, after=first.nextCursor)
    after_deleted = await ada.list_messages(thread, order=order, after=ids[1])
    before = await ada.list_messages(thread, order=order, limit=2, before=ids[4])

    assert (first.ids, first.hasMore) == ([ids[0], ids[2]], True)
    assert (second.ids, second.hasMore) == (ids[3:], False)
    assert after_deleted.ids == ids[2:]
    assert (before.ids, before.hasMore) == (ids[2:4], True)


async def test_a_message_of_another_thread_is_no_cursor(ada):
    thread, other = await ada.create_thread(), await ada.create_thread()
    message = await ada.post_message(other)

    refused = await ada.list_messages(thread, after=message.id)

    assert (refused.status, refused.code, refused.param) == (400, "invalid_cursor", "after")


@pytest.mark.parametrize("limit", [1, 7, 100])
@pytest.mark.parametrize(("sort", "order"), [("createdAt", "desc"), ("createdAt", "asc"), ("updatedAt", "desc")])
async def test_a_walk_shows_what_stayed_exactly_once_while_others_write_and_delete(fresh_user, limit, sort, order):
    user = fresh_user
    made = await asyncio.gather(*(user.create_thread() for _ in range(40)))
    stay, go = [thread.id for thread in made[::2]], [thread.id for thread in made[1::2]]
    done = asyncio.Event()

    async def disturb():
        for thread in itertools.cycle(go):
            if done.is_set():
                return
            await user.delete(thread)
            await user.create_thread(id=thread)
            await user.update(thread, title="moved")

    disturber = asyncio.create_task(disturb())
    walked = [item["id"] for item in await user.walk("/v1/threads", limit=limit, sort=sort, order=order)]
    done.set()
    await disturber

    seen = [thread for thread in walked if thread in set(stay)]
    assert sorted(seen) == sorted(stay)
    if sort == "createdAt":
        listed = [item["id"] for item in await user.walk("/v1/threads", limit=100, order=order)]
        assert seen == [thread for thread in listed if thread in set(stay)]


@pytest.mark.parametrize("limit", [1, 7, 100])
async def test_a_walk_through_messages_is_exact_while_others_append_and_delete(ada, limit):
    thread = await ada.create_thread(messages=[{"role": "user", "content": str(n)} for n in range(40)])
    messages = (await ada.list_messages(thread, limit=100)).ids
    done = asyncio.Event()

    async def disturb():
        for message in messages[1::2]:
            await ada.delete_message(thread, message)
            await ada.post_message(thread)
            if done.is_set():
                return

    disturber = asyncio.create_task(disturb())
    walked = await ada.walk(f"/v1/threads/{thread.id}/messages", limit=limit)
    done.set()
    await disturber

    stayed = set(messages[::2])
    assert [item["id"] for item in walked if item["id"] in stayed] == messages[::2]
    numbers = [item["seq"] for item in walked]
    assert numbers == sorted(set(numbers))
