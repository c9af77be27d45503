"""`GET /v1/user`: who is calling, and which organizations the credential opens."""

import pytest


async def test_a_key_opens_its_one_organization(ada, ben):
    for who, role in ((ada, "owner"), (ben, "member")):
        user = await who.request("GET", "/v1/user")

        assert user.body == {
            "id": who.user,
            "object": "user",
            "credential": "key",
            "organizations": [{"id": "ORG_ACME", "name": "Organization ORG_ACME", "role": role}],
        }


async def test_a_token_opens_every_organization_of_its_user(fresh_owner, ada):
    await fresh_owner.put_member(ada.user, "admin")
    token = ada.with_token()
    everywhere = await token.request("GET", "/v1/user")
    named = await token.request("GET", "/v1/user", params={"organizationId": fresh_owner.organization})

    assert (everywhere.id, everywhere.credential) == ("uid_ada", "token")
    assert {each["id"]: each["role"] for each in everywhere.organizations} == {
        "ORG_ACME": "owner",
        fresh_owner.organization: "admin",
    }
    assert [each["id"] for each in named.organizations] == [fresh_owner.organization]
    await fresh_owner.delete_member(ada.user)


async def test_a_token_of_nobodys_member_opens_none(people, nobody):
    stranger = nobody.with_token(people.token("uid_without_organization"))

    user = await stranger.request("GET", "/v1/user")

    assert (user.status, user.id, user.organizations) == (200, "uid_without_organization", [])


async def test_a_backend_asks_as_one_of_its_users(ada):
    user = await ada.as_user("uid_customer").request("GET", "/v1/user")

    assert (user.id, user.organizations[0]["role"]) == ("uid_customer", "member")


async def test_another_organization_is_refused(ada, ben, cleo, nobody):
    foreign = await ada.request("GET", "/v1/user", params={"organizationId": cleo.organization})
    acting = await ben.as_user("uid_customer").request("GET", "/v1/user")
    bad = await ada.as_user("not a user").request("GET", "/v1/user")
    missing = await nobody.request("GET", "/v1/user")

    assert (foreign.status, foreign.code) == (403, "organization_access_denied")
    assert (acting.status, acting.code) == (403, "insufficient_permissions")
    assert (bad.status, bad.param) == (400, "X-User-Id")
    assert (missing.status, missing.code) == (401, "missing_authentication")


@pytest.mark.parametrize("name", [b"uid_customer", b"<b>", b"\xff"])
async def test_a_token_without_an_organization_acts_for_nobody(people, nobody, name):
    stranger = nobody.with_token(people.token("uid_without_organization"))

    acting = await stranger.with_headers({"x-user-id": name}).request("GET", "/v1/user")

    assert (acting.status, acting.code, acting.param) == (403, "insufficient_permissions", "X-User-Id")


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
async def test_it_is_only_read(ada, method):
    refused = await ada.request(method, "/v1/user")

    assert (refused.status, refused.code) == (405, "method_not_allowed")
