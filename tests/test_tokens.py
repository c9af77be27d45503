"""Tokens for a product's own users: who makes them, what they open, and every way to forge one."""

import base64
import time

import jwt
import pytest

from support.holding import held
from support.server import SECRET
from support.waiting import SWEPT_S, eventually

# The sweeper comes every 3 ± 1 s.
FIELDS = {"token", "expiresAt", "userId", "organizationId"}
USERS_AUDIENCE = "threadkeep-users"


def claims_of(who):
    return jwt.decode(who.token, options={"verify_signature": False})


def signed(claims, secret=SECRET, algorithm="HS256", headers=None, **changes):
    """Sign the claims with these changes; None leaves one out."""
    said = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode(said, secret, algorithm, headers=headers)


def is_refused(answer):
    return (answer.status, answer.code) == (401, "invalid_credentials")


@pytest.fixture
async def lea(ada, people):
    """A user of the product of ORG_ACME, who is no member of it and calls from her browser."""
    return await people.product_user(ada)


# Making them


@pytest.mark.parametrize("role", ["admin", "owner"])
async def test_a_key_makes_a_token_for_any_user(ada, people, role):
    key = ada.with_key((await people.key("ORG_ACME", "uid_backend", role))["key"])
    user = people.new_user()

    made = await key.create_token(userId=user, expiresIn=900)
    thread = await ada.with_token(made.token).create_thread(visibleInUi=False)

    assert (made.status, set(made.body)) == (201, FIELDS)
    assert (made.userId, made.organizationId) == (user, "ORG_ACME")
    assert abs(made.expiresAt - time.time() - 900) < 30
    assert (thread.status, thread.userId, thread.organizationId) == (201, user, "ORG_ACME")
    assert (await key.as_user(user).list_threads()).ids == [thread.id]


async def test_a_token_counts_for_an_hour_unless_somebody_says(ada):
    made = await ada.create_token(userId="uid_lea")

    assert abs(made.expiresAt - time.time() - 3600) < 30


@pytest.mark.parametrize(
    ("given", "status"),
    [(60, 201), (86_400, 201), *((each, 400) for each in (59, 86_401, 0, -1, "60", 90.5, True, None, [60]))],
)
async def test_a_token_counts_for_one_minute_to_one_day(ada, given, status):
    made = await ada.create_token(userId="uid_lea", expiresIn=given)

    assert made.status == status
    assert made.status == 201 or (made.code, made.param) == ("invalid_field", "expiresIn")


@pytest.mark.parametrize("user", ["", "a b", "u" * 129, "ü", None, 7])
async def test_a_token_is_for_a_user_id(ada, user):
    refused = await ada.create_token(userId=user)

    assert (refused.status, refused.param) == (400, "userId")


async def test_only_the_keys_of_admins_and_owners_make_tokens(ada, ben, lea, people):
    admin = await people.member(ada, role="admin")
    for who in (ada.with_token(), admin.with_token(), ben, ben.with_token(), ada.as_user("uid_lea"), lea):
        refused = await who.create_token(userId="uid_lea")

        assert (refused.status, refused.code) == (403, "insufficient_permissions"), who


async def test_another_organization_is_denied(ada, cleo):
    by_body = await ada.create_token(userId="uid_lea", organizationId=cleo.organization)
    by_query = await ada.request("POST", "/v1/tokens", {"userId": "x"}, params={"organizationId": cleo.organization})
    own = await ada.create_token(userId="uid_lea", organizationId="ORG_ACME")

    assert {(each.status, each.code) for each in (by_body, by_query)} == {(403, "organization_access_denied")}
    assert own.status == 201


async def test_a_retry_makes_another_token_and_nothing_of_it_is_kept(ada, stored, people):
    user, other = people.new_user(), people.new_user()
    retrying = ada.retrying("make a token")

    made = [await retrying.create_token(userId=each) for each in (user, user, other)]
    without_a_key = await ada.retrying("x" * 256).create_token(userId=user)

    assert [each.status for each in (*made, without_a_key)] == [201] * 4
    assert [each.userId for each in made] == [user, user, other]
    assert not any("idempotent-replayed" in each.headers for each in made)
    everything = await stored.everything()
    assert "make a token" not in everything
    assert not any(each.token in everything for each in made)


# What they open


async def test_a_token_stands_for_its_user_as_a_member_of_one_organization(ada, lea):
    user = await lea.request("GET", "/v1/user")

    assert user.body == {
        "id": lea.user,
        "object": "user",
        "credential": "token",
        "organizations": [{"id": "ORG_ACME", "name": "Organization ORG_ACME", "role": "member"}],
    }


async def test_a_token_opens_no_other_organization_whosever_member_its_user_is(ada, cleo, people):
    member = await people.member(cleo, people.new_user(), "admin")
    await ada.put_member(member.user, "owner")
    token = await people.product_user(ada, member.user)

    thread = await token.create_thread()
    denied = [
        await token.list_threads(organizationId=cleo.organization),
        await token.create_thread(organizationId=cleo.organization),
        await token.get_organization(cleo.organization),
        await token.request("GET", "/v1/user", params={"organizationId": cleo.organization}),
    ]

    assert thread.organizationId == "ORG_ACME"
    assert {(each.status, each.code) for each in denied} == {(403, "organization_access_denied")}
    assert (await member.with_token().list_threads(organizationId=cleo.organization)).status == 200


@pytest.mark.parametrize("user", ["uid_ada", "uid_of_the_product"])
async def test_a_token_may_never_do_more_than_a_member(ada, people, user):
    token = await people.product_user(ada, user)
    others = await ada.as_user("uid_somebody").create_thread()
    message = await ada.post_message(others)

    hidden = [
        await token.get(others),
        await token.update(others, title="x"),
        await token.delete(others),
        await token.post_message(others),
        await token.update_message(others, message, content="x"),
        await token.respond(others, input="x"),
        await token.generate_name(others),
    ]
    refused = [
        await token.list_threads(userId="uid_somebody"),
        await token.create_thread(userId="uid_somebody"),
        await token.as_user("uid_somebody").list_threads(),
        await token.as_user(user).list_threads(),
        await token.list_members(),
        await token.list_keys(),
        await token.put_member(user, "owner"),
        await token.delete_member("uid_ada"),
        await token.create_key(userId=user, role="member"),
        await token.create_token(userId=user),
        await token.create_assistant(name="x"),
        await token.update_organization(name="x"),
        await token.delete_organization(),
        await token.read_usage(),
    ]

    assert {(each.status, each.code) for each in hidden} == {(404, "thread_not_found")}
    assert {(each.status, each.code) for each in refused} == {(403, "insufficient_permissions")}
    assert others.id not in (await token.list_threads(limit=100)).ids


async def test_a_user_sees_the_same_by_token_and_through_the_backend(ada, lea):
    through_backend = ada.as_user(lea.user)
    thread = await lea.retrying("a thread").create_thread(title="hers")
    again = await through_backend.retrying("a thread").create_thread(title="hers")

    assert (again.id, again.headers["idempotent-replayed"]) == (thread.id, "true")
    assert (await through_backend.get(thread)).title == "hers"
    assert (await lea.post_message(thread)).status == 201


# Forged ones


async def test_a_token_signed_as_the_server_signs_is_taken(lea):
    """The control for the refusals below."""
    assert (await lea.with_token(signed(claims_of(lea))).list_threads()).status == 200


async def test_a_token_says_no_more_than_it_must(lea):
    claims = claims_of(lea)

    assert set(claims) == {"iss", "aud", "sub", "exp", "key", "gen"}
    assert (claims["sub"], claims["aud"]) == (lea.user, USERS_AUDIENCE)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"exp": None},
        {"sub": None},
        {"sub": "a b"},
        {"sub": "uid_ada"},
        {"aud": None},
        {"aud": "somebody-else"},
        {"aud": [USERS_AUDIENCE]},
        {"iss": "https://evil.example"},
        {"key": None},
        {"key": ""},
        {"key": "key_00000000000000000000000000"},
        {"key": "key_\0"},
        {"key": 7},
        {"key": ["key_00000000000000000000000000"]},
        {"gen": None},
        {"gen": ""},
        {"gen": "gen_00000000000000000000000000"},
        {"gen": {"a": 1}},
        {"secret": SECRET + "x"},
        {"secret": "y" * 40, "headers": {"kid": "first"}},
        {"algorithm": "HS512"},
        {"algorithm": "none", "secret": ""},
    ],
)
async def test_a_token_with_anything_wrong_is_refused(lea, changes):
    assert is_refused(await lea.with_token(signed(claims_of(lea), **changes)).list_threads())


@pytest.mark.parametrize(
    "said",
    ["[]", "null", '"x"', '{"aud": {"a": 1}}', '{"aud": 1e400}', "{", "", '{"a":' + "[" * 2800 + "]" * 2800 + "}"],
)
async def test_what_a_token_says_is_looked_at_before_its_signature_and_may_be_anything(lea, said):
    head, _, signature = lea.token.split(".")
    text = base64.urlsafe_b64encode(said.encode()).rstrip(b"=").decode()

    assert is_refused(await lea.with_token(f"{head}.{text}.{signature}").list_threads())


@pytest.mark.parametrize("whose", ["a member's key", "another organization's key"])
async def test_a_token_in_the_name_of_a_key_that_did_not_make_it_is_refused(ada, cleo, lea, whose):
    owner, role = (ada, "member") if whose == "a member's key" else (cleo, "owner")
    key = await owner.create_key(userId="uid_program", role=role)

    assert is_refused(await lea.with_token(signed(claims_of(lea), key=key.id)).list_threads())


async def test_the_generation_of_another_user_is_not_ones_own(ada, lea, people):
    other = await people.product_user(ada)

    assert is_refused(await lea.with_token(signed(claims_of(lea), gen=claims_of(other)["gen"])).list_threads())


async def test_neither_kind_of_token_is_taken_for_the_other(ada, lea):
    member = claims_of(ada)
    as_member = signed(claims_of(lea), aud="threadkeep", sub="uid_ada")
    as_product_user = signed(member, aud=USERS_AUDIENCE)
    with_more = signed(member, key=claims_of(lea)["key"], gen=claims_of(lea)["gen"])

    # Whoever has the secret may be anybody: that is why the claims of the one do not make it the other.
    assert (await ada.with_token(as_member).request("GET", "/v1/user")).organizations[0]["role"] == "owner"
    assert is_refused(await ada.with_token(as_product_user).list_threads())
    assert (await ada.with_token(with_more).request("GET", "/v1/user")).organizations[0]["role"] == "owner"


@pytest.mark.parametrize("changes", [{"sub": "uid_ada"}, {"aud": "threadkeep"}, {"exp": 2**40}])
async def test_a_token_whose_text_was_edited_is_refused(lea, changes):
    head, _, signature = lea.token.split(".")
    _, said, _ = signed(claims_of(lea), **changes).split(".")

    assert is_refused(await lea.with_token(f"{head}.{said}.{signature}").list_threads())


# Taking them away


async def test_tokens_of_a_revoked_key_are_refused_at_once(ada, people):
    key = await ada.create_key(userId="uid_backend", role="admin")
    token = await people.product_user(ada.with_key(key.key))
    other = await people.product_user(ada, token.user)
    assert (await token.list_threads()).status == 200

    await ada.delete_key(key)

    assert is_refused(await token.list_threads())
    assert is_refused(await token.create_thread())
    assert (await other.list_threads()).status == 200


@pytest.mark.parametrize("erases", ["keep", "delete"])
async def test_whoever_is_removed_has_no_token_any_more_and_need_not_have_been_a_member(ada, lea, people, erases):
    assert (await lea.list_threads()).status == 200

    removed = await ada.delete_member(lea.user, threads=erases)
    refused = await lea.list_threads()
    again = await ada.delete_member(lea.user, threads=erases)
    new = await people.product_user(ada, lea.user)

    assert (removed.status, removed.threadsDeleted) == (200, 0)
    assert is_refused(refused)
    assert (again.status, again.code) == (404, "member_not_found")
    assert (await new.list_threads()).status == 200
    assert is_refused(await lea.list_threads())


async def test_erasing_a_user_takes_the_threads_and_the_tokens(ada, lea):
    await lea.create_thread()

    removed = await ada.delete_member(lea.user, threads="delete")

    assert (removed.status, removed.threadsDeleted) == (200, 1)
    assert is_refused(await lea.create_thread())
    assert (await ada.list_threads(userId=lea.user)).ids == []


async def test_removing_a_member_refuses_the_members_tokens_of_both_kinds(ada, people):
    member = await people.member(ada)
    token = await people.product_user(ada, member.user)
    assert (await token.list_threads()).status == 200

    await ada.delete_member(member.user)

    assert is_refused(await token.list_threads())


async def test_a_user_who_is_removed_elsewhere_keeps_the_tokens_of_here(ada, cleo, people):
    here = await people.product_user(ada)
    there = await people.product_user(cleo, here.user)

    await cleo.delete_member(here.user)

    assert is_refused(await there.list_threads())
    assert (await here.list_threads()).status == 200


async def test_tokens_of_a_key_count_as_long_as_it_may_make_some(fresh_owner, people):
    second = await people.member(fresh_owner, role="owner")
    token = await people.product_user(second)

    await fresh_owner.put_member(second.user, "admin")
    by_an_admins_key = await token.list_threads()
    await fresh_owner.put_member(second.user, "member")
    by_a_members_key = await token.list_threads()
    await fresh_owner.put_member(second.user, "owner")

    assert by_an_admins_key.status == 200
    assert is_refused(by_a_members_key)
    # Raising a member raises no key.
    assert is_refused(await token.list_threads())


async def test_tokens_of_a_deleted_organization_open_nothing(fresh_owner, people):
    token = await people.product_user(fresh_owner)
    assert (await token.list_threads()).status == 200

    await fresh_owner.delete_organization()
    again = await people.owner(fresh_owner.organization)

    assert is_refused(await token.list_threads())
    assert is_refused(await token.list_threads(organizationId=again.organization))


async def test_users_whose_tokens_have_all_expired_are_forgotten(ada, server, stored, people):
    expired, current = await people.product_user(ada), await people.product_user(ada)
    both = f"('{expired.user}', '{current.user}')"

    async def users():
        return [user for (user,) in await stored.rows(f"select user_id from token_users where user_id in {both}")]

    async with held(server.database, "select 1") as run:
        await run(f"update token_users set expires_ms = 1 where user_id = '{expired.user}'")
    await eventually(users, lambda found: found == [current.user], SWEPT_S)

    removed = await ada.delete_member(expired.user)

    assert (removed.status, removed.code) == (404, "member_not_found")
    assert (await current.list_threads()).status == 200


async def test_a_users_tokens_are_kept_in_mind_as_long_as_the_last_one_counts(ada, stored, people):
    user = people.new_user()
    long, short = [await ada.create_token(userId=user, expiresIn=seconds) for seconds in (3600, 60)]

    [(expires_ms,)] = await stored.rows(f"select expires_ms from token_users where user_id = '{user}'")

    assert expires_ms == long.expiresAt * 1000 > short.expiresAt * 1000
