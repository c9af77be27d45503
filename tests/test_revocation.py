"""Revocation: within ten seconds everything that was taken away is refused, with the server's own settings."""

import asyncio

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


async def test_everything_that_is_revoked_is_refused_within_ten_seconds(as_shipped):
    owner = await as_shipped.owner()
    by_http, by_command = [await owner.create_key(userId="uid_bot", role="member") for _ in range(2)]
    removed, demoted = await as_shipped.member(owner), await as_shipped.member(owner, role="admin")
    bots = [owner.with_key(by_http.key), owner.with_key(by_command.key)]
    before = [removed, removed.with_token(), demoted.with_token(), *bots]
    assert [(await who.list_threads()).status for who in before] == [200] * 5

    await owner.delete_key(by_http)
    await as_shipped.admin("revoke-key", by_command.id)
    assert (await owner.delete_member(removed.user)).status == 200
    await owner.put_member(demoted.user, "member")

    await asyncio.gather(
        *(eventually(bot.list_threads, is_refused, REVOKED_S) for bot in bots),
        eventually(removed.list_threads, is_refused, REVOKED_S),
        eventually(removed.with_token().list_threads, lambda answer: answer.status in (400, 403), REVOKED_S),
        eventually(demoted.with_token().list_members, lambda answer: answer.status == 403, REVOKED_S),
    )
    assert [(await who.list_threads()).status for who in (owner, owner.with_token())] == [200, 200]


async def test_a_deleted_organization_refuses_its_owner_within_ten_seconds(as_shipped):
    owner = await as_shipped.owner()
    assert (await owner.list_threads()).status == 200

    assert (await owner.delete_organization()).status == 200

    await eventually(owner.list_threads, lambda answer: answer.status in (401, 403), REVOKED_S)


async def test_somebody_who_was_made_a_member_may_come_in_within_ten_seconds(as_shipped):
    owner = await as_shipped.owner()
    person = owner.with_token(await as_shipped.token("uid_new"))
    assert (await person.list_threads()).status == 400

    await owner.put_member("uid_new", "member")

    await eventually(person.list_threads, lambda answer: answer.status == 200, REVOKED_S)
