"""Every backend gives every finding the mask that the interpreter means, of random policies over random stars.

A check is one finding and one group, asked of one backend and compared with the interpreter.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from stella.engine.evaluate import Evaluation, Name, evaluate, groups_in
from stella.engine.facts import facts
from stella.engine.plan import Plan
from stella.engine.plan import compile as plan_of
from stella.inventory.star import Star
from stella.language.interpret import Decision, decide
from tests.policies import random_exceptions, random_policy
from tests.stars import NOW, random_star

ORDINARY = 200_000
NIGHTLY = 10_000_000
BACKENDS: tuple[Name, ...] = ("numpy", "numba", "polars", "duckdb")
LIMITS = (4_096, 4_096, 64, 8)  # terms; a small limit sends rules the slow way


def test_all_backends_agree_with_the_interpreter() -> None:
    assert agreed(0, ORDINARY) >= ORDINARY


@pytest.mark.nightly
@pytest.mark.slow
def test_all_backends_agree_with_the_interpreter_ten_million_times() -> None:
    assert agreed(10_000_000, NIGHTLY) >= NIGHTLY


def agreed(seed: int, wanted: int) -> int:
    checks = 0
    while checks < wanted:
        rng = random.Random(seed)
        plan = plan_of(random_policy(rng), random_exceptions(rng), most=rng.choice(LIMITS))
        star = random_star(rng, findings=250, rows=12)
        told = [decide(plan.view.groups, plan.view.default_status, facts(star, i, NOW)) for i in range(star.findings)]
        for name in BACKENDS:
            compared(seed, name, plan, star, told)
        checks += len(BACKENDS) * star.findings * len(plan.view.groups)
        seed += 1
    return checks


def compared(seed: int, name: Name, plan: Plan, star: Star, told: Sequence[Decision]) -> None:
    done = evaluate(plan, star, NOW, backend=name, recheck=0)
    none = len(plan.view.groups)
    said = done.decided()
    found = list(zip(said.status_by.tolist(), said.severity_by.tolist(), said.undecided.tolist(), strict=True))
    for i, wanted in enumerate(told):
        assert groups_in(plan.view, done.layout, done.masks[:, i]) == (wanted.true, wanted.unknown), (seed, name, i)
        status = none if wanted.status_by is None else wanted.status_by
        severity = none if wanted.severity_by is None else wanted.severity_by
        assert found[i] == (status, severity, wanted.undecided), (seed, name, i)
    counted(done, told)


def counted(done: Evaluation, told: Sequence[Decision]) -> None:
    statuses: dict[str, int] = dict.fromkeys(done.statuses, 0)
    severities: dict[str, int] = dict.fromkeys(done.severities, 0)
    for one in told:
        statuses[one.status] += 1
        severities[one.severity or "unknown"] += 1
    assert done.statuses == statuses
    assert done.severities == severities
    assert done.counts.undecided == sum(one.undecided for one in told)
