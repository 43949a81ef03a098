"""Every metric there is: name, kind, labels, meaning. What counts, shows or alerts takes its names from here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

MetricName = Literal[
    "stella_requests_total",
    "stella_request_seconds",
    "stella_jobs",
    "stella_jobs_ended_total",
    "stella_upload_bytes_total",
]


class Metric(NamedTuple):
    """One metric."""

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


METRICS: Mapping[MetricName, Metric] = {
    "stella_requests_total": Metric("counter", "Requests that were answered.", ("operation", "status")),
    "stella_request_seconds": Metric("histogram", "Time from a request's headers to its answer.", ("operation",)),
    "stella_jobs": Metric("gauge", "Jobs that wait or run.", ("state",)),
    "stella_jobs_ended_total": Metric("counter", "Jobs that ended or went back into the queue.", ("event",)),
    "stella_upload_bytes_total": Metric("counter", "Bytes of uploads that arrived."),
}
