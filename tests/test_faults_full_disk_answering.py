"""The disk fills while an answer is written: who waits for it is told how it ended, whatever can be stored of that."""

import asyncio
import os
from contextlib import AsyncExitStack
from shutil import chown

import pytest

from conftest import connect
from support.answering import check_all_ended, texts
from support.people import People
from support.postgres import connected
from support.scripted_model import DONE, ScriptedModel, finish
from support.server import Database, Server, run_threadkeep
from support.small_disk import SmallDisk
from support.streams import FAILED, Stream, check_whole, responses_path
from support.waiting import SOON_S, SWEPT_S, eventually

pytestmark = pytest.mark.prove

LEASE_S = 2
# As the contract has it for an answer whose process died.
ENDED_S = SWEPT_S


@pytest.fixture
def disk(workspace, database_kind):
    disk = SmallDisk(workspace / f"disk-{database_kind}")
    assert disk.is_mounted, "This test needs a disk of its own to fill: run it where a tmpfs may be mounted (as root)."
    disk.free()
    yield disk
    disk.remove()


@pytest.fixture
def cluster(database_kind, request):
    return request.getfixturevalue("postgres") if database_kind == "postgres" else None


@pytest.fixture
async def database(disk, cluster, database_kind, tmp_path):
    """A database whose tables are on the disk that will be full."""
    if database_kind == "sqlite":
        yield Database("sqlite", f"sqlite:///{disk.folder / 'threadkeep.db'}", tmp_path)
        return
    folder = disk.folder / "tables"
    folder.mkdir()
    if cluster.wheel.system_user:
        chown(folder, cluster.wheel.system_user)
    async with connected(cluster.url("postgres")) as connection:
        await connection.execute(f"create tablespace full_disk location '{folder}'")
        await connection.execute("create database on_full_disk tablespace full_disk")
        yield Database("postgres", cluster.url("on_full_disk"), tmp_path)
        await connection.execute("drop database on_full_disk with (force)")
        await connection.execute("drop tablespace full_disk")


@pytest.fixture
async def model():
    model = await ScriptedModel.start()
    yield model
    await model.stop()


async def test_who_waits_is_told_of_the_end_that_cannot_be_stored(disk, database, model, zygote):
    go = asyncio.Event()
    model.script = ["Hel", go, os.urandom(100_000).hex(), finish(), DONE]
    server = await Server(database, {**model.settings, "THREADKEEP_LEASE_S": str(LEASE_S)}).start()
    try:
        async with connect(server) as client, AsyncExitStack() as ending:
            owner = await People(server, client, zygote).owner()
            thread, other = await owner.create_thread(), await owner.create_thread()
            waiting = asyncio.create_task(owner.respond(thread, input="hi"))
            stream = await Stream.post(owner, responses_path(other), input="hi")
            ending.callback(stream.cut)
            for each in (thread, other):
                await eventually(lambda each=each: said_in(owner, each), lambda text: text == "Hel", SOON_S)

            disk.fill()
            go.set()
            answer = await asyncio.wait_for(waiting, ENDED_S)
            [*_, last] = await stream.rest(ENDED_S)
            shown = await owner.get_response(thread, answer)
            [_, message] = (await owner.list_messages(thread, order="asc")).data

            assert (answer.status, answer["status"], answer.error["code"]) == (200, "failed", "interrupted")
            assert (shown.body, shown.outputText) == (answer.body, "Hel")
            assert (await owner.get(thread))["status"] == "inactive"
            assert (message["status"], texts([message])) == ("incomplete", ["Hel"])
            assert last.type == FAILED
            check_whole(stream.events)

            disk.free()
            await eventually(lambda: owner.post_message(thread, "more"), lambda answer: answer.status == 201, SWEPT_S)
            assert (await owner.get_response(thread, answer)).body == answer.body
        await check_all_ended(database)
        verified = run_threadkeep("verify", database=database)
        assert verified.returncode == 0, verified.stdout
        assert "Traceback" not in server.log_text()
    finally:
        server.stop()


async def said_in(who, thread):
    return "".join(texts((await who.list_messages(thread, role="assistant")).data))
