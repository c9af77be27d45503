"""What a `nextCursor` hides, what it refuses, and where it is good: in every process with the same secret."""

import base64
import string

import pytest

from conftest import connect
from support.cast import Caller
from support.people import People

ALPHABET = string.ascii_letters + string.digits + "-_"
PREFIX = "cur_"


def decoded(cursor):
    encoded = cursor.removeprefix(PREFIX)
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))


def encoded(position):
    return PREFIX + base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


async def page_of(who):
    """Return a first page of one thread of three, which carries a cursor."""
    if not (await who.list_threads()).data:
        for number in range(3):
            await who.create_thread(title=str(number))
    return await who.list_threads(limit=1)


async def test_a_cursor_decodes_to_nothing_readable(fresh_user):
    cursors = [(await page_of(fresh_user)).nextCursor]
    cursors.append((await fresh_user.list_threads(limit=1, after=cursors[0])).nextCursor)
    cursors.append((await fresh_user.list_threads(limit=1, sort="updatedAt")).nextCursor)

    for cursor in cursors:
        text = decoded(cursor)
        assert cursor.startswith(PREFIX)
        assert not [word for word in (b"createdAt", b"updatedAt", b'["', b"]]") if word in text]
    # Neighbours share the sort and most digits; sealed, they share no more than chance gives.
    same_count = sum(one == other for one, other in zip(decoded(cursors[0]), decoded(cursors[1]), strict=False))
    assert same_count < 8


async def test_messages_and_members_seal_their_positions_too(fresh_owner):
    thread = await fresh_owner.create_thread()
    await fresh_owner.post_messages(thread, [{"role": "user", "content": str(number)} for number in range(3)])
    await fresh_owner.put_member("uid_second", "member")

    messages = await fresh_owner.list_messages(thread, limit=1)
    members = await fresh_owner.list_members(limit=1)

    assert not [word for word in (b"seq", b"[") if decoded(messages.nextCursor).startswith(word)]
    assert b"uid_" not in decoded(members.nextCursor)
    further = await fresh_owner.list_messages(thread, limit=1, after=messages.nextCursor)
    assert [message["seq"] for message in further.data] == [2]
    assert (await fresh_owner.list_members(after=members.nextCursor)).status == 200


async def test_a_changed_character_is_refused(fresh_user):
    cursor = (await page_of(fresh_user)).nextCursor

    # The last character may carry bits that stand for nothing.
    for place in range(len(PREFIX), len(cursor) - 1):
        other = ALPHABET[(ALPHABET.index(cursor[place]) + 1) % len(ALPHABET)]
        refused = await fresh_user.list_threads(after=cursor[:place] + other + cursor[place + 1 :])
        assert (refused.status, refused.code, refused.param) == (400, "invalid_cursor", "after")
    assert (await fresh_user.list_threads(after=cursor)).status == 200


@pytest.mark.parametrize("position", ['["createdAt",[1,2]]', '["createdAt",[1700000000000,1]]', "[", "[]", "{}", ""])
@pytest.mark.parametrize("form", [str, encoded])
async def test_a_position_that_was_not_sealed_is_refused(fresh_user, position, form):
    if not form(position):
        return

    for name in ("after", "before"):
        refused = await fresh_user.list_threads(**{name: form(position)})
        assert (refused.status, refused.type, refused.param) == (400, "invalid_request_error", name)
        assert form is str or refused.code == "invalid_cursor"


async def test_a_cursor_is_not_good_for_another_list(ada, fresh_user):
    cursor = (await page_of(fresh_user)).nextCursor
    thread = await ada.create_thread()

    assert (await ada.list_messages(thread, after=cursor)).code == "invalid_cursor"
    assert (await ada.list_members(after=cursor)).code == "invalid_cursor"


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True, scope="session")
async def test_a_cursor_works_in_another_process(start_server, zygote):
    one = await start_server()
    two = await start_server(one.database)
    other_secret = await start_server(one.database, THREADKEEP_SECRET="another-secret-that-is-long-enough-as-well")
    async with connect(one) as client, connect(two) as second_client, connect(other_secret) as third_client:
        owner = await People(one, client, zygote).owner()
        cursor = (await page_of(owner)).nextCursor

        here = await owner.list_threads(after=cursor)
        there = await elsewhere(owner, second_client).list_threads(after=cursor)
        refused = await elsewhere(owner, third_client).list_threads(after=cursor)

    assert (here.status, len(here.data)) == (200, 2)
    assert there.ids == here.ids
    assert (refused.status, refused.code) == (400, "invalid_cursor")


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True, scope="session")
async def test_a_cursor_works_after_a_restart_with_the_secret_that_the_server_made_itself(start_server, zygote):
    server = await start_server(THREADKEEP_SECRET="")
    async with connect(server) as client:
        owner = await People(server, client, zygote).owner()
        cursor = (await page_of(owner)).nextCursor
        before = await owner.list_threads(after=cursor)

    server.stop()
    await server.start()

    async with connect(server) as client:
        after = await elsewhere(owner, client).list_threads(after=cursor)
    assert (after.status, after.ids) == (200, before.ids)


def elsewhere(owner, client):
    return Caller(client, organization=owner.organization, user=owner.user, key=owner.key)
