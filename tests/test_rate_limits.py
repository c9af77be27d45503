"""Rate limits: so many requests a minute for a key, so many for a person with tokens."""

import asyncio
import time

import httpx
import pytest

from conftest import connect
from support.people import People
from threadkeep.errors import RateLimited
from threadkeep.server import rates
from threadkeep.server.rates import RateLimit, network_of

KEY_LIMIT, TOKEN_LIMIT, REFUSED_LIMIT = 20, 10, 15
MINUTE_S = 60
# All calls of a test fall into one minute of the clock, since the counts begin anew with the next.
TEST_S = 5

# Nothing here reaches the database in a way of its own, so one kind is enough.
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True, scope="session")


@pytest.fixture
async def limited(start_server, zygote):
    server = await start_server(
        THREADKEEP_RATE_KEY_PER_MINUTE=str(KEY_LIMIT),
        THREADKEEP_RATE_TOKEN_PER_MINUTE=str(TOKEN_LIMIT),
        THREADKEEP_RATE_REFUSED_PER_MINUTE=str(REFUSED_LIMIT),
    )
    async with connect(server) as client:
        owner = await People(server, client, zygote).owner()
        left_s = MINUTE_S - time.time() % MINUTE_S
        if left_s < TEST_S:
            await asyncio.sleep(left_s)
        yield owner


async def calls(who, count):
    return [await who.list_threads(limit=1) for _ in range(count)]


async def test_the_limits_hold_exactly_and_apart_from_each_other(limited):
    person = limited.with_token()

    by_key = await calls(limited, KEY_LIMIT + 2)
    by_token = await calls(person, TOKEN_LIMIT + 2)

    assert [answer.status for answer in by_key] == [200] * KEY_LIMIT + [429] * 2
    assert [answer.status for answer in by_token] == [200] * TOKEN_LIMIT + [429] * 2
    refused = by_key[-1]
    assert (refused.code, refused.type) == ("rate_limited", "rate_limit_error")
    assert 1 <= int(refused.headers["retry-after"]) <= 61


async def test_a_refusal_says_what_the_limit_is_and_when_it_ends(limited):
    refused = (await calls(limited, KEY_LIMIT + 1))[-1]

    assert refused.headers["ratelimit-limit"].split(",")[0].strip() == str(KEY_LIMIT)
    assert refused.headers["ratelimit-remaining"] == "0"
    assert 1 <= int(refused.headers["ratelimit-reset"]) <= 61


async def test_users_of_one_key_share_its_limit(limited):
    answers = [await limited.as_user(f"uid_{number}").list_threads() for number in range(KEY_LIMIT + 1)]

    assert [answer.status for answer in answers] == [200] * KEY_LIMIT + [429]


async def test_a_products_user_has_the_limit_of_a_person_however_many_tokens(limited):
    tokens = [(await limited.create_token(userId="uid_lea")).token for _ in range(2)]
    other = await limited.create_token(userId="uid_max")

    answers = [await limited.with_token(tokens[n % 2]).list_threads() for n in range(TOKEN_LIMIT + 1)]

    assert [answer.status for answer in answers] == [200] * TOKEN_LIMIT + [429]
    assert (await limited.with_token(other.token).list_threads()).status == 200


async def test_a_token_of_an_organization_uses_up_nothing_of_a_person_with_that_user_id(limited):
    """Any organization may make tokens for any user id."""
    made = await limited.create_token(userId=limited.user)
    await calls(limited.with_token(made.token), TOKEN_LIMIT + 1)

    assert (await limited.with_token().list_threads()).status == 200


async def test_health_has_no_limit(limited):
    answers: list[httpx.Response] = [await limited.client.get("/readyz") for _ in range(KEY_LIMIT * 3)]

    assert {answer.status_code for answer in answers} == {200}


async def test_a_refused_request_writes_nothing(limited):
    await calls(limited, KEY_LIMIT)

    refused = await limited.create_thread()

    assert refused.status == 429
    assert (await limited.with_token().list_threads()).data == []


@pytest.mark.parametrize("what", ["unknown keys", "malformed keys", "forged tokens", "nothing"])
async def test_an_address_has_so_many_requests_without_valid_credentials(limited, what):
    def wrong(number):
        unknown = limited.key[:-1] + ("y" if limited.key.endswith("x") else "x")
        return {
            "unknown keys": limited.with_key(unknown),
            "malformed keys": limited.with_key(f"tk_{number}"),
            "forged tokens": limited.with_token(limited.token[:-4] + f"{number:04}"),
            "nothing": limited.with_credential(),
        }[what]

    answers = [await wrong(number).list_threads() for number in range(REFUSED_LIMIT + 3)]

    assert [answer.status for answer in answers] == [401] * REFUSED_LIMIT + [429] * 3
    refused = answers[-1]
    assert (refused.code, refused.headers["ratelimit-limit"]) == ("rate_limited", str(REFUSED_LIMIT))
    assert "credentials" in refused.message
    assert 1 <= int(refused.headers["retry-after"]) <= 61


async def test_whoever_has_valid_credentials_is_served_from_an_address_that_is_refused(limited):
    """An attacker behind the same proxy shuts nobody out, also no one whom the server does not remember."""
    for _ in range(REFUSED_LIMIT + 3):
        await limited.with_credential().list_threads()

    created = await limited.create_key(userId="uid_new", role="member")

    assert created.status == 201
    assert (await limited.with_key(created.key).list_threads()).status == 200
    assert (await limited.with_token().list_threads()).status == 200
    assert (await limited.client.get("/healthz")).status_code == 200
    assert (await limited.client.get("/")).status_code == 200


async def test_other_refusals_do_not_count(limited):
    answers = [await limited.get("thread_nothing") for _ in range(REFUSED_LIMIT)]

    assert {answer.status for answer in answers} == {404}
    assert (await limited.with_credential().list_threads()).status == 401


def test_a_network_of_addresses_is_one_and_a_flood_of_them_takes_bounded_memory(database_kind):
    limit = RateLimit(1)

    assert network_of(("192.0.2.1", 5)) == network_of(("::ffff:192.0.2.1", 6)) != network_of(("192.0.2.2", 5))
    assert network_of(("2001:db8:1:2::1", 5)) == network_of(("2001:db8:1:2:3:4:5:6%eth0", 5))
    assert network_of(("2001:db8:1:2::1", 5)) != network_of(("2001:db8:1:3::1", 5))
    for number in range(rates.CALLERS_MAX):
        limit.count(str(number))
    limit.count("the first beyond")
    with pytest.raises(RateLimited):
        limit.count("the second beyond")
