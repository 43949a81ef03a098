"""Plans of drills for tests: short, with few tenants, and downloads that give up soon."""

from __future__ import annotations

import msgspec
import pytest

from stella.drill import namespace, stage
from stella.drill.errors import NoNamespace
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


def no_namespace() -> str:
    """Why no drill can have a network of its own here; nothing when it can."""
    want = msgspec.Raw(b'{"tenants":2,"speed":10000}')
    try:
        namespace.drill(namespace.Errand("clock-skew", want, 1, ManualClock().read()), SilentProgress())
    except NoNamespace as error:
        return error.message
    return ""
