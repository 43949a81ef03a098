"""The findings that are shown for a limit are the gravest of those that count, however they are looked for."""

from __future__ import annotations

import random

import pytest

from stella.engine.board import Board
from stella.engine.moves import Moved
from stella.engine.plan import compile as plan_of
from stella.engine.simulate import Comparison, simulate, summed
from stella.policy.simulation import simulating as simulation
from stella.policy.simulation.limits import Limits, read_limits
from stella.policy.simulation.model import FindingChanged, LimitResult
from tests.stars import NOW, random_star
from tests.unit.policy.test_mutants import compiled

BEFORE = compiled('rule a { when kev or cvss > 7 then status := "blocked" because "b" }')
AFTER = compiled(
    'rule a priority 1 { when kev and epss > 0.5 then status := "fixed" because "b" }',
    'rule b priority 2 { when fix.available or cvss > 5 then status := "blocked" severity := "High" because "b" }',
)
LIMITS = b"""
max_newly_blocked = 0
max_unblocked = 0
max_changed_percent = 0
max_per_asset = 0
[environments.prod]
max_newly_blocked = 0
max_unblocked_kev = 0
"""


def judged(limits: Limits, seed: int) -> tuple[LimitResult, ...]:
    board = Board(random_star(random.Random(seed), 300), NOW)
    comparison = Comparison(plan_of(BEFORE), plan_of(AFTER), board, "numpy")
    return simulation.judged(limits, comparison, summed(comparison, comparison.counted()))


def simulated(seed: int) -> Moved:
    star = random_star(random.Random(seed), 300)
    return simulate(plan_of(BEFORE), plan_of(AFTER), star, NOW, backend="numpy").total


@pytest.mark.parametrize("seed", [0, 1, 3, 4, 5])
def test_the_same_findings_are_shown_whether_changes_are_few_or_many(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = read_limits(LIMITS, "limits.toml")
    few = judged(limits, seed)
    changes = simulated(seed).changed
    assert changes
    monkeypatch.setattr(simulation, "SCANNED", changes)  # as many as are looked at: there could be more
    assert judged(limits, seed) == few


@pytest.mark.parametrize("seed", [0, 1, 3, 4, 5])
def test_what_is_shown_counts_for_its_limit(seed: int) -> None:
    found = judged(read_limits(LIMITS, "limits.toml"), seed)
    for one in found:
        assert bool(one.top) == (one.value not in {"0", "0 %"})
        assert len(one.top) <= simulation.TOP
        for finding in one.top:
            assert _counts(one, finding)
        order = [(not finding.kev, finding.status_before == finding.status_after) for finding in one.top]
        assert order == sorted(order)
    (unblocked,) = [one.value for one in found if (one.limit, one.scope) == ("max_unblocked", "all")]
    assert int(unblocked) == simulated(seed).unblocked


def _counts(limit: LimitResult, one: FindingChanged) -> bool:
    newly = one.status_after == "blocked" != one.status_before
    freed = one.status_before == "blocked" != one.status_after
    changed = one.status_before != one.status_after or one.severity_before != one.severity_after
    counts = {"max_newly_blocked": newly, "max_unblocked": freed, "max_unblocked_kev": freed and one.kev}
    here = limit.scope in {"all", one.environment} and limit.asset in {"", one.asset}
    return here and counts.get(limit.limit, changed)


def test_many_changes_are_looked_for_kind_by_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = read_limits(b"max_newly_blocked = 0\nmax_unblocked = 0", "limits.toml")
    monkeypatch.setattr(simulation, "SCANNED", 20)
    for one in judged(limits, 1):
        assert all(_counts(one, finding) for finding in one.top)
        assert bool(one.top) == (one.value != "0")
