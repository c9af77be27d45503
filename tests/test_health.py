"""Health, readiness and metrics: for machines, without a credential."""

import re

from prometheus_client.parser import text_string_to_metric_families


async def test_health_and_readiness_need_no_credential(nobody):
    for path in ("/healthz", "/readyz"):
        answer = await nobody.request("GET", path)
        assert answer.status == 200
        assert answer.headers["x-request-id"]


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
