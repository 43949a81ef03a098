"""Counting in memory, for whoever shows or judges it.

Rules:
- Names and labels are those of `runtime.telemetry`; another one is a mistake and raises.
- Safe from any thread. The label `tenant` has a thousand values at most; what comes after counts as one more.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from stella.runtime.telemetry import MAX_TENANTS, METRICS, OTHER, UNKNOWN, MetricName

Labels = tuple[str, ...]


class Series(NamedTuple):
    """One series: its metric, the values of its labels, and its value, or for a histogram its shares and their sum."""

    name: MetricName
    labels: Labels
    value: float
    shares: tuple[int, ...] = ()


class Counts:
    """Counters, gauges and histograms by name and labels."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[tuple[MetricName, Labels], float] = {}
        self._shares: dict[tuple[MetricName, Labels], list[int]] = {}
        self._tenants: set[str] = set()

    def count(self, name: MetricName, **labels: str) -> None:
        """One more of a counter."""
        self.add(name, 1, **labels)

    def add(self, name: MetricName, amount: int, **labels: str) -> None:
        """So many more of a counter."""
        with self._lock:
            key = (name, self._labels(name, "counter", labels))
            self._values[key] = self._values.get(key, 0) + amount

    def zero(self, name: MetricName, **labels: str) -> None:
        """Let a counter be there before anything is counted: what grows from nothing at all is no growth to see."""
        self.add(name, 0, **labels)

    def begin(self, name: MetricName, **labels: str) -> None:
        """Let a counter or histogram be there before anything is counted."""
        with self._lock:
            kind = METRICS[name].kind
            key = (name, self._labels(name, kind, labels))
            self._values.setdefault(key, 0)
            if kind == "histogram":
                self._shares.setdefault(key, [0] * (len(METRICS[name].bounds) + 1))

    def gauge(self, name: MetricName, value: float, **labels: str) -> None:
        """Set a gauge."""
        with self._lock:
            self._values[name, self._labels(name, "gauge", labels)] = value

    def observe(self, name: MetricName, value: float, **labels: str) -> None:
        """One more observation of a histogram."""
        with self._lock:
            key = (name, self._labels(name, "histogram", labels))
            bounds = METRICS[name].bounds
            shares = self._shares.setdefault(key, [0] * (len(bounds) + 1))
            shares[bisect_left(bounds, value)] += 1
            self._values[key] = self._values.get(key, 0) + value

    def total(self, name: MetricName, **labels: str) -> float:
        """The sum over all series of a metric whose labels have these values."""
        places = [(METRICS[name].labels.index(label), value) for label, value in labels.items()]
        return sum(one.value for one in self.series(name) if all(one.labels[at] == value for at, value in places))

    def series(self, name: MetricName | None = None) -> Iterator[Series]:
        """Every series, or those of one metric, as they are now."""
        with self._lock:
            found = [
                Series(key[0], key[1], value, tuple(self._shares.get(key, ())))
                for key, value in self._values.items()
                if name in {None, key[0]}
            ]
        return iter(found)

    def _labels(self, name: MetricName, kind: str, labels: dict[str, str]) -> Labels:
        metric = METRICS[name]
        if metric.kind != kind or labels.keys() != set(metric.labels):
            raise ValueError(f"{name} is a {metric.kind} with the labels {', '.join(metric.labels)}")
        if "tenant" in labels:
            labels["tenant"] = self._shown(labels["tenant"])
        return tuple(labels[label] for label in metric.labels)

    def tenant(self, tenant: str) -> str:
        """What the label `tenant` says of a tenant, here and wherever else it is counted."""
        with self._lock:
            return self._shown(tenant)

    def _shown(self, tenant: str) -> str:
        if tenant in self._tenants or tenant in {UNKNOWN, OTHER}:
            return tenant
        if len(self._tenants) >= MAX_TENANTS:
            return OTHER
        self._tenants.add(tenant)
        return tenant
