"""Proofs end: what takes more steps than there are is unproved, and never holds."""

from __future__ import annotations

import pytest

from stella.language.compile import compile_policy
from stella.language.model import Addend, Compared, Flagged, OutcomeIs, Sum
from stella.language.names import MICRO
from stella.prover import graph
from stella.prover.errors import PolicyTooWide
from stella.prover.memory import Memory
from stella.prover.proofs import prove
from stella.prover.refactors import equivalent, holds
from stella.prover.verdicts import Limits
from tests.prover_policies import Chance, policy, rule

KEV = Flagged("kev")
BLOCKED = OutcomeIs("status", ("blocked",))


def test_a_policy_that_takes_too_many_steps_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "MAX_STEPS", 10)
    with pytest.raises(PolicyTooWide, match="10 steps"):
        prove(policy(rule("a", KEV), rule("b", Flagged("fix.available"))))


def test_two_versions_that_take_too_many_steps_are_unproved(monkeypatch: pytest.MonkeyPatch) -> None:
    one = policy(rule("a", KEV))
    monkeypatch.setattr(graph, "MAX_STEPS", 3)
    assert equivalent(one, one).state == "unproved"
    assert holds(one, KEV, BLOCKED).state == "unproved"


def test_defaults_for_many_decimals_of_one_sum_are_no_explosion() -> None:
    many = Sum(tuple(Addend("cvss", MICRO + at, at) for at in range(40)))
    with pytest.raises(PolicyTooWide):
        prove(policy(rule("a", Compared(many, ">=", 5))))


STATEMENTS = 'vex.any(trust > 0.{0:03d} and vendor == "v{0}")'


@pytest.mark.parametrize("when", [STATEMENTS, "cvss + epss - trust.score > {0}"])
def test_hostile_policies_end(when: str) -> None:
    rules = "\n".join(
        f'rule r{at} priority {at % 3} {{ when {when.format(at)} then status := "{word}" because "b" }}'
        for at in range(400)
        for word in ("blocked" if at % 2 else "fixed",)
    )
    found = compile_policy(f'policy "p" syntax "stella-dsl@1" {{ {rules} }}').policy
    assert found is not None
    with pytest.raises(PolicyTooWide):
        prove(found)


def test_what_is_not_asked_any_more_is_unproved_and_not_remembered() -> None:
    chance = Chance(3, 2)
    memory = Memory()
    made = chance.policy(6)
    full = prove(made)
    scarce = prove(made, limits=Limits(total=1), memory=memory)
    named = {(one.claim, one.subject, one.branch, one.attribute): one.state for one in full.verdicts}
    assert scarce.unproved
    for one in scarce.verdicts:
        if one.state != "unproved":
            assert named.get((one.claim, one.subject, one.branch, one.attribute), one.state) == one.state
    assert prove(made, memory=memory) == full
