"""What every answer says beside its body: that nobody may keep it or guess what it is; and none leads elsewhere."""

import socket

import httpx
import pytest

# Nothing here reaches the database in a way of its own, so one kind is enough.
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True, scope="session")

INNER = ("metrics", "readyz", "healthz")


def is_kept_by_nobody(answer):
    """Neither by the browser nor by a proxy on the way, and each says it once."""
    names = [name.lower() for name, _ in answer.headers.multi_items()]
    assert names.count("cache-control") == names.count("x-content-type-options") == 1, answer.headers
    return (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")


async def test_no_answer_of_the_api_is_kept_by_anybody(ada):
    thread = await ada.create_thread()
    answers = [
        thread,
        await ada.get(thread),
        await ada.list_threads(),
        await ada.retrying("header-once").post_message(thread, "hello"),
        await ada.retrying("header-once").post_message(thread, "hello"),
        await ada.request("GET", f"/v1/threads/{thread.id}/stream"),
        await ada.respond(thread, input="hi", stream=True),
        await ada.delete(thread),
        await ada.get(thread),
        await ada.with_credential().list_threads(),
        await ada.request("PUT", "/v1/threads"),
        await ada.request("GET", "/v1/nothing"),
        await ada.request("OPTIONS", "/v1/threads"),
        await ada.create_thread(nonsense=1),
    ]

    assert [answer.status for answer in answers] == [
        201,
        200,
        200,
        201,
        201,
        204,
        200,
        200,
        404,
        401,
        405,
        404,
        405,
        400,
    ]
    assert [answer.status for answer in answers if not is_kept_by_nobody(answer)] == []


async def test_no_other_answer_about_the_service_is_kept_either(nobody):
    for path in ("/healthz", "/readyz", "/metrics", "/nothing", "/docs/nothing", "/openapi.json"):
        assert is_kept_by_nobody(await nobody.request("GET", path)), path


async def test_a_request_that_is_no_http_is_refused_in_the_same_way(server):
    answer = await speak(server, b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n")

    assert b"\r\ncache-control: no-store\r\n" in answer
    assert b"\r\nx-content-type-options: nosniff\r\n" in answer


@pytest.mark.parametrize("path", ["/", "/docs", "/web/docs/index.html"])
async def test_pages_are_not_guessed_at(nobody, path):
    answer = await nobody.request("GET", path)

    assert answer.status == 200
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]


@pytest.mark.parametrize(
    "path",
    [
        "/docs/",
        "//docs",
        "//evil.example/docs/",
        "/docs//",
        "/web",
        "/web/",
        "/web/docs",
        "/healthz/",
        "/v1",
        "/v1/threads/",
    ],
)
async def test_no_answer_leads_to_the_host_that_the_request_names(server, path):
    answer = await speak(server, f"GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".encode())

    assert b"evil.example" not in answer
    assert answer.split(b" ")[1] in (b"307", b"401", b"404")


async def test_the_api_page_is_found_with_a_slash_at_its_end(nobody):
    answer = await nobody.client.get("/docs/", headers={"host": "evil.example"})

    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")


async def speak(server, data):
    """Send bytes as they are: a client's library would tidy the path."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(data)
        answer = b""
        while received := connection.recv(65_536):
            answer += received
    return answer


@pytest.mark.parametrize("name", INNER)
@pytest.mark.parametrize(
    "spelling",
    ["/%{first:x}{rest}", "/%2e/{name}", "/./{name}", "//{name}", "/{name}/", "/{name}%2f", "/{name}%3f", "/{upper}",
     "/web/..%2f{name}", "/v1/../{name}", "/v1/..%2f{name}", "/%25{first:x}{rest}", "/{name}%00", "/{name};x",
     "/%2f{name}", "http://x//{name}", "http://x/%{first:x}{rest}"],
)  # fmt: skip
async def test_what_is_for_operators_is_found_under_its_plain_path_alone(server, name, spelling):
    """A proxy that keeps it inside cannot be expected to know every way to write it."""
    path = spelling.format(name=name, first=ord(name[0]), rest=name[1:], upper=name.upper())

    answer = await speak(server, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())

    assert answer.split(b" ")[1] in (b"400", b"404"), answer


async def test_a_page_whose_path_is_escaped_without_need_is_not_there(nobody):
    async with httpx.AsyncClient(base_url=nobody.client.base_url, trust_env=False) as client:
        assert (await client.get("/%64ocs")).status_code == 404
        assert (await client.get("/docs")).status_code == 200
