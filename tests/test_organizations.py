"""Organizations and members: who may read, who may change, and that the last owner stays."""

import asyncio
import re

import pytest

from support.waiting import eventually


async def test_an_organization_is_read_by_its_members(ada, ben):
    for who in (ada, ada.with_token(), ben, ben.with_token()):
        organization = await who.get_organization("ORG_ACME")

        assert (organization.status, organization.id, organization.object) == (200, "ORG_ACME", "organization")
        assert organization.name == "Organization ORG_ACME"
        assert re.fullmatch(r'"\d+"', organization.etag)


@pytest.mark.parametrize("method", ["PATCH", "POST"])
async def test_an_owner_changes_the_name(fresh_owner, method):
    path = f"/v1/organizations/{fresh_owner.organization}"

    changed = await fresh_owner.request(method, path, {"name": "New name"})
    read = await fresh_owner.get_organization()

    assert (changed.status, changed.name) == (200, "New name")
    assert read.body == changed.body
    assert read.id == fresh_owner.organization


@pytest.mark.parametrize("character", ["a", "😀"])
async def test_a_name_has_1_to_256_characters(fresh_owner, character):
    assert (await fresh_owner.update_organization(name=character * 256)).status == 200
    for bad in (character * 257, "", None, 1):
        refused = await fresh_owner.update_organization(name=bad)
        assert (refused.status, refused.code, refused.param) == (400, "invalid_field", "name")
    assert (await fresh_owner.get_organization()).name == character * 256


async def test_an_organization_takes_no_other_field(fresh_owner):
    for field in ("id", "plan", "createdAt"):
        refused = await fresh_owner.update_organization(name="x", **{field: "y"})
        assert (refused.status, refused.param) == (400, field)
    assert (await fresh_owner.get_organization()).name != "x"


async def test_admins_read_members_and_keys_but_change_nothing(fresh_owner, people):
    admin = await people.member(fresh_owner, role="admin")

    for who in (admin, admin.with_token()):
        assert (await who.list_members()).status == 200
        assert (await who.list_keys()).status == 200
        refused = [
            await who.update_organization(name="x"),
            await who.put_member("uid_new", "member"),
            await who.delete_member(fresh_owner.user),
            await who.create_key(userId=admin.user, role="member"),
            await who.delete_organization(),
        ]
        assert [(answer.status, answer.code) for answer in refused] == [(403, "insufficient_permissions")] * 5


async def test_members_neither_list_members_nor_keys(ben):
    for who in (ben, ben.with_token()):
        refused = [
            await who.list_members(),
            await who.list_keys(),
            await who.put_member("uid_ben", "owner"),
            await who.create_key(userId="uid_ben", role="member"),
            await who.update_organization(name="x"),
            await who.delete_organization(),
        ]
        assert [(answer.status, answer.code) for answer in refused] == [(403, "insufficient_permissions")] * 6


async def test_an_owners_key_of_a_lower_role_is_held_to_that_role(fresh_owner, people):
    key = (await people.key(fresh_owner.organization, fresh_owner.user, "member"))["key"]

    refused = await fresh_owner.with_key(key).put_member("uid_new", "member")

    assert (refused.status, refused.code) == (403, "insufficient_permissions")


async def test_a_member_is_put_listed_changed_and_removed(fresh_owner):
    put = await fresh_owner.put_member("uid_new", "member")
    again = await fresh_owner.put_member("uid_new", "member")
    changed = await fresh_owner.put_member("uid_new", "admin")
    listed = await fresh_owner.list_members()
    removed = await fresh_owner.delete_member("uid_new")

    assert put.status in (200, 201)
    assert (put.userId, put.role, put.organizationId) == ("uid_new", "member", fresh_owner.organization)
    assert (again.status, changed.status, changed.role) == (200, 200, "admin")
    assert {member["userId"]: member["role"] for member in listed.data} == {
        fresh_owner.user: "owner",
        "uid_new": "admin",
    }
    assert (removed.status, removed.deleted) == (200, True)
    assert [member["userId"] for member in (await fresh_owner.list_members()).data] == [fresh_owner.user]
    missing = await fresh_owner.delete_member("uid_new")
    assert (missing.status, missing.code) == (404, "member_not_found")


@pytest.mark.parametrize("body", [{}, {"role": "boss"}, {"role": None}, {"role": "member", "userId": "uid_x"}])
async def test_a_member_needs_one_of_three_roles_and_nothing_else(fresh_owner, body):
    path = f"/v1/organizations/{fresh_owner.organization}/members/uid_new"

    refused = await fresh_owner.request("PUT", path, body)

    assert (refused.status, refused.type) == (400, "invalid_request_error")
    assert refused.param in ("role", "userId")


@pytest.mark.parametrize("user", ["a%20b", "u" * 129, "%F0%9F%98%80"])
async def test_a_member_needs_a_valid_user_id(fresh_owner, user):
    assert (await fresh_owner.put_member(user, "member")).status in (400, 404)
    assert len((await fresh_owner.list_members()).data) == 1


async def test_a_new_role_counts_at_once_or_soon(fresh_owner, people):
    member = (await people.member(fresh_owner)).with_token()
    assert (await member.list_members()).status == 403

    await fresh_owner.put_member(member.user, "admin")
    await eventually(member.list_members, lambda answer: answer.status == 200, within_s=10)

    await fresh_owner.put_member(member.user, "member")
    await eventually(member.list_members, lambda answer: answer.status == 403, within_s=10)


async def test_the_last_owner_stays(fresh_owner):
    removed = await fresh_owner.delete_member(fresh_owner.user)
    demoted = await fresh_owner.put_member(fresh_owner.user, "admin")
    kept = await fresh_owner.put_member(fresh_owner.user, "owner")

    assert (removed.status, removed.code) == (409, "last_owner")
    assert (demoted.status, demoted.code) == (409, "last_owner")
    assert (kept.status, kept.role) == (200, "owner")
    assert (await fresh_owner.list_threads()).status == 200


async def test_an_owner_may_go_when_another_stays(fresh_owner):
    await fresh_owner.put_member("uid_second", "owner")

    removed = await fresh_owner.delete_member("uid_second")

    assert removed.status == 200


@pytest.mark.parametrize("how", ["remove", "demote"])
async def test_of_two_owners_who_remove_each_other_at_once_one_stays(people, how):
    for _ in range(2):
        one = await people.owner()
        two = await people.member(one, role="owner")

        def remove(who, whom):
            return who.delete_member(whom.user) if how == "remove" else who.put_member(whom.user, "member")

        answers = await asyncio.gather(remove(one, two), remove(two, one))

        assert sorted(answer.status for answer in answers) in ([200, 409], [200, 403], [200, 401])
        survivor = one if answers[0].status == 200 else two
        owners = [member for member in (await survivor.list_members()).data if member["role"] == "owner"]
        assert [member["userId"] for member in owners] == [survivor.user]


async def test_removing_a_member_keeps_their_threads_unless_asked_otherwise(fresh_owner, people):
    leaver, erased = await people.member(fresh_owner), await people.member(fresh_owner)
    kept, gone = await leaver.create_thread(), await erased.create_thread()
    await fresh_owner.create_thread()

    await fresh_owner.delete_member(leaver.user, threads="keep")
    removed = await fresh_owner.delete_member(erased.user, threads="delete")

    assert removed.status == 200
    assert (await fresh_owner.get(kept)).status == 200
    assert (await fresh_owner.get(gone)).status == 404
    assert len((await fresh_owner.list_threads()).data) == 2
    assert (await fresh_owner.list_threads(userId=erased.user)).data == []


async def test_threads_are_kept_or_deleted_and_nothing_else(fresh_owner):
    await fresh_owner.put_member("uid_new", "member")

    refused = await fresh_owner.delete_member("uid_new", threads="archive")

    assert (refused.status, refused.code, refused.param) == (400, "invalid_parameter", "threads")
    assert len((await fresh_owner.list_members()).data) == 2


async def test_a_deleted_organization_is_gone_with_everything_in_it(people, fresh_owner):
    owner = await people.owner()
    thread = await owner.create_thread(id="thread_last")

    deleted = await owner.delete_organization()

    assert (deleted.status, deleted.id, deleted.deleted) == (200, owner.organization, True)
    for who in (owner, owner.with_token()):
        await eventually(lambda who=who: who.get(thread), lambda answer: answer.status in (400, 401, 403), within_s=10)
    denied = await fresh_owner.get_organization(owner.organization)
    assert (denied.status, denied.code) == (403, "organization_access_denied")


async def test_the_id_of_a_deleted_organization_starts_empty_when_made_again(people):
    owner = await people.owner()
    thread = await owner.create_thread(messages=[{"role": "user", "content": "old"}])
    await owner.delete_organization()

    again = await people.owner(owner.organization)

    assert (await again.list_threads(state="all")).data == []
    assert (await again.get(thread)).status == 404
    assert [member["userId"] for member in (await again.list_members()).data] == [again.user]
    await eventually(owner.list_threads, lambda answer: answer.status == 401, within_s=10)


async def test_members_are_listed_in_pages(fresh_owner):
    for number in range(4):
        await fresh_owner.put_member(f"uid_{number}", "member")

    walked = await fresh_owner.walk(f"/v1/organizations/{fresh_owner.organization}/members", limit=2)

    assert sorted(member["userId"] for member in walked) == sorted([fresh_owner.user, *(f"uid_{n}" for n in range(4))])
