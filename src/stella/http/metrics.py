"""What the service counts, for Prometheus.

Rules:
- Every metric is in the table of `runtime.telemetry`, so a name is written once and the reference lists it.
- Labels take their values from tables of our own alone: nothing that a client sends becomes a label.
"""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from stella.runtime.telemetry import METRICS

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0)  # bounds of a request's time: a look-up, a file, a large file


class Metrics:
    """The metrics of one service."""

    def __init__(self) -> None:
        disable_created_metrics()
        self._registry = CollectorRegistry()
        self._requests = Counter(*self._about("stella_requests_total"), registry=self._registry)
        self._seconds = Histogram(*self._about("stella_request_seconds"), registry=self._registry, buckets=SECONDS)
        self._jobs = Gauge(*self._about("stella_jobs"), registry=self._registry)
        self._ended = Counter(*self._about("stella_jobs_ended_total"), registry=self._registry)
        self._bytes = Counter(*self._about("stella_upload_bytes_total"), registry=self._registry)
        self._known: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    @staticmethod
    def _about(name: str) -> tuple[str, str, tuple[str, ...]]:
        metric = METRICS[name]  # type: ignore[index]  # a name outside the table is a KeyError at the start
        return name, metric.help, metric.labels

    def request(self, operation: str, status: int, seconds: float) -> None:
        """A request was answered."""
        known = self._known.get((operation, status))
        if known is None:
            known = self._requests.labels(operation, str(status)), self._seconds.labels(operation)
            self._known[operation, status] = known
        known[0].inc()
        known[1].observe(seconds)

    def job(self, event: str) -> None:
        """A job ended, or went back into the queue."""
        self._ended.labels(event).inc()

    def received(self, amount: int) -> None:
        """Bytes of an upload arrived."""
        self._bytes.inc(amount)

    def text(self, jobs: dict[str, int]) -> bytes:
        """Everything in the text format; `jobs` are the waiting and running ones."""
        for state in ("queued", "running"):
            self._jobs.labels(state).set(jobs.get(state, 0))
        return generate_latest(self._registry)
