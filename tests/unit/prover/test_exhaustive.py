"""Every verdict of the solver against every finding of a small world."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from stella.language.groups import Group, groups
from stella.language.interpret import Decision, Facts, decide, truth
from stella.language.model import ExceptionRule, Policy
from stella.prover.claims import OPEN
from stella.prover.example import Example
from stella.prover.proofs import prove
from stella.prover.refactors import equivalent, holds
from stella.prover.verdicts import Proofs
from tests.prover_policies import DAY, Chance, every_finding

Named = tuple[str, str, str, str]  # claim, subject, branch, attribute


class World:
    """A policy, and what it decides for each finding."""

    def __init__(self, policy: Policy, exceptions: Iterable[ExceptionRule], findings: Iterable[Facts]) -> None:
        self.policy = policy
        self.exceptions = tuple(exceptions)
        self.groups = groups(policy, self.exceptions)
        self.judged = [(facts, self.decide(facts)) for facts in findings]

    def decide(self, facts: Facts) -> Decision:
        return decide(self.groups, self.policy.settings.default_status, facts)

    def refuted(self) -> set[Named]:
        """The claims that some finding refutes."""
        found: set[Named] = set()
        for facts, decision in self.judged:
            found |= set(self._by(facts, decision))
        return found

    def _by(self, facts: Facts, decision: Decision) -> Iterable[Named]:
        for rule in self.policy.rules:
            held = truth(rule.when, facts)
            if held is True:
                yield "never true", rule.name, "then", ""
            else:
                yield "always true", rule.name, "", ""
                if held is False:
                    yield "never true", rule.name, "else", ""
        for attribute, by in (("status", decision.status_by), ("severity", decision.severity_by)):
            if by is not None:
                winner = self.groups[by]
                yield "never wins", winner.rule, winner.branch, attribute
                if any(self._ties(winner, self.groups[at], attribute) for at in decision.true):
                    yield "alone at its priority", winner.rule, "", attribute
        for at in decision.true:
            if self.groups[at].branch == "exception":
                yield "never true", self.groups[at].rule, "exception", ""
        yield from self._hidden(facts, decision)
        outcome = {"status": decision.status} | ({"severity": decision.severity} if decision.severity else {})
        for one in self.policy.invariants:
            full = facts._replace(outcome=outcome)
            if truth(one.given, full) is True and truth(one.then, full) is not True:
                yield "invariant", one.name, "", ""

    def _ties(self, winner: Group, other: Group, attribute: str) -> bool:
        if "exception" in {winner.branch, other.branch} or winner.rule == other.rule:
            return False
        priorities = {rule.name: rule.priority for rule in self.policy.rules}
        word = getattr(other, attribute)
        return priorities[winner.rule] == priorities[other.rule] and word not in {None, getattr(winner, attribute)}

    def _hidden(self, facts: Facts, decision: Decision) -> Iterable[Named]:
        by = decision.status_by
        if by is None or self.groups[by].branch != "exception" or decision.status in OPEN:
            return
        alone = decide(self.groups[len(self.exceptions) :], self.policy.settings.default_status, facts)
        if alone.status in OPEN and facts.values.get("kev") is True:
            yield "hides nothing exploited", self.groups[by].rule, "exception", ""


def judged(proofs: Proofs) -> tuple[set[Named], set[Named]]:
    """The claims that were refuted, and all."""
    assert not proofs.unproved
    named = [(one, (one.claim, one.subject, one.branch, one.attribute)) for one in proofs.verdicts]
    return {name for one, name in named if one.state == "refuted"}, {name for _, name in named}


def fits(example: Example, facts: Facts) -> bool:
    """Whether a finding has all that the example names."""
    values = facts.values
    wanted = example.facts().values
    named = [name for name, _ in example.values]
    known = all(values.get(name) == wanted[name] for name in named)
    known = known and not any(name in values for name in example.missing)
    return known and (example.as_of is None or example.as_of == facts.as_of)


def check(chance: Chance, rules: int) -> None:
    policy = chance.policy(rules)
    gone = ExceptionRule("gone", chance.condition(1), "ignored", "why", "who", DAY)
    kept = ExceptionRule("kept", chance.condition(2), "not_affected", "why", "who")
    for exceptions in ((), (gone, kept)):
        world = World(policy, exceptions, every_finding(chance, *(("kev",) if exceptions else ())))
        proofs = prove(policy, exceptions)
        refuted, named = judged(proofs)
        assert refuted == world.refuted() & named
        for one in proofs.verdicts:
            if one.example is not None and one.example.statements is None:
                assert_any_completion(world, one.claim, one.subject, one.branch, one.attribute, one.example)


def assert_any_completion(
    world: World, claim: str, subject: str, branch: str, attribute: str, example: Example
) -> None:
    """What an example does not name makes no difference to the claim that it is an example of."""
    if claim == "never wins":
        return
    for facts, decision in world.judged:
        if fits(example, facts):
            assert (claim, subject, branch, attribute) in set(world._by(facts, decision))


@pytest.mark.parametrize("seed", range(14))
def test_every_verdict_is_that_of_all_findings(seed: int) -> None:
    check(Chance(seed), 4)


@pytest.mark.parametrize("seed", range(12))
def test_every_verdict_about_evidence_is_that_of_all_findings(seed: int) -> None:
    check(Chance(1000 + seed, 1, evidence=True), 4)


@pytest.mark.parametrize("seed", range(24))
def test_two_policies_are_equivalent_when_they_decide_alike(seed: int) -> None:
    chance = Chance(2000 + seed, 1, evidence=seed % 2 == 0)
    one, other = chance.policy(2), chance.policy(2)
    left, right = (World(policy, (), every_finding(chance)) for policy in (one, other))
    pairs = [(first[1], second[1]) for first, second in zip(left.judged, right.judged, strict=True)]
    for compared in (("status", "severity"), ("status",), ("undecided",)):
        alike = all(getattr(a, name) == getattr(b, name) for a, b in pairs for name in compared)
        assert equivalent(one, other, compared=compared).state == ("proved" if alike else "refuted")


@pytest.mark.parametrize("seed", range(12))
def test_a_statement_holds_when_it_does_of_all_findings(seed: int) -> None:
    chance = Chance(3000 + seed, 2)
    policy = chance.policy(3)
    (one,) = policy.invariants
    world = World(policy, (), every_finding(chance))
    broken = ("invariant", one.name, "", "") in world.refuted()
    assert holds(policy, one.given, one.then).state == ("refuted" if broken else "proved")


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(60))
def test_every_verdict_is_that_of_all_findings_at_length(seed: int) -> None:
    check(Chance(10_000 + seed), 6)
    check(Chance(20_000 + seed, 1, evidence=True), 6)
