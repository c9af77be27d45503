"""Stopping and doubling: SIGTERM under load, a worker that dies, a second server on one file."""

import asyncio
import json
import os
import signal
import subprocess

import httpx
import psutil
import pytest

from conftest import connect
from support.cast import Caller
from support.load import Load, check
from support.people import People
from support.server import Server, run_threadkeep
from support.waiting import eventually

pytestmark = pytest.mark.prove

CLIENTS = 8
ROUNDS = 3
# More than the supervisor forgives workers that cannot start.
KILLS = 7
STOP_S = 12
STARTED_S = 60
WORKERS = 2


async def test_sigterm_under_load_ends_with_status_0_and_loses_nothing(start_server, zygote):
    server = await start_server()
    async with connect(server) as client:
        owner = await People(server, client, zygote).owner()
        threads = [(await owner.create_thread()).id for _ in range(4)]

        async with Load(owner, threads, CLIENTS) as load:
            for _ in range(ROUNDS):
                await load.goes_on()
                assert await asyncio.to_thread(server.stop) == 0
                await server.start()
            await load.goes_on()

        assert load.slowest_s < STOP_S
        await check(load, owner)
    assert "Traceback" not in server.log_text()


@pytest.fixture
async def workers(start_server, database_kind):
    """A server of two processes on PostgreSQL; None on SQLite, which takes one."""
    if database_kind != "postgres":
        return None
    server = await start_server()
    server.stop()
    server.spawn("--workers", str(WORKERS))
    await server.wait_until_ready()
    await eventually(lambda: worker_ids(server), lambda ids: len(ids) == WORKERS, within_s=STARTED_S)
    return server


async def worker_ids(server):
    """Return the worker processes: those of the supervisor's children that have the server's socket."""
    found = []
    for child in psutil.Process(server.process.pid).children():
        try:
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child.pid)
        except psutil.NoSuchProcess:
            continue
    return found


async def test_a_killed_worker_is_replaced_while_the_other_goes_on(workers, zygote):
    if workers is None:
        return
    async with connect(workers) as client:
        owner = await People(workers, client, zygote).owner()
        threads = [(await owner.create_thread()).id for _ in range(4)]
        async with Load(owner, threads, CLIENTS) as load:
            for _ in range(KILLS):
                await load.goes_on()
                before = set(await worker_ids(workers))
                os.kill(min(before), signal.SIGKILL)
                await load.goes_on()
                await eventually(
                    lambda: worker_ids(workers),
                    lambda ids, before=before: len(set(ids) - before) == 1,
                    within_s=STARTED_S,
                )

        await check(load, owner)
        assert await asyncio.to_thread(workers.stop) == 0
    assert workers.log_text().count("is replaced") == KILLS


async def test_sigterm_ends_all_workers_under_load_with_status_0(workers, zygote):
    if workers is None:
        return
    processes = [psutil.Process(each) for each in await worker_ids(workers)]
    async with connect(workers) as client:
        owner = await People(workers, client, zygote).owner()
        threads = [(await owner.create_thread()).id for _ in range(4)]
        async with Load(owner, threads, CLIENTS) as load:
            await load.goes_on()
            status = await asyncio.to_thread(workers.stop)
            _, left = psutil.wait_procs(processes, timeout=0)
            workers.spawn("--workers", str(WORKERS))
            await workers.wait_until_ready()

        assert (status, left) == (0, [])
        await check(load, owner)


async def test_sigterm_right_after_a_worker_was_killed_ends_everything(workers):
    """The replacement is told as well, however little of it has started."""
    if workers is None:
        return
    os.kill(min(await worker_ids(workers)), signal.SIGKILL)
    await eventually(lambda: worker_ids(workers), lambda ids: len(ids) == WORKERS, within_s=STARTED_S)

    assert await asyncio.to_thread(workers.stop) == 0


@pytest.mark.parametrize("moment", ["begun", "listening"])
async def test_sigterm_during_the_start_ends_the_server(new_database, database_kind, moment):
    """A server that was asked to stop before it listens does not start after all."""
    server = Server(await new_database())
    marks = {"begun": lambda: has_begun(server), "listening": lambda: "serves" in server.log_text()}

    async def has_come():
        return server.process.poll() is not None or marks[moment]()

    server.spawn()
    try:
        await eventually(has_come, bool, within_s=STARTED_S)
        server.process.send_signal(signal.SIGTERM)
        status = await asyncio.to_thread(server.process.wait, STOP_S)
    except subprocess.TimeoutExpired:
        pytest.fail("SIGTERM during the start was swallowed: the server runs on")
    finally:
        server.kill()

    assert status in (0, -signal.SIGTERM)


def has_begun(server):
    """Return whether the server has begun: on SQLite its lock file exists, on PostgreSQL it is connected."""
    if server.kind == "sqlite":
        return (server.database.folder / "threadkeep.db.lock").exists()
    return bool(psutil.Process(server.process.pid).net_connections())


async def test_a_second_server_is_refused_while_admin_commands_work(server, database_kind, zygote):
    if database_kind != "sqlite":
        return
    second = Server(server.database, name="second")

    second.spawn()
    status = await asyncio.to_thread(second.process.wait, STARTED_S)
    made = run_threadkeep("admin", "create-organization", "Meanwhile", "--json", database=server.database)

    assert status == 1
    assert "is served already" in second.log_text()
    assert made.returncode == 0, made.stderr
    organization = json.loads(made.stdout)["id"]
    async with connect(server) as client:
        owner = await People(server, client, zygote).key(organization, "uid_new", "owner")
        answer = await Caller(client, organization=organization, key=owner["key"]).create_thread()
        assert answer.status == 201


async def test_a_port_closed_by_a_stopped_server_refuses_at_once(start_server):
    server = await start_server()
    async with connect(server) as client:
        assert (await client.get("/readyz")).status_code == 200
        await asyncio.to_thread(server.stop)

        with pytest.raises(httpx.ConnectError):
            await client.get("/readyz")
