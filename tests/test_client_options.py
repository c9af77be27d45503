"""Where a client calls, as whom, and what it keeps to itself."""

import asyncio
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

import threadkeep
from support.either_client import KINDS, client_of
from support.people import People
from threadkeep import errors
from threadkeep.client.options import address, certificates

pytestmark = pytest.mark.one_database("how a client is made")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def adas(kind, server, ada) -> AsyncIterator[Any]:
    """A client for Ada, of each kind."""
    async with client_of(kind, server.url, ada) as client:
        yield client


async def test_whoever_has_no_credential_learns_it_from_the_server(kind, server):
    async with client_of(kind, server.url) as nobody:
        with pytest.raises(threadkeep.AuthenticationError, match="missing_authentication: Send an API key"):
            await nobody.user.retrieve()


async def test_one_client_acts_for_many_users_over_the_same_connections(adas, people: People):
    first, second = people.new_user(), people.new_user()
    thread = await adas.with_options(user_id=first).threads.create()

    assert thread.user_id == first
    with pytest.raises(threadkeep.ThreadNotFound):
        await adas.with_options(user_id=second).threads.retrieve(thread.id)
    assert (await adas.with_options(user_id=None).threads.retrieve(thread.id)).id == thread.id


async def test_a_token_takes_the_place_of_the_key_of_the_client_it_was_made_from(adas, people):
    user = people.new_user()
    made = await adas.tokens.create(user_id=user)
    theirs = adas.with_options(token=made.token)

    with pytest.raises(errors.BearerTokenRequired):
        await adas.threads.create(visible_in_ui=False)
    thread = await theirs.threads.create(visible_in_ui=False)
    assert (thread.user_id, thread.visible_in_ui) == (user, False)
    assert (await adas.user.retrieve()).id != user


async def test_an_organization_may_be_named_for_a_client_or_a_call(kind, server, people):
    one, two = await people.owner(), await people.owner()
    await people.admin("create-member", "--organization", two.organization, "--user", one.user, "--role", "owner")
    async with client_of(kind, server.url, token=one.token) as client:
        with pytest.raises(errors.OrganizationRequired):
            await client.threads.create()
        thread = await client.threads.create(organization_id=two.organization)
        within = client.with_options(organization_id=two.organization)

        assert thread.organization_id == two.organization
        assert [each.id async for each in within.threads.list()] == [thread.id]
        assert [each.id async for each in client.threads.list(organization_id=one.organization)] == []
        assert (await within.organizations.retrieve(one.organization)).id == one.organization
        assert len((await client.user.retrieve()).organizations) == 2


async def test_nothing_that_is_shown_or_logged_holds_the_secret(kind, server, ada, caplog):
    caplog.set_level("DEBUG")
    async with client_of(kind, server.url, ada, user_id="uid_shown") as client:
        await client.threads.create()
        shown = f"{client!r} {options_of(client)!r}"

    assert "uid_shown" in shown
    assert ada.key not in shown + caplog.text


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"base_url": "127.0.0.1:8000"}, "base_url is an address"),
        ({"base_url": "http://127.0.0.1:8000/v1/"}, "ends before /v1"),
        ({"base_url": "http://user:secret@host"}, "api_key or token"),
        ({"api_key": "tk_a", "token": "eyJ"}, "not both"),
        ({"api_key": "tk_secret\n"}, "character"),
        ({"user_id": "a b"}, "user_id"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"retries_max": -1}, "retries_max"),
    ],
)
def test_what_no_client_can_use_is_refused_without_showing_secrets(given, sentence):
    with pytest.raises(ValueError, match=sentence) as refused:
        threadkeep.Client(**given)

    assert "secret" not in str(refused.value)


def test_what_is_not_given_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("THREADKEEP_URL", "http://example.test/")
    monkeypatch.setenv("THREADKEEP_API_KEY", "tk_environment")
    monkeypatch.setenv("THREADKEEP_ORGANIZATION", "ORG_9")
    # A mistake in a setting of the server's is no business of a client.
    monkeypatch.setenv("THREADKEEP_POOL_SIZE", "many")

    options = threadkeep.Client()._connection.options
    explicit = threadkeep.Client("http://other.test", token="eyJ", organization_id="ORG_1")._connection.options

    assert (options.base_url, options.organization_id) == ("http://example.test", "ORG_9")
    assert options.credential == {"X-API-Key": "tk_environment"}
    assert (explicit.base_url, explicit.organization_id) == ("http://other.test", "ORG_1")
    assert explicit.credential == {"Authorization": "Bearer eyJ"}
    monkeypatch.delenv("THREADKEEP_API_KEY")
    monkeypatch.setenv("THREADKEEP_TOKEN", "eyJ-environment")
    assert threadkeep.Client()._connection.options.credential == {"Authorization": "Bearer eyJ-environment"}


@pytest.mark.parametrize("scheme", ["https", "HTTPS", "Https"])
def test_a_certificate_is_checked_however_https_is_spelt(scheme):
    checked = certificates(address(f"{scheme}://example.test"))

    assert isinstance(checked, ssl.SSLContext)
    assert (checked.verify_mode, checked.check_hostname) == (ssl.CERT_REQUIRED, True)


async def test_a_forked_process_calls_over_connections_of_its_own(server, ada):
    program = """
import os, sys, threadkeep
client = threadkeep.Client()
copy = client.with_options(user_id="uid_x")
client.user.retrieve()
child = os.fork()
for n in range(50):
    thread = (copy if n % 2 else client).threads.create(title=f"{child == 0} {n}")
    assert thread.title == f"{child == 0} {n}", thread
if child == 0:
    sys.exit(0)
_, status = os.waitpid(child, 0)
print(status)
"""
    finished = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", program],
        env={**os.environ, "THREADKEEP_URL": server.url, "THREADKEEP_API_KEY": ada.key},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (finished.stdout, finished.stderr) == ("0\n", "")


def test_a_client_of_ones_own_is_used_and_stays_open():
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers)
        return httpx.Response(200, json={"id": "uid", "object": "user", "credential": "key", "organizations": []})

    own = httpx.Client(transport=httpx.MockTransport(answer), headers={"X-Trace": "1"}, auth=("a", "b"))
    with threadkeep.Client("http://example.test", api_key="tk_a", http_client=own) as client:
        client.user.retrieve()

    assert not own.is_closed
    assert (asked[0]["x-trace"], asked[0]["x-api-key"]) == ("1", "tk_a")
    # What the other client would authenticate with is not for this server.
    assert "authorization" not in asked[0]


def options_of(client: Any) -> Any:
    return (client if isinstance(client, threadkeep.AsyncClient) else client.inner)._connection.options
