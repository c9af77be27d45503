"""`kill -9` of the server under load: what was answered is there, a retry does its work once, and it starts again."""

import fcntl
from pathlib import Path

import pytest

from conftest import connect
from support.load import Load, check
from support.people import People
from support.server import run_threadkeep

pytestmark = pytest.mark.prove

ROUNDS = 10
CLIENTS = 16
THREADS = 4
BEGIN_AND_END = 40


async def test_ten_kills_under_load_lose_nothing_and_double_nothing(start_server, zygote):
    server = await start_server()
    async with connect(server) as client:
        owner = await People(server, client, zygote).owner()
        threads = [(await owner.create_thread()).id for _ in range(THREADS)]

        async with Load(owner, threads, CLIENTS) as load:
            for number in range(ROUNDS):
                await load.goes_on(BEGIN_AND_END + number)
                server.kill()
                # It is ready within the time that `start` gives, though it was killed in the middle of its writes.
                await server.start()
            await load.goes_on(BEGIN_AND_END)

        cut = {what for what in load.seen if what not in ("201", "ConnectError")}
        assert load.unknown and cut, "no kill met a request that was under way"
        assert cut <= {"ReadError", "RemoteProtocolError", "WriteError"}, load.seen
        await check(load, owner)
    verified = run_threadkeep("verify", database=server.database)
    assert verified.returncode == 0, verified.stdout
    assert "Traceback" not in server.log_text()


async def test_a_killed_server_leaves_its_lock_free_and_its_file_readable(start_server, zygote, database_kind):
    """On SQLite the lock belongs to the process: nobody has to remove a file before the next start."""
    if database_kind != "sqlite":
        return
    server = await start_server()
    async with connect(server) as client:
        owner = await People(server, client, zygote).owner()
        thread = await owner.create_thread(title="kept")
        server.kill()

        verified = run_threadkeep("verify", database=server.database)
        with Path(f"{server.database.url.removeprefix('sqlite:///')}.lock").open("a") as lock:  # noqa: ASYNC230 - one lock, at once  # noqa: ASYNC230
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        await server.start()

        assert verified.returncode == 0, verified.stdout
        assert (await owner.get(thread)).title == "kept"
