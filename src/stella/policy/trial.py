"""A policy put on trial: its fixtures, the terms that they reach, and the mutants that they notice. Pure.

Rules:
- Every fixture is judged by the reference interpreter, and by nothing else.
- A term is covered when it holds of some fixture. A mutant is killed when a fixture that passes would fail.
- A mutant changes one rule, so only that rule is asked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from stella.engine.terms import Literal, Term, terms
from stella.language.explain import explain, leaves, lines, shown_note
from stella.language.groups import Group, groups
from stella.language.interpret import Decision, Facts, Truth, settle, truth
from stella.language.model import Adjusted, All, Before, Compared, Condition, Every, Not, Policy, Some
from stella.language.size import MAX_TERMS
from stella.language.wording import shown_condition
from stella.policy.fixtures import DEFAULT, Expected, Fixture
from stella.policy.mutants import Mutant, mutants
from stella.policy.trial_model import FixtureResult, Mismatch


class Place(NamedTuple):
    """A term of an outcome."""

    group: Group
    term: Term

    @property
    def text(self) -> str:
        """The term as text."""
        return shown_condition(self.condition)

    @property
    def condition(self) -> Condition:
        """The term as a condition."""
        if self.term.whole is not None:
            return self.term.whole
        return All(tuple(_of(literal) for literal in self.term.literals))


def _of(literal: Literal) -> Condition:
    return literal.leaf if literal.holds else Not(literal.leaf)


class Trial:
    """One policy and its fixtures. Truths are asked once and kept."""

    def __init__(self, policy: Policy, fixtures: Sequence[Fixture]) -> None:
        self.policy = policy
        self.fixtures = tuple(fixtures)
        self.groups = groups(policy)
        self._held = [[truth(group.condition, one.facts) for group in self.groups] for one in self.fixtures]
        self._decided = [self._settle(self.groups, i, held) for i, held in enumerate(self._held)]
        self._first: dict[str, int] = {}
        for number, group in enumerate(self.groups):
            self._first.setdefault(group.rule, number)

    def _settle(self, outcomes: Sequence[Group], fixture: int, held: Sequence[Truth]) -> Decision:
        return settle(outcomes, held, self.policy.settings.default_status, self.fixtures[fixture].facts)

    # fixtures

    def results(self) -> tuple[FixtureResult, ...]:
        """What became of each fixture, in their order."""
        return tuple(self._result(i, fixture) for i, fixture in enumerate(self.fixtures))

    def _result(self, number: int, fixture: Fixture) -> FixtureResult:
        decision = self._decided[number]
        wrong = mismatches(fixture.expected, decision, self.groups)
        told: tuple[str, ...] = ()
        if wrong:
            more = (fixture.expected.rule or "",)
            told = tuple(lines(explain(self.groups, decision, fixture.facts, more)))
        return FixtureResult(fixture.name, not wrong, wrong, told)

    def _passing(self) -> list[int]:
        return [
            i
            for i, fixture in enumerate(self.fixtures)
            if not mismatches(fixture.expected, self._decided[i], self.groups)
        ]

    # coverage

    def terms(self) -> tuple[Place, ...]:
        """All terms, the strongest first."""
        return tuple(Place(group, term) for group in self.groups for term in terms(group.condition, MAX_TERMS))

    def uncovered(self) -> tuple[Place, ...]:
        """The terms that hold of no fixture."""
        found = []
        for number, group in enumerate(self.groups):
            facts = [one.facts for one, held in zip(self.fixtures, self._held, strict=True) if held[number]]
            places = (Place(group, term) for term in terms(group.condition, MAX_TERMS))
            found += [place for place in places if not any(_reached(place.term, one) for one in facts)]
        return tuple(found)

    # mutants

    def mutants(self) -> Iterator[Mutant]:
        """The mutants of all rules, in the order of the rules."""
        for rule in self.policy.rules:
            yield from mutants(rule)

    def survivors(self, tried: Iterable[Mutant]) -> tuple[Mutant, ...]:
        """The mutants that no fixture notices."""
        passing = self._passing()
        orders: dict[str, list[int]] = {}
        found = []
        for mutant in tried:
            name = mutant.rule.name
            order = orders.get(name)
            if order is None:
                order = orders[name] = sorted(passing, key=lambda i: self._held[i][self._first[name]] is False)
            if not self._notices(mutant, order):
                found.append(mutant)
        return tuple(found)

    def _notices(self, mutant: Mutant, order: Sequence[int]) -> bool:
        own = groups(replace(self.policy, rules=(mutant.rule,)))
        start = self._first[mutant.rule.name]
        end = start + sum(group.rule == mutant.rule.name for group in self.groups[start:])
        outcomes = (*self.groups[:start], *own, *self.groups[end:])
        same = own and [group[3:] for group in own] == [group[3:] for group in self.groups[start:end]]
        for i in order:
            facts = self.fixtures[i].facts
            mine = [truth(group.condition, facts) for group in own]
            held = self._held[i]
            if same and mine == held[start:end]:
                continue
            decision = self._settle(outcomes, i, [*held[:start], *mine, *held[end:]])
            if mismatches(self.fixtures[i].expected, decision, outcomes):
                return True
        return False


def _reached(term: Term, facts: Facts) -> bool:
    if term.whole is not None:
        return truth(term.whole, facts) is True
    return all(truth(literal.leaf, facts) is literal.holds for literal in term.literals)


def mismatches(expected: Expected, decision: Decision, outcomes: Sequence[Group]) -> tuple[Mismatch, ...]:
    """What is not as expected."""
    wrong = []

    def compare(what: str, wanted: str, found: str) -> None:
        if wanted != found:
            wrong.append(Mismatch(what, wanted, found))

    if expected.status is not None:
        compare("status", expected.status, decision.status)
    if expected.severity is not None:
        compare("severity", expected.severity, decision.severity or "missing")
    if expected.rule is not None:
        by = DEFAULT if decision.status_by is None else outcomes[decision.status_by].rule
        compare("rule", expected.rule, by)
    if expected.notes is not None:
        notes = sorted(shown_note(note) for note in decision.notes)
        compare("notes", _listed(expected.notes), _listed(notes))
    compare("undecided", _flag(expected.undecided), _flag(decision.undecided))
    return tuple(wrong)


def _listed(notes: Sequence[str]) -> str:
    return "; ".join(notes) or "none"


def _flag(value: bool) -> str:  # noqa: FBT001  a value to show
    return "true" if value else "false"


def asks_for_the_instant(policy: Policy) -> bool:
    """Whether a decision can hang on the instant of the run."""
    return any(_dated(leaf) for group in groups(policy) for leaf in leaves(group.condition))


def _dated(leaf: Condition) -> bool:
    match leaf:
        case Before():
            return True
        case Some(item) | Every(item):
            return any(_dated(one) for one in leaves(item))
        case Compared(total):
            cases = [case for part in total.parts if isinstance(part, Adjusted) for case, _ in part.cases]
            return any(_dated(one) for case in cases for one in leaves(case))
        case _:
            return False
