"""What the service counts, in Prometheus form: by route and status, never by tenant."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.process_collector import ProcessCollector

from threadkeep.runtime.runtime import Runtime

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
BOUNDS = (*map(str, BUCKETS_S), "+Inf")


class Metrics:
    """The counters of one process. Plain lists on the way of a request; the library writes them out."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        # By method, route and status: how many answers fell into each bucket, and in the last place their seconds.
        self._answers: dict[tuple[str, str, int], list[Any]] = {}
        self.is_ready = False
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(self)

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        key = (method, route, status)
        counts = self._answers.get(key)
        if counts is None:
            counts = self._answers[key] = [0] * len(BOUNDS) + [0.0]
        counts[bisect_left(BUCKETS_S, seconds)] += 1
        counts[-1] += seconds

    def collect(self) -> Iterator[Any]:
        """Give what is counted outside the library; the registry calls this."""
        requests = CounterMetricFamily(
            "threadkeep_requests", "Requests answered.", labels=["method", "route", "status"]
        )
        sums: dict[tuple[str, str], list[Any]] = {}
        for (method, route, status), counts in list(self._answers.items()):
            requests.add_metric([method, route, str(status)], sum(counts[:-1]))
            known = sums.get((method, route), [0] * len(counts))
            sums[method, route] = [one + other for one, other in zip(known, counts, strict=True)]
        yield requests
        yield seconds_family(sums)
        yield GaugeMetricFamily("threadkeep_ready", "1 while the process takes requests.", int(self.is_ready))
        yield from runtime_families(self._runtime)

    def text(self) -> bytes:
        return generate_latest(self.registry)


def runtime_families(runtime: Runtime) -> Iterator[Any]:
    ended = CounterMetricFamily(
        "threadkeep_responses", "Responses that this process generated and that ended.", labels=["status", "error"]
    )
    for (status, error), count in list(runtime.relay.outcomes.counts.items()):
        ended.add_metric([status, error], count)
    yield ended
    yield GaugeMetricFamily("threadkeep_responses_running", "Responses that are generated here.", runtime.relay.count)
    yield GaugeMetricFamily("threadkeep_stream_readers", "Readers of streams.", runtime.channels.readers_count)
    yield CounterMetricFamily(
        "threadkeep_journal_flushes", "Times that events of answers were stored.", runtime.journal.flushes_count
    )


def seconds_family(sums: dict[tuple[str, str], list[Any]]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(
        "threadkeep_request_seconds",
        "Time from the request's header until its answer is ready.",
        labels=["method", "route"],
    )
    for labels, (*counts, seconds) in sums.items():
        family.add_metric(labels, list(zip(BOUNDS, accumulate(counts), strict=True)), seconds)
    return family
