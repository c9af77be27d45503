"""Tenancy: an organization sees and changes only its own, whatever the route."""

import asyncio
import re

import pytest

METHODS = ("get", "post", "put", "patch", "delete")
PUBLIC = {"/healthz", "/readyz", "/metrics", "/openapi.json"}
NEVER_WAS = {
    "thread": "thread_01h455vb4pex5vsknk084sn02q",
    "message": "msg_01h455vb4pex5vsknk084sn02q",
    "response": "resp_01h455vb4pex5vsknk084sn02q",
    "assistant": "asst_01h455vb4pex5vsknk084sn02q",
    "key": "key_01h455vb4pex5vsknk084sn02q",
    "bulk": "bulk_01h455vb4pex5vsknk084sn02q",
    "organization": "ORG_NEVER_WAS",
    "user": "uid_never_was",
}
# A body that each operation accepts; an operation with a body that is missing here is asked with {}.
BODIES = {
    "patch /v1/threads/{thread}": {"title": "taken over"},
    "post /v1/threads/{thread}": {"title": "taken over"},
    "post /v1/threads/bulk": {"action": "delete", "filter": {}, "dryRun": True},
    "post /v1/threads": {"title": "taken over"},
    "post /v1/threads/{thread}/messages": {"role": "user", "content": "taken over"},
    "patch /v1/threads/{thread}/messages/{message}": {"content": "taken over"},
    "post /v1/threads/{thread}/messages/{message}": {"content": "taken over"},
    "post /v1/threads/{thread}/responses": {"input": "taken over"},
    "post /v1/responses": {"thread": {}, "input": "taken over"},
    "post /v1/assistants": {"name": "taken over"},
    "patch /v1/assistants/{assistant}": {"name": "taken over"},
    "post /v1/assistants/{assistant}": {"name": "taken over"},
    "patch /v1/organizations/{organization}": {"name": "taken over"},
    "post /v1/organizations/{organization}": {"name": "taken over"},
    "put /v1/organizations/{organization}/members/{user}": {"role": "owner"},
    "post /v1/organizations/{organization}/keys": {"userId": "uid_cleo", "role": "owner"},
    "post /v1/tokens": {"userId": "uid_ada"},
}


@pytest.fixture
async def operations(nobody):
    """Every operation of the OpenAPI document as (method, path), its references named by what they refer to."""
    document = await nobody.request("GET", "/openapi.json")
    found = [
        (method, re.sub(r"\{([a-z]+)\w*\}", r"{\1}", path))
        for path, item in document.paths.items()
        for method in METHODS
        if method in item and path not in PUBLIC
    ]
    assert len(found) >= 20
    return found


@pytest.fixture
async def acme(ada, people):
    """One of everything in ORG_ACME, and a way to see whether anything of it changed."""
    thread = await ada.create_thread(title="canary-title", metadata={"a": "canary-value"})
    message = await ada.post_message(thread, "canary-text")
    response = await ada.respond(thread, metadata={"a": "canary-value"})
    assistant = await ada.create_assistant(name=f"canary-name-{people.new_user()}", instructions="canary-instructions")
    key = await ada.create_key(userId="uid_ada", role="member", name="canary-key")
    bulk = await ada.request("POST", "/v1/threads/bulk", {"action": "unarchive", "ids": [thread.id]})
    ids = {
        "thread": thread.id,
        "message": message.id,
        "response": response.id,
        "assistant": assistant.id,
        "key": key.id,
        "bulk": bulk.id,
        "organization": "ORG_ACME",
        "user": "uid_ada",
    }

    async def snapshot():
        return [
            (await ada.get(thread)).body,
            (await ada.list_messages(thread)).body,
            (await ada.list_responses(thread)).body,
            (await ada.get_assistant(assistant)).body,
            (await ada.get_organization()).body,
            (await ada.list_members()).data,
            sorted((await ada.list_keys(limit=100)).ids),
        ]

    return ids, snapshot


async def ask(who, method, path, ids, **options):
    body = BODIES.get(f"{method} {path}", {}) if method in ("post", "put", "patch") else None
    options |= {} if body is None else {"body": body}
    return await who.request(method.upper(), path.format(**ids), **options)


async def test_nobody_gets_in_without_a_credential(operations, acme, nobody):
    ids, snapshot = acme
    before = await snapshot()

    for method, path in operations:
        refused = await ask(nobody, method, path, ids)
        assert (refused.status, refused.code) == (401, "missing_authentication"), (method, path)
        assert refused.headers["www-authenticate"].startswith("Bearer")
    assert await snapshot() == before


@pytest.mark.parametrize("kind", ["key", "token", "admin for a user", "a product's user"])
async def test_a_stranger_meets_what_never_was_on_every_route(operations, acme, cleo, people, kind):
    ids, snapshot = acme
    before = await snapshot()
    stranger = {"key": cleo, "token": cleo.with_token(), "admin for a user": cleo.as_user("uid_ada")}.get(kind)
    # For the very user id of whom all of it is.
    stranger = stranger or await people.product_user(cleo, "uid_ada")

    for method, path in operations:
        if "{" not in path:
            continue
        refused = await ask(stranger, method, path, ids)
        unknown = await ask(stranger, method, path, NEVER_WAS)

        in_organization = "{organization}" in path
        # Who acts for a user is a member then, and members change no assistant, wherever it is.
        lacks_role = "{assistant}" in path and method != "get" and kind not in ("key", "token")
        assert refused.status == (403 if in_organization or lacks_role else 404), (method, path, refused)
        assert not in_organization or refused.code == "organization_access_denied", (method, path, refused)
        assert "canary" not in refused.text
        blank = {"requestId": "", "error": None}
        assert {**refused.body["error"], **blank} == {**unknown.body["error"], **blank}, (method, path)
    assert await snapshot() == before


async def test_a_stranger_cannot_name_the_organization_on_any_route(operations, acme, cleo):
    ids, snapshot = acme
    before = await snapshot()

    for method, path in operations:
        if "{organization}" in path:
            continue
        for organization in ("ORG_ACME", "ORG_NEVER_WAS"):
            refused = await ask(cleo, method, path, ids, params={"organizationId": organization})
            assert (refused.status, refused.code) == (403, "organization_access_denied"), (method, path)
    assert await snapshot() == before


async def test_a_strangers_lists_and_own_creations_stay_in_their_organization(operations, acme, cleo):
    ids, _ = acme

    for method, path in operations:
        if "{" not in path:
            answer = await ask(cleo, method, path, ids)
            assert answer.status in (200, 201), (method, path, answer)
            assert "canary" not in answer.text
            assert "ORG_ACME" not in answer.text


async def test_references_within_bodies_and_positions_reach_nothing_of_others(acme, cleo, ben):
    ids, snapshot = acme
    before = await snapshot()

    async def ask_for(who, ids):
        own = await who.create_thread(messages=[{"role": "user", "content": "mine"}])
        await who.respond(own)
        path = f"/v1/threads/{own.id}/responses"
        return [
            await who.respond_new(thread=ids["thread"], input="hi"),
            await who.respond(own, input="hi", replaces=ids["message"]),
            await who.get_response(own, ids["response"]),
            await who.cancel(own, ids["response"]),
            await who.request("GET", f"{path}/{ids['response']}/events"),
            await who.get_message(own, ids["message"]),
            await who.list_responses(own, after=ids["response"], order="asc"),
        ]

    for who in (cleo, ben):
        others, unknown = await ask_for(who, ids), await ask_for(who, NEVER_WAS)
        assert [(answer.status, answer.code) for answer in others[:-1]] == [
            (answer.status, answer.code) for answer in unknown[:-1]
        ]
        assert [answer.status for answer in others[:-1]] == [404, 400, 404, 404, 404, 404]
        assert not any("canary" in answer.text for answer in others)
    foreign = [
        await cleo.respond_new(thread={}, input="hi", assistantId=ids["assistant"]),
        await cleo.respond_new(thread={"assistantId": ids["assistant"]}, input="hi"),
    ]
    assert [(answer.status, answer.code) for answer in foreign] == [(404, "assistant_not_found")] * 2
    assert await snapshot() == before


@pytest.mark.parametrize("kind", ["key", "token"])
async def test_a_colleague_does_not_meet_somebody_elses_thread(operations, acme, ben, kind):
    ids, snapshot = acme
    before = await snapshot()
    colleague = ben if kind == "key" else ben.with_token()

    for method, path in operations:
        if "{thread}" in path:
            refused = await ask(colleague, method, path, ids)
            assert (refused.status, refused.code) == (404, "thread_not_found"), (method, path)
        elif "{organization}" in path and (method, path) != ("get", "/v1/organizations/{organization}"):
            refused = await ask(colleague, method, path, ids)
            assert (refused.status, refused.code) == (403, "insufficient_permissions"), (method, path)
    assert await snapshot() == before


@pytest.fixture
async def twins(people):
    """Two organizations in which everything that a caller can choose is the same."""
    owners = await asyncio.gather(people.owner(user="uid_twin_owner"), people.owner(user="uid_twin_two"))
    for owner in owners:
        await owner.create_thread(
            id="thread_twin",
            userId="uid_twin",
            title=f"of {owner.organization}",
            metadata={"category": "same", "of": owner.organization},
            messages=[{"role": "user", "content": f"said in {owner.organization}"}],
        )
    return owners


async def test_identical_ids_in_two_organizations_never_meet(twins):
    for owner, other in (twins, twins[::-1]):
        user = owner.as_user("uid_twin")
        answers = [
            await owner.get("thread_twin"),
            await user.get("thread_twin"),
            await owner.list_threads(),
            await owner.list_threads(userId="uid_twin", sort="updatedAt", includeTotal="true"),
            await user.my_threads(include="lastMessage"),
            await owner.list_threads(**{"metadata.category": "same"}),
            await owner.list_threads(titleContains="of"),
            await owner.list_messages("thread_twin"),
        ]
        for answer in answers:
            assert answer.status == 200
            assert owner.organization in answer.text
            assert other.organization not in answer.text
        assert answers[3].total == 1
        assert (await owner.list_threads(**{"metadata.of": other.organization})).data == []


async def test_changes_of_one_twin_leave_the_other_alone(twins):
    one, two = twins
    before = [(await two.get("thread_twin")).body, (await two.list_messages("thread_twin")).data]

    await one.retrying("twin").post_message("thread_twin", "more")
    await one.update("thread_twin", title="changed", metadata={"new": 1})
    await one.lock("thread_twin")
    await one.archive("thread_twin")
    message = (await one.list_messages("thread_twin")).ids[0]
    await one.unarchive("thread_twin")
    await one.unlock("thread_twin")
    await one.delete_message("thread_twin", message)
    await one.delete_messages("thread_twin")
    await one.delete("thread_twin")

    assert [(await two.get("thread_twin")).body, (await two.list_messages("thread_twin")).data] == before
    assert (await two.retrying("twin").post_message("thread_twin", "more")).seq == 2


async def test_responses_of_two_twins_never_meet(twins):
    made = [await owner.retrying("one").respond("thread_twin", input=f"by {owner.organization}") for owner in twins]

    assert [response.organizationId for response in made] == [owner.organization for owner in twins]
    for (owner, other), response in zip((twins, twins[::-1]), made, strict=True):
        answers = [
            response,
            await owner.list_responses("thread_twin"),
            await owner.context("thread_twin"),
            await owner.read_usage(),
            await owner.request("GET", f"/v1/threads/thread_twin/responses/{response.id}/events"),
        ]
        for answer in answers:
            assert (answer.status, owner.organization in answer.text, other.organization in answer.text) == (
                200, True, False,
            )  # fmt: skip
        assert answers[1].ids == [response.id]
        assert answers[3].total["responses"] == 1
        assert (await other.get_response("thread_twin", response)).code == "response_not_found"
        assert (await other.cancel("thread_twin", response)).code == "response_not_found"


async def test_a_cursor_of_one_twin_shows_nothing_of_it_in_the_other(twins):
    one, two = twins
    thread = await one.create_thread()
    cursor = (await one.list_threads(limit=1)).nextCursor

    by_id = await two.list_threads(after=thread.id)
    by_cursor = await two.list_threads(after=cursor)

    assert (by_id.status, by_id.code) == (400, "invalid_cursor")
    assert by_cursor.status in (200, 400)
    assert one.organization not in by_cursor.text


async def test_a_message_of_one_twin_is_not_found_in_the_other(twins):
    one, two = twins
    message = (await one.list_messages("thread_twin")).ids[0]

    answers = [
        await two.get_message("thread_twin", message),
        await two.update_message("thread_twin", message, content="x"),
        await two.delete_message("thread_twin", message),
    ]

    assert [(answer.status, answer.code) for answer in answers] == [(404, "message_not_found")] * 3


async def test_a_key_of_one_twin_is_not_found_in_the_other(twins):
    one, two = twins
    key = await one.create_key(userId="uid_twin_owner", role="owner")

    refused = await two.delete_key(key)

    assert (refused.status, refused.code) == (404, "key_not_found")
    assert (await one.with_key(key.key).list_threads()).status == 200
