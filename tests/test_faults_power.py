"""Power loss: a write on SQLite is neither answered nor shown before the disk has said that it keeps it."""

import asyncio
import os
from functools import partial
from pathlib import Path

import pytest

from conftest import connect
from support.people import People
from support.server import Database, Server
from support.waiting import eventually

pytestmark = pytest.mark.prove

GATED_DISK = Path(__file__).parent / "support" / "gated_disk"
WRITES = 5
LOOKS = 20
ROUNDS = 10


async def test_no_write_is_answered_or_shown_before_its_sync(tmp_path, zygote):
    gate, met = tmp_path / "gate", tmp_path / "gate.met"
    database = Database("sqlite", f"sqlite:///{tmp_path / 'threadkeep.db'}", tmp_path)
    python_path = os.pathsep.join([str(GATED_DISK), *filter(None, [os.environ.get("PYTHONPATH")])])
    server = await Server(database, {"PYTHONPATH": python_path, "GATE": str(gate)}).start()
    try:
        async with connect(server) as client:
            owner = await People(server, client, zygote).owner()
            thread = await owner.create_thread()
            for number in range(ROUNDS):
                gate.touch()
                writes = [asyncio.create_task(owner.post_message(thread)) for _ in range(WRITES)]
                await eventually(partial(exists, met, writes), bool, within_s=60)
                for _ in range(LOOKS):
                    assert (await owner.get(thread)).messageCount == number * WRITES
                assert not any(write.done() for write in writes)

                gate.unlink()
                met.unlink()
                assert {answer.status for answer in await asyncio.gather(*writes)} == {201}
    finally:
        gate.unlink(missing_ok=True)
        server.stop()


async def exists(met, writes):
    """Return whether a sync waits at the gate; a write that is answered already needed none."""
    assert not any(write.done() for write in writes), "a write was answered without a sync"
    return met.exists()
