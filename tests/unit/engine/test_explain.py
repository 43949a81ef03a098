"""An explanation says what the mask says, down to the value of each leaf."""

from __future__ import annotations

import random

import msgspec
import pytest

from stella.engine.board import Board
from stella.engine.errors import BackendsDisagree
from stella.engine.evaluate import evaluate
from stella.engine.explain import Explanation, columns, explain
from stella.engine.facts import facts, missing
from stella.engine.plan import compile as plan_of
from stella.inventory.star import Star
from stella.language.interpret import decide
from stella.language.model import (
    Addend,
    Adjusted,
    All,
    Any,
    Before,
    Compared,
    Every,
    Flagged,
    Not,
    OneOf,
    Present,
    SetStatus,
    Some,
    Sum,
)
from tests.policies import random_exceptions, random_policy
from tests.stars import NOW, random_star
from tests.unit.engine.test_plan import policy, rule


@pytest.mark.parametrize("seed", range(30))
def test_groups_terms_and_leaves_agree_with_the_mask(seed: int) -> None:
    rng = random.Random(seed)
    plan = plan_of(random_policy(rng), random_exceptions(rng), most=rng.choice((4_096, 8)))
    star = random_star(rng)
    if seed % 3 == 0:
        star.keys["advisory"][17] = star.keys["asset"][49] = -1
    board = Board(star, NOW)
    done = evaluate(plan, board, NOW)
    for finding in (0, 17, 49):
        said = explain(plan, board, finding, mask=done.masks[:, finding], layout=done.layout)
        holding, possible = done.terms_of(finding)
        terms = {term.bit: term.truth for group in said.groups for term in group.terms}
        assert [bit for bit, truth in terms.items() if truth == "true"] == list(holding)
        assert [bit for bit, truth in terms.items() if truth != "false"] == list(possible)
        assert all(group.truth != "false" for group in said.matching())
        decided = done.decided(finding, finding + 1)
        none = len(plan.view.groups)
        assert (none if said.status_by is None else said.status_by) == decided.status_by[0]
        assert said.undecided == bool(decided.undecided[0])
        if not missing(star, finding):
            told = decide(plan.view.groups, plan.view.default_status, facts(star, finding, NOW))
            assert (said.status, said.severity, said.status_by) == (told.status, told.severity, told.status_by)
            assert [g.group for g in said.matching()] == sorted((*told.true, *told.unknown))


def test_an_explanation_is_json() -> None:
    rng = random.Random(4)
    said = explain(plan_of(random_policy(rng)), random_star(rng), 3, NOW)
    assert msgspec.json.decode(msgspec.json.encode(said), type=Explanation) == said


def test_a_mask_of_another_finding_is_refused() -> None:
    star = random_star(random.Random(8), missing=0.0)
    plan = plan_of(policy(rule("r", Present("no.such"), SetStatus("fixed"), otherwise=(SetStatus("blocked"),))))
    done = evaluate(plan, star, NOW)
    with pytest.raises(BackendsDisagree):
        explain(plan, star, 0, NOW, mask=~done.masks[:, 0], layout=done.layout)


def test_of_a_row_that_is_not_there_every_leaf_is_unknown() -> None:
    star = random_star(random.Random(9))
    lost = star.keys["advisory"].copy()
    lost[0] = -1
    broken = Star(star.dimensions, {**star.keys, "advisory": lost}, "broken")
    plan = plan_of(policy(rule("r", Not(Present("kev")), SetStatus("blocked"))))
    said = explain(plan, broken, 0, NOW)
    assert said.groups[0].truth == "unknown"
    assert said.groups[0].terms[0].leaves[0].truth == "unknown"
    assert said.undecided
    assert (said.status, said.status_by) == ("affected", None)
    done = evaluate(plan, broken, NOW)
    assert explain(plan, broken, 0, NOW, mask=done.masks[:, 0], layout=done.layout) == said


def test_the_columns_of_a_condition() -> None:
    cases = Adjusted(((Flagged("secret.hasFinding"), 1), (Some(Flagged("verified")), 2)))
    condition = All(
        (
            Any((Flagged("kev"), Before(column="env.quietUntil"), Before(instant=1))),
            Not(OneOf("env.name", ("prod",))),
            Compared(Sum((Addend("cvss", 1), cases)), ">", 0),
        )
    )
    assert columns(condition) == (("kev", "env.quietUntil", "env.name", "cvss", "secret.hasFinding"), True)
    assert columns(Every(Flagged("verified"))) == ((), True)
    assert columns(Flagged("kev")) == (("kev",), False)
