"""What the service counts, for Prometheus.

Rules:
- Every metric is in the table of `runtime.telemetry`, so a name is written once and the reference lists it.
- Labels take their values from tables of our own alone, and from verified tokens: nothing that a client sends becomes
  a label.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from stella.runtime.counts import Counts, Series
from stella.runtime.telemetry import METRICS, MetricName
from stella.runtime.telemetry import SECONDS as BOUNDS

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0)  # bounds of a request's time: a look-up, a file, a large file


class Metrics:
    """The metrics of one service. Counting is a few additions; the forms of Prometheus are made when it asks.

    `counts` is where the rooms below count by themselves: it is the Meter of key caches and verifiers.
    """

    def __init__(self) -> None:
        self.counts = Counts()
        self._requests: dict[tuple[str, int], int] = {}
        self._seconds: dict[str, list[float]] = {}
        self._ended: dict[str, int] = {}
        self._jobs: dict[str, int] = {}
        self._received = 0
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def request(self, operation: str, status: int, seconds: float) -> None:
        """A request was answered."""
        key = (operation, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        row = self._seconds.get(operation)
        if row is None:
            row = self._seconds[operation] = [0.0] * (len(SECONDS) + 2)  # the last is the sum
        row[bisect_left(SECONDS, seconds)] += 1
        row[-1] += seconds

    def job(self, event: str) -> None:
        """A job ended, or went back into the queue."""
        self._ended[event] = self._ended.get(event, 0) + 1

    def received(self, amount: int) -> None:
        """Bytes of an upload arrived."""
        self._received += amount

    def text(self, jobs: dict[str, int]) -> bytes:
        """Everything in the text format; `jobs` are the waiting and running ones."""
        self._jobs = jobs
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """Called by prometheus-client."""
        requests = CounterMetricFamily(*_about("stella_requests_total"))
        for (operation, status), count in self._requests.items():
            requests.add_metric((operation, str(status)), count)
        name, words, _, labels = _about("stella_request_seconds")
        seconds = HistogramMetricFamily(name, words, labels=labels)
        for operation, row in self._seconds.items():
            total, buckets = 0.0, []
            for bound, share in zip((*map(str, SECONDS), "+Inf"), row[:-1], strict=True):
                total += share
                buckets.append((bound, total))
            seconds.add_metric((operation,), buckets, row[-1])
        waiting = GaugeMetricFamily(*_about("stella_jobs"))
        for state in ("queued", "running"):
            waiting.add_metric((state,), self._jobs.get(state, 0))
        ended = CounterMetricFamily(*_about("stella_jobs_ended_total"))
        for event, count in self._ended.items():
            ended.add_metric((event,), count)
        received = CounterMetricFamily(*_about("stella_upload_bytes_total"))
        received.add_metric((), self._received)
        return requests, seconds, waiting, ended, received, *_families(self.counts)


def _families(counts: Counts) -> list[Metric]:
    """What was counted below, in the order of the table."""
    found: dict[MetricName, list[Series]] = {}
    for one in counts.series():
        found.setdefault(one.name, []).append(one)
    return [_family(name, found[name]) for name in METRICS if name in found]


def _family(name: MetricName, series: Iterable[Series]) -> Metric:
    if METRICS[name].kind == "histogram":
        text, words, _, labels = _about(name)
        histogram = HistogramMetricFamily(text, words, labels=labels)
        for one in series:
            totals = list(accumulate(one.shares))
            bounds = (*map(str, BOUNDS), "+Inf")
            histogram.add_metric(one.labels, list(zip(bounds, totals, strict=True)), one.value)
        return histogram
    family = (CounterMetricFamily if METRICS[name].kind == "counter" else GaugeMetricFamily)(*_about(name))
    for one in series:
        family.add_metric(one.labels, one.value)
    return family


def _about(name: MetricName) -> tuple[str, str, None, tuple[str, ...]]:
    return name, METRICS[name].help, None, METRICS[name].labels
