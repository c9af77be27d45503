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
from support.corruptions import CORRUPTIONS, ELSEWHERE, OF_BULKS
from support.people import People
from support.postgres import connected
from support.server import environment
from threadkeep.operations.upkeep.verifying import PROBLEMS_SHOWN_MAX


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


async def test_what_is_broken_in_bulks_is_reported(start_server, zygote, verify):
    server = await start_server()
    async with connect(server) as client:
        await People(server, client, zygote).owner("ORG_V")
    server.stop()
    [(organization,)] = await read(server.database, "select key from organizations where id = 'ORG_V'")
    for statement, _ in OF_BULKS.values():
        await execute(server.database, Template(statement).substitute(organization=organization))

    finished = await verify(server.database, "--json")

    told = [each["problem"] for each in json.loads(finished["stdout"])["problems"]]
    assert finished["returncode"] == 1
    assert [what for _, what in OF_BULKS.values() if not any(what in problem for problem in told)] == []


async def test_beside_broken_threads_a_sound_one_is_not_named(findings):
    assert findings.status == 1
    assert findings.about("thread_sound") == []
    assert len(findings.report["problems"]) == min(findings.report["problemCount"], PROBLEMS_SHOWN_MAX)


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
