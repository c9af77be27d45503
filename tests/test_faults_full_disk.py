"""A full disk: SQLite refuses writes, goes on reading, and goes on writing as soon as there is space again."""

import asyncio
import json
from pathlib import Path

import pytest

from conftest import connect
from support.cast import Caller
from support.load import Load, check
from support.people import People
from support.server import Database, Server, run_threadkeep
from support.small_disk import SmallDisk

pytestmark = pytest.mark.prove

CLIENTS = 32
MESSAGE_CHARACTERS = 12_000
REFUSALS = 100
STARTED_S = 60


@pytest.fixture
def disk(tmp_path):
    disk = SmallDisk(tmp_path / "disk")
    yield disk
    disk.remove()


@pytest.fixture
def database(disk, tmp_path):
    return Database("sqlite", f"sqlite:///{disk.folder / 'threadkeep.db'}", tmp_path)


@pytest.fixture
def server(database):
    server = Server(database)
    yield server
    server.stop()


async def test_a_disk_that_fills_under_load_loses_nothing_and_invents_nothing(disk, database, server, zygote):
    await server.start()
    async with connect(server) as client:
        owner = await People(server, client, zygote).owner()
        threads = [(await owner.create_thread()).id for _ in range(4)]
        disk.limit(server.process)

        async with Load(owner, threads, CLIENTS, MESSAGE_CHARACTERS) as load:
            await load.goes_on(CLIENTS)
            await load.meets(*disk.codes, more=REFUSALS)
            await reading_goes_on(owner, threads, load)
            load.characters = 1  # What follows must not fill it again.
            disk.free(server.process)
            await load.goes_on(CLIENTS)

        assert set(load.seen) <= {"201", "507 storage_full", "503 unavailable"}, load.seen
        await check(load, owner)
    verified = run_threadkeep("verify", "--json", database=database)
    assert json.loads(verified.stdout)["problemCount"] == 0, verified.stdout
    assert "Traceback" not in server.log_text()


async def reading_goes_on(owner: Caller, threads, load):
    for thread in threads:
        assert (await owner.get(thread)).status == 200
        assert (await owner.list_messages(thread, limit=5)).status == 200
    assert (await owner.list_threads()).status == 200
    assert (await owner.request("GET", "/readyz")).status == 200


async def test_a_message_too_large_for_what_is_left_does_not_refuse_a_small_one(disk, server, zygote):
    await server.start()
    async with connect(server) as client:
        owner = await People(server, client, zygote).owner()
        thread = await owner.create_thread()
        disk.limit(server.process)
        large = [{"role": "user", "content": "x" * 250_000}] * 15
        small = [owner.post_message(thread, f"small {number}") for number in range(8)]

        refused, *answers = await asyncio.gather(*[owner.post_messages(thread, large * 2)], *small)
        listed = await owner.list_messages(thread, limit=100)

        assert refused.status in (413, 507, 503), refused
        assert {answer.status for answer in answers} == {201}
        assert len(listed.data) == len(answers)


async def test_a_disk_that_is_full_before_the_first_start_is_a_clear_sentence(disk, database, server):
    assert disk.is_mounted, "This test needs a disk of its own to fill: run it where a tmpfs may be mounted (as root)."
    disk.free()
    disk.fill()

    server.spawn()
    status = await asyncio.to_thread(server.process.wait, STARTED_S)

    assert status == 1
    assert "full" in server.log_text()
    assert "Traceback" not in server.log_text()
    disk.free()
    await server.start()
    assert first_credentials(database).is_file()


def first_credentials(database: Database) -> Path:
    return Path(database.url.removeprefix("sqlite:///")).parent / "threadkeep-first-run.txt"
