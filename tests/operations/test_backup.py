"""Backups made while clients write, restored elsewhere: everything answered before the backup began is in them."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import apsw
import pytest

from conftest import connect
from operations.clusters import Node, copy
from operations.places import Watch, at, tell, verified
from support.load import Load
from support.people import People
from support.server import SECRET, Database, Server, run_threadkeep
from support.stored import stored_in
from support.waiting import eventually

CLIENTS = 8
THREADS = 8
BEFORE = 1_000
DURING = 300


class Origin:
    """A server under load, with what had been answered when a backup began."""

    def __init__(self, server: Server, load: Load) -> None:
        self.server = server
        self.load = load
        self.before: dict[str, str] = {}

    @property
    def file(self) -> Path:
        return Path(self.server.database.url.removeprefix("sqlite:///"))

    def begin(self) -> Watch:
        self.before = dict(self.load.answered)
        return Watch()

    async def check(self, restored: Database) -> dict[str, Any]:
        """Hold a restored copy against what was answered before the backup began, and let `verify` read all of it."""
        said = await verified(restored)
        ids = await ids_in(restored)
        missing = set(self.before.values()) - ids
        assert not missing, f"{len(missing)} of {len(self.before)} are not in the backup"
        return {"before": len(self.before), "in it": len(ids), "verify": said}


async def ids_in(database: Database) -> set[str]:
    async with stored_in(database) as stored:
        return {id for (id,) in await stored.rows("select id from messages")}


@pytest.fixture
async def load_on(zygote, new_folder):
    """Start a server and clients that write through it until the test ends."""
    begun: list[Any] = []

    async def begin(database: Database) -> Origin:
        server = await Server(database).start()
        client = connect(server)
        owner = await People(server, client, zygote).owner()
        load = Load(owner, [(await owner.create_thread()).id for _ in range(THREADS)], CLIENTS, characters=200)
        await load.__aenter__()
        begun.append((server, client, load))
        await load.goes_on(BEFORE)
        return Origin(server, load)

    yield begin
    for server, client, load in begun:
        await load.__aexit__(None, None, None)
        await client.aclose()
        server.stop()
        assert set(load.seen) == {"201"}, load.seen


@pytest.fixture
def folder(new_folder):
    return new_folder()


def sqlite_in(folder: Path, name: str = "threadkeep.db") -> Database:
    return Database("sqlite", f"sqlite:///{folder / name}", folder)


def vacuum_into(origin: Path, copy: Path) -> None:
    connection = apsw.Connection(str(origin))
    connection.execute("vacuum into ?", (str(copy),))
    connection.close()


def backup_api(origin: Path, copy: Path) -> None:
    """What `.backup` of SQLite's shell does: page by page; it begins anew whenever somebody else has written."""
    source, target = apsw.Connection(str(origin)), apsw.Connection(str(copy))
    with target.backup("main", source, "main") as backup:
        while not backup.done:
            backup.step(100)
    target.close()
    source.close()


@pytest.mark.parametrize("way", [vacuum_into, backup_api], ids=["vacuum into", "backup api"])
async def test_a_copy_of_sqlite_made_under_load_is_whole(load_on, folder, way):
    origin = await load_on(sqlite_in(folder))
    restored = folder / "restored"
    restored.mkdir()

    watch = origin.begin()
    await asyncio.to_thread(way, origin.file, restored / "threadkeep.db")
    took_s = watch.s
    figures = await origin.check(sqlite_in(restored))

    await restored_serves(sqlite_in(restored), origin)
    tell(f"SQLite, {way.__name__}", took_s=took_s, **figures)


async def test_the_file_alone_is_no_backup(load_on, folder):
    """What is wrong about `cp threadkeep.db`: the newest writes are in the log, and pages move under the copy."""
    origin = await load_on(sqlite_in(folder))
    lacking = []
    for number in range(5):
        restored = folder / f"copy-{number}"
        restored.mkdir()
        origin.begin()
        await asyncio.to_thread(shutil.copy, origin.file, restored / "threadkeep.db")
        database = sqlite_in(restored)
        finished = await asyncio.to_thread(run_threadkeep, "verify", database=database)
        try:
            ids = await ids_in(database)
        except apsw.Error as error:
            lacking.append(f"unreadable ({type(error).__name__})")
            continue
        missing = len(set(origin.before.values()) - ids)
        lacking.append(
            f"{missing} of {len(origin.before)} missing, verify {'passes' if not finished.returncode else 'fails'}"
        )
        await origin.load.goes_on(DURING)
    tell("SQLite, cp of the file alone", **{f"copy {number}": what for number, what in enumerate(lacking, 1)})
    assert any(not each.startswith("0 of") for each in lacking)


@pytest.fixture
def cluster(folder):
    node = Node(folder / "primary", f"-c archive_mode=on -c archive_timeout=1 -c archive_command='{archiving(folder)}'")
    (folder / "archive").mkdir()
    (folder / "archive").chmod(0o777)
    node.start()
    yield node
    node.remove()


def archiving(folder: Path) -> str:
    """Return an archive_command that never overwrites, as PostgreSQL's manual wants it."""
    return f"test ! -f {folder}/archive/%f && cp %p {folder}/archive/%f"


async def postgres_in(node: Node, folder: Path) -> Database:
    return Database("postgres", await node.create_database(), folder)


async def test_pg_dump_under_load_is_whole(cluster, folder, load_on):
    origin = await load_on(await postgres_in(cluster, folder))
    (folder / "dumps").mkdir()
    (folder / "dumps").chmod(0o777)
    dump = folder / "dumps" / "threadkeep.dump"

    watch = origin.begin()
    await asyncio.to_thread(cluster.run, "pg_dump", "--format=custom", f"--file={dump}", origin.server.database.url)
    took_s = watch.s
    await cluster.execute("create database restored")
    restored = Database("postgres", cluster.url("restored"), folder)
    await asyncio.to_thread(cluster.run, "pg_restore", "--exit-on-error", f"--dbname={restored.url}", str(dump))

    figures = await origin.check(restored)
    await restored_serves(restored, origin)
    tell("PostgreSQL, pg_dump", took_s=took_s, **figures)


async def test_a_base_backup_with_the_archived_log_goes_to_any_moment(cluster, folder, load_on):
    origin = await load_on(await postgres_in(cluster, folder))
    restored = Node(folder / "restored")

    watch = origin.begin()
    await asyncio.to_thread(copy, cluster, restored)
    took_s = watch.s
    await origin.load.goes_on(DURING)
    # What was answered up to here is wanted back: more than the base backup holds.
    wanted = dict(origin.load.answered)
    moment = await cluster.value("select clock_timestamp()::text")
    await origin.load.goes_on(DURING)
    segment = await cluster.value("select pg_walfile_name(pg_switch_wal())")
    await wait_for(folder / "archive" / segment)
    recover_to(restored, folder, moment)
    try:
        watch = Watch()
        await asyncio.to_thread(restored.start)
        await ready_for_writes(restored)
        recovered_s = watch.s
        database = Database("postgres", restored.url("threadkeep_1"), folder)
        origin.before = wanted
        figures = await origin.check(database)
        after = len(set(origin.load.answered.values()) & await ids_in(database)) - len(wanted)
        tell("PostgreSQL, base backup and log to a moment", base_backup_s=took_s, recovered_s=recovered_s,
             **figures, of_those_answered_later=after)  # fmt: skip
    finally:
        restored.remove()


def recover_to(node: Node, folder: Path, moment: str) -> None:
    """Write what `restore_command` and the moment to stop at are, and that this is a recovery."""
    with (node.folder / "postgresql.auto.conf").open("a") as settings:
        settings.write(f"restore_command = 'cp {folder}/archive/%f %p'\n")
        settings.write(f"recovery_target_time = '{moment}'\nrecovery_target_action = 'promote'\n")
    (node.folder / "recovery.signal").touch()
    (node.folder / "recovery.signal").chmod(0o644)


async def wait_for(file: Path) -> None:
    await eventually(lambda: asyncio.to_thread(file.exists), bool, 60)


async def ready_for_writes(node: Node) -> None:
    await eventually(lambda: node.value("select pg_is_in_recovery()"), lambda recovering: not recovering, 60)


async def restored_serves(database: Database, origin: Origin) -> None:
    """A server on the copy takes the credentials of the original, and goes on where the copy ends."""
    server = await Server(database, {"THREADKEEP_SECRET": SECRET}, "restored").start()
    try:
        async with connect(server) as client:
            ada = at(origin.load.who, client)
            for thread in origin.load.threads:
                before = await ada.get(thread)
                added = await ada.post_message(thread, "and on")
                assert added.seq == before.messageCount + 1
    finally:
        server.stop()
