"""What the life of policies counts; the names are those of `runtime.telemetry`.

Rules:
- Nothing of a request becomes a label.
"""

from __future__ import annotations

from typing import Literal

from stella.operations import Context

Outcome = Literal["success", "denied", "pending", "failed", "rolled_back"]


def compiled(ctx: Context, seconds: float) -> None:
    """A policy was compiled."""
    if ctx.counts is not None:
        ctx.counts.observe("policy_compile_duration_seconds", seconds)


def approved(ctx: Context, seconds: float) -> None:
    """A version was approved."""
    if ctx.counts is not None:
        ctx.counts.observe("policy_approval_latency_seconds", seconds)


def promoted(ctx: Context, outcome: Outcome) -> None:
    """A promotion ended so."""
    if ctx.counts is not None:
        ctx.counts.count("policy_promotion_total", outcome=outcome)


def evaluated(ctx: Context, findings: int, seconds: float, backend: str, *, degraded: bool) -> None:
    """Findings were judged."""
    if ctx.counts is None:
        return
    ctx.counts.add("policy_evaluation_decisions_total", findings, backend=backend)
    ctx.counts.observe("policy_evaluation_seconds", seconds, backend=backend)
    if degraded:
        ctx.counts.count("policy_evaluation_degraded_total")
