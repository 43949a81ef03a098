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
    "jwks_cache_requests_total",
    "jwks_cache_age_seconds",
    "jwks_fetch_total",
    "jwks_keys",
    "token_verify_failures_total",
    "tenant_requests_total",
    "tenant_request_seconds",
    "tenant_rate_limit_hits_total",
    "tenant_data_volume_bytes_total",
    "tenant_queue_depth",
    "policy_compile_duration_seconds",
    "policy_simulation_queue_depth",
    "policy_approval_latency_seconds",
    "policy_promotion_total",
    "policy_evaluation_decisions_total",
    "policy_evaluation_seconds",
    "policy_evaluation_degraded_total",
]
SECONDS = (0.001, 0.005, 0.025, 0.1, 0.3, 0.6, 2.5, 10.0)  # bounds of a time; 0.3 and 0.6 are those that are promised
BACKENDS = ("interpreter", "numpy", "numba", "polars", "duckdb")  # of an evaluation
OUTCOMES = ("success", "denied", "pending", "failed", "rolled_back")  # of a promotion
LONG = (0.005, 0.025, 0.1, 0.3, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # of work whose limits are 5 and 30 seconds


class Metric(NamedTuple):
    """One metric."""

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = SECONDS  # of a histogram
    known: tuple[str, ...] = ()  # values of its one label that are there from the start; "" where it has no label


METRICS: Mapping[MetricName, Metric] = {
    "stella_requests_total": Metric("counter", "Requests that were answered.", ("operation", "status")),
    "stella_request_seconds": Metric(
        "histogram", "Time from a request's headers to its answer, or to the begin of a stream.", ("operation",)
    ),
    "stella_jobs": Metric("gauge", "Jobs that wait or run.", ("state",)),
    "stella_jobs_ended_total": Metric("counter", "Jobs that ended or went back into the queue.", ("event",)),
    "stella_upload_bytes_total": Metric("counter", "Bytes of uploads that arrived."),
    "jwks_cache_requests_total": Metric(
        "counter", "Keys asked for: hit, stale, miss, negative or expired.", ("issuer", "result")
    ),
    "jwks_cache_age_seconds": Metric("gauge", "Time since an issuer's keys were last fetched or read.", ("issuer",)),
    "jwks_fetch_total": Metric(
        "counter",
        "Key sets that were downloaded, or of the own issuer read: ok, unchanged or failed.",
        ("issuer", "result"),
    ),
    "jwks_keys": Metric("gauge", "Keys of an issuer that can be used.", ("issuer",)),
    "token_verify_failures_total": Metric("counter", "Access tokens that were refused.", ("reason",)),
    "tenant_requests_total": Metric(
        "counter", "Requests of a tenant that were answered.", ("tenant", "service", "route", "status")
    ),
    "tenant_request_seconds": Metric(
        "histogram",
        "Time from a request's headers to its answer, by tenant: read, write, or transfer of a client.",
        ("tenant", "service", "access"),
    ),
    "tenant_rate_limit_hits_total": Metric(
        "counter",
        "Requests of a tenant that were refused because they were too many: attempts, waiting jobs, open uploads.",
        ("tenant", "service"),
    ),
    "tenant_data_volume_bytes_total": Metric(
        "counter",
        "Bytes of files that came from a tenant (in) or went to it (out).",
        ("tenant", "service", "direction"),
    ),
    "tenant_queue_depth": Metric("gauge", "Jobs of a tenant that wait.", ("tenant", "service")),
    "policy_compile_duration_seconds": Metric("histogram", "Time to compile a policy.", bounds=LONG, known=("",)),
    "policy_simulation_queue_depth": Metric(
        "gauge", "Simulations and runs of policies of all tenants: queued or running.", ("stage",)
    ),
    "policy_approval_latency_seconds": Metric(
        "histogram",
        "Time from an approval's request to its commit, waiting for others included.",
        bounds=LONG,
        known=("",),
    ),
    "policy_promotion_total": Metric(
        "counter",
        "Promotions that ended: success, denied, pending, failed or rolled_back.",
        ("outcome",),
        known=OUTCOMES,
    ),
    "policy_evaluation_decisions_total": Metric("counter", "Findings that were judged.", ("backend",), known=BACKENDS),
    "policy_evaluation_seconds": Metric(
        "histogram", "Time to judge the findings of a run.", ("backend",), LONG, BACKENDS
    ),
    "policy_evaluation_degraded_total": Metric("counter", "Runs that lacked some of their inputs.", known=("",)),
}
MAX_TENANTS = 1000  # values of the label `tenant`; more are counted as OTHER, since each is a series for ever
OTHER = "_other"  # no tenant id: those begin with a letter or digit
UNKNOWN = "_unknown"  # whoever sends no token, or one that proves nothing
