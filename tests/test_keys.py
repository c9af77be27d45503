"""API keys: shown once, stored as a hash, revoked within ten seconds."""

import re

import pytest

from support.waiting import eventually

REVOKED_S = 10


def is_refused(answer):
    return (answer.status, answer.code) == (401, "invalid_credentials")


async def test_a_key_is_shown_once(fresh_owner):
    created = await fresh_owner.create_key(userId="uid_bot", role="member", name="bot")
    listed = await fresh_owner.list_keys(limit=100)

    assert created.status == 201
    assert re.fullmatch(r"key_[0-7][0-9a-hjkmnp-tv-z]{25}", created.id)
    assert (created.userId, created.role, created.name) == ("uid_bot", "member", "bot")
    assert created.organizationId == fresh_owner.organization
    assert created.id in listed.ids
    assert created.key not in listed.text
    assert "tk_" not in listed.text


async def test_a_key_has_at_least_160_random_bits(fresh_owner):
    keys = [(await fresh_owner.create_key(userId="uid_bot", role="member")).key for _ in range(5)]

    assert len(set(keys)) == 5
    for key in keys:
        assert re.fullmatch(r"tk_[A-Za-z0-9_-]{33,}", key)  # 160 bits are 27 characters of base 64; a checksum follows.


@pytest.mark.parametrize("role", ["member", "admin", "owner"])
async def test_a_key_stands_for_its_user_with_its_role(fresh_owner, role):
    key = await fresh_owner.create_key(userId="uid_bot", role=role)
    bot = fresh_owner.with_key(key.key)

    thread = await bot.create_thread()

    assert (thread.userId, thread.organizationId) == ("uid_bot", fresh_owner.organization)
    assert (await bot.list_members()).status == (403 if role == "member" else 200)
    assert (await bot.put_member("uid_new", "member")).status in ((200, 201) if role == "owner" else (403,))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"role": "member"}, "userId"),
        ({"userId": "uid_bot"}, "role"),
        ({"userId": "a b", "role": "member"}, "userId"),
        ({"userId": "uid_bot", "role": "god"}, "role"),
        ({"userId": "uid_bot", "role": "member", "name": "n" * 257}, "name"),
        ({"userId": "uid_bot", "role": "member", "key": "tk_mine"}, "key"),
        ({"userId": "uid_bot", "role": "member", "id": "key_1"}, "id"),
    ],
)
async def test_a_key_needs_a_user_and_a_role(fresh_owner, body, param):
    refused = await fresh_owner.create_key(**body)

    assert (refused.status, refused.type, refused.param) == (400, "invalid_request_error", param)


async def test_a_deleted_key_is_refused_within_ten_seconds(fresh_owner):
    created = await fresh_owner.create_key(userId="uid_bot", role="member")
    bot = fresh_owner.with_key(created.key)
    assert (await bot.list_threads()).status == 200

    deleted = await fresh_owner.delete_key(created)

    assert (deleted.status, deleted.id, deleted.deleted) == (200, created.id, True)
    await eventually(bot.list_threads, is_refused, REVOKED_S)
    assert created.id not in (await fresh_owner.list_keys(limit=100)).ids
    again = await fresh_owner.delete_key(created)
    assert (again.status, again.code) == (404, "key_not_found")


async def test_a_key_revoked_from_the_command_line_is_refused_within_ten_seconds(fresh_owner, people):
    created = await fresh_owner.create_key(userId="uid_bot", role="member")
    bot = fresh_owner.with_key(created.key)
    assert (await bot.list_threads()).status == 200

    await people.admin("revoke-key", created.id)

    await eventually(bot.list_threads, is_refused, REVOKED_S)


async def test_a_removed_member_is_refused_within_ten_seconds_with_key_and_token(fresh_owner, people):
    member = await people.member(fresh_owner)
    for who in (member, member.with_token()):
        assert (await who.list_threads()).status == 200

    await fresh_owner.delete_member(member.user)

    await eventually(member.list_threads, is_refused, REVOKED_S)
    await eventually(member.with_token().list_threads, lambda answer: answer.status in (400, 403), REVOKED_S)
    denied = await member.with_token().list_threads(organizationId=fresh_owner.organization)
    assert (denied.status, denied.code) == (403, "organization_access_denied")


async def test_a_member_who_comes_back_does_not_revive_old_keys(fresh_owner, people):
    member = await people.member(fresh_owner)
    await fresh_owner.delete_member(member.user)
    await fresh_owner.put_member(member.user, "member")

    await eventually(member.list_threads, is_refused, REVOKED_S)
    await eventually(member.with_token().list_threads, lambda answer: answer.status == 200, REVOKED_S)


async def test_a_key_that_is_not_there_is_not_found(fresh_owner):
    for key in ("key_01h455vb4pex5vsknk084sn02q", "nonsense"):
        refused = await fresh_owner.delete_key(key)
        assert (refused.status, refused.code) == (404, "key_not_found")


async def test_keys_are_listed_in_pages(fresh_owner):
    for number in range(3):
        await fresh_owner.create_key(userId=f"uid_{number}", role="member")

    walked = await fresh_owner.walk(f"/v1/organizations/{fresh_owner.organization}/keys", limit=2)

    assert len(walked) == 4
    assert len({key["id"] for key in walked}) == 4


async def test_no_key_and_no_token_is_in_the_database_or_the_log(fresh_owner, server, stored):
    created = await fresh_owner.retrying("secret").create_key(userId="uid_bot", role="member")
    await fresh_owner.with_key(created.key).list_threads()

    everything = await stored.everything()

    for secret in (created.key, fresh_owner.key, fresh_owner.token):
        assert secret not in everything
        assert secret.removeprefix("tk_") not in everything
        assert secret not in server.log_text()
    assert fresh_owner.organization in everything
