"""What the service shows of what the rooms below count."""

from __future__ import annotations

import pytest

from stella.http.metrics import Metrics, access_of
from stella.http.routes import Route
from stella.http.store import Load
from stella.http.table import RESOURCES
from stella.runtime import counts
from stella.runtime.telemetry import METRICS, OTHER, UNKNOWN


def test_what_is_counted_below_is_shown() -> None:
    metrics = Metrics()
    metrics.counts.count("token_verify_failures_total", reason="token.expired")
    metrics.counts.gauge("jwks_cache_age_seconds", 12, issuer="i")
    for value in (0.2, 0.2, 5.0):
        metrics.counts.observe("tenant_request_seconds", value, tenant="t", service="s", access="read")
    lines = metrics.text([]).decode().splitlines()
    assert 'token_verify_failures_total{reason="token.expired"} 1.0' in lines
    assert 'jwks_cache_age_seconds{issuer="i"} 12.0' in lines
    head = 'tenant_request_seconds_bucket{access="read",le="%s",service="s",tenant="t"}'
    shown = [line for line in lines if line.startswith("tenant_request_seconds_bucket")]
    bounds = [line.partition('le="')[2].partition('"')[0] for line in shown]
    assert bounds == ["0.001", "0.005", "0.025", "0.1", "0.3", "0.6", "2.5", "10.0", "+Inf"]
    assert f"{head % '0.1'} 0.0" in lines
    assert f"{head % '0.3'} 2.0" in lines
    assert f"{head % '+Inf'} 3.0" in lines
    assert f"# HELP jwks_cache_age_seconds {METRICS['jwks_cache_age_seconds'].help}" in lines


def test_what_was_never_counted_is_not_shown() -> None:
    assert b"jwks" not in Metrics().text([])


def test_requests_are_summed_for_each_operation_and_each_tenant() -> None:
    metrics = Metrics()
    metrics.access = {"a": "read", "b": "write"}
    for operation, tenant, status, seconds in (
        ("a", "acme", 200, 0.2),
        ("a", "acme", 200, 0.2),
        ("a", "zeta", 404, 0.0),
        ("b", "acme", 500, 11.0),
        ("b", "", 401, 0.0),
    ):
        metrics.request(operation, tenant, status, seconds)
    lines = metrics.text([Load("acme", "queued", 3), Load("acme", "running", 1), Load("in", "queued", 1)]).decode()
    for line in (
        'stella_requests_total{operation="a",status="200"} 2.0',
        'stella_requests_total{operation="b",status="401"} 1.0',
        'stella_request_seconds_count{operation="a"} 3.0',
        'stella_request_seconds_bucket{le="0.1",operation="a"} 1.0',
        'stella_request_seconds_sum{operation="a"} 0.4',
        'tenant_requests_total{route="a",service="stella",status="200",tenant="acme"} 2.0',
        'tenant_requests_total{route="a",service="stella",status="404",tenant="zeta"} 1.0',
        'tenant_requests_total{route="b",service="stella",status="401",tenant="_unknown"} 1.0',
        'tenant_request_seconds_bucket{access="write",le="10.0",service="stella",tenant="acme"} 0.0',
        'tenant_request_seconds_bucket{access="write",le="+Inf",service="stella",tenant="acme"} 1.0',
        'tenant_queue_depth{service="stella",tenant="acme"} 3.0',
        'tenant_queue_depth{service="stella",tenant="zeta"} 0.0',
        'stella_jobs{state="queued"} 4.0',
        'stella_jobs{state="running"} 1.0',
        'tenant_rate_limit_hits_total{service="stella",tenant="zeta"} 0.0',
    ):
        assert line in lines.splitlines(), line
    assert 'tenant_queue_depth{service="stella",tenant="_unknown"}' not in lines


def test_bytes_that_came_are_the_uploads_whatever_a_tenant_is_called() -> None:
    metrics = Metrics()
    metrics.moved("in", "in", 3)
    metrics.moved("in", "out", 50)
    metrics.moved("acme", "in", 4)
    lines = metrics.text([]).decode().splitlines()
    assert "stella_upload_bytes_total 7.0" in lines
    assert 'tenant_data_volume_bytes_total{direction="out",service="stella",tenant="in"} 50.0' in lines


def test_tenants_beyond_the_cap_share_a_label_in_every_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "MAX_TENANTS", 2)
    metrics = Metrics()
    for tenant in ("a", "b", "c", "d", "a", "c", ""):
        metrics.request("look", tenant, 200, 0.0)
        metrics.limited(tenant)
    loads = [Load(tenant, "queued", 1) for tenant in ("a", "c", "d")]
    samples = [line for line in metrics.text(loads).decode().splitlines() if not line.startswith("#")]
    shown = {
        name: {
            line.partition('tenant="')[2].partition('"')[0]: float(line.rpartition(" ")[2])
            for line in samples
            if line.startswith(f"{name}{{")
        }
        for name in ("tenant_requests_total", "tenant_rate_limit_hits_total", "tenant_queue_depth")
    }
    assert shown["tenant_requests_total"] == {"a": 2, "b": 1, OTHER: 3, UNKNOWN: 1}
    assert shown["tenant_rate_limit_hits_total"] == {"a": 2, "b": 1, OTHER: 3, UNKNOWN: 1}
    assert shown["tenant_queue_depth"] == {"a": 1, "b": 0, OTHER: 2}
    assert len(metrics._cells) == 4, "no memory for each of those beyond"


def test_what_is_measured_when_somebody_asks() -> None:
    metrics = Metrics()
    metrics.look(lambda: metrics.counts.gauge("jwks_keys", 5, issuer="i"))
    assert b'jwks_keys{issuer="i"} 5.0' in metrics.text(None)
    assert b"stella_jobs{" not in metrics.text(None), "nobody knows"


def test_a_route_reads_writes_or_transfers() -> None:
    found = {(row.name, row.method): access_of(Route(row.method, row.path, row.name, "", None)) for row in RESOURCES}  # type: ignore[arg-type]
    assert found["jobs.list", "GET"] == found["uploads.offset", "HEAD"] == "read"
    assert found["uploads.create", "POST"] == found["jobs.cancel", "DELETE"] == "write"
    assert {name for (name, _), access in found.items() if access == "transfer"} == {"uploads.append"}
