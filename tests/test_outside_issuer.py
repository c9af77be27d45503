"""Tokens of an outside issuer: a real key pair, published on loopback, and every way to forge one."""

import time

import jwt
import pytest

from conftest import connect
from support.cast import Caller
from support.issuer import AUDIENCE, Issuer
from support.people import People
from support.server import SECRET, Server
from support.waiting import eventually

# Nothing here reaches the database in a way of its own, so one kind is enough.
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True, scope="session")


@pytest.fixture(scope="module")
def issuer():
    issuer = Issuer()
    yield issuer
    issuer.close()


@pytest.fixture(scope="module")
async def person(issuer, new_database, zygote):
    """Somebody who signs in elsewhere, at a server that accepts it; `person.own` holds a token of the server's own."""
    server = await Server(await new_database(), issuer.settings).start()
    async with connect(server) as client:
        owner = await People(server, client, zygote).owner("ORG_ACME", "uid_ada")
        caller = Caller(client, organization="ORG_ACME", user="uid_ada", token=issuer.token("uid_ada"))
        caller.own = owner
        yield caller
    server.stop()


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


def refused(answer):
    return (answer.status, answer.code) == (401, "invalid_credentials")


async def test_a_token_of_the_issuer_stands_for_its_user(person):
    thread = await person.with_token().create_thread(visibleInUi=False)

    assert (thread.status, thread.userId, thread.organizationId) == (201, "uid_ada", "ORG_ACME")


async def test_the_servers_own_tokens_and_keys_are_taken_as_well(person):
    assert (await person.own.with_token().list_threads()).status == 200
    assert (await person.own.list_threads()).status == 200


async def test_an_audience_list_that_names_us_is_taken(person, issuer):
    token = issuer.token("uid_ada", aud=["somebody-else", AUDIENCE])

    assert (await person.with_token(token).list_threads()).status == 200


async def test_keys_make_tokens_for_their_users_all_the_same(person):
    made = await person.own.create_token(userId="uid_lea")

    thread = await person.with_token(made.token).create_thread()

    assert (thread.status, thread.userId, thread.organizationId) == (201, "uid_lea", "ORG_ACME")


async def test_the_issuer_makes_no_token_for_a_products_user(person, issuer):
    """Only what we have signed opens an organization without a membership, whatever else a token says."""
    made = (await person.own.create_token(userId="uid_lea")).token
    ours = {name: value for name, value in claims_of(made).items() if name in ("key", "gen")}

    in_our_place = issuer.token("uid_lea", claims=claims_of(made))
    for_both = issuer.token("uid_lea", aud=[AUDIENCE, "threadkeep-users"], claims=ours)
    of_a_member = issuer.token("uid_ada", claims=ours)

    assert refused(await person.with_token(in_our_place).list_threads())
    assert (await person.with_token(for_both).request("GET", "/v1/user")).organizations == []
    assert (await person.with_token(of_a_member).request("GET", "/v1/user")).organizations[0]["role"] == "owner"
    assert refused(await person.with_token(issuer.hmac_token("uid_lea", issuer.pem("first"))).list_threads())


async def test_an_issuer_that_has_our_name_gives_no_tokens_of_ours_and_takes_none_away(new_database, zygote):
    issuer = Issuer()
    named = {"THREADKEEP_JWT_ISSUER": "threadkeep", "THREADKEEP_JWT_AUDIENCE": "threadkeep-users"}
    server = await Server(await new_database(), {**issuer.settings, **named}).start()
    try:
        async with connect(server) as client:
            owner = await People(server, client, zygote).owner()
            made = (await owner.create_token(userId="uid_lea")).token
            outside = issuer.token(owner.user, claims={**claims_of(made), "sub": owner.user})
            own = [owner.with_token(), owner.with_token(made)]

            answers = [await who.list_threads() for who in own]
            as_person = await owner.with_token(outside).request("GET", "/v1/user")
    finally:
        server.stop()
        issuer.close()

    assert [answer.status for answer in answers] == [200, 200]
    assert as_person.organizations[0]["role"] == "owner"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "somebody-else"},
        {"aud": None},
        {"aud": []},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"exp": 1},
        {"exp": None},
        {"nbf": int(time.time()) + 3600},
        {"user": ""},
        {"user": "a b"},
        {"key": "second"},
        {"headers": {"kid": "unknown"}},
        {"headers": {"kid": "../../etc/passwd"}},
        {"headers": {"alg": "RS512"}},
        {"headers": {"alg": "PS256"}},
    ],
)
async def test_a_token_with_anything_wrong_is_refused(person, issuer, changes):
    token = issuer.token(**{"user": "uid_ada", **changes})

    assert refused(await person.with_token(token).list_threads())


@pytest.mark.parametrize("secret", ["pem", "pem without the line break", "empty"])
async def test_the_public_key_is_no_secret(person, issuer, secret):
    """Algorithm confusion: HS256 with the published key as its secret."""
    pem = issuer.pem("first")
    token = issuer.hmac_token("uid_ada", {"pem": pem, "empty": b""}.get(secret, pem.rstrip()))

    assert refused(await person.with_token(token).list_threads())


async def test_a_key_that_the_token_brings_along_is_not_believed(person, issuer):
    for header in ({"jwk": issuer.jwk("second")}, {"jku": "http://127.0.0.1:1/keys"}, {"x5u": "http://127.0.0.1:1/"}):
        token = issuer.token("uid_ada", key="second", headers={"kid": "first", **header})
        assert refused(await person.with_token(token).list_threads())


async def test_an_unsigned_token_is_refused(person, issuer):
    claims = jwt.decode(issuer.token("uid_ada"), options={"verify_signature": False})

    assert refused(await person.with_token(jwt.encode(claims, "", algorithm="none")).list_threads())


async def test_a_token_of_our_own_secret_in_the_issuers_name_is_refused(person, issuer):
    assert refused(await person.with_token(issuer.hmac_token("uid_ada", SECRET.encode())).list_threads())


async def test_unknown_keys_do_not_make_the_server_ask_the_issuer_each_time(person, issuer):
    before = issuer.requests_count

    for number in range(20):
        await person.with_token(
            issuer.token("uid_ada", key="second", headers={"kid": f"unknown-{number}"})
        ).list_threads()

    assert issuer.requests_count - before <= 3


@pytest.mark.parametrize("nonsense", [b"", b"<html>", b"{}", b'{"keys": []}', b'{"keys": [{"kty": "?"}]}'])
async def test_an_issuer_that_gives_no_keys_is_503_and_not_the_callers_fault(new_database, zygote, nonsense):
    issuer = Issuer()
    issuer.nonsense = nonsense
    server = await Server(await new_database(), issuer.settings).start()
    try:
        async with connect(server) as client:
            owner = await People(server, client, zygote).owner("ORG_ACME", "uid_ada")
            caller = owner.with_token(issuer.token("uid_ada"))
            answers = [await caller.list_threads() for _ in range(3)]
            asked = issuer.requests_count
            issuer.nonsense = None
            await eventually(caller.list_threads, lambda answer: answer.status == 200, within_s=5)
    finally:
        server.stop()
        issuer.close()

    assert {(answer.status, answer.code) for answer in answers} == {(503, "unavailable")}
    assert asked <= 2


async def test_an_issuer_that_breaks_later_leaves_what_it_gave_before(person, issuer):
    """An unknown key makes the server ask; whoever has a known one does not notice what comes of that."""
    stranger = person.with_token(issuer.token("uid_ada", key="second", headers={"kid": "unknown"}))
    assert (await person.with_token(issuer.token("uid_ada")).list_threads()).status == 200
    asked = issuer.requests_count
    issuer.nonsense = b""
    try:
        await eventually(lambda: refused_after(stranger, issuer, asked), bool, within_s=15)

        assert (await person.with_token(issuer.token("uid_ada")).list_threads()).status == 200
    finally:
        issuer.nonsense = None


async def refused_after(stranger, issuer, asked):
    """Whether the issuer was asked, and the stranger was refused all the same."""
    assert refused(await stranger.list_threads())
    return issuer.requests_count > asked


async def test_a_new_key_of_the_issuer_is_taken(person, issuer):
    """The issuer changes its keys; the server learns the new one by itself."""
    issuer.published.append("second")
    caller = person.with_token(issuer.token("uid_ada", key="second"))

    await eventually(caller.list_threads, lambda answer: answer.status == 200, within_s=35)
