"""Plans of drills for tests: short, with few tenants, and downloads that give up soon."""

from __future__ import annotations

import pytest

from stella.drill import stage
from stella.drill.faults import by_endpoint, hanging
from stella.drill.model import Outcome
from stella.drill.stage import Plan
from stella.testing import ManualClock, SilentProgress


def plan(tenants: int = 3, seed: int = 7) -> Plan:
    return Plan(seed, tenants, 10_000, ManualClock().read(), SilentProgress(), by_endpoint, hanging)


def broken(outcome: Outcome) -> list[str]:
    """The measures that do not hold."""
    return [measure.name for measure in outcome.measures if not measure.passed]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Downloads that hang give up soon, and little is waited for them."""
    monkeypatch.setattr(stage, "TRANSPORT", 0.25)
    monkeypatch.setattr(stage, "LANDING", 0.1)
    return monkeypatch
