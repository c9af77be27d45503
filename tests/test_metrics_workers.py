"""`/metrics` of several workers: one truth, whichever of them is asked, also after one of them died."""

import asyncio
import os
import signal

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from conftest import connect
from support.people import People
from support.scripted_model import STALL, ScriptedModel
from support.streams import Stream
from support.waiting import eventually

pytestmark = pytest.mark.parametrize("database_kind", ["postgres"], indirect=True, scope="session")

WORKERS = 2
REQUESTS = 400
CONNECTIONS = 40
LOOKS = 12
# More than workers: at least one of them holds several.
STREAMS = 8
STARTED_S = 60
LISTED = ("threadkeep_requests_total", "GET", "/v1/threads", "200")


@pytest.fixture
async def model():
    model = await ScriptedModel.start()
    yield model
    await model.stop()


@pytest.fixture
async def workers(start_server, model):
    server = await start_server(**model.settings)
    server.stop()
    server.spawn("--workers", str(WORKERS))
    await server.wait_until_ready()
    await eventually(lambda: measured(server), lambda found: found["threadkeep_ready",] == WORKERS, STARTED_S)
    return server


async def measured(server):
    """Every sample of /metrics, asked over a connection of its own, which any worker may take."""
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
        text = (await client.get("/metrics")).text
    samples = [each for family in text_string_to_metric_families(text) for each in family.samples]
    return {(each.name, *(value for _, value in sorted(each.labels.items()))): each.value for each in samples}


async def said_by_all(server, sample):
    """What the workers say of a sample: one number if they agree."""
    return {(await measured(server)).get(sample, 0) for _ in range(LOOKS)}


async def list_threads(server, owner, times):
    for _ in range(CONNECTIONS):
        async with connect(server) as client:
            for _ in range(times // CONNECTIONS):
                answer = await client.get("/v1/threads", headers={"X-API-Key": owner.key})
                assert answer.status_code == 200


def one_of(server):
    """Return the id of a process that serves."""
    children = psutil.Process(server.process.pid).children()
    return next(each.pid for each in children if "spawn_main" in " ".join(each.cmdline()))


@pytest.mark.prove
async def test_every_worker_tells_what_all_have_counted_and_a_death_takes_nothing_along(workers, zygote):
    async with connect(workers) as client:
        owner = await People(workers, client, zygote).owner()
    before = (await measured(workers)).get(LISTED, 0)

    await list_threads(workers, owner, REQUESTS)
    counted = await said_by_all(workers, LISTED)
    os.kill(one_of(workers), signal.SIGKILL)
    await eventually(lambda: said_by_all(workers, ("threadkeep_ready",)), lambda said: said == {WORKERS}, STARTED_S)
    kept = await said_by_all(workers, LISTED)
    await list_threads(workers, owner, REQUESTS)
    after = await measured(workers)

    assert (counted, kept) == ({before + REQUESTS}, {before + REQUESTS})
    assert after[LISTED] == before + 2 * REQUESTS
    assert after["threadkeep_request_seconds_count", "GET", "/v1/threads"] == after[LISTED]
    assert after["threadkeep_request_seconds_bucket", "+Inf", "GET", "/v1/threads"] == after[LISTED]


@pytest.mark.prove
async def test_what_runs_is_added_up_and_what_a_dead_worker_had_is_gone(workers, zygote, model):
    model.script = ["Hel", STALL]
    async with connect(workers) as client:
        owner = await People(workers, client, zygote).owner()
        streams = [await Stream.post(owner, "/v1/responses", thread={}, input="hello") for _ in range(STREAMS)]
        for stream in streams:
            await stream.until("response.output_text.delta")

        running = await said_by_all(workers, ("threadkeep_responses_running",))
        readers = await said_by_all(workers, ("threadkeep_stream_readers",))
        for each in await asyncio.to_thread(psutil.Process(workers.process.pid).children):
            if "spawn_main" in " ".join(each.cmdline()):
                each.kill()
        left = await eventually(
            lambda: measured(workers), lambda found: found["threadkeep_ready",] == WORKERS, STARTED_S
        )
    for stream in streams:
        stream.cut()

    assert (running, readers) == ({STREAMS}, {STREAMS})
    assert (left["threadkeep_responses_running",], left["threadkeep_stream_readers",]) == (0, 0)


@pytest.mark.prove
async def test_the_memory_and_time_of_all_processes_are_told_together(workers):
    one_bytes = psutil.Process(one_of(workers)).memory_info().rss

    found = await measured(workers)
    used_s = found["process_cpu_seconds_total",]
    os.kill(one_of(workers), signal.SIGKILL)
    await eventually(lambda: said_by_all(workers, ("threadkeep_ready",)), lambda said: said == {WORKERS}, STARTED_S)
    after = await measured(workers)

    assert found["process_resident_memory_bytes",] > 0.5 * WORKERS * one_bytes
    assert after["process_cpu_seconds_total",] >= used_s
