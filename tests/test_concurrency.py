"""Many at once: numbers are given exactly once, counts are exact, and whoever looks sees a consistent thread."""

import asyncio
import itertools

import httpx
import pytest

from conftest import connect
from support.cast import Caller
from support.stored import WRONG_COUNTS

CLIENTS, EACH = 16, 20


@pytest.fixture
async def sixteen(ada, server):
    """The same caller on sixteen connections of their own."""
    clients: list[httpx.AsyncClient] = [connect(server) for _ in range(CLIENTS)]
    yield [Caller(client, organization="ORG_ACME", user="uid_ada", key=ada.key) for client in clients]
    for client in clients:
        await client.aclose()


def texts(messages):
    return [message["content"][0]["text"] for message in messages]


async def test_sixteen_clients_append_to_one_thread_and_every_number_is_given_once(sixteen, ada, stored):
    thread = await ada.create_thread()
    done = asyncio.Event()
    answered = 0

    async def append(number, who):
        nonlocal answered
        numbers = []
        for turn in range(EACH):
            message = await who.post_message(thread, f"{number}/{turn}")
            assert message.status == 201, message
            answered += 1
            numbers.append(message.seq)
        assert numbers == sorted(numbers)
        return numbers

    async def observe():
        """Whatever was answered before the look is seen by it, and count and newest number belong together."""
        last_count = 0
        while not done.is_set():
            before = answered
            now = await ada.get(thread)
            newest = await ada.list_messages(thread, order="desc", limit=1)
            assert now.messageCount >= max(before, last_count)
            assert before == 0 or newest.data[0]["seq"] >= max(before, now.messageCount)
            last_count = now.messageCount
            assert await stored.rows(WRONG_COUNTS) == []

    observer = asyncio.create_task(observe())
    given = await asyncio.gather(*(append(number, who) for number, who in enumerate(sixteen)))
    done.set()
    await observer

    listed = await ada.walk(f"/v1/threads/{thread.id}/messages", limit=100)
    total = CLIENTS * EACH
    assert sorted(itertools.chain(*given)) == list(range(1, total + 1))
    assert [message["seq"] for message in listed] == list(range(1, total + 1))
    assert (await ada.get(thread)).messageCount == total
    for number, numbers in enumerate(given):
        own = [message for message in listed if texts([message])[0].split("/")[0] == str(number)]
        assert [message["seq"] for message in own] == numbers
        assert texts(own) == [f"{number}/{turn}" for turn in range(EACH)]


async def test_batches_of_many_clients_stay_together(sixteen, ada):
    thread = await ada.create_thread()

    async def append(number, who):
        for _ in range(3):
            answer = await who.post_messages(thread, [{"role": "user", "content": str(number)}] * 5)
            seqs = [message["seq"] for message in answer.data]
            assert seqs == list(range(seqs[0], seqs[0] + 5))

    await asyncio.gather(*(append(number, who) for number, who in enumerate(sixteen)))

    listed = await ada.walk(f"/v1/threads/{thread.id}/messages", limit=100)
    assert [message["seq"] for message in listed] == list(range(1, CLIENTS * 15 + 1))
    for start in range(0, len(listed), 5):
        assert len(set(texts(listed[start : start + 5]))) == 1


async def test_the_count_is_exact_while_some_append_and_others_delete(sixteen, ada):
    thread = await ada.create_thread()

    async def append_and_delete(who, number):
        for turn in range(8):
            message = await who.post_message(thread)
            if (turn + number) % 2:
                assert (await who.delete_message(thread, message)).status == 200

    await asyncio.gather(*(append_and_delete(who, number) for number, who in enumerate(sixteen)))

    listed = await ada.walk(f"/v1/threads/{thread.id}/messages", limit=100)
    assert len(listed) == CLIENTS * 4
    assert (await ada.get(thread)).messageCount == CLIENTS * 4
    assert (await ada.post_message(thread)).seq == CLIENTS * 8 + 1


async def test_a_message_deleted_by_many_at_once_is_deleted_and_counted_once(sixteen, ada):
    thread = await ada.create_thread(messages=[{"role": "user", "content": str(n)} for n in range(5)])

    for message in (await ada.list_messages(thread)).ids:
        answers = await asyncio.gather(*(who.delete_message(thread, message) for who in sixteen))
        assert sorted(answer.status for answer in answers) == [200] + [404] * (CLIENTS - 1)

    assert (await ada.get(thread)).messageCount == 0


async def test_delete_all_against_appends_keeps_count_and_order(sixteen, ada, stored):
    thread = await ada.create_thread()
    deleted = 0

    async def append(who):
        for _ in range(10):
            assert (await who.post_message(thread)).status == 201

    async def clear():
        nonlocal deleted
        for _ in range(10):
            deleted += (await ada.delete_messages(thread)).deleted
            assert await stored.rows(WRONG_COUNTS) == []

    await asyncio.gather(clear(), *(append(who) for who in sixteen))

    listed = await ada.walk(f"/v1/threads/{thread.id}/messages", limit=100)
    assert len(listed) + deleted == CLIENTS * 10
    assert (await ada.get(thread)).messageCount == len(listed)
    assert (await ada.post_message(thread)).seq == CLIENTS * 10 + 1


async def test_of_many_who_create_one_id_at_once_one_succeeds(sixteen, people, ada):
    for _ in range(5):
        chosen = f"thread_{people.new_user()}"

        answers = await asyncio.gather(*(who.create_thread(id=chosen, title=str(n)) for n, who in enumerate(sixteen)))

        assert sorted(answer.status for answer in answers) == [201] + [409] * (CLIENTS - 1)
        winner = next(answer for answer in answers if answer.status == 201)
        assert (await ada.get(chosen)).body == winner.body


async def test_appends_to_a_thread_that_is_deleted_meanwhile_are_written_or_refused_cleanly(sixteen, ada, people):
    for _ in range(3):
        chosen = f"thread_{people.new_user()}"
        await ada.create_thread(id=chosen)

        async def append(who, chosen=chosen):
            for _ in range(5):
                answer = await who.post_message(chosen)
                assert answer.status == 201 or (answer.status, answer.code) == (404, "thread_not_found")

        await asyncio.gather(ada.delete(chosen), *(append(who) for who in sixteen))

        assert (await ada.get(chosen)).status == 404
        assert (await ada.create_thread(id=chosen)).status == 201
        assert (await ada.list_messages(chosen)).data == []


async def test_updates_of_title_and_messages_do_not_undo_each_other(sixteen, ada):
    thread = await ada.create_thread()

    await asyncio.gather(
        *(who.post_message(thread) for who in sixteen),
        *(who.update(thread, metadata={f"k{n}": n}) for n, who in enumerate(sixteen)),
        *(who.update(thread, title="the title") for who in sixteen),
    )

    read = await ada.get(thread)
    assert (read.messageCount, read.title, len(read.metadata)) == (CLIENTS, "the title", CLIENTS)
