"""Health, readiness and metrics: for machines, without a credential."""

import asyncio
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from conftest import connect
from support.postgres import connected

ASKED = 1000


async def test_health_and_readiness_need_no_credential(nobody):
    for path in ("/healthz", "/readyz"):
        answer = await nobody.request("GET", path)
        assert answer.status == 200
        assert answer.headers["x-request-id"]


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True, scope="session")
async def test_however_often_readiness_is_asked_the_database_is_not(start_server):
    server = await start_server()

    async with connect(server) as client:
        answers = [await client.get("/readyz") for _ in range(ASKED)]
    # A session tells what it did at its end.
    await asyncio.to_thread(server.stop)

    base, _, name = server.database.url.rpartition("/")
    async with connected(f"{base}/postgres") as connection:
        done = await connection.fetchval("select xact_commit from pg_stat_database where datname = $1", name)
    assert {answer.status_code for answer in answers} == {200}
    assert 0 < done < ASKED / 2


async def test_metrics_are_prometheus_text(nobody, ada):
    await ada.list_threads(limit=1)
    await ada.list_threads(limit=0)

    answer = await nobody.request("GET", "/metrics")
    families = list(text_string_to_metric_families(answer.text))

    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert len(families) >= 3
    assert any("request" in family.name for family in families)


async def test_metrics_count_by_route_and_never_by_id(nobody, ada):
    thread = await ada.create_thread(title="canary-of-metrics")
    await ada.get(thread)
    await ada.get("thread_canary-of-metrics")
    await nobody.request("GET", "/canary-of-metrics")

    text = (await nobody.request("GET", "/metrics")).text

    assert thread.id not in text
    assert "canary-of-metrics" not in text
    assert "ORG_ACME" not in text
    assert "uid_ada" not in text
    assert not re.search(r"tk_\w{10}", text)


async def test_the_log_holds_no_secret_and_no_content(ada, server):
    thread = await ada.create_thread(title="canary-of-the-log")
    await ada.post_message(thread, "canary-of-the-log")
    await ada.with_key(ada.key + "x").list_threads(titleContains="canary-of-the-log")

    for secret in (ada.key, ada.token, "canary-of-the-log"):
        assert secret not in server.log_text()


async def test_the_server_is_not_ready_before_its_database_is(start_server):
    server = await start_server()

    assert "Traceback" not in server.log_text()
