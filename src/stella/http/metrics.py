"""What the service counts, for Prometheus.

Rules:
- Every metric is in the table of `runtime.telemetry`, so a name is written once and the reference lists it.
- Labels take their values from tables of our own alone, and from verified tokens: nothing that a client sends becomes
  a label.
- A request is counted once, by its operation and tenant; whatever is shown of requests is a sum of that, made when
  Prometheus asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Literal

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from stella.http.routes import Route
from stella.http.store import Load
from stella.http.table import TRANSFERS
from stella.runtime.counts import Counts, Labels, Series
from stella.runtime.telemetry import METRICS, SECONDS, UNKNOWN, MetricName

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
SERVICE = "stella"  # the label `service`; drills have another
READING = frozenset({"GET", "HEAD"})
BOUNDS = (*map(str, SECONDS), "+Inf")
SIMULATION = "simulation"  # the queue whose depth is shown
MOVED: MetricName = "tenant_data_volume_bytes_total"

Access = Literal["read", "write", "transfer"]


def access_of(route: Route) -> Access:
    """What kind of work a route is; how long a transfer takes is for the line of its client to say."""
    return "transfer" if route.name in TRANSFERS else "read" if route.method in READING else "write"


class _Cell:
    """The requests of one operation by one tenant. The loop of the service alone changes it."""

    __slots__ = ("seconds", "shares", "statuses")

    def __init__(self) -> None:
        self.shares = [0] * len(BOUNDS)
        self.seconds = 0.0
        self.statuses: dict[int, int] = {}


class Metrics:
    """The metrics of one service. Counting is a few additions; the forms of Prometheus are made when it asks.

    `counts` is where the rooms below count by themselves: it is the Meter of key caches and verifiers. `access` says of
    each operation what kind of work it is; one that it does not know reads.
    """

    def __init__(self) -> None:
        self.counts = Counts()
        self.access: dict[str, Access] = {}
        self._cells: dict[tuple[str, str], _Cell] = {}
        self.lanes: dict[str, str] = {}  # an operation, and the queue that it waits in
        self._looks: list[Callable[[], None]] = []
        for name, metric in METRICS.items():
            for value in metric.known:  # what grows from nothing at all is no growth to see
                self.counts.begin(name, **dict.fromkeys(metric.labels, value))

    def request(self, operation: str, tenant: str, status: int, seconds: float) -> None:
        """A request was answered; an empty tenant is nobody's."""
        cell = self._cells.get((operation, tenant)) or self._cell(operation, tenant)
        cell.shares[bisect_left(SECONDS, seconds)] += 1
        cell.seconds += seconds
        statuses = cell.statuses
        statuses[status] = statuses.get(status, 0) + 1

    def _cell(self, operation: str, tenant: str) -> _Cell:
        """The cell of what comes for the first time, or of a tenant beyond those that have a label of their own."""
        label = tenant and self.counts.tenant(tenant)
        cell = self._cells.get((operation, label))
        if cell is None:
            cell = self._cells[operation, label] = _Cell()
            self._begin(label or UNKNOWN)
        return cell

    def _begin(self, label: str) -> None:
        self.counts.zero("tenant_rate_limit_hits_total", tenant=label, service=SERVICE)
        for direction in ("in", "out"):
            self.counts.zero(MOVED, tenant=label, service=SERVICE, direction=direction)

    def limited(self, tenant: str) -> None:
        """A request was refused because there were too many; an empty tenant is nobody's."""
        self.counts.count("tenant_rate_limit_hits_total", tenant=tenant or UNKNOWN, service=SERVICE)

    def refused(self, reason: str) -> None:
        """A good token did not suffice; what a verifier refuses it counts itself."""
        self.counts.count("token_verify_failures_total", reason=reason)

    def job(self, event: str) -> None:
        """A job ended, or went back into the queue."""
        self.counts.count("stella_jobs_ended_total", event=event)

    def moved(self, tenant: str, direction: Literal["in", "out"], amount: int) -> None:
        """Bytes of a file arrived or were sent."""
        self.counts.add("tenant_data_volume_bytes_total", amount, tenant=tenant, service=SERVICE, direction=direction)

    def look(self, measure: Callable[[], None]) -> None:
        """Let something be measured whenever somebody asks for the metrics."""
        self._looks.append(measure)

    def text(self, jobs: Sequence[Load] | None) -> bytes:
        """Everything in the text format; `jobs` are those that wait and run, None when nobody knows.

        A thousand tenants take it most of a second, so it is for a thread. The loop counts on meanwhile: what is read
        here is copied in single steps of the interpreter.
        """
        for measure in self._looks:
            measure()
        cells = list(self._cells.items())
        loads = self._loads(jobs, {tenant for (_, tenant), _ in cells})
        return generate_latest(_Scrape(cells, self.access, self.lanes, loads, list(self.counts.series())))

    def _loads(self, jobs: Sequence[Load] | None, seen: set[str]) -> list[Load] | None:
        """The same with the label of each tenant; whoever was seen and has no job waits for none."""
        if jobs is None:
            return None
        found = [load._replace(tenant=self.counts.tenant(load.tenant)) for load in jobs]
        return [*found, *(Load(tenant, "queued", 0) for tenant in sorted(seen - {""}))]


class _Scrape:
    """The metrics at one moment."""

    def __init__(
        self,
        cells: Sequence[tuple[tuple[str, str], _Cell]],
        access: Mapping[str, Access],
        lanes: Mapping[str, str],
        loads: Sequence[Load] | None,
        series: Sequence[Series],
    ) -> None:
        self._cells = cells
        self._access = access
        self._lanes = lanes
        self._loads = loads
        self._series = series

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus-client: the metrics in the order of the table."""
        found: dict[MetricName, list[Series]] = {}
        for one in (*self._requests(), *self._times(), *self._queues(), *self._bytes(), *self._series):
            found.setdefault(one.name, []).append(one)
        return (_family(name, found[name]) for name in METRICS if name in found)

    def _requests(self) -> Iterator[Series]:
        every: Counter[tuple[str, str]] = Counter()
        for (operation, tenant), cell in self._cells:
            for status, count in list(cell.statuses.items()):
                every[operation, str(status)] += count
                yield Series("tenant_requests_total", (tenant or UNKNOWN, SERVICE, operation, str(status)), count)
        for labels, count in every.items():
            yield Series("stella_requests_total", labels, count)

    def _times(self) -> Iterator[Series]:
        sums: dict[tuple[MetricName, Labels], _Cell] = defaultdict(_Cell)
        for (operation, tenant), cell in self._cells:
            own = (tenant or UNKNOWN, SERVICE, self._access.get(operation, "read"))
            for total in (sums["stella_request_seconds", (operation,)], sums["tenant_request_seconds", own]):
                total.shares = [a + b for a, b in zip(total.shares, cell.shares, strict=True)]
                total.seconds += cell.seconds
        for (name, labels), total in sums.items():
            yield Series(name, labels, total.seconds, tuple(total.shares))

    def _bytes(self) -> Iterator[Series]:
        """Of all tenants together."""
        arrived = [one.value for one in self._series if one.name == MOVED and one.labels[-1] == "in"]
        yield Series("stella_upload_bytes_total", (), sum(arrived))

    def _queues(self) -> Iterator[Series]:
        if self._loads is None:
            return
        for state in ("queued", "running"):
            here = [load for load in self._loads if load.state == state]
            yield Series("stella_jobs", (state,), sum(load.jobs for load in here))
            if SIMULATION in self._lanes.values():
                waiting = sum(load.jobs for load in here if self._lanes.get(load.operation) == SIMULATION)
                yield Series("policy_simulation_queue_depth", (state,), waiting)
        queued: Counter[str] = Counter()
        for load in self._loads:
            if load.state == "queued":
                queued[load.tenant] += load.jobs
        for tenant, count in queued.items():
            yield Series("tenant_queue_depth", (tenant, SERVICE), count)


def _family(name: MetricName, series: Iterable[Series]) -> Metric:
    metric = METRICS[name]
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(name, metric.help, labels=metric.labels)
        bounds = (*map(str, metric.bounds), "+Inf")
        for one in series:
            histogram.add_metric(one.labels, list(zip(bounds, accumulate(one.shares), strict=True)), one.value)
        return histogram
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(name, metric.help, labels=metric.labels)
    for one in series:
        family.add_metric(one.labels, one.value)
    return family
