"""What the service counts, in Prometheus form: by route and status, never by tenant."""

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The counters of one process. Plain dictionaries on the way of a request; the library writes them out."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str, int], int] = {}
        self.is_ready = False
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "threadkeep_request_seconds",
            "Time from the request's header to its answer.",
            ["method", "route"],
            registry=self.registry,
            buckets=BUCKETS_S,
        )
        self._observers: dict[tuple[str, str], Any] = {}
        ProcessCollector(registry=self.registry)
        self.registry.register(self)

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        key = (method, route, status)
        self.requests[key] = self.requests.get(key, 0) + 1
        observer = self._observers.get((method, route))
        if observer is None:
            observer = self._observers[method, route] = self._seconds.labels(method, route)
        observer.observe(seconds)

    def collect(self) -> Iterator[Any]:
        """Give the families that are counted outside the library; the registry calls this."""
        requests = CounterMetricFamily(
            "threadkeep_requests", "Requests answered.", labels=["method", "route", "status"]
        )
        for (method, route, status), count in list(self.requests.items()):
            requests.add_metric([method, route, str(status)], count)
        yield requests
        yield GaugeMetricFamily("threadkeep_ready", "1 while the process takes requests.", int(self.is_ready))

    def text(self) -> bytes:
        return generate_latest(self.registry)
