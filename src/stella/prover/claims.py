"""The claims about a policy, each as one formula that is to have no example, or is to have one.

Rules:
- A claim is made for each exception, each branch of a rule, and each invariant; its formula is what refutes it.
- What confirms an example is written with the reference interpreter alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from stella.language.groups import Group
from stella.language.interpret import Decision, Facts, decide, truth
from stella.language.model import Flagged, Invariant, Policy, Rule
from stella.prover.graph import FALSE
from stella.prover.outcomes import ATTRIBUTES, Attribute, Outcomes, assigned
from stella.prover.scene import Confirm
from stella.prover.verdicts import Claim

OPEN = frozenset({"affected", "under_investigation", "blocked"})
"""Statuses under which somebody has to look at a finding; all others put it out of sight."""

EXPLOITED = Flagged("kev")
PAIR = 4  # steps of looking at one rule beside another one


class Question(NamedTuple):
    """A claim: `against` is the formula that refutes it, `rivals` are those that may be named in `by`.

    `shown` is the formula of an example of a proved claim that is bad; `mine` are the groups that it is about.
    """

    claim: Claim
    subject: str
    against: int
    confirm: Confirm
    branch: Literal["", "then", "else", "exception"] = ""
    attribute: Literal["", "status", "severity"] = ""
    rivals: tuple[tuple[str, int], ...] = ()
    shown: int = FALSE
    confirm_shown: Confirm = bool
    mine: tuple[int, ...] = ()


class Unit(NamedTuple):
    """The groups of an exception, or of a branch of a rule, by number."""

    name: str
    branch: Literal["exception", "then", "else"]
    groups: tuple[int, ...]
    priority: int | None


class Claims:
    """All that is claimed of a policy."""

    def __init__(self, policy: Policy, groups: Sequence[Group], outcomes: Outcomes) -> None:
        self.policy = policy
        self.groups = groups
        self.outcomes = outcomes
        self.units = units(policy, groups)
        self._ruled: dict[str, list[Unit]] = defaultdict(list)
        self._prior: dict[int, list[Unit]] = defaultdict(list)
        for unit in self.units:
            if unit.priority is not None:
                self._ruled[unit.name].append(unit)
                self._prior[unit.priority].append(unit)
        self.exceptions = sum(1 for group in groups if group.branch == "exception")

    def decide(self, facts: Facts) -> Decision:
        """What the reference interpreter decides."""
        return decide(self.groups, self.policy.settings.default_status, facts)

    def exception(self, unit: Unit) -> Iterator[Question]:
        """An exception is never true, never wins, hides nothing that is exploited."""
        (at,) = unit.groups
        true = self.outcomes.pairs[at].true
        yield Question("never true", unit.name, true, lambda facts: at in self.decide(facts).true, "exception")
        yield from self._wins(unit)
        yield self._hides(unit)

    def rule(self, rule: Rule) -> Iterator[Question]:
        """A rule is never true, always true, never wins, ties with nobody."""
        true, false = self.outcomes.scene.pair(rule.when)
        yield Question("never true", rule.name, true, lambda facts: truth(rule.when, facts) is True, "then")
        if rule.otherwise:
            yield Question("never true", rule.name, false, lambda facts: truth(rule.when, facts) is False, "else")
        yield Question("always true", rule.name, -true, lambda facts: truth(rule.when, facts) is not True)
        for unit in self._ruled[rule.name]:
            yield from self._wins(unit)
        for attribute in ATTRIBUTES:
            yield from self._tie(rule, attribute)

    def invariant(self, one: Invariant) -> Question:
        """Whenever `given` is true, `then` is."""
        outcomes = self.outcomes
        outcome: dict[str, dict[str, int]] = {one: outcomes.decided(one) for one in ATTRIBUTES}
        encoder = outcomes.scene.encoder
        given, then = (encoder.pair(condition, outcome=outcome) for condition in (one.given, one.then))
        against = outcomes.scene.graph.both(given.true, -then.true)

        def confirm(facts: Facts) -> bool:
            full = facts._replace(outcome=spoken(self.decide(facts)))
            return truth(one.given, full) is True and truth(one.then, full) is not True

        return Question("invariant", one.name, against, confirm)

    def _wins(self, unit: Unit) -> Iterator[Question]:
        graph, outcomes = self.outcomes.scene.graph, self.outcomes
        for attribute in ATTRIBUTES:
            mine = tuple(at for at in unit.groups if assigned(self.groups[at], attribute) is not None)
            if not mine:
                continue
            against = graph.some(outcomes.wins[attribute][at] for at in mine)
            shown = graph.some(outcomes.pairs[at].true for at in mine)
            yield Question(
                "never wins",
                unit.name,
                against,
                self._confirm_win(mine, attribute),
                unit.branch,
                attribute,
                (),
                shown,
                self._confirm_loss(mine, attribute),
                mine,
            )

    def _confirm_win(self, mine: tuple[int, ...], attribute: Attribute) -> Confirm:
        return lambda facts: by(self.decide(facts), attribute) in mine

    def _confirm_loss(self, mine: tuple[int, ...], attribute: Attribute) -> Confirm:
        def confirm(facts: Facts) -> bool:
            decided = self.decide(facts)
            return any(at in mine for at in decided.true) and by(decided, attribute) not in mine

        return confirm

    def stronger(self, question: Question) -> list[tuple[str, int]]:
        """Names and formulas of the groups that can keep the groups of a question from winning."""
        attribute, mine = question.attribute, question.mine
        return [
            (self.groups[at].rule, self.outcomes.pairs[at].true)
            for at in range(mine[-1])
            if attribute and at not in mine and assigned(self.groups[at], attribute) is not None
        ]

    def _tie(self, rule: Rule, attribute: Attribute) -> Iterator[Question]:
        """Another rule of the same priority would decide otherwise, and only the names choose."""
        graph, outcomes = self.outcomes.scene.graph, self.outcomes
        mine = [at for at in self._of(rule.name) if assigned(self.groups[at], attribute) is not None]
        if not mine:
            return
        wins = outcomes.wins[attribute]
        rivals: dict[str, int] = {}
        for unit in self._prior[rule.priority]:
            graph.spend(PAIR)
            if unit.name == rule.name or unit.groups[0] < mine[0]:
                continue
            for at in unit.groups:
                word = assigned(self.groups[at], attribute)
                if word is None:
                    continue
                over = graph.some(wins[one] for one in mine if assigned(self.groups[one], attribute) != word)
                both = graph.both(outcomes.pairs[at].true, over)
                rivals[unit.name] = graph.either(rivals.get(unit.name, FALSE), both)
        if rivals:
            yield Question(
                "alone at its priority",
                rule.name,
                graph.some(rivals.values()),
                lambda facts: self._tied(facts, mine, attribute, frozenset(rivals)),
                "",
                attribute,
                tuple(rivals.items()),
            )

    def _tied(self, facts: Facts, mine: Sequence[int], attribute: Attribute, rivals: frozenset[str]) -> bool:
        decided = self.decide(facts)
        winner = by(decided, attribute)
        if winner is None or winner not in mine:
            return False
        word = assigned(self.groups[winner], attribute)
        others = (self.groups[at] for at in decided.true if self.groups[at].branch != "exception")
        return any(one.rule in rivals and assigned(one, attribute) not in {None, word} for one in others)

    def _hides(self, unit: Unit) -> Question:
        """It puts a known exploited vulnerability out of sight that the policy alone would show."""
        (at,) = unit.groups
        graph, outcomes, groups = self.outcomes.scene.graph, self.outcomes, self.groups
        closed = groups[at].status not in OPEN
        alone = outcomes.decided("status", self.exceptions)
        seen = graph.some(literal for word, literal in alone.items() if word in OPEN)
        exploited = outcomes.scene.pair(EXPLOITED).true
        against = graph.every((outcomes.wins["status"][at], seen, exploited)) if closed else FALSE

        def confirm(facts: Facts) -> bool:
            rest = decide(groups[self.exceptions :], self.policy.settings.default_status, facts)
            hidden = self.decide(facts).status_by == at and rest.status in OPEN
            return hidden and truth(EXPLOITED, facts) is True

        return Question("hides nothing exploited", unit.name, against, confirm, "exception")

    def _of(self, rule: str) -> Iterator[int]:
        for unit in self._ruled[rule]:
            yield from unit.groups


def units(policy: Policy, groups: Sequence[Group]) -> tuple[Unit, ...]:
    """The groups, brought together by exception and by branch."""
    priorities = {rule.name: rule.priority for rule in policy.rules}
    found: list[Unit] = []
    for at, group in enumerate(groups):
        last = found[-1] if found else None
        if last is not None and (last.name, last.branch) == (group.rule, group.branch) and group.branch != "exception":
            found[-1] = last._replace(groups=(*last.groups, at))
        else:
            priority = None if group.branch == "exception" else priorities[group.rule]
            found.append(Unit(group.rule, group.branch, (at,), priority))
    return tuple(found)


def spoken(decision: Decision) -> dict[str, str]:
    """What an invariant may ask of a decision."""
    severity = {} if decision.severity is None else {"severity": decision.severity}
    return {"status": decision.status} | severity


def by(decision: Decision, attribute: Attribute) -> int | None:
    """The group that decided an attribute."""
    return decision.status_by if attribute == "status" else decision.severity_by
