"""A comparison counts what the interpreter says of each finding before and after."""

from __future__ import annotations

import random
from collections import Counter

import msgspec
import pytest

from stella.engine.board import Board
from stella.engine.evaluate import Name
from stella.engine.facts import facts
from stella.engine.plan import compile as plan_of
from stella.engine.simulate import UNKNOWN, Comparison, Simulation, simulate
from stella.language.interpret import Decision, decide
from stella.language.model import Policy, SetSeverity, SetStatus
from stella.language.names import MICRO
from tests.policies import random_exceptions, random_policy
from tests.stars import NOW, random_star
from tests.unit.engine.test_incremental import high, scored
from tests.unit.engine.test_plan import policy, rule

KINDS = ("newly_blocked", "unblocked", "unblocked_kev", "changed")


def pair(rng: random.Random) -> tuple[Policy, Policy]:
    """Two policies, mostly one and the same with another rule."""
    before, after = random_policy(rng), random_policy(rng)
    if rng.random() < 0.7:
        rules = list(before.rules)
        rules[rng.randrange(len(rules))] = after.rules[0]
        after = msgspec.structs.replace(before, rules=tuple(sorted(rules, key=lambda one: (one.priority, one.name))))
    return before, after


class Case:
    """A comparison, and what the interpreter says of each finding."""

    def __init__(self, seed: int, backend: Name = "numpy") -> None:
        rng = random.Random(seed)
        first, second = pair(rng)
        self.before, self.after = plan_of(first, random_exceptions(rng)), plan_of(second)
        self.star = random_star(rng, findings=80)
        self.board = Board(self.star, NOW)
        self.told = [facts(self.star, i, NOW) for i in range(80)]
        self.was = [decide(self.before.view.groups, self.before.view.default_status, one) for one in self.told]
        self.now = [decide(self.after.view.groups, self.after.view.default_status, one) for one in self.told]
        self.backend: Name = backend

    def found(self) -> Simulation:
        return simulate(self.before, self.after, self.board, NOW, backend=self.backend)

    def kinds(self) -> dict[str, list[int]]:
        """The findings of each kind of change."""
        found: dict[str, list[int]] = {kind: [] for kind in KINDS}
        for i, (old, new) in enumerate(zip(self.was, self.now, strict=True)):
            freed = old.status == "blocked" != new.status
            which = (
                new.status == "blocked" != old.status,
                freed,
                freed and self.told[i].values.get("kev") is True,
                (old.status, old.severity) != (new.status, new.severity),
            )
            for kind, is_one in zip(KINDS, which, strict=True):
                if is_one:
                    found[kind].append(i)
        return found


def number(said: Decision, groups: int) -> int:
    return groups if said.status_by is None else said.status_by


@pytest.mark.parametrize("backend", ["numpy", "numba", "polars", "duckdb"])
@pytest.mark.parametrize("seed", range(6))
def test_all_counts_are_those_of_the_interpreter(seed: int, backend: Name) -> None:
    case = Case(seed, backend)
    found, both = case.found(), list(zip(case.was, case.now, strict=True))
    old, new = len(case.before.view.groups), len(case.after.view.groups)
    matrix = Counter((number(a, old), number(b, new)) for a, b in both)
    assert {(cell.before, cell.after): cell.findings for cell in found.matrix} == dict(matrix)
    assert shifts(found.statuses) == Counter((a.status, b.status) for a, b in both)
    assert shifts(found.severities) == Counter((a.severity or UNKNOWN, b.severity or UNKNOWN) for a, b in both)
    assert found.undecided_before == sum(a.undecided for a in case.was)
    assert found.undecided_after == sum(b.undecided for b in case.now)
    for kind, findings in case.kinds().items():
        assert getattr(found.total, kind) == len(findings)
        assert sum(getattr(one, kind) for one in found.assets) == len(findings)
    assert sum(shift.findings for shift in found.rules()) == 80
    assert found.movers(3) == tuple(sorted(found.assets, key=lambda one: (-one.changed, one.name))[:3])


def shifts(found: object) -> dict[tuple[str, str], int]:
    return {(one.before, one.after): one.findings for one in found}  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", range(12))
def test_environments_add_up(seed: int) -> None:
    case = Case(seed)
    found = case.found()
    names = Counter(one.values.get("env.name", UNKNOWN) for one in case.told)
    changed = Counter(case.told[i].values.get("env.name", UNKNOWN) for i in case.kinds()["changed"])
    assert {one.name: one.findings for one in found.environments} == dict(names)
    assert {one.name: one.changed for one in found.environments if one.changed} == dict(changed)


@pytest.mark.parametrize("seed", range(12))
def test_the_findings_of_a_cell_and_of_a_kind_come_in_the_order_of_ids(seed: int) -> None:
    case = Case(seed)
    comparison = Comparison(case.before, case.after, case.board, "numpy")
    for kind, findings in case.kinds().items():
        assert [one.finding for one in comparison.changes(kind)] == findings  # type: ignore[arg-type]
        assert [one.finding for one in comparison.changes(kind, after=40)] == [i for i in findings if i > 40]  # type: ignore[arg-type]
    for cell in case.found().matrix:
        listed = list(comparison.changes((cell.before, cell.after)))
        assert len(listed) == cell.findings
        for one in listed:
            assert one.status_before == case.was[one.finding].status
            assert one.status_after == case.now[one.finding].status
            assert one.severity_after == (case.now[one.finding].severity or UNKNOWN)


def test_nothing_changes_between_a_policy_and_itself() -> None:
    case = Case(3)
    found = simulate(case.before, case.before, case.board, NOW)
    assert found.total.changed == 0
    assert found.assets == ()
    assert all(cell.before == cell.after for cell in found.matrix)


@pytest.mark.parametrize("backend", ["numpy", "numba", "polars", "duckdb"])
def test_another_severity_alone_is_a_change(backend: Name) -> None:
    star = scored(1, 8 * MICRO, 9 * MICRO)
    before = plan_of(policy(rule("r", high(), SetStatus("affected"), SetSeverity("Low"))))
    after = plan_of(policy(rule("r", high(), SetStatus("affected"), SetSeverity("Critical"))))
    found = simulate(before, after, star, NOW, backend=backend)
    assert found.total.changed == 20
    assert sum(one.changed for one in found.assets) == 20
    assert shifts(found.severities)["Low", "Critical"] == 20
    assert all(shift.before == shift.after for shift in found.statuses)
