"""Headers that stand twice, are empty or in the wrong place, and escaped slashes in paths: never a guess."""

import pytest

from support.cast import Answer, check_error

pytestmark = pytest.mark.one_database("the header of a request is read before a database is asked")


async def send(who, method, path, *headers, body=None):
    """Send header lines as they are, several of one name too, and hold an error against the one shape."""
    answer = Answer(await who.client.request(method, path, json=body, headers=list(headers)))
    if answer.status >= 400:
        check_error(answer)
    return answer


def key_of(who):
    return ("x-api-key", who.key)


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_if_match_in_several_lines_is_one_list(ada, place):
    thread = await ada.create_thread(title="a")
    tags = ['"1"', '"2"', '"3"']
    tags[place] = thread.etag
    path = f"/v1/threads/{thread.id}"

    done = await send(ada, "PATCH", path, key_of(ada), *(("if-match", tag) for tag in tags), body={"title": "b"})
    refused = await send(ada, "PATCH", path, key_of(ada), *(("if-match", tag) for tag in tags), body={"title": "c"})

    assert (done.status, done.title) == (200, "b")
    assert (refused.status, refused.code) == (412, "precondition_failed")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("X-User-Id", ("uid_a", "uid_b")),
        ("Idempotency-Key", ("header-a", "header-b")),
        ("Authorization", ("Bearer {}", "Bearer other")),
        ("Authorization", ("Bearer other", "Bearer {}")),
        ("X-API-Key", ("tk_other", "{}")),
        ("Content-Type", ("application/json", "text/plain")),
    ],
)
async def test_a_header_that_stands_twice_with_different_values_is_refused(ada, name, values):
    lines = [(name, value.format(ada.key)) for value in values]
    credential = [] if "{}" in "".join(values) else [key_of(ada)]

    refused = await send(ada, "POST", "/v1/threads", *credential, *lines, body={"title": "twice"})

    assert (refused.status, refused.code, refused.param) == (400, "invalid_parameter", name)
    assert ada.key not in refused.text


async def test_a_header_that_stands_twice_with_one_value_is_taken(ada, people):
    user = ("x-user-id", people.new_user())

    created = await send(ada, "POST", "/v1/threads", key_of(ada), key_of(ada), user, user, body={})

    assert (created.status, created.userId) == (201, user[1])


async def test_no_revision_is_no_tag_of_a_member_who_is_not_there_yet(ada, people):
    for tag in ('"-1"', '"0"', '"None"', "*"):
        user = people.new_user()

        refused = await ada.if_match(tag).put_member(user, "member")

        assert (refused.status, refused.code) == (412, "precondition_failed")
        assert user not in [member["userId"] for member in await members(ada)]


async def members(who):
    return await who.walk(f"/v1/organizations/{who.organization}/members", limit=100)


@pytest.mark.parametrize("name", ["x-api-key", "api-key"])
async def test_an_empty_key_beside_a_valid_credential_is_none(ada, name):
    by_key = await ada.with_credential(authorization=f"Bearer {ada.key}", **{name: ""}).list_threads(limit=1)
    by_token = await ada.with_credential(authorization=f"Bearer {ada.token}", **{name: ""}).list_threads(limit=1)
    alone = await ada.with_credential(**{name: ""}).list_threads()

    assert (by_key.status, by_token.status) == (200, 200)
    assert (alone.status, alone.code) == (401, "missing_authentication")


@pytest.mark.parametrize("name", ["x-api-key", "api-key"])
async def test_a_user_token_is_no_api_key(ada, name):
    refused = await ada.with_credential(**{name: ada.token}).list_threads()

    assert (refused.status, refused.code) == (401, "invalid_credentials")
    assert (await ada.with_token().list_threads(limit=1)).status == 200


@pytest.mark.parametrize("slash", ["%2F", "%2f"])
async def test_an_escaped_slash_is_no_slash(ada, slash):
    thread = await ada.create_thread()

    locking = await send(ada, "POST", f"/v1/threads/{thread.id}{slash}lock", key_of(ada))
    reading = await send(ada, "GET", f"/v1{slash}threads{slash}{thread.id}", key_of(ada))
    listing = await send(ada, "GET", f"/v1/threads{slash}{thread.id}", key_of(ada))

    assert [answer.status for answer in (locking, reading, listing)] == [404, 404, 404]
    assert (await ada.get(thread)).state == "open"


async def test_other_escapes_in_a_path_mean_their_character(ada):
    thread = await ada.create_thread()

    escaped = await send(ada, "GET", f"/v1/threads/%74{thread.id[1:]}", key_of(ada))

    assert (escaped.status, escaped.id) == (200, thread.id)
