"""The alerts and recorded figures of the drill kit: names, expressions, and the one alert that a drill judges itself.

Rules:
- Every metric in an expression is one of `runtime.telemetry`. The files under `examples/drills` are made from here.
- The alert that a drill judges is one object: what is written as an expression and what is computed cannot differ.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from stella.kernel.instant import Seconds
from stella.runtime.counts import Counts
from stella.runtime.telemetry import MetricName


class Increase(NamedTuple):
    """An expression of one form: by how much a counter grew in a window, beside a limit."""

    metric: MetricName
    label: str
    value: str
    by: str
    window: Seconds
    above: float

    def expression(self) -> str:
        """The same for Prometheus."""
        chosen = f'{self.metric}{{{self.label}="{self.value}"}}[{self.window // 60}m]'
        return f"sum by ({self.by}) (increase({chosen})) > {self.above:g}"


class Alert(NamedTuple):
    """A rule that calls somebody. `lasting` is how long it must hold, in Prometheus' form."""

    name: str
    expression: str
    lasting: str
    severity: str
    summary: str
    action: str
    judged: Increase | None = None


class Recorded(NamedTuple):
    """A figure that is computed once for all who look."""

    name: str
    expression: str


class Watch:
    """Judges an alert second by second, as Prometheus does from samples."""

    def __init__(self, alert: Alert) -> None:
        if alert.judged is None:
            raise ValueError(f"{alert.name} is not of the form that can be judged here")
        self.name = alert.name
        self._rule = alert.judged
        self._samples: deque[tuple[Seconds, float]] = deque()
        self.firing = False
        self.fired = 0  # how often it began to fire

    def look(self, now: Seconds, counts: Counts) -> bool | None:
        """Take a sample; whether the alert fires, when that has changed."""
        rule = self._rule
        self._samples.append((now, counts.total(rule.metric, **{rule.label: rule.value})))
        while self._samples[0][0] < now - rule.window:
            self._samples.popleft()
        before = self.firing
        self.firing = self._samples[-1][1] - self._samples[0][1] > rule.above
        self.fired += self.firing and not before
        return None if self.firing is before else self.firing


_EXPIRED = Increase("jwks_cache_requests_total", "result", "expired", "issuer", 300, 0)
JWKS_CACHE_EXPIRED = Alert(
    "jwks_cache_expired",
    _EXPIRED.expression(),
    "0m",
    "critical",
    "The keys of {{ $labels.issuer }} are too old to be used: its tenants are locked out.",
    "Restore the issuer's key set address; see `auth.degraded` for what is wrong with it.",
    _EXPIRED,
)

_REQUESTS = "sum by (tenant, service) (rate(tenant_requests_total[5m]))"


def _answered(status: str) -> str:
    """The rate of requests with such a status, 0 for a tenant that never had one: that is a figure too."""
    return f'sum by (tenant, service) (rate(tenant_requests_total{{status=~"{status}"}}[5m])) or 0 * {_REQUESTS}'


RECORDED: tuple[Recorded, ...] = (
    Recorded("tenant:requests:rate5m", _REQUESTS),
    Recorded("tenant:errors:ratio5m", f"({_answered('5..')}) / {_REQUESTS}"),
    Recorded("tenant:denied:rate5m", _answered("401|403")),
    Recorded("tenant:limited:rate5m", "sum by (tenant, service) (rate(tenant_rate_limit_hits_total[5m]))"),
    Recorded(
        "tenant:request_seconds:p95",
        "histogram_quantile(0.95, sum by (tenant, service, access, le) (rate(tenant_request_seconds_bucket[5m])))",
    ),
    Recorded("issuer:jwks_requests:rate5m", "sum by (issuer, result) (rate(jwks_cache_requests_total[5m]))"),
    Recorded("token:failures:rate5m", "sum by (reason) (rate(token_verify_failures_total[5m]))"),
)

ALERTS: tuple[Alert, ...] = (
    Alert(
        "tenant_error_rate_gt_0_5pct",
        "tenant:errors:ratio5m > 0.005",
        "5m",
        "critical",
        "{{ $labels.service }} fails for {{ $labels.tenant }}: {{ $value | humanizePercentage }} of its requests.",
        "Look at the log lines of that tenant, by request id.",
    ),
    Alert(
        "jwks_cache_miss_spike",
        'issuer:jwks_requests:rate5m{result=~"miss|negative"} > 5',
        "5m",
        "warning",
        "Many tokens name keys that {{ $labels.issuer }} does not publish.",
        "A key was used before it was published, or somebody guesses ids; good tokens are not harmed.",
    ),
    JWKS_CACHE_EXPIRED,
    Alert(
        "jwks_fetch_failing",
        'sum by (issuer) (increase(jwks_fetch_total{result="failed"}[15m])) > 0'
        ' unless sum by (issuer) (increase(jwks_fetch_total{result=~"ok|unchanged"}[15m])) > 0',
        "0m",
        "warning",
        "No key set of {{ $labels.issuer }} was fetched for a quarter of an hour; kept keys are in use.",
        "Restore its address within a day; see `auth.degraded` for what is wrong with it.",
    ),
    Alert(
        "tenant_rate_limit_exceeded",
        "tenant:limited:rate5m > 0",
        "5m",
        "warning",
        "{{ $labels.tenant }} asks more of {{ $labels.service }} than it may.",
        "Ask the tenant, or raise `service.max_queued`; of `_unknown` somebody guesses secrets or codes.",
    ),
    Alert(
        "tenant_latency_p95_high",
        'tenant:request_seconds:p95{access="read"} > 0.3 or tenant:request_seconds:p95{access="write"} > 0.6',
        "10m",
        "warning",
        "{{ $labels.service }} is slow for {{ $labels.tenant }}: p95 of a {{ $labels.access }} is {{ $value }} s.",
        "Compare with other tenants: one that is slow alone has more data, all of them a busy machine.",
    ),
    Alert(
        "tenant_auth_failures_spike",
        "sum by (reason) (token:failures:rate5m) > 1",
        "5m",
        "warning",
        "Tokens are refused as {{ $labels.reason }}.",
        "`stella audit list` names clients and tenants; expired ones in number mean a clock that is wrong.",
    ),
)
