"""Erasing a user: all of the user's threads go, whoever else works on them, with a membership or without."""

import asyncio

import pytest

from support.in_process import inside
from support.postgres import connected
from support.waiting import SOON_S, eventually
from threadkeep.contract.threads import ThreadCreate
from threadkeep.operations.organizations import members
from threadkeep.operations.threads import threads

THREADS = 120
TRIES = 5
WAITING = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


@pytest.fixture
async def leaver(ada, people):
    user = people.new_user()
    await ada.put_member(user, "member")
    return user


async def threads_of(who, user):
    return (await who.list_threads(userId=user, includeTotal=True)).total


async def test_erasing_goes_on_while_somebody_else_deletes_some_of_the_threads(ada, leaver):
    created = await asyncio.gather(*(ada.create_thread(userId=leaver, metadata={"n": n}) for n in range(THREADS)))

    erased, *deleted = await asyncio.gather(
        ada.delete_member(leaver, threads="delete"), *(ada.delete(thread) for thread in created[::3])
    )

    assert (erased.status, erased.deleted) == (200, True)
    assert {answer.status for answer in deleted} <= {200, 404}
    assert await threads_of(ada, leaver) == 0


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True, scope="session")
async def test_a_thread_that_vanishes_between_finding_and_erasing_it_does_not_stop_the_erasure(ada, leaver, server):
    for _ in range(TRIES):
        threads = [await ada.create_thread(userId=leaver) for _ in range(3)]
        async with connected(server.database.url) as holder, connected(server.database.url) as observer:

            async def waiting(observer=observer):
                return await observer.fetchval(WAITING)

            # While a row is held here, the delete waits for it, and behind that the erasure, which has found it.
            async with holder.transaction():
                await holder.execute("select 1 from threads where id = $1 for update", threads[1].id)
                deleting = asyncio.create_task(ada.delete(threads[1]))
                await eventually(waiting, lambda count: count == 1, SOON_S)
                erasing = asyncio.create_task(ada.delete_member(leaver, threads="delete"))
                await eventually(waiting, lambda count: count == 2, SOON_S)
            deleted, erased = await deleting, await erasing

        # A row that is held for 3 s, as on a machine that stands still, is given up.
        assert {deleted.status, erased.status} <= {200, 503}
        if (deleted.status, erased.status) == (200, 200):
            break
        await ada.put_member(leaver, "member")

    assert (deleted.status, erased.status) == (200, 200)
    assert await threads_of(ada, leaver) == 0


async def test_a_user_with_threads_who_never_was_a_member_is_erased_once(ada, people):
    guest = ada.as_user(people.new_user())
    await guest.create_thread()
    await guest.create_thread()

    kept = await ada.delete_member(guest.user)
    erased = await ada.delete_member(guest.user, threads="delete")
    again = await ada.delete_member(guest.user, threads="delete")

    assert (kept.status, kept.code) == (404, "member_not_found")
    assert (erased.status, erased.threadsDeleted) == (200, 2)
    assert await threads_of(ada, guest.user) == 0
    assert (again.status, again.code) == (404, "member_not_found")


async def test_a_user_erased_together_with_the_membership_cannot_be_erased_again(ada, leaver):
    await ada.create_thread(userId=leaver)

    erased = await ada.delete_member(leaver, threads="delete")
    again = await ada.delete_member(leaver, threads="delete")

    assert (erased.status, erased.threadsDeleted) == (200, 1)
    assert (again.status, again.code) == (404, "member_not_found")


async def test_threads_that_the_sweeper_takes_meanwhile_are_counted_as_well(new_database, monkeypatch):
    erase_some = members.erase_some

    async def swept_before(tx, user_id):
        while await erase_some(tx, user_id):
            pass
        return 0

    monkeypatch.setattr(members, "erase_some", swept_before)
    async with inside(await new_database()) as place:
        for _ in range(3):
            await place.scoped.write(threads.create, ThreadCreate(user_id="uid_gone"))

        erased = await members.remove(place.scoped, "uid_gone", erases_threads=True)

    assert erased.threads_deleted == 3
