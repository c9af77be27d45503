"""Another program holds the SQLite file: writes are refused in time, all of them, and go on when it lets go."""

import asyncio
from pathlib import Path

import apsw
import pytest

from conftest import connect
from support.people import People
from support.server import Database, Server

pytestmark = pytest.mark.prove

WRITES = 8
# One after the other they would take eight times five seconds.
REFUSED_S = 35


async def test_writes_that_wait_for_another_program_are_all_refused_in_time(tmp_path, zygote):
    path = Path(tmp_path / "threadkeep.db")
    server = await Server(Database("sqlite", f"sqlite:///{path}", tmp_path)).start()
    try:
        async with connect(server) as client:
            owner = await People(server, client, zygote).owner()
            thread = await owner.create_thread()
            holder = apsw.Connection(str(path))
            holder.execute("begin immediate")

            writes = [asyncio.create_task(owner.post_message(thread)) for _ in range(WRITES)]
            assert (await owner.get(thread)).messageCount == 0
            refused, waiting = await asyncio.wait(writes, timeout=REFUSED_S)
            holder.execute("rollback")
            holder.close()
            await asyncio.gather(*waiting)

            assert not waiting, f"{len(waiting)} of {WRITES} writes had no answer after {REFUSED_S} s"
            assert {(write.result().status, write.result().code) for write in refused} == {(503, "unavailable")}
            assert (await owner.post_message(thread)).seq == 1
    finally:
        server.stop()
