"""Counting by name and labels."""

from __future__ import annotations

import threading

import pytest

from stella.runtime import counts
from stella.runtime.counts import Counts
from stella.runtime.telemetry import MAX_TENANTS, OTHER, SECONDS


def test_counters_gauges_and_histograms() -> None:
    made = Counts()
    for reason in ("a", "b", "a"):
        made.count("token_verify_failures_total", reason=reason)
    made.gauge("jwks_keys", 3, issuer="i")
    made.gauge("jwks_keys", 2, issuer="i")
    for value in (0.0005, 0.3, 99.0):
        made.observe("tenant_request_seconds", value, tenant="t", service="s", access="read")
    assert made.total("token_verify_failures_total") == 3
    assert made.total("token_verify_failures_total", reason="a") == 2
    assert made.total("jwks_keys", issuer="i") == 2
    (histogram,) = made.series("tenant_request_seconds")
    assert histogram.labels == ("t", "s", "read")
    assert histogram.shares == tuple(
        int(place in {0, SECONDS.index(0.3), len(SECONDS)}) for place in range(len(SECONDS) + 1)
    )
    assert histogram.value == pytest.approx(99.3005)
    assert len(list(made.series())) == 4


@pytest.mark.parametrize(
    "call",
    [
        lambda made: made.count("jwks_keys", issuer="i"),
        lambda made: made.gauge("token_verify_failures_total", 1, reason="a"),
        lambda made: made.observe("jwks_keys", 1, issuer="i"),
        lambda made: made.count("token_verify_failures_total"),
        lambda made: made.count("token_verify_failures_total", reason="a", tenant="t"),
    ],
)
def test_what_is_not_in_the_table_is_a_mistake(call: object) -> None:
    with pytest.raises(ValueError, match="with the labels"):
        call(Counts())  # type: ignore[operator]


def test_a_name_that_nobody_knows() -> None:
    with pytest.raises(KeyError):
        Counts().count("nonsense_total")  # type: ignore[arg-type]


def test_tenants_beyond_the_cap_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_TENANTS == 1000
    monkeypatch.setattr(counts, "MAX_TENANTS", 2)
    made = Counts()
    for tenant in ("a", "b", "c", "d", "a"):
        made.count("tenant_requests_total", tenant=tenant, service="s", route="/", status="200")
    found = {one.labels[0]: one.value for one in made.series("tenant_requests_total")}
    assert found == {"a": 2, "b": 1, OTHER: 2}


def test_nothing_is_lost_between_threads() -> None:
    made = Counts()

    def work() -> None:
        for _ in range(500):
            made.count("token_verify_failures_total", reason="a")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made.total("token_verify_failures_total") == 4000
