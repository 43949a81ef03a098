"""The alerts about policies: what they speak of exists."""

from __future__ import annotations

import re

from stella.policy.alerts import ALERTS
from stella.runtime.telemetry import METRICS, OUTCOMES


def test_the_five_alerts_of_the_contract() -> None:
    assert [(one.name, one.lasting) for one in ALERTS] == [
        ("PolicyCompileLatencyP99High", "10m"),
        ("PolicySimulationQueueBacklog", "10m"),
        ("PolicyApprovalLatencyHigh", "15m"),
        ("PolicyPromotionFailureRate", "0m"),
        ("PolicyPromotionStall", "10m"),
    ]


def test_every_metric_label_and_value_exists() -> None:
    for alert in ALERTS:
        for name, labels in re.findall(r"(policy_[a-z_]+)(\{[^}]*\})?", alert.expression):
            plain = name.removesuffix("_bucket")
            assert plain in METRICS, alert.name
            for label, values in re.findall(r'(\w+)=~?"([^"]*)"', labels):
                metric = METRICS[plain]  # type: ignore[index]  # looked up before
                assert label in metric.labels
                assert label == "stage" or set(values.split("|")) <= set(OUTCOMES)
        bounds = [float(bound) for bound in re.findall(r"> (\d+)$", alert.expression) if "_bucket" in alert.expression]
        for bound in bounds:
            assert bound in METRICS[re.findall(r"policy_[a-z_]+(?=_bucket)", alert.expression)[0]].bounds  # type: ignore[index]
