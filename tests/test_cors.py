"""Browsers: no origin may call unless it is named."""

import re

import pytest

from conftest import connect
from support.cast import Answer, check_error
from support.people import People
from support.server import Server
from threadkeep.server.openapi import ANSWER_HEADERS, HEADERS
from threadkeep.server.routes import ENDPOINTS
from threadkeep.settings import SettingError, Settings

GOOD, OTHER_GOOD, EVIL = "https://app.example.com", "http://localhost:5173", "https://evil.example"

# Nothing here reaches the database in a way of its own, so one kind is enough.
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True, scope="session")


def preflight(origin, method="PATCH"):
    return {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": "authorization,content-type,idempotency-key,if-match",
    }


@pytest.fixture(scope="module")
async def open_to_browsers(new_database):
    server = await Server(await new_database(), {"THREADKEEP_CORS_ORIGINS": f"{GOOD}, {OTHER_GOOD}"}).start()
    async with connect(server) as client:
        client.server = server
        yield client
    server.stop()


@pytest.fixture(scope="module")
def people_of_browsers(open_to_browsers, zygote):
    return People(open_to_browsers.server, open_to_browsers, zygote)


async def test_no_origin_may_call_by_default(client):
    asked = await client.options("/v1/threads", headers=preflight(GOOD))
    answer = await client.get("/v1/threads", headers={"origin": GOOD})

    for each in (asked, answer):
        assert not [name for name in each.headers if name.startswith("access-control-allow-origin")]


@pytest.mark.parametrize("origin", [GOOD, OTHER_GOOD])
async def test_a_named_origin_may_call_with_all_methods_and_headers(open_to_browsers, origin):
    for method in ("GET", "POST", "PATCH", "PUT", "DELETE"):
        asked = await open_to_browsers.options("/v1/threads/thread_1", headers=preflight(origin, method))

        assert asked.status_code in (200, 204)
        assert asked.headers["access-control-allow-origin"] == origin
        assert method in asked.headers["access-control-allow-methods"]
        allowed = asked.headers["access-control-allow-headers"].lower()
        for header in ("authorization", "content-type", "idempotency-key", "if-match"):
            assert header in allowed


async def test_an_answer_names_the_origin_and_shows_its_headers(open_to_browsers):
    answer = await open_to_browsers.get("/v1/threads", headers={"origin": GOOD})

    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == GOOD
    assert "origin" in answer.headers["vary"].lower()
    exposed = answer.headers["access-control-expose-headers"].lower()
    assert exposed.split(", ") == [
        *("etag", "thread-etag", "x-request-id", "idempotent-replayed", "retry-after", "ratelimit-limit"),
        *("ratelimit-remaining", "ratelimit-reset", "location", "content-location", "x-error-code"),
        *("x-should-retry", "openai-poll-after-ms"),
    ]


async def test_every_call_may_be_made_with_every_header_that_it_takes(open_to_browsers):
    for endpoint in ENDPOINTS:
        path = re.sub(r"\{\w+\}", "x", endpoint.path)
        asked = preflight(GOOD, endpoint.method) | {
            "access-control-request-headers": ",".join([*HEADERS, "Authorization", "Content-Type", "X-Request-Id"])
        }
        answer = await open_to_browsers.options(path, headers=asked)

        assert answer.status_code == 200, f"{endpoint.method} {endpoint.path}: {answer.text}"
        assert answer.headers["access-control-allow-origin"] == GOOD


async def test_every_header_that_an_answer_has_may_be_read(open_to_browsers):
    answer = await open_to_browsers.get("/v1/threads", headers={"origin": GOOD})

    exposed = answer.headers["access-control-expose-headers"]
    assert [name for name in ANSWER_HEADERS if name not in exposed.split(", ")] == []


async def test_a_products_user_calls_and_streams_from_another_origin(people_of_browsers):
    owner = await people_of_browsers.owner()
    user = (await people_of_browsers.product_user(owner)).with_headers({"origin": GOOD})

    thread = await user.create_thread()
    async with user.client.stream(
        "POST",
        f"/v1/threads/{thread.id}/responses",
        json={"input": "hi", "stream": True},
        headers=user.credential | user.extra,
    ) as stream:
        text = (await stream.aread()).decode()
    refused = await user.list_members()

    assert stream.headers["content-type"].startswith("text/event-stream")
    assert text.rstrip().rpartition("event: ")[2].startswith("response.completed")
    for headers in (thread.headers, stream.headers, refused.headers):
        assert headers["access-control-allow-origin"] == GOOD
        assert "access-control-allow-credentials" not in headers
    assert (thread.status, refused.code) == (201, "insufficient_permissions")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/ai-sdk/chat"), ("GET", "/ai-sdk/chat/a%20chat/stream"), ("POST", "/ai-sdk/chat/a%20chat/stop"),
        ("GET", "/ai-sdk/chat/a%20chat/messages"), ("POST", "/ag-ui"), ("POST", "/ag-ui/asst_1"),
    ],
)  # fmt: skip
async def test_front_ends_may_be_called_from_a_named_origin_alone(open_to_browsers, method, path):
    asked = await open_to_browsers.options(path, headers=preflight(GOOD, method))
    refused = await open_to_browsers.options(path, headers=preflight(EVIL, method))

    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, GOOD)
    assert {"authorization", "content-type"} <= set(asked.headers["access-control-allow-headers"].lower().split(", "))
    assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize(
    ("path", "body", "end"),
    [
        (
            "/ai-sdk/chat",
            {"message": {"id": "u1", "role": "user", "parts": [{"type": "text", "text": "hi"}]}},
            "[DONE]",
        ),
        ("/ag-ui", {"runId": "r", "messages": [{"id": "u1", "role": "user", "content": "hi"}]}, "RUN_FINISHED"),
    ],
)
async def test_a_products_user_chats_through_front_ends_from_another_origin(people_of_browsers, path, body, end):
    user = await people_of_browsers.product_user(await people_of_browsers.owner())
    page = user.with_headers({"origin": GOOD})
    chat = "id" if path.startswith("/ai-sdk") else "threadId"

    told = await page.request("POST", path, {chat: "main", **body})
    refused = await page.request("POST", path, {chat: "thread_that_is_not_there", **body})

    assert end in told.text.strip().rpartition("data: ")[2]
    assert refused.status == 404
    for answer in (told, refused):
        assert answer.headers["access-control-allow-origin"] == GOOD
        assert "x-error-code" in answer.headers["access-control-expose-headers"].lower()
    assert len((await user.list_threads(externalId="main")).data) == 1


@pytest.mark.parametrize(
    "origins",
    ["*", "https://*.example.com", "https://app.example.com/", "https://app.example.com/chat", "app.example.com",
     "null", "https://App.example.com", "https://app.example.com:", "https://a b", f"{GOOD}, *", "https://user@app.example.com",
     "https://app.example.com?x"],
)  # fmt: skip
def test_what_is_no_origin_is_refused_at_the_start(origins, database_kind):
    with pytest.raises(SettingError, match="THREADKEEP_CORS_ORIGINS"):
        Settings(cors_origins=origins)


@pytest.mark.parametrize(
    "origins",
    ["", GOOD, f"{GOOD},{OTHER_GOOD}", "http://[::1]:3000", "capacitor://localhost", "chrome-extension://abcd"],
)
def test_origins_are_named_as_browsers_send_them(origins, database_kind):
    assert Settings(cors_origins=origins).cors_origins == origins


@pytest.mark.parametrize(
    "origin", [EVIL, "null", f"{GOOD}.evil.example", "http://app.example.com", GOOD + ":444", GOOD.upper() + "x"]
)
async def test_another_origin_may_not(open_to_browsers, origin):
    asked = await open_to_browsers.options("/v1/threads", headers=preflight(origin))
    answer = await open_to_browsers.get("/v1/threads", headers={"origin": origin})

    for each in (asked, answer):
        assert "access-control-allow-origin" not in each.headers


async def test_credentials_never_go_with_a_star(open_to_browsers):
    for origin in (GOOD, EVIL):
        answer = await open_to_browsers.get("/v1/threads", headers={"origin": origin})
        assert answer.headers.get("access-control-allow-origin") != "*"


async def test_every_answer_to_a_browser_has_a_request_id(open_to_browsers):
    answers = [
        await open_to_browsers.options("/v1/threads", headers=preflight(GOOD)),
        await open_to_browsers.options("/v1/threads", headers=preflight(EVIL)),
        await open_to_browsers.get("/v1/threads", headers={"origin": GOOD}),
    ]

    assert all(answer.headers.get("x-request-id") for answer in answers)


@pytest.mark.parametrize("asked", [preflight(EVIL), preflight(GOOD, "TRACE")])
async def test_a_refused_preflight_has_the_one_shape_of_errors(open_to_browsers, asked):
    refused = Answer(await open_to_browsers.options("/v1/threads", headers=asked))

    assert (refused.status, refused.type) == (400, "invalid_request_error")
    check_error(refused)
