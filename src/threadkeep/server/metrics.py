"""What the service counts, in Prometheus form: by route and status, never by tenant."""

import resource
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.process_collector import ProcessCollector

from threadkeep.runtime.tally import CELLS_COUNT, FLUSHES, READERS, READY, RUNNING, Cells, Label, Tally

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
BOUNDS = (*map(str, BUCKETS_S), "+Inf")
# The cells of a route and status: the count of answers in each bucket, and in the last cell their seconds in total.
SECONDS = len(BOUNDS)
assert CELLS_COUNT == SECONDS + 1

REQUESTS = "requests"
# Without the ended workers, the sum of CPU seconds would fall whenever one ends.
ENDED_CPU: Label = ("ended workers' CPU seconds",)


class Metrics:
    """The counters of one process, and the text of `/metrics`, which adds up those of all processes."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        # By method, route and status.
        self._answers: dict[tuple[str, str, int], Cells] = {}
        self._ready = tally.cells(READY)

    @property
    def is_ready(self) -> bool:
        return bool(self._ready[0])

    @is_ready.setter
    def is_ready(self, value: bool) -> None:
        self._ready[0] = value

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        key = (method, route, status)
        counts = self._answers.get(key)
        if counts is None:
            counts = self._answers[key] = self._tally.cells((REQUESTS, method, route, str(status)))
        counts[bisect_left(BUCKETS_S, seconds)] += 1
        counts[SECONDS] += seconds

    def collect(self) -> Iterator[Any]:  # Any: the library's families.
        """Yield all metrics; the library's registry calls this."""
        sums = self._tally.sums()
        ended_cpu_s = sums.get(ENDED_CPU, [0.0])[0]
        yield from process_families(self._tally.process_ids(), ended_cpu_s)
        yield from request_families(sums)
        yield GaugeMetricFamily("threadkeep_ready", "Processes that take requests.", sums[READY][0])
        yield from runtime_families(sums)

    def text(self) -> bytes:
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)


def note_ended_workers(tally: Tally) -> None:
    """Store the CPU time of all child processes that have ended and were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    tally.cells(ENDED_CPU)[0] = used.ru_utime + used.ru_stime


def process_families(ids: Iterable[int], ended_cpu_s: float) -> Iterator[Any]:
    """Yield Linux's figures of the processes, added up; of their start times the earliest."""
    values: dict[str, list[float]] = {}
    families: dict[str, Any] = {}
    for id in ids:
        for family in ProcessCollector(pid=lambda id=id: id, registry=None).collect():  # type: ignore[misc]
            families[family.name] = family
            values.setdefault(family.name, []).append(family.samples[0].value)
    for name, family in families.items():
        total = min(values[name]) if name.endswith("start_time_seconds") else sum(values[name])
        ended = ended_cpu_s if name.startswith("process_cpu") else 0
        made = type(family)(family.name, family.documentation)
        made.add_metric([], total + ended)
        yield made


def request_families(sums: dict[Label, Cells]) -> Iterator[Any]:
    requests = CounterMetricFamily("threadkeep_requests", "Requests answered.", labels=["method", "route", "status"])
    by_route: dict[tuple[str, str], Cells] = {}
    for label, counts in sums.items():
        if label[0] != REQUESTS:
            continue
        _, method, route, status = label
        requests.add_metric([method, route, status], sum(counts[:SECONDS]))
        known = by_route.get((method, route), [0.0] * len(counts))
        by_route[method, route] = [one + other for one, other in zip(known, counts, strict=True)]
    yield requests
    family = HistogramMetricFamily(
        "threadkeep_request_seconds",
        "Time from the request's header until its answer is ready.",
        labels=["method", "route"],
    )
    for labels, (*counts, seconds) in by_route.items():
        family.add_metric(labels, list(zip(BOUNDS, accumulate(counts), strict=True)), seconds)
    yield family


def runtime_families(sums: dict[Label, Cells]) -> Iterator[Any]:
    ended = CounterMetricFamily(
        "threadkeep_responses", "Responses that were generated here and that ended.", labels=["status", "error"]
    )
    for label, cells in sums.items():
        if label[0] == "responses":
            ended.add_metric(label[1:], cells[0])
    yield ended
    yield GaugeMetricFamily("threadkeep_responses_running", "Responses that are generated here.", sums[RUNNING][0])
    yield GaugeMetricFamily("threadkeep_stream_readers", "Readers of streams.", sums[READERS][0])
    yield CounterMetricFamily(
        "threadkeep_journal_flushes", "Times that events of answers were stored.", sums[FLUSHES][0]
    )
