"""Who may: a caller is judged when the work is done, and not only when the request began.

What waits here is a body, a row that somebody holds, a model. The server forgets credentials after 0.2 s.
"""

import asyncio

import pytest

from conftest import connect
from support.held_back import HeldBack
from support.holding import held, holding
from support.people import People
from support.scripted_model import ScriptedModel, answer_of
from support.server import Server
from support.stored import stored_in
from support.waiting import eventually
from threadkeep.database import migrate

FORGOTTEN_S = 0.3
# Less than the three seconds for which PostgreSQL lets a statement wait.
HELD_S = 1.0

# What somebody may begin and hold back, by the names of what it needs.
HELD_BACK = {
    "an append": ("POST", "/v1/threads/{thread}/messages", {"role": "user", "content": "late"}),
    "several": ("POST", "/v1/threads/{thread}/messages", {"messages": [{"role": "user", "content": "late"}]}),
    "an edit": ("PATCH", "/v1/threads/{thread}/messages/{message}", {"content": "late"}),
    "a title": ("PATCH", "/v1/threads/{thread}", {"title": "late"}),
    "a thread": ("POST", "/v1/threads", {"title": "late"}),
    "a lock": ("POST", "/v1/threads/{thread}/lock", {}),
    "a response": ("POST", "/v1/threads/{thread}/responses", {"input": "late"}),
    "a name": ("POST", "/v1/threads/{thread}/generateName", {}),
    "a role": ("PUT", "/v1/organizations/{organization}/members/{user}", {"role": "owner"}),
    "a key": ("POST", "/v1/organizations/{organization}/keys", {"userId": "uid_late", "role": "owner"}),
    "an organization": ("PATCH", "/v1/organizations/{organization}", {"name": "late"}),
}


def is_refused(answer):
    # Somebody with a token who is no member of anything any more is asked for an organization, as ever.
    return answer.status in (401, 403) or answer.code == "organization_required"


async def begun(who, thread, message, what):
    method, path, body = HELD_BACK[what]
    ids = {"thread": thread.id, "message": message.id, "organization": who.organization, "user": who.user}
    return await HeldBack.send(who, method, path.format(**ids), body)


async def a_thread(who):
    thread = await who.create_thread(title="as it was")
    return thread, await who.post_message(thread, "as it was")


@pytest.mark.parametrize("what", HELD_BACK)
async def test_whoever_is_removed_while_the_body_comes_is_refused(fresh_owner, people, what):
    second = await people.member(fresh_owner, role="owner")
    thread, message = await a_thread(second)
    by_key = await begun(second, thread, message, what)
    by_token = await begun(second.with_token(), thread, message, what)
    await fresh_owner.delete_member(second.user)

    refused = [await by_key.finish(), await by_token.finish()]

    assert [is_refused(answer) for answer in refused] == [True, True], refused
    read, messages = await fresh_owner.get(thread), await fresh_owner.list_messages(thread)
    assert (read.title, read["state"], read.messageCount) == ("as it was", "open", 1)
    assert [part["text"] for part in messages.data[0]["content"]] == ["as it was"]
    assert [each["userId"] for each in (await fresh_owner.list_members()).data] == [fresh_owner.user]
    assert [each["userId"] for each in (await fresh_owner.list_keys()).data] == [fresh_owner.user]
    assert (await fresh_owner.get_organization()).name != "late"
    assert len((await fresh_owner.list_threads()).data) == 1


@pytest.mark.parametrize("how", ["the key", "the role of the key", "the user"])
@pytest.mark.parametrize("what", [each for each in HELD_BACK if each not in ("a role", "a key", "an organization")])
async def test_a_products_user_who_is_taken_away_while_the_body_comes_is_refused(fresh_owner, people, what, how):
    maker = await people.member(fresh_owner, role="admin")
    key = await fresh_owner.create_key(userId=maker.user, role="admin")
    user = await people.product_user(fresh_owner.with_key(key.key))
    thread, message = await a_thread(user)
    held_back = await begun(user, thread, message, what)
    if how == "the key":
        await people.admin("revoke-key", key.id)
    elif how == "the user":
        await fresh_owner.delete_member(user.user)
    else:
        await fresh_owner.put_member(maker.user, "member")
    await asyncio.sleep(FORGOTTEN_S)

    refused = await held_back.finish()

    assert (refused.status, refused.code) == (401, "invalid_credentials")
    read, messages = await fresh_owner.get(thread), await fresh_owner.list_messages(thread)
    assert (read.title, read["state"], read.messageCount) == ("as it was", "open", 1)
    assert [part["text"] for part in messages.data[0]["content"]] == ["as it was"]
    assert len((await fresh_owner.list_threads()).data) == 1


@pytest.mark.parametrize("what", HELD_BACK)
async def test_whoever_stays_may_take_his_time(fresh_owner, what):
    thread, message = await a_thread(fresh_owner)
    held_back = await begun(fresh_owner, thread, message, what)
    await asyncio.sleep(FORGOTTEN_S)

    answer = await held_back.finish()

    assert answer.status in (200, 201), answer


async def test_a_key_that_is_revoked_on_the_command_line_while_a_body_comes_makes_no_other(fresh_owner, people):
    made = await fresh_owner.create_key(userId=fresh_owner.user, role="owner")
    thread, message = await a_thread(fresh_owner)
    held_back = await begun(fresh_owner.with_key(made.key), thread, message, "a key")
    await people.admin("revoke-key", made.id)
    await asyncio.sleep(FORGOTTEN_S)

    refused = await held_back.finish()

    assert (refused.status, refused.code) == (401, "invalid_credentials")
    assert len((await fresh_owner.list_keys()).data) == 1


CREDENTIAL_CALLS = {
    "a role": lambda who: who.put_member(who.user, "owner"),
    "a member": lambda who: who.put_member("uid_new", "owner"),
    "a removal": lambda who: who.delete_member("uid_other"),
    "a key": lambda who: who.create_key(userId="uid_new", role="owner"),
    "a retried key": lambda who: who.retrying("made before").create_key(userId="uid_new", role="owner"),
    "a revocation": lambda who: who.delete_key("key_01h455vb4pex5vsknk084sn02q"),
    "a name": lambda who: who.update_organization(name="x"),
    "the end": lambda who: who.delete_organization(),
}


@pytest.fixture(scope="module")
async def as_shipped(new_database, zygote):
    """People of a server that remembers credentials as long as it does by default."""
    server = await Server(await new_database()).start()
    async with connect(server) as client:
        yield People(server, client, zygote)
    server.stop()


async def test_calls_about_credentials_are_judged_without_any_memory(as_shipped):
    owner = await as_shipped.owner()
    await owner.put_member("uid_other", "member")
    made = await owner.create_key(userId="uid_program", role="owner")
    program = owner.with_key(made.key)
    assert (await program.list_members()).status == 200
    await as_shipped.admin("revoke-key", made.id)

    by_memory = await program.list_members()
    refused = {what: await call(program) for what, call in CREDENTIAL_CALLS.items()}

    assert by_memory.status == 200
    assert {what: answer.status for what, answer in refused.items()} == dict.fromkeys(CREDENTIAL_CALLS, 401)
    assert {each["userId"] for each in (await owner.list_members()).data} == {owner.user, "uid_other"}
    assert len((await owner.list_keys()).data) == 1


async def test_an_owner_lowered_on_the_command_line_changes_no_credentials_by_memory(as_shipped):
    owner = await as_shipped.owner()
    second = await as_shipped.member(owner, role="owner")
    both = (second, second.with_token())
    assert [(await who.list_members()).status for who in both] == [200, 200]
    await as_shipped.admin(
        *("create-member", "--organization", owner.organization, "--user", second.user, "--role", "member")
    )

    refused = [await call(who) for call in CREDENTIAL_CALLS.values() for who in both]

    assert {(answer.status, answer.code) for answer in refused} == {(403, "insufficient_permissions")}


@pytest.mark.parametrize("by_command", [False, True])
async def test_lowering_a_member_lowers_the_members_keys_and_raising_raises_none(fresh_owner, people, by_command):
    second = await people.member(fresh_owner, role="owner")
    await fresh_owner.create_key(userId=second.user, role="admin")
    await fresh_owner.create_key(userId=second.user, role="member")

    async def put(role):
        if by_command:
            named = ("--organization", fresh_owner.organization, "--user", second.user, "--role", role)
            return await people.admin("create-member", *named)
        return await fresh_owner.put_member(second.user, role)

    async def roles():
        listed = (await fresh_owner.list_keys(limit=100)).data
        return [key["role"] for key in listed if key["userId"] == second.user]

    found = [await roles()]
    for role in ("admin", "owner", "member", "owner"):
        await put(role)
        found.append(await roles())
    await asyncio.sleep(FORGOTTEN_S)

    assert found == [
        ["owner", "admin", "member"],
        ["admin", "admin", "member"],
        ["admin", "admin", "member"],
        ["member", "member", "member"],
        ["member", "member", "member"],
    ]
    assert (await second.list_members()).status == 403
    assert (await second.with_token().list_members()).status == 200


async def test_no_key_has_more_than_its_holder(fresh_owner, people):
    member = await people.member(fresh_owner)

    refused = [await fresh_owner.create_key(userId=member.user, role=role) for role in ("admin", "owner")]
    with pytest.raises(RuntimeError, match="at most"):
        await people.admin(
            *("create-key", "--organization", fresh_owner.organization, "--user", member.user, "--role", "admin")
        )
    made = await fresh_owner.create_key(userId=member.user, role="member")

    assert [(answer.status, answer.code, answer.param) for answer in refused] == [(400, "invalid_field", "role")] * 2
    assert made.status == 201


async def test_keys_from_before_that_have_more_than_their_user_are_lowered_by_the_next_start(
    fresh_owner, people, server, database_kind
):
    member = await people.member(fresh_owner, role="owner")
    program = await fresh_owner.create_key(userId="uid_program", role="owner")
    [lowering] = [sql for number, sql in migrate.migrations(database_kind) if number == 5]

    async with held(server.database, "select 1") as run:
        await run(f"update members set role = 'admin' where user_id = '{member.user}'")
        await run(lowering)

    roles = {key["userId"]: key["role"] for key in (await fresh_owner.list_keys()).data}
    assert roles == {fresh_owner.user: "owner", member.user: "admin", program.userId: "owner"}


async def test_a_program_that_becomes_a_member_keeps_no_more_than_the_member_has(fresh_owner):
    made = await fresh_owner.create_key(userId="uid_program", role="owner")
    program = fresh_owner.with_key(made.key)
    assert (await program.list_members()).status == 200

    await fresh_owner.put_member("uid_program", "member")

    assert (await program.list_members()).status == 403


HELD = {
    "an edit": lambda who, thread, message: who.update_message(thread, message, content="late"),
    "a deletion": lambda who, thread, message: who.delete_message(thread, message),
    "several": lambda who, thread, message: who.post_messages(thread, [{"role": "user", "content": "late"}]),
    "a retried append": lambda who, thread, message: who.retrying("late").post_message(thread, "late"),
    "a title": lambda who, thread, message: who.update(thread, title="late"),
    "a lock": lambda who, thread, message: who.lock(thread),
    "the end": lambda who, thread, message: who.delete(thread),
    "a response": lambda who, thread, message: who.respond(thread, input="late"),
    "a name": lambda who, thread, message: who.generate_name(thread),
}


@pytest.mark.parametrize("what", HELD)
async def test_whoever_is_taken_away_while_somebody_holds_the_row_is_refused(fresh_owner, server, what):
    made = await fresh_owner.create_key(userId=fresh_owner.user, role="owner")
    program = fresh_owner.with_key(made.key)
    thread, message = await a_thread(program)

    async with holding(server.database, thread.id) as run:
        waiting = asyncio.create_task(HELD[what](program, thread, message))
        await asyncio.sleep(HELD_S)
        await run(f"delete from api_keys where id = '{made.id}'")
    refused = await waiting

    assert (refused.status, refused.code) == (401, "invalid_credentials")
    read = await fresh_owner.get(thread)
    assert (read.title, read["state"], read.messageCount) == ("as it was", "open", 1)
    assert (await fresh_owner.get_message(thread, message))["content"][0]["text"] == "as it was"


async def test_whoever_stays_is_served_when_the_row_is_free(fresh_owner, server):
    thread, message = await a_thread(fresh_owner)

    async with holding(server.database, thread.id):
        waiting = asyncio.create_task(HELD["an edit"](fresh_owner, thread, message))
        await asyncio.sleep(HELD_S)
    answer = await waiting

    assert answer.status == 200


async def test_an_append_that_waits_for_the_writer_is_judged_like_all(fresh_owner, server, database_kind):
    if database_kind != "sqlite":
        pytest.skip("On PostgreSQL one statement waits 3 s at most.")
    made = await fresh_owner.create_key(userId=fresh_owner.user, role="owner")
    program = fresh_owner.with_key(made.key)
    thread, _ = await a_thread(program)

    async with holding(server.database, thread.id) as run:
        waiting = asyncio.create_task(program.post_message(thread, "late"))
        await asyncio.sleep(HELD_S)
        await run(f"delete from api_keys where id = '{made.id}'")

    assert (await waiting).code == "invalid_credentials"
    assert (await fresh_owner.get(thread)).messageCount == 1


@pytest.fixture
async def slow_model(start_server, database, zygote):
    """A model that speaks when it is told to, and people of a server that asks it."""
    model = await ScriptedModel.start()
    server = await start_server(THREADKEEP_CREDENTIAL_CACHE_S="0.2", **model.settings)
    async with connect(server) as client:
        yield model, People(server, client, zygote)
    await model.stop()


@pytest.mark.parametrize("streams", [False, True])
async def test_a_name_that_comes_when_its_caller_is_gone_is_not_saved(slow_model, streams):
    model, people = slow_model
    go = asyncio.Event()
    model.script = [go, *answer_of("A Late Title")]
    owner = await people.owner()
    member = (await people.member(owner)).retrying("late")
    thread, _ = await a_thread(member)
    naming = asyncio.create_task(member.generate_name(thread, stream=str(streams).lower()))
    await model.called()

    await owner.delete_member(member.user)
    go.set()
    named = await naming

    assert is_refused(named) or "name.completed" not in named.text
    assert (await owner.get(thread)).title == "as it was"
    async with stored_in(people.server.database) as stored:
        assert await stored.rows("select status from idempotency where request like '%generateName%'") == []


async def test_whoever_waits_for_an_answer_is_sent_away_and_the_answer_goes_on(slow_model):
    model, people = slow_model
    go = asyncio.Event()
    model.script = ["Hel", go, *answer_of("lo")]
    owner = await people.owner()
    member = await people.member(owner)
    thread, _ = await a_thread(member)
    waiting = asyncio.create_task(member.respond(thread, input="hi"))
    await model.called()

    await owner.delete_member(member.user)
    refused = await asyncio.wait_for(waiting, 10)
    go.set()

    async def answers():
        return (await owner.list_responses(thread)).data

    assert refused.status == 401
    [response] = await eventually(answers, lambda found: found[0]["status"] == "completed", within_s=10)
    assert response["outputText"] == "Hello"


async def test_an_owner_removes_himself_with_all_that_is_his(fresh_owner, people):
    second = await people.member(fresh_owner, role="owner")
    await second.create_thread()

    removed = await second.delete_member(second.user, threads="delete")

    assert (removed.status, removed.threadsDeleted) == (200, 1)
