"""What the service shows of what the rooms below count."""

from __future__ import annotations

from stella.http.metrics import Metrics
from stella.runtime.telemetry import METRICS


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
