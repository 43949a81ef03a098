"""Bits of a plan: their order, their limit, and what two plans share."""

from __future__ import annotations

import random

import msgspec
import pytest

from stella.engine.evaluate import evaluate
from stella.engine.plan import NO_GROUP, join
from stella.engine.plan import compile as plan_of
from stella.language.model import (
    SYNTAX,
    Action,
    All,
    Any,
    Condition,
    ExceptionRule,
    Flagged,
    Metadata,
    Options,
    Policy,
    Present,
    Rule,
    SetStatus,
)
from tests.policies import random_policy
from tests.stars import NOW, random_star

KEV, FIX, DIRECT = Flagged("kev"), Flagged("fix.available"), Flagged("component.direct")


def rule(name: str, when: Condition, *then: Action, otherwise: tuple[Action, ...] = ()) -> Rule:
    return Rule(name, 0, when, then, otherwise, "because")


def policy(*rules: Rule) -> Policy:
    return Policy("P-7", SYNTAX, Metadata(), Options(), (), rules, ())


def test_bits_are_in_the_order_of_groups() -> None:
    one = rule("a", Any((KEV, FIX)), SetStatus("blocked"), otherwise=(SetStatus("fixed"),))
    plan = plan_of(policy(one, rule("b", DIRECT, SetStatus("deferred"))))
    assert plan.view.group_of == (0, 0, 1, 2)
    assert plan.bits(0) == (0, 1)


def test_exceptions_stand_before_rules() -> None:
    exempted = ExceptionRule("x", KEV, "deferred", "accepted", "somebody", NOW)
    plan = plan_of(policy(rule("a", KEV, SetStatus("blocked"))), [exempted])
    assert [group.rule for group in plan.view.groups] == ["x", "a"]
    assert len(plan.terms[0].literals) == 2  # and its end


def test_the_digest_names_policy_and_exceptions() -> None:
    base = policy(rule("a", KEV, SetStatus("blocked")))
    exempted = ExceptionRule("x", KEV, "deferred", "accepted", "somebody", NOW)
    later = msgspec.structs.replace(exempted, expires=NOW + 1)
    names = {plan_of(base).view.digest, plan_of(base, [exempted]).view.digest, plan_of(base, [later]).view.digest}
    assert len(names) == 3
    assert plan_of(base, digest="ab").view.digest == "ab"
    assert plan_of(base, [exempted], digest="ab").view.digest not in {"ab", *names}


def test_a_policy_never_has_more_terms_than_allowed() -> None:
    wide = All(tuple(Any((KEV, DIRECT, Present(f"x{i}"))) for i in range(8)))
    plan = plan_of(policy(*(rule(f"r{i}", wide, SetStatus("blocked")) for i in range(5))), most=7)
    assert len(plan.terms) == 7
    assert plan.slow == ("r1", "r2", "r3", "r4")


def test_an_edited_rule_adds_its_own_terms_alone() -> None:
    rules = [rule(f"r{i}", Any((Flagged(f"x{i}"), FIX)), SetStatus("blocked")) for i in range(10)]
    before = plan_of(policy(*rules))
    rules[4] = rule("r4", All((KEV, FIX)), SetStatus("fixed"))
    after = plan_of(policy(*rules))
    both = join(before, after)
    assert len(both.terms) == len(before.terms) + 1
    first, second = (view.group_of for view in both.views)
    assert [bit for bit in range(21) if second[bit] == NO_GROUP] == [8, 9]
    assert first.count(NO_GROUP) == 1


@pytest.mark.parametrize("seed", range(20))
def test_each_view_of_two_joined_plans_says_what_its_plan_says(seed: int) -> None:
    rng = random.Random(seed)
    before, after, star = plan_of(random_policy(rng)), plan_of(random_policy(rng)), random_star(rng)
    both = join(before, after)
    for number, one in enumerate((before, after)):
        alone = type(both)(both.terms, (both.views[number],))
        assert evaluate(alone, star, NOW).counts.status.tolist() == evaluate(one, star, NOW).counts.status.tolist()
