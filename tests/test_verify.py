"""`threadkeep verify`: silent about sound data, also while it is being written, and precise about broken data."""

import asyncio
import itertools
import json
import random
from contextlib import suppress
from dataclasses import dataclass
from string import Template

import apsw
import pytest

from conftest import connect
from support.people import People
from support.postgres import connected
from support.server import environment

# What is done to a thread, past the service, and what `verify` must say of it. $id is the thread's id, $key its
# number inside. In each thread are five messages, and metadata of two pairs.
THREAD = "where id = '$id'"
MESSAGE = "where thread = $key and seq = 3"
CORRUPTIONS = {
    "count": (f"update threads set message_count = 6 {THREAD}", "messageCount is 6, but it has 5"),
    "lost_message": (f"delete from messages {MESSAGE}", "messageCount is 5, but it has 4"),
    "number_too_high": (f"update threads set last_seq = 4 {THREAD}", "the number 5, but only 4 were given"),
    "number_too_low": (f"update messages set seq = 0 {MESSAGE}", "a message has the number 0"),
    "cleared_too_far": (f"update threads set cleared_seq = 9 {THREAD}", "cleared up to 9"),
    "not_removed": (
        f"update threads set cleared_seq = 2, message_count = 3 {THREAD}",
        "nothing will remove it",
    ),
    "last_message": (f"update threads set last_message_ms = 1 {THREAD}", "lastMessageAt"),
    "no_last_message": (f"update threads set last_message_ms = null {THREAD}", "lastMessageAt"),
    "long_title": (
        f"update threads set title = '{'x' * 201}', title_folded = '{'x' * 201}' {THREAD}",
        "title has 201",
    ),
    "folded_title": (f"update threads set title_folded = 'other' {THREAD}", "its title is indexed"),
    "metadata_pairs": (
        f"update threads set metadata = '{json.dumps({str(n): n for n in range(17)})}' {THREAD}",
        "metadata_too_many",
    ),
    "metadata_form": ("update threads set metadata = '{\"a\": {}' where id = '$id'", "its metadata is not"),
    "pair_missing": (
        "delete from thread_metadata where thread = $key and pair = (select min(pair) from thread_metadata "
        "where thread = $key)",
        "cannot be found by a metadata pair",
    ),
    "pair_surplus": (
        "update threads set metadata = '{\"category\":\"support\"}' where id = '$id'",
        "by a metadata pair that it does not have",
    ),
    "pair_shelf": ("update thread_metadata set shelf = 4 where thread = $key", "under another state"),
    "pair_user": ("update thread_metadata set user_id = 'uid_x' where thread = $key", "under another state"),
    "archived": (f"update threads set archived_ms = 1 {THREAD}", "under another state"),
    "lock_role": (f"update threads set locked_by_role = 'owner' {THREAD}", "somebody's lock is left"),
    "lock_nobody": (f"update threads set locked_ms = 1 {THREAD}", "it is locked by nobody"),
    "lock_unknown": (
        f"update threads set locked_ms = 1, locked_by_role = 'boss' {THREAD}",
        "a role that does not exist",
    ),
    "lease": (f"update threads set lease_until = 1 {THREAD}", "a lease without a response"),
    "response": (f"update threads set response_id = 'resp_x' {THREAD}", "a response without a lease"),
    "updated": (f"update threads set updated_ms = created_ms - 1 {THREAD}", "changed before it was created"),
    "revision": (f"update threads set revision = created_ms - 1 {THREAD}", "its revision is from before"),
    "visible": (f"update threads set visible_in_ui = 2 {THREAD}", "visibleInUi is neither"),
    "content": ("update messages set content = '[{}]' " + MESSAGE, "its content is not a list of parts"),
    "no_json": (f"update messages set content = '[' {MESSAGE}", "its content is not a list of parts"),
    "blank": (
        'update messages set content = \'[{"type":"text","text":" "}]\' where thread = $key and seq = 3',
        "its content is blank",
    ),
    "long_content": (
        'update messages set content = \'[{"type":"text","text":"' + "x" * (256 * 1024 + 1) + "\"}]' " + MESSAGE,
        "more than 262144 characters",
    ),
    "preview": (f"update messages set preview = 'other' {MESSAGE}", "its preview is not"),
    "size": (f"update messages set size_bytes = 1 {MESSAGE}", "its size is stored as 1 bytes"),
    "wanted_back": (
        f"update messages set wanted_back = '[]' {MESSAGE}",
        "kept for its model is not in the stored form",
    ),
    "wanted_back_of_a_user": (
        'update messages set wanted_back = \'{"by":"x"}\' where thread = $key and seq = 3',
        "kept for its model that no model has said",
    ),
    "long_wanted_back": (
        'update messages set wanted_back = \'{"by":"' + "x" * (256 * 1024) + "\"}' " + MESSAGE,
        "262153 characters are kept for its model",
    ),
    "message_metadata": (f"update messages set metadata = '[]' {MESSAGE}", "its metadata is not"),
    "role": (f"update messages set role = 'boss' {MESSAGE}", "its role does not exist"),
    "status": (f"update messages set status = 'half' {MESSAGE}", "its status does not exist"),
    "tool_calls": (f"update messages set tool_calls = '[1]' {MESSAGE}", "its tool calls are not"),
    "tool_call_id": (f"update messages set tool_call_id = 'x' {MESSAGE}", "answers a tool call"),
    "finish_reason": (
        "insert into responses (organization, id, thread, message_seq, message_id, user_id, is_personal, model, "
        "status, error_code, finish_reason, input_count, input_message_ids, metadata, input_tokens, output_tokens, "
        "is_estimated, created_ms, ended_ms, last_n) select organization, 'resp_whole', key, 9, 'msg_x', user_id, "
        "1, 'm', 'failed', 'internal', 'stop', 0, '[]', '{}', 0, 0, 1, created_ms, created_ms, 2 from threads "
        "where key = $key",
        "says why it is whole, and is not",
    ),
}

# What belongs to no thread that can be named.
ELSEWHERE = {
    "orphan_message": (
        "insert into messages (organization, thread, seq, id, role, content, preview, size_bytes, status, metadata, "
        "created_ms, updated_ms, revision) values ($organization, 999999, 1, 'msg_orphan', 'assistant', '[]', '', 4, "
        "'completed', '{}', 1, 1, 1)",
        "its thread does not exist",
    ),
    "orphan_pair": (
        "insert into thread_metadata (organization, pair, shelf, created_ms, thread, user_id) select organization, "
        "pair, shelf, created_ms, 999998, user_id from thread_metadata limit 1",
        "a thread that does not exist (number 999998)",
    ),
    "no_owner": ("update members set role = 'member'", "none of its members is an owner"),
    "member_of_nothing": (
        "insert into members (organization, user_id, role, created_ms, updated_ms, revision) "
        "values (999, 'uid_lost', 'member', 1, 1, 1)",
        "uid_lost is a member of an organization that does not exist",
    ),
    # The owner was made a member above.
    "key_above": ("update api_keys set name = 'above'", "is a key of role owner, and its user is member"),
    "key_of_nothing": (
        "update api_keys set organization = 999 where user_id = 'uid_program'",
        "a key of an organization that does not exist",
    ),
    "thread_of_nothing": (
        "insert into threads (organization, id, user_id, metadata, visible_in_ui, message_count, last_seq, "
        "created_ms, updated_ms, revision) values (998, 'thread_lost', 'uid_x', '{}', 1, 0, 0, 1, 1, 1)",
        "its organization does not exist",
    ),
    "deleted_assistant": (
        "insert into assistants (organization, id, instructions, configuration, metadata, created_ms, updated_ms, "
        "revision, deleted_ms) values ($organization, 'asst_left', 'secret', '{}', '{}', 1, 1, 1, 2)",
        "asst_left was deleted, and more of it is left than its id",
    ),
    "deleted_assistants_settings": (
        "insert into assistants (organization, id, configuration, metadata, created_ms, updated_ms, revision, "
        "deleted_ms) values ($organization, 'asst_kept', '{\"model\":\"x\"}', '{}', 1, 1, 1, 2)",
        "asst_kept was deleted, and more of it is left than its id",
    ),
    "stored_refusal": (
        "update idempotency set status = 409 where key = 'make-thread_sound'",
        "an answer with status 409 is stored",
    ),
}


@dataclass
class Verified:
    """How `verify` ended, and what it said as JSON."""

    status: int
    report: dict

    def about(self, thread_id):
        return [each["problem"] for each in self.report["problems"] if each["threadId"] == thread_id]


@pytest.fixture(scope="module")
def verify(zygote):
    async def run(database, *options):
        return await asyncio.to_thread(
            zygote.run,
            "verify",
            "--database",
            database.url,
            *options,
            cwd=database.folder,
            environment=environment(database.url, {}),
        )

    return run


async def execute(database, *statements):
    """Change the database past the service, which has no part in what is tested here; keys of others do not bind."""
    if database.kind == "sqlite":
        connection = apsw.Connection(database.url.removeprefix("sqlite:///"))
        connection.set_busy_timeout(5000)
        for statement in statements:
            connection.execute(statement).fetchall()
        connection.close()
        return
    async with connected(database.url) as connection:
        await connection.execute("set session_replication_role = replica")
        for statement in statements:
            await connection.execute(statement)


async def read(database, sql):
    if database.kind == "sqlite":
        connection = apsw.Connection(database.url.removeprefix("sqlite:///"))
        rows = connection.execute(sql).fetchall()
        connection.close()
        return rows
    async with connected(database.url) as connection:
        return [tuple(row) for row in await connection.fetch(sql)]


async def sound_thread(owner, id):
    """Create a thread of five messages; the third is an assistant's, of whom blank text is no fault."""
    created = await owner.retrying(f"make-{id}").create_thread(
        id=id,
        title="Größe ﬁne",
        metadata={"category": "support", "tags": ["a", "b"]},
        messages=[{"role": "user", "content": f"é {n}", "metadata": {"n": n}} for n in range(5)],
    )
    assert created.status == 201, created


@pytest.fixture(scope="module")
async def findings(new_database, zygote, verify):
    """A database with every corruption planted, each in a thread of its own, and what `verify` says of it."""
    from support.server import Server

    database = await new_database()
    server = await Server(database).start()
    async with connect(server) as client:
        owner = await People(server, client, zygote).owner("ORG_V")
        await owner.create_key(userId="uid_program", role="member")
        for name in ("sound", *CORRUPTIONS):
            await sound_thread(owner, f"thread_{name}")
    server.stop()
    before = await verify(database, "--json")
    assert before["returncode"] == 0, before
    keys = dict(await read(database, "select id, key from threads"))
    [(organization,)] = await read(database, "select key from organizations where id = 'ORG_V'")
    for name, (statement, _) in CORRUPTIONS.items():
        await execute(database, Template(statement).substitute(id=f"thread_{name}", key=keys[f"thread_{name}"]))
    for statement, _ in ELSEWHERE.values():
        await execute(database, Template(statement).substitute(organization=organization))
    finished = await verify(database, "--json")
    return Verified(finished["returncode"], json.loads(finished["stdout"]))


@pytest.mark.parametrize("name", CORRUPTIONS)
async def test_what_is_broken_in_a_thread_is_reported_with_its_id(findings, name):
    told = findings.about(f"thread_{name}")

    assert any(CORRUPTIONS[name][1] in problem for problem in told), told


@pytest.mark.parametrize("name", ELSEWHERE)
async def test_what_is_broken_elsewhere_is_reported(findings, name):
    told = [each["problem"] for each in findings.report["problems"]]

    assert any(ELSEWHERE[name][1] in problem for problem in told), told


async def test_beside_broken_threads_a_sound_one_is_not_named(findings):
    assert findings.status == 1
    assert findings.about("thread_sound") == []
    assert findings.report["problemCount"] == len(findings.report["problems"])


async def test_a_number_that_was_given_twice_is_reported(start_server, zygote, verify):
    server = await start_server()
    async with connect(server) as client:
        await sound_thread(await People(server, client, zygote).owner(), "thread_twice")

    await execute(server.database, "drop index messages_in_thread", "update messages set seq = 4 where seq = 3")
    finished = await verify(server.database)

    assert finished["returncode"] == 1
    assert "thread_twice: 1 numbers of messages were given twice" in finished["stdout"]


async def test_many_problems_are_shown_up_to_a_hundred_and_counted_beyond(start_server, zygote, verify):
    server = await start_server()
    async with connect(server) as client:
        owner = await People(server, client, zygote).owner()
        thread = await owner.create_thread()
        for _ in range(2):
            await owner.post_messages(thread, [{"role": "user", "content": "hello"}] * 75)

    await execute(server.database, "update messages set preview = 'other'")
    finished = await verify(server.database)

    lines = finished["stdout"].splitlines()
    assert finished["returncode"] == 1
    assert len(lines) == 102
    assert lines[0].startswith(f"{owner.organization} {thread.id} msg_")
    assert lines[100] == "… and 50 more"
    assert "150 messages" in lines[101]
    assert "150 things do not hold" in lines[101]


async def test_sound_data_passes_and_is_counted(start_server, zygote, verify):
    """Every kind of thing that the service does leaves data behind that holds."""
    server = await start_server()
    async with connect(server) as client:
        owner = await People(server, client, zygote).owner()
        for n in range(6):
            await sound_thread(owner, f"thread_{n}")
        await owner.lock("thread_1")
        await owner.update("thread_1", metadata={"category": None, "more": [1, 2.5, True, "x"]})
        await owner.archive("thread_2")
        await owner.delete("thread_3")
        await owner.delete_messages("thread_4")
        await owner.post_message("thread_4", "after")
        await owner.create_assistant(id="asst_kept", name="Guide", description="Guides.", reasoningEffort="low")
        await owner.delete_assistant(await owner.create_assistant(name="Gone", instructions="Be brief.", stop="END"))
        await owner.update("thread_5", title=None)
        listed = await owner.list_messages("thread_5")
        await owner.delete_message("thread_5", listed.data[-1])
        await owner.update_message("thread_5", listed.data[0], content="edited", metadata={"more": "ö"})
        await owner.with_token().update("thread_5", visibleInUi=False)
    running = await verify(server.database, "--json")
    server.stop()

    stopped = await verify(server.database, "--json")

    for finished in (running, stopped):
        assert (finished["returncode"], finished["stderr"]) == (0, ""), finished
        report = json.loads(finished["stdout"])
        assert (report["threads"], report["problems"], report["problemCount"]) == (5, [], 0)


async def test_nothing_is_reported_while_servers_write(start_server, zygote, verify):
    server = await start_server()
    async with connect(server) as client:
        owner = await People(server, client, zygote).owner()
        for number in range(3):
            await sound_thread(owner, f"thread_kept_{number}")
        writers = [asyncio.create_task(write(owner, number)) for number in range(8)]

        finished = [await verify(server.database, "--json") for _ in range(4)]

        for writer in writers:
            writer.cancel()
        await asyncio.gather(*writers, return_exceptions=True)
        assert all(writer.cancelled() for writer in writers)

    assert [each["returncode"] for each in finished] == [0] * 4, finished
    assert json.loads(finished[-1]["stdout"])["threads"] >= 3


async def write(owner, number):
    """Do everything that moves counts, pairs and states, in threads that others write too."""
    chance = random.Random(number)
    for step in itertools.count():
        thread_id = f"thread_busy_{chance.randrange(6)}"
        match chance.randrange(9):
            case 0:
                await owner.create_thread(
                    id=thread_id, metadata={"step": step}, messages=[{"role": "user", "content": "first"}] * 20
                )
            case 1 | 2:
                await owner.post_message(thread_id, "one more")
            case 3:
                await owner.post_messages(thread_id, [{"role": "user", "content": "several"}] * 10)
            case 4:
                await owner.update(thread_id, metadata={"step": step, str(number): [step, "x"]}, title=str(step))
            case 5:
                await owner.act(thread_id, chance.choice(["lock", "unlock", "archive", "unarchive"]))
                await owner.act(thread_id, "unarchive")
                await owner.act(thread_id, "unlock")
            case 6:
                await owner.delete_messages(thread_id)
            case 7:
                await owner.delete(thread_id)
            case 8:
                listed = await owner.list_messages(thread_id, limit=1)
                with suppress(AttributeError, IndexError):
                    await owner.delete_message(thread_id, listed.data[0])


async def test_an_organization_that_has_nobody_yet_is_sound(start_server, zygote, verify):
    server = await start_server()
    async with connect(server) as client:
        await People(server, client, zygote).admin("create-organization", "Nobody yet")

    finished = await verify(server.database)

    assert finished["returncode"] == 0, finished
    assert "2 organizations" in finished["stdout"]


async def test_a_database_that_is_not_there_is_refused_with_a_sentence(new_database, database_kind, verify):
    database = await new_database()

    finished = await verify(database)

    assert (finished["returncode"], finished["stdout"]) == (1, "")
    assert "threadkeep serve" in finished["stderr"]
    assert "Traceback" not in finished["stderr"]
