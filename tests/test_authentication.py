"""Who is calling: API keys in three headers, user tokens, `X-User-Id`, and the organization of a request."""

import jwt
import pytest

from support.server import SECRET


@pytest.fixture
def claims(ada):
    """What a token of the server's own says."""
    return jwt.decode(ada.token, options={"verify_signature": False})


def token_of(claims, secret=SECRET, algorithm="HS256", **changes):
    changed = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode(changed, secret, algorithm=algorithm)


@pytest.mark.parametrize("header", ["x-api-key", "api-key", "authorization", "X-API-KEY"])
async def test_an_api_key_is_taken_in_three_headers(ada, header):
    value = f"Bearer {ada.key}" if header == "authorization" else ada.key

    answer = await ada.with_credential(**{header: value}).create_thread()

    assert (answer.status, answer.userId, answer.organizationId) == (201, "uid_ada", "ORG_ACME")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_may_be_written_in_any_case(ada, scheme):
    assert (await ada.with_credential(authorization=f"{scheme} {ada.token}").list_threads(limit=1)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": "tk_wrong"},
        {"x-api-key": ""},
        {"x-api-key": "tk_" + "a" * 1000},
        {"api-key": "nonsense"},
        {"authorization": "Bearer"},
        {"authorization": "Bearer a.b.c"},
        {"authorization": "Bearer eyJhbGciOiJub25lIn0.e30."},
        {"authorization": "Basic dXNlcjpwYXNz"},
        {"authorization": "tk_wrong"},
    ],
)
async def test_a_wrong_credential_is_refused(nobody, headers):
    refused = await nobody.with_credential(**headers).list_threads()

    assert (refused.status, refused.type) == (401, "authentication_error")
    assert refused.code in ("invalid_credentials", "missing_authentication")


@pytest.mark.parametrize("place", [4, 10, -1])
async def test_a_key_with_one_wrong_character_is_refused(ada, place):
    wrong = list(ada.key)
    wrong[place] = "b" if wrong[place] != "b" else "c"

    refused = await ada.with_key("".join(wrong)).list_threads()

    assert (refused.status, refused.code) == (401, "invalid_credentials")


async def test_two_different_credentials_at_once_are_not_guessed_between(ada, cleo):
    answer = await ada.with_credential(x_api_key=ada.key, authorization=f"Bearer {cleo.token}").create_thread()

    assert answer.status in (400, 401) or answer.organizationId == "ORG_ACME"


async def test_a_user_token_stands_for_the_person(ada, claims):
    thread = await ada.with_token().create_thread()

    assert (thread.status, thread.userId) == (201, "uid_ada")
    assert claims["sub"] == "uid_ada"
    assert claims["exp"] > claims.get("iat", 0)
    assert SECRET not in str(claims)


async def test_a_token_signed_as_the_server_signs_is_taken(ada, claims):
    """The control for the refusals below: with the right claims and secret a token made here works."""
    assert (await ada.with_token(token_of(claims)).list_threads(limit=1)).status == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": 10**400},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "a b"},
        {"sub": "u" * 129},
        {"nbf": 2**40},
        {"secret": SECRET + "x"},
        {"secret": "y" * 40},
        {"algorithm": "HS512"},
        {"algorithm": "none", "secret": ""},
        {"iss": "https://evil.example"},
    ],
)
async def test_a_token_with_anything_wrong_is_refused(ada, claims, changes):
    if "iss" in changes and "iss" not in claims:
        changes = {"exp": 1}

    refused = await ada.with_token(token_of(claims, **changes)).list_threads()

    assert (refused.status, refused.code) == (401, "invalid_credentials")


async def test_a_token_of_somebody_whom_no_organization_knows_needs_one(ada, people):
    stranger = ada.with_token(people.token(people.new_user()))

    refused = await stranger.list_threads()
    denied = await stranger.list_threads(organizationId="ORG_ACME")

    assert (refused.status, refused.code) == (400, "organization_required")
    assert (denied.status, denied.code) == (403, "organization_access_denied")


# X-User-Id


@pytest.mark.parametrize("role", ["admin", "owner"])
async def test_an_admins_key_acts_for_any_user(ada, people, role):
    backend = ada.with_key((await people.key("ORG_ACME", "uid_ada", role))["key"])
    user = people.new_user()

    thread = await backend.as_user(user).create_thread()

    assert (thread.status, thread.userId) == (201, user)
    assert (await backend.as_user(user).list_threads()).ids == [thread.id]
    assert (await backend.as_user(people.new_user()).list_threads()).ids == []


async def test_a_members_key_and_a_user_token_act_for_nobody_else(ada, ben):
    for who in (ben, ben.with_token(), ada.with_token()):
        refused = await who.as_user("uid_other").list_threads()
        assert (refused.status, refused.code) == (403, "insufficient_permissions")


async def test_whom_an_admin_acts_for_may_do_what_a_member_may(ada, people):
    user = ada.as_user(people.new_user())
    others = await ada.create_thread()

    answers = [
        await user.get(others),
        await user.update(others, title="x"),
        await user.delete(others),
        await user.post_message(others),
    ]
    refused = [
        await user.list_threads(userId="uid_ada"),
        await user.create_thread(userId="uid_ada"),
        await user.list_members(),
        await user.list_keys(),
        await user.put_member("uid_x", "owner"),
        await user.create_key(userId="uid_x", role="owner"),
        await user.update_organization(name="x"),
        await user.delete_organization(),
    ]

    assert [(answer.status, answer.code) for answer in answers] == [(404, "thread_not_found")] * 4
    assert [(answer.status, answer.code) for answer in refused] == [(403, "insufficient_permissions")] * 8


async def test_acting_for_oneself_is_acting_as_a_member_too(ada, ben):
    his = await ben.create_thread()

    assert (await ada.get(his)).status == 200
    assert (await ada.as_user("uid_ada").get(his)).status == 404


@pytest.mark.parametrize("user", ["", "a b", "u" * 129, "ü".encode(), "uid/1", "a\tb"])
async def test_a_user_id_of_another_shape_is_refused(ada, user):
    refused = await ada.with_headers({"x-user-id": user}).list_threads()

    assert (refused.status, refused.type) == (400, "invalid_request_error")


@pytest.mark.parametrize("user", ["a", "u" * 128, "a_B.9:@|-"])
async def test_any_valid_user_id_is_taken(ada, user):
    thread = await ada.as_user(user).create_thread()

    assert (thread.status, thread.userId) == (201, user)


# The organization of a request


async def test_the_organization_may_be_named_in_query_or_body(ada):
    thread = await ada.create_thread(organizationId="ORG_ACME")
    in_both = await ada.request(
        "POST", "/v1/threads", {"organizationId": "ORG_ACME"}, params={"organizationId": "ORG_ACME"}
    )

    assert (thread.status, in_both.status) == (201, 201)
    assert (await ada.get(thread, organizationId="ORG_ACME")).status == 200
    assert (await ada.list_threads(organizationId="ORG_ACME", limit=1)).status == 200


@pytest.mark.parametrize("organization", ["ORG_OTHER", "ORG_NEVER_WAS"])
async def test_another_organization_is_denied_whether_it_exists_or_not(ada, organization):
    thread = await ada.create_thread()

    for who in (ada, ada.with_token()):
        refused = [
            await who.create_thread(organizationId=organization),
            await who.list_threads(organizationId=organization),
            await who.my_threads(organizationId=organization),
            await who.get(thread, organizationId=organization),
            await who.get_organization(organization),
            await who.list_members(organization),
            await who.create_key(organization, userId="uid_ada", role="owner"),
        ]
        assert [(answer.status, answer.code) for answer in refused] == [(403, "organization_access_denied")] * 7


async def test_query_and_body_must_agree(people, ada):
    owner = await people.owner(user=people.new_user())
    second = await people.owner(user=owner.user)
    person = second.with_token()

    refused = await person.request(
        "POST",
        "/v1/threads",
        {"organizationId": owner.organization},
        params={"organizationId": second.organization},
    )

    assert (refused.status, refused.type) == (400, "invalid_request_error")


async def test_a_person_of_several_organizations_must_name_one(people):
    owner = await people.owner(user=people.new_user())
    second = await people.owner(user=owner.user)
    person = owner.with_token()

    refused = [await person.list_threads(), await person.create_thread()]
    made = [await person.create_thread(organizationId=each.organization) for each in (owner, second)]

    assert [(answer.status, answer.code) for answer in refused] == [(400, "organization_required")] * 2
    assert [thread.organizationId for thread in made] == [owner.organization, second.organization]
    for each, thread in zip((owner, second), made, strict=True):
        assert (await person.list_threads(organizationId=each.organization)).ids == [thread.id]
        assert (await person.get(thread, organizationId=each.organization)).status == 200
        assert (await each.list_threads()).ids == [thread.id]
    assert (await person.get(made[0], organizationId=second.organization)).status == 404


@pytest.mark.parametrize("organization", ["", "a b", "O" * 129, "ORG/1"])
async def test_an_organization_id_of_another_shape_is_refused(ada, organization):
    refused = await ada.list_threads(organizationId=organization)

    assert refused.status in (400, 403)
    assert refused.param in ("organizationId", None)


# Whose threads


async def test_an_owner_creates_threads_for_others_and_a_member_does_not(ada, ben, people):
    user = people.new_user()

    made = await ada.create_thread(userId=user)
    refused = await ben.create_thread(userId=user)
    own = await ben.create_thread(userId="uid_ben")

    assert (made.status, made.userId) == (201, user)
    assert (refused.status, refused.code) == (403, "insufficient_permissions")
    assert (own.status, own.userId) == (201, "uid_ben")


async def test_an_admin_sees_and_changes_all_threads_of_the_organization(ada, ben, people):
    admin = await people.member(ada, role="admin")
    thread = await ben.create_thread()

    for who in (admin, admin.with_token(), ada, ada.with_token()):
        assert (await who.get(thread)).status == 200
        assert (await who.update(thread, title=who.user)).title == who.user
        assert (await who.post_message(thread)).status == 201
    assert (await admin.delete(thread)).status == 200
