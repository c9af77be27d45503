"""The keys of an outside issuer that is slow, endless or away: who has a known key waits for nobody."""

import asyncio
import json
import threading
import time
from contextlib import suppress

import pytest

from conftest import connect
from support.ending import in_the_end
from support.issuer import Issuer
from support.people import People
from support.waiting import SOON_S, eventually
from threadkeep.errors import InvalidCredentials, Unavailable
from threadkeep.server import jwks
from threadkeep.server.jwks import JwksCache


def head(handler, **headers):
    handler.send_response(200)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()


def stalls(handler):
    handler.server.released.wait(60)


def stalls_after_its_head(handler):
    head(handler, content_length="9999")
    handler.server.released.wait(60)


def sends_a_byte_now_and_then(handler):
    head(handler, content_length="9999")
    with suppress(OSError):
        while not handler.server.released.wait(0.2):
            handler.wfile.write(b" ")


def sends_its_head_a_byte_now_and_then(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    with suppress(OSError):
        while not handler.server.released.wait(0.2):
            handler.wfile.write(b"x")


def sends_300_megabytes(handler):
    head(handler)
    with suppress(OSError):
        for _ in range(300):
            handler.wfile.write(b" " * 1_000_000)
            handler.server.sent_bytes += 1_000_000


def redirects(handler):
    handler.send_response(302)
    handler.send_header("location", "/elsewhere")
    handler.end_headers()


def is_away(handler):
    handler.send_response(503)
    handler.end_headers()


def says_what_are_no_keys(handler):
    head(handler)
    handler.wfile.write(b"[" * 100_000)


MISBEHAVIOURS = [
    stalls, stalls_after_its_head, sends_a_byte_now_and_then, sends_its_head_a_byte_now_and_then, sends_300_megabytes,
    redirects, is_away, says_what_are_no_keys,
]  # fmt: skip
# Whoever waits for these is still waiting when the others have their answers.
TAKES_LONG = [stalls, stalls_after_its_head, sends_a_byte_now_and_then, sends_its_head_a_byte_now_and_then]


@pytest.fixture
def issuer():
    issuer = Issuer()
    issuer.http.released = threading.Event()
    issuer.http.sent_bytes = 0
    yield issuer
    issuer.http.released.set()
    issuer.close()


async def refusal(coroutine):
    try:
        async with in_the_end():
            await coroutine
    except (InvalidCredentials, Unavailable) as error:
        return type(error)
    return None


@pytest.mark.parametrize("misbehave", MISBEHAVIOURS, ids=lambda each: each.__name__)
async def test_a_known_key_counts_at_once_whatever_the_issuer_does_now(issuer, misbehave):
    cache = JwksCache(issuer.url, fresh_s=0.1, refresh_s=0.1)
    await cache.key("first")
    issuer.misbehave = misbehave
    await asyncio.sleep(0.3)

    unknown = asyncio.ensure_future(refusal(cache.key("unknown")))
    await asyncio.sleep(0.1)
    known = [await refusal(cache.key("first")) for _ in range(5)]
    were_first = not unknown.done()

    assert known == [None] * 5
    assert were_first or misbehave not in TAKES_LONG
    assert await unknown is InvalidCredentials
    assert issuer.http.sent_bytes < 100_000_000
    issuer.misbehave = None
    issuer.published.append("second")
    await eventually(lambda: refusal(cache.key("second")), lambda answer: answer is None, SOON_S)


@pytest.mark.parametrize("misbehave", [stalls, sends_300_megabytes, redirects], ids=lambda each: each.__name__)
async def test_an_issuer_that_never_gave_a_key_is_unavailable_within_its_time(issuer, misbehave):
    issuer.misbehave = misbehave

    answers = await asyncio.gather(*(refusal(JwksCache(issuer.url).key("first")) for _ in range(3)))

    assert set(answers) == {Unavailable}


async def test_tokens_that_name_unknown_keys_make_one_fetch_together_and_few_in_a_minute(issuer):
    cache = JwksCache(issuer.url)
    await cache.key("first")

    answers = await asyncio.gather(*(refusal(cache.key(f"unknown-{number}")) for number in range(100)))

    assert set(answers) == {InvalidCredentials}
    assert issuer.requests_count == 1
    assert 60 / jwks.REFRESH_S <= 6


async def test_an_old_key_is_not_believed_for_ever(issuer):
    cache = JwksCache(issuer.url, fresh_s=0.1, kept_s=1.0, refresh_s=0.1)
    await cache.key("first")
    issuer.misbehave = is_away

    await asyncio.sleep(0.5)
    still = await refusal(cache.key("first"))
    await asyncio.sleep(0.8)
    withdrawn = await refusal(cache.key("first"))

    assert (still, withdrawn) == (None, Unavailable)


async def test_a_key_that_the_issuer_withdrew_is_refused_once_that_is_known(issuer):
    cache = JwksCache(issuer.url, fresh_s=0.1, refresh_s=0.1)
    await cache.key("first")
    issuer.published = ["second"]
    await asyncio.sleep(0.3)

    await eventually(lambda: refusal(cache.key("first")), lambda answer: answer is InvalidCredentials, SOON_S)


async def test_who_goes_away_does_not_take_the_fetch_from_the_others(issuer):
    body = json.dumps({"keys": [issuer.jwk("first")]}).encode()

    def answers_late(handler):
        time.sleep(0.5)
        head(handler, content_length=str(len(body)))
        handler.wfile.write(body)

    issuer.misbehave = answers_late
    cache = JwksCache(issuer.url)
    first, second = (asyncio.ensure_future(cache.key("first")) for _ in range(2))
    await asyncio.sleep(0.1)
    first.cancel()

    assert await second is not None
    assert issuer.requests_count == 1


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True, scope="session")
async def test_a_stalling_issuer_holds_up_nobody_at_a_running_server(issuer, new_database, start_server, zygote):
    server = await start_server(**issuer.settings, THREADKEEP_CREDENTIAL_CACHE_S="0.1")
    async with connect(server) as client:
        owner = await People(server, client, zygote).owner()
        person = owner.with_token(issuer.token(owner.user))
        assert (await person.list_threads()).status == 200
        issuer.misbehave = stalls
        await asyncio.sleep(jwks.REFRESH_S)
        forged = owner.with_token(issuer.token(owner.user, key="second", headers={"kid": "unknown"}))

        refused = asyncio.ensure_future(forged.list_threads())
        await asyncio.sleep(0.3)
        for _ in range(3):
            assert (await person.list_threads()).status == 200
            assert (await owner.list_threads()).status == 200
            await asyncio.sleep(0.15)

        assert not refused.done()
        assert (await refused).status == 401
