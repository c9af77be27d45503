"""Revocation: within ten seconds everything that was taken away is refused, with the server's own settings."""

import asyncio
import copy

import pytest

from conftest import connect
from support.people import People
from support.waiting import eventually

REVOKED_S = 10


@pytest.fixture
async def as_shipped(start_server, zygote):
    """People of a server that remembers credentials as long as it does by default."""
    server = await start_server()
    async with connect(server) as client:
        yield People(server, client, zygote)


def is_refused(answer):
    return (answer.status, answer.code) == (401, "invalid_credentials")


async def test_what_is_taken_away_is_refused_within_ten_seconds_and_what_is_given_is_taken(as_shipped):
    owner, closed = await as_shipped.owner(), await as_shipped.owner()
    by_http, by_command = [await owner.create_key(userId="uid_bot", role="member") for _ in range(2)]
    removed, demoted = await as_shipped.member(owner), await as_shipped.member(owner, role="admin")
    welcome = owner.with_token(as_shipped.token("uid_new"))
    bots = [owner.with_key(by_http.key), owner.with_key(by_command.key)]
    before = [removed, removed.with_token(), demoted.with_token(), closed, *bots]
    assert [(await who.list_threads()).status for who in before] == [200] * 6
    assert (await welcome.list_threads()).status == 400

    await owner.delete_key(by_http)
    await as_shipped.admin("revoke-key", by_command.id)
    assert (await owner.delete_member(removed.user)).status == 200
    assert (await owner.put_member(demoted.user, "member")).status == 200
    assert (await owner.put_member("uid_new", "member")).status == 200
    assert (await closed.delete_organization()).status == 200

    await asyncio.gather(
        *(eventually(bot.list_threads, is_refused, REVOKED_S) for bot in bots),
        eventually(removed.list_threads, is_refused, REVOKED_S),
        eventually(removed.with_token().list_threads, lambda answer: answer.status in (400, 403), REVOKED_S),
        eventually(demoted.with_token().list_members, lambda answer: answer.status == 403, REVOKED_S),
        eventually(closed.list_threads, lambda answer: answer.status in (401, 403), REVOKED_S),
        eventually(welcome.list_threads, lambda answer: answer.status == 200, REVOKED_S),
    )
    assert [(await who.list_threads()).status for who in (owner, owner.with_token())] == [200, 200]


async def test_what_is_taken_away_by_http_is_refused_at_once_by_the_process_that_did_it(as_shipped):
    owner, closed = await as_shipped.owner(), await as_shipped.owner()
    created = await owner.create_key(userId="uid_bot", role="member")
    bot, removed = owner.with_key(created.key), await as_shipped.member(owner)
    # Each is remembered now, for five seconds.
    before = [bot, removed, removed.with_token(), closed, closed.with_token(), owner]
    assert [(await who.list_threads()).status for who in before] == [200] * 6

    await owner.delete_key(created)
    by_deleted_key = await bot.list_threads()
    await owner.delete_member(removed.user)
    by_removed = [await removed.list_threads(), await removed.create_thread()]
    by_token = await removed.with_token().list_threads(organizationId=owner.organization)
    await closed.delete_organization()
    by_closed = [await closed.list_threads(), await closed.create_thread(), await closed.with_token().list_threads()]

    assert is_refused(by_deleted_key)
    assert all(is_refused(answer) for answer in by_removed)
    assert by_token.status == 403
    assert all(answer.status in (400, 401, 403) for answer in by_closed)
    assert (await owner.list_threads()).status == 200


async def test_a_role_that_was_lowered_is_lower_at_once(as_shipped):
    owner = await as_shipped.owner()
    demoted = (await as_shipped.member(owner, role="admin")).with_token()
    assert (await demoted.list_members()).status == 200

    await owner.put_member(demoted.user, "member")

    assert (await demoted.list_members()).status == 403


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True, scope="session")
async def test_a_products_user_is_refused_within_ten_seconds_in_a_process_that_heard_nothing(as_shipped, start_server):
    there = await start_server(as_shipped.server.database)
    owner = await as_shipped.owner()
    by_http, by_command = [await owner.create_key(userId="uid_backend", role="admin") for _ in range(2)]
    maker = await as_shipped.member(owner, role="admin")
    users = [
        await as_shipped.product_user(owner.with_key(by_http.key)),
        await as_shipped.product_user(owner.with_key(by_command.key)),
        await as_shipped.product_user(maker),
        await as_shipped.product_user(owner),
    ]
    kept = await as_shipped.product_user(owner)
    async with connect(there) as client:
        far = [at(client, who) for who in (*users, kept)]
        assert [(await who.list_threads()).status for who in far] == [200] * 5

        await owner.delete_key(by_http)
        await as_shipped.admin("revoke-key", by_command.id)
        await owner.put_member(maker.user, "member")
        removed = await owner.delete_member(users[3].user)

        assert removed.status == 200
        await asyncio.gather(*(eventually(who.list_threads, is_refused, REVOKED_S) for who in far[:4]))
        assert (await far[4].list_threads()).status == 200


def at(client, who):
    other = copy.copy(who)
    other.client = client
    return other
