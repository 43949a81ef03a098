"""After a change of one dimension only touched findings are asked, and the answer is that of asking all."""

from __future__ import annotations

import random

import numpy as np
import pytest

from stella.engine.evaluate import Evaluation, determinism, evaluate
from stella.engine.incremental import Index, refresh
from stella.engine.plan import compile as plan_of
from stella.inventory.star import NO_VALUE, Scaled, Star, Table
from stella.language.model import Addend, Compared, SetSeverity, SetStatus, Sum
from stella.language.names import DIMENSIONS, MICRO, Dimension
from tests.policies import random_exceptions, random_policy
from tests.stars import NOW, random_star
from tests.unit.engine.test_plan import policy, rule


def same(found: Evaluation, wanted: Evaluation) -> None:
    assert found.statuses == wanted.statuses
    assert found.severities == wanted.severities
    assert found.counts.status.tolist() == wanted.counts.status.tolist()
    assert found.counts.severity.tolist() == wanted.counts.severity.tolist()
    assert found.counts.undecided == wanted.counts.undecided
    finds = range(found.masks.shape[1])
    assert [found.terms_of(i)[0] for i in finds] == [wanted.terms_of(i)[0] for i in finds]


def other_rows(rng: random.Random, star: Star, dimension: Dimension) -> Table:
    """Other values in as many rows."""
    while True:
        table = random_star(rng, findings=1, rows=star.dimensions[dimension].rows).dimensions[dimension]
        if table.rows == star.dimensions[dimension].rows:
            return table


@pytest.mark.parametrize("seed", range(60))
def test_the_answer_is_that_of_asking_all_again(seed: int) -> None:
    rng = random.Random(seed)
    plan = plan_of(random_policy(rng), random_exceptions(rng), most=rng.choice((4_096, 8)))
    star = random_star(rng, findings=60)
    dimension = rng.choice(DIMENSIONS)
    after = Star({**star.dimensions, dimension: other_rows(rng, star, dimension)}, star.keys, "after")
    index = Index(star.keys[dimension], star.dimensions[dimension].rows)
    found = refresh(evaluate(plan, star, NOW), after, dimension, index, recheck=60)
    same(found.evaluation, evaluate(plan, after, NOW))


def scored(*values: int) -> Star:
    """Each score in ten findings."""
    star = random_star(random.Random(1), findings=10 * len(values), missing=0.0)
    table = Table(len(values), {"cvss": Scaled(np.array(values, np.int64))})
    keys = np.arange(10 * len(values), dtype=np.int32) % len(values)
    return Star({**star.dimensions, "advisory": table}, {**star.keys, "advisory": keys}, str(values))


def high() -> Compared:
    return Compared(Sum((Addend("cvss", MICRO),)), ">=", 7 * MICRO)


def test_a_change_that_crosses_no_threshold_touches_nothing() -> None:
    before, after = scored(1, 8 * MICRO, 9 * MICRO), scored(2, 7 * MICRO, 6 * MICRO)
    plan = plan_of(policy(rule("r", high(), SetStatus("blocked"), SetSeverity("High"))))
    done = evaluate(plan, before, NOW)
    index = Index(before.keys["advisory"], 3)
    found = refresh(done, after, "advisory", index)
    assert found.touched.tolist() == list(range(2, 30, 3))
    assert found.evaluation.statuses["blocked"] == 10
    assert done.statuses["blocked"] == 20  # what was asked before is as it was
    assert determinism(found.evaluation) == determinism(evaluate(plan, after, NOW))
    again = refresh(found.evaluation, scored(3, 7 * MICRO, 5), "advisory", index, reuse=True)
    assert again.touched.tolist() == []
    assert again.evaluation.masks is found.evaluation.masks


def test_a_value_that_is_lost_makes_all_be_asked_again() -> None:
    before, after = scored(1, 8 * MICRO), scored(1, NO_VALUE)
    plan = plan_of(policy(rule("r", high(), SetStatus("blocked"))))
    found = refresh(evaluate(plan, before, NOW), after, "advisory", Index(before.keys["advisory"], 2))
    assert len(found.touched) == 20
    assert found.evaluation.counts.undecided == 10


def test_rows_that_are_added_make_all_be_asked_again() -> None:
    before, after = scored(1, 8 * MICRO), scored(1, 8 * MICRO, 9 * MICRO)
    plan = plan_of(policy(rule("r", high(), SetStatus("blocked"))))
    found = refresh(evaluate(plan, before, NOW), after, "advisory", Index(before.keys["advisory"], 2))
    assert found.evaluation.statuses["blocked"] == 20
