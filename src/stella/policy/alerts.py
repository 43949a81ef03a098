"""The alerts about policies, as data: rules for Prometheus are made from them.

Rules:
- Every metric in an expression is one of `runtime.telemetry`.
- Both sides of a ratio are summed over the same labels: else there is nothing to compare, and nobody is called.
"""

from __future__ import annotations

from typing import Literal, NamedTuple


class Alert(NamedTuple):
    """A rule that calls somebody. `lasting` is how long it must hold, in Prometheus' form."""

    name: str
    expression: str
    lasting: str
    severity: Literal["warning", "critical"]
    summary: str
    action: str


def _quantile(share: str, metric: str) -> str:
    return f"histogram_quantile({share}, sum by (le) (rate({metric}_bucket[5m])))"


_FAILED = 'sum(rate(policy_promotion_total{outcome=~"failed|denied|rolled_back"}[15m]))'
_WAITING = 'sum(policy_simulation_queue_depth{stage="queued"})'

ALERTS: tuple[Alert, ...] = (
    Alert(
        "PolicyCompileLatencyP99High",
        f"{_quantile('0.99', 'policy_compile_duration_seconds')} > 5",
        "10m",
        "warning",
        "Policies take {{ $value | humanizeDuration }} to compile.",
        "Look for a policy with very many rules, and whether the machine is busy.",
    ),
    Alert(
        "PolicySimulationQueueBacklog",
        f"{_WAITING} > 100",
        "10m",
        "warning",
        "{{ $value }} simulations wait.",
        "Raise `service.max_jobs`, or ask who queues so many: `GET /v1/jobs`.",
    ),
    Alert(
        "PolicyApprovalLatencyHigh",
        f"{_quantile('0.95', 'policy_approval_latency_seconds')} > 30",
        "15m",
        "warning",
        "An approval takes {{ $value | humanizeDuration }} to be written down.",
        "Look at the database: somebody holds a policy for long.",
    ),
    Alert(
        "PolicyPromotionFailureRate",
        f"{_FAILED} / sum(rate(policy_promotion_total[15m])) > 0.2",
        "0m",
        "critical",
        "{{ $value | humanizePercentage }} of the promotions fail.",
        "See what the gate says: `stella policy history`, and the audit log.",
    ),
    Alert(
        "PolicyPromotionStall",
        f'sum(increase(policy_promotion_total{{outcome="success"}}[10m])) == 0 and {_WAITING} > 0',
        "10m",
        "critical",
        "Simulations wait, and nothing was promoted for ten minutes.",
        "See which jobs run, and whether they get on: `GET /v1/jobs`.",
    ),
)
