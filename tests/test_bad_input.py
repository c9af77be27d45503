"""Bad input: every error has one shape, names what is wrong, echoes nothing, and changes nothing."""

import gzip

import pytest

CANARY = "canary-4711"
MIB_4 = 4 * 1024 * 1024


@pytest.fixture
async def places(ada):
    """Every call that takes a body, with the name of a field of text in it."""
    thread = await ada.create_thread()
    message = await ada.post_message(thread)
    response = await ada.respond(thread)
    return [
        ("POST", "/v1/threads", "title"),
        ("PATCH", f"/v1/threads/{thread.id}", "title"),
        ("POST", f"/v1/threads/{thread.id}", "title"),
        ("POST", f"/v1/threads/{thread.id}/messages", "content"),
        ("PATCH", f"/v1/threads/{thread.id}/messages/{message.id}", "content"),
        ("PATCH", "/v1/organizations/ORG_ACME", "name"),
        ("PUT", "/v1/organizations/ORG_ACME/members/uid_x", "role"),
        ("POST", "/v1/organizations/ORG_ACME/keys", "name"),
        ("POST", f"/v1/threads/{thread.id}/lock", "reason"),
        ("POST", f"/v1/threads/{thread.id}/responses", "input"),
        ("POST", f"/v1/threads/{thread.id}/responses/{response.id}/cancel", "reason"),
        ("POST", "/v1/responses", "input"),
        ("POST", "/v1/assistants", "name"),
    ]


def nested(depth):
    return '{"title": ' + "[" * (depth - 1) + "]" * (depth - 1) + "}"


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        ("{", {"invalid_json"}),
        (f'{{"{CANARY}', {"invalid_json"}),
        (f'{{"title": "{CANARY}"}} trailing', {"invalid_json"}),
        ('{"title": "a",}', {"invalid_json"}),
        ("{'title': 'a'}", {"invalid_json"}),
        ('{"title": undefined}', {"invalid_json"}),
        ('// comment\n{"title": "a"}', {"invalid_json"}),
        (b"\xff\xfe", {"invalid_json", "invalid_string"}),
        (b'{"title": "\xff"}', {"invalid_json", "invalid_string"}),
        (b'{"title": "\xed\xa0\x80"}', {"invalid_json", "invalid_string"}),
        (b'\xef\xbb\xbf{"title": "a"}', {"invalid_json"}),
        ('{"title": "a"}'.encode("utf-16"), {"invalid_json", "invalid_string"}),
        ('{"title": "\t"}', {"invalid_json"}),
        ("[]", {"invalid_json", "invalid_field"}),
        ("null", {"invalid_json", "invalid_field"}),
        (f'"{CANARY}"', {"invalid_json", "invalid_field"}),
        ("7", {"invalid_json", "invalid_field"}),
        ('{"metadata": {"a": NaN}}', {"invalid_json", "invalid_field"}),
        ('{"metadata": {"a": Infinity}}', {"invalid_json", "invalid_field"}),
        ('{"metadata": {"a": -Infinity}}', {"invalid_json", "invalid_field"}),
        ('{"metadata": {"a": 1e999}}', {"invalid_json", "invalid_field"}),
        ('{"metadata": {"a": 01}}', {"invalid_json"}),
        ('{"title": "\\ud800"}', {"invalid_json", "invalid_string"}),
        ('{"title": "\\udc00\\ud800"}', {"invalid_json", "invalid_string"}),
        ('{"title": "\\u0000"}', {"invalid_string"}),
        (f'{{"metadata": {{"\\u0000{CANARY}": 1}}}}', {"invalid_string"}),
        ('{"metadata": {"a": ["\\u0000"]}}', {"invalid_string"}),
        (f'{{"title": "a", "title": "{CANARY}"}}', {"invalid_json", "invalid_field"}),
        ('{"metadata": {"a": 1, "a": 2}}', {"invalid_json", "invalid_field"}),
        ('{"metadata": {"a": 1, "\\u0061": 2}}', {"invalid_json", "invalid_field"}),
        ('{"metadata": {"a": 9007199254740993}}', {"invalid_json", "invalid_field"}),
        ('{"metadata": {"a": -9007199254740993}}', {"invalid_json", "invalid_field"}),
        ('{"metadata": {"a": 123456789012345678901234567890}}', {"invalid_json", "invalid_field"}),
        ('{"metadata": {"a": ' + "9" * 5000 + "}}", {"invalid_json", "invalid_field"}),
        (nested(33), {"invalid_json", "invalid_field"}),
        (nested(10_000), {"invalid_json", "invalid_field"}),
        (nested(500_000), {"invalid_json", "invalid_field"}),
    ],
)
async def test_a_body_that_is_not_good_json_is_refused(fresh_user, content, codes):
    refused = await fresh_user.request("POST", "/v1/threads", content=content)

    assert refused.status == 400, refused
    assert refused.code in codes
    assert CANARY not in refused.text
    assert (await fresh_user.list_threads()).data == []


async def test_every_call_with_a_body_refuses_the_same(ada, places):
    for method, path, field in places:
        for content in (
            "{",
            "[]",
            f'{{"{field}": "\\u0000"}}',
            f'{{"{field}": "\\ud800"}}',
            f'{{"{field}": {nested(33)}}}',
        ):
            refused = await ada.request(method, path, content=content)
            assert refused.status == 400, (method, path, content, refused)
        unknown = await ada.request(method, path, {"nonsense": CANARY})
        assert (unknown.status, unknown.code, unknown.param) == (400, "unknown_field", "nonsense"), (method, path)
        assert CANARY not in unknown.text
        doubled = await ada.request(method, path, content=f'{{"{field}": "a", "{field}": "b"}}')
        assert doubled.status == 400, (method, path)


@pytest.mark.parametrize("depth", [2, 31])
async def test_nesting_of_up_to_32_is_read_and_then_judged_by_its_field(ada, depth):
    refused = await ada.request("POST", "/v1/threads", content=nested(depth))

    assert (refused.status, refused.code, refused.param) == (400, "invalid_field", "title")


async def test_integers_up_to_2_to_the_53_are_taken(ada):
    thread = await ada.request(
        "POST", "/v1/threads", content='{"metadata": {"a": 9007199254740992, "b": -9007199254740992}}'
    )

    assert thread.metadata == {"a": 2**53, "b": -(2**53)}


async def test_an_error_names_the_nested_field(ada):
    refused = await ada.create_thread(messages=[{"role": "user", "content": "a"}, {"role": "user", "content": 7}])

    assert refused.code == "invalid_field"
    assert refused.param.startswith("messages")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "json",
        "",
    ],
)
async def test_another_content_type_is_refused(fresh_user, content_type):
    refused = await fresh_user.request("POST", "/v1/threads", {"title": CANARY}, headers={"content-type": content_type})

    assert (refused.status, refused.code) == (415, "unsupported_media_type")
    assert CANARY not in refused.text
    assert (await fresh_user.list_threads()).data == []


async def test_a_body_without_a_content_type_is_refused(ada):
    answer = await ada.client.post("/v1/threads", content=b'{"title": "a"}', headers=ada.credential)

    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json;charset=UTF-8"]
)
async def test_json_may_say_that_it_is_utf_8(ada, content_type):
    assert (await ada.request("POST", "/v1/threads", {}, headers={"content-type": content_type})).status == 201


async def test_another_charset_is_refused(ada):
    headers = {"content-type": "application/json; charset=latin-1"}

    assert (await ada.request("POST", "/v1/threads", {}, headers=headers)).status in (400, 415)


async def test_a_compressed_body_is_refused(fresh_user):
    bomb = gzip.compress(b'{"title": "' + b"a" * 10_000_000 + b'"}')

    refused = await fresh_user.request("POST", "/v1/threads", content=bomb, headers={"content-encoding": "gzip"})

    assert (refused.status, refused.code) == (415, "unsupported_media_type")


# A call that takes payloads takes as much more as a payload may have.
LIMITS = {"/v1/assistants": MIB_4, "/v1/threads": 2 * MIB_4}


def body_of_bytes(size):
    """A valid body of exactly `size` bytes, filled up with white space."""
    return b"{" + b" " * (size - 2) + b"}"


@pytest.mark.parametrize("path", LIMITS)
async def test_a_body_has_up_to_4_mib_or_8_where_payloads_are_taken(fresh_owner, path):
    accepted = await fresh_owner.request("POST", path, content=body_of_bytes(LIMITS[path]))
    refused = await fresh_owner.request("POST", path, content=body_of_bytes(LIMITS[path] + 1))

    assert accepted.status == 201
    assert (refused.status, refused.code) == (413, "too_large")
    assert (await fresh_owner.request("GET", path)).ids == [accepted.id]


@pytest.mark.parametrize("path", LIMITS)
async def test_a_body_that_does_not_say_its_size_has_the_same_limit(fresh_owner, path):
    async def send(size):
        async def pieces():
            body = body_of_bytes(size)
            for start in range(0, size, 65_536):
                yield body[start : start + 65_536]

        headers = {**fresh_owner.credential, **fresh_owner.extra, "content-type": "application/json"}
        return await fresh_owner.client.post(path, content=pieces(), headers=headers)

    assert (await send(LIMITS[path])).status_code == 201
    assert (await send(LIMITS[path] + 1)).status_code == 413


async def test_a_path_that_is_not_there_is_not_found(ada):
    for path in (
        "/v1",
        "/v1/",
        "/v2/threads",
        "/v1/thread",
        "/v1/threads/",
        "/v1/threads//messages",
        "/favicon.ico",
    ):
        refused = await ada.request("GET", path)
        assert refused.status == 404, path


@pytest.mark.parametrize("path", ["/v1/events"])
async def test_what_comes_later_is_not_there_yet(ada, path):
    for method in ("GET", "POST"):
        refused = await ada.request(method, path)
        assert (refused.status, refused.code) == (404, "not_found"), method


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/v1/threads"),
        ("DELETE", "/v1/threads"),
        ("PUT", "/v1/threads/thread_1"),
        ("GET", "/v1/threads/thread_1/lock"),
        ("PUT", "/v1/threads/thread_1/messages"),
        ("POST", "/v1/user/threads"),
        ("GET", "/v1/responses"),
        ("DELETE", "/v1/threads/thread_1/responses"),
        ("PATCH", "/v1/threads/thread_1/responses/resp_1"),
        ("GET", "/v1/threads/thread_1/responses/resp_1/cancel"),
        ("POST", "/v1/threads/thread_1/responses/resp_1/events"),
        ("POST", "/v1/threads/thread_1/stream"),
        ("POST", "/v1/threads/thread_1/context"),
        ("TRACE", "/v1/threads"),
    ],
)
async def test_a_method_that_a_path_does_not_take_is_refused(ada, method, path):
    refused = await ada.request(method, path)

    assert (refused.status, refused.code) == (405, "method_not_allowed")
    assert method not in refused.headers["allow"]
    assert "GET" in refused.headers["allow"] or "POST" in refused.headers["allow"]


@pytest.mark.parametrize(
    "path", ["/v1/threads/%00", "/v1/threads/%ff", "/v1/threads/..%2f..%2fetc", "/v1/threads/' or 1=1 --"]
)
async def test_a_hostile_path_is_not_found(ada, path):
    refused = await ada.request("GET", path)

    assert refused.status in (400, 404)
    assert "etc" not in refused.text


@pytest.mark.parametrize(
    "query", ["metadata.a=%00", "titleContains=%00", "metadata.%00=a", "titleContains=%ff", "userId=%00", "after=%00"]
)
async def test_a_hostile_query_is_refused(ada, query):
    refused = await ada.request("GET", f"/v1/threads?{query}")

    assert refused.status == 400


@pytest.mark.parametrize(
    "query", ["titleContains='%20or%201=1", "titleContains=%25", "metadata.a'b=%27", "titleContains=" + "x" * 5000]
)
async def test_an_odd_query_is_harmless(ada, query):
    answer = await ada.request("GET", f"/v1/threads?{query}")

    assert answer.status in (200, 400)


async def test_no_value_of_a_refused_request_comes_back(ada):
    thread = await ada.create_thread()
    answers = [
        await ada.create_thread(title=[CANARY]),
        await ada.create_thread(id=f"{CANARY} {CANARY}"),
        await ada.create_thread(metadata={"k": {"x": CANARY}}),
        await ada.create_thread(metadata={"k": CANARY * 100}),
        await ada.create_thread(userId=f" {CANARY}"),
        await ada.post_message(thread, CANARY, role=CANARY),
        await ada.respond(thread, input="hi", model=CANARY),
        await ada.respond(thread, input="hi", replaces=CANARY),
        await ada.respond(thread, input="hi", assistantId=CANARY),
        await ada.respond(thread, input="hi", toolChoice=CANARY),
        await ada.respond(thread, input=[{"role": CANARY, "content": "hi"}]),
        await ada.respond_new(thread=CANARY, input="hi"),
        await ada.get_response(thread, CANARY),
        await ada.list_responses(thread, after=f"{CANARY} "),
        await ada.context(thread, contextMode=CANARY),
        await ada.list_threads(limit=CANARY),
        await ada.list_threads(after=CANARY),
        await ada.list_threads(sort=CANARY),
        await ada.get(CANARY),
        await ada.get_organization(CANARY),
        await ada.with_key(f"tk_{CANARY}").list_threads(),
        await ada.request("GET", f"/{CANARY}"),
        await ada.with_headers({"idempotency-key": CANARY * 100}).create_thread(),
        await ada.with_headers({"x-user-id": f"{CANARY} {CANARY}"}).list_threads(),
    ]

    for answer in answers:
        assert 400 <= answer.status < 500, answer
        assert CANARY not in answer.text


@pytest.mark.parametrize("value", ["my-request-1", "x", "A_b.c:d"])
async def test_a_valid_request_id_of_the_callers_own_is_kept(ada, value):
    good = await ada.with_headers({"x-request-id": value}).list_threads(limit=1)
    bad = await ada.with_headers({"x-request-id": value}).list_threads(limit=0)

    assert good.headers["x-request-id"] == value
    assert bad.body["error"]["requestId"] == value


@pytest.mark.parametrize("value", ["", "x" * 5000, "a b\tc", "ü".encode(), "<script>"])
async def test_another_request_id_is_replaced(ada, value):
    answer = await ada.with_headers({"x-request-id": value}).list_threads(limit=1)

    assert answer.status == 200
    assert answer.headers["x-request-id"]
    assert answer.headers["x-request-id"] not in (value, "", "x" * 5000)


async def test_every_answer_has_a_request_id_of_its_own(ada, nobody):
    ids = [
        answer.headers["x-request-id"]
        for answer in (
            await ada.create_thread(),
            await ada.list_threads(limit=1),
            await nobody.list_threads(),
            await nobody.request("GET", "/nothing"),
            await nobody.request("GET", "/healthz"),
            await nobody.request("GET", "/openapi.json"),
        )
    ]

    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("body", "param", "values"),
    [
        ({"role": "robot", "content": "hi"}, "role", "assistant, system, tool, user"),
        ({"role": "user", "content": [{"type": "video"}]}, "content[0].type", "file, image, text"),
    ],
)
async def test_a_value_that_is_none_of_a_few_is_answered_with_those(ada, body, param, values):
    thread = await ada.create_thread()

    refused = await ada.request("POST", f"/v1/threads/{thread.id}/messages", body)

    assert (refused.status, refused.code, refused.param) == (400, "invalid_field", param)
    assert refused.message == f"This field must be one of {values}."
