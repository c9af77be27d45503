"""PostgreSQL goes away and comes back under load: 503 meanwhile, nothing lost, and the server recovers by itself."""

import asyncio
import os
import signal
import subprocess
from contextlib import suppress

import pytest

from conftest import connect
from support.load import Load, check
from support.people import People
from support.postgres import start_postgres
from support.server import Database, Server, run_threadkeep
from support.waiting import eventually

pytestmark = pytest.mark.prove

WAYS = ["fast", "immediate", "kill", "fast", "immediate", "kill", "fast", "immediate", "kill", "immediate"]
CLIENTS = 16
THREADS = 8
REFUSALS = 30
HANG_S = 20
RECOVERY_S = 20
STARTED_S = 60


@pytest.fixture
def cluster(tmp_path_factory, workspace):
    cluster = start_postgres(workspace / "outage")
    yield cluster
    cluster.remove()


async def test_ten_outages_of_postgresql_lose_nothing_and_are_answered_503(cluster, tmp_path, zygote):
    server = await Server(Database("postgres", await cluster.create_database(), tmp_path)).start()
    try:
        async with connect(server) as client:
            owner = await People(server, client, zygote).owner()
            threads = [(await owner.create_thread()).id for _ in range(THREADS)]

            async with Load(owner, threads, CLIENTS) as load:
                for way in WAYS:
                    await load.goes_on()
                    await asyncio.to_thread(end, cluster, way)
                    await load.meets("503 unavailable", more=REFUSALS)
                    await eventually(lambda: owner.request("GET", "/readyz"), is_unready, within_s=RECOVERY_S)
                    assert (await owner.request("GET", "/healthz")).status == 200
                    await start_again(cluster)
                    await eventually(lambda: owner.request("GET", "/readyz"), is_ready, within_s=RECOVERY_S)
                    await load.goes_on(within_s=RECOVERY_S)

            assert set(load.seen) == {"201", "503 unavailable"}, load.seen
            assert load.slowest_s < HANG_S
            await check(load, owner)
        verified = run_threadkeep("verify", database=server.database)
        assert verified.returncode == 0, verified.stdout
        assert "Traceback" not in server.log_text(), server.log_text()[-4000:]
    finally:
        server.stop()


def end(cluster, way):
    if way != "kill":
        cluster.stop(way)
        return
    os.kill(int((cluster.folder / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)


async def start_again(cluster):
    """Start it; what a killed postmaster left behind ends first, each process when it notices."""

    async def start():
        with suppress(subprocess.CalledProcessError):
            await asyncio.to_thread(cluster.start)
            return True
        return False

    await eventually(start, bool, within_s=STARTED_S)


def is_ready(answer):
    return answer.status == 200


def is_unready(answer):
    return answer.status == 503


async def test_a_server_that_starts_without_its_postgresql_says_so(cluster, tmp_path):
    database = Database("postgres", await cluster.create_database(), tmp_path)
    cluster.stop("immediate")
    server = Server(database)

    server.spawn()
    try:
        status = await asyncio.to_thread(server.process.wait, STARTED_S)
    finally:
        server.kill()

    assert status == 1
    assert "Traceback" not in server.log_text()
    assert len(server.log_text().strip()) > 20
