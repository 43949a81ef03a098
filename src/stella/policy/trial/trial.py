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
from stella.language.explain import explain, leaves, shown_note
from stella.language.explanation import lines
from stella.language.groups import Group, groups
from stella.language.interpret import Decision, Truth, settle
from stella.language.model import Adjusted, All, Before, Compared, Condition, Every, Not, Policy, Some
from stella.language.size import MAX_TERMS, alternatives
from stella.language.wording import shown_condition
from stella.policy.trial.chorus import Bits, Chorus
from stella.policy.trial.errors import PolicyTooLarge
from stella.policy.trial.fixtures import DEFAULT, Expected, Fixture
from stella.policy.trial.model import FixtureResult, Mismatch, What
from stella.policy.trial.mutants import Mutant, mutants

MOST_TERMS = 20_000  # alternatives of all outcomes
MOST_CHANGES = 16_000_000  # tests and words of all mutants: some hundred megabytes


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
        self._bounded()
        self._chorus = Chorus([one.facts for one in self.fixtures])
        self._bits = [self._chorus.remember(group.condition) for group in self.groups]
        self._held = [[_one(bits, i) for bits in self._bits] for i in range(len(self.fixtures))]
        self._decided = [self._settle(self.groups, i, held) for i, held in enumerate(self._held)]
        self._wrong = [
            mismatches(fixture.expected, decision, self.groups)
            for fixture, decision in zip(self.fixtures, self._decided, strict=True)
        ]
        self._passing = sum(1 << i for i, wrong in enumerate(self._wrong) if not wrong)
        self._spans: dict[str, tuple[int, int]] = {}
        for number, group in enumerate(self.groups):
            start, _ = self._spans.get(group.rule, (number, 0))
            self._spans[group.rule] = (start, number + 1)

    def _bounded(self) -> None:
        """Raise PolicyTooLarge for what would take more than anybody waits for."""
        counts = [alternatives(group.condition) for group in self.groups]
        if sum(count for count in counts if count <= MAX_TERMS) > MOST_TERMS:
            raise PolicyTooLarge(policy=self.policy.policy_id, what=f"more than {MOST_TERMS:,} alternatives")
        if sum(_size(rule.when) ** 2 for rule in self.policy.rules) > MOST_CHANGES:
            raise PolicyTooLarge(policy=self.policy.policy_id, what="too many tests in its rules")

    def _settle(self, outcomes: Sequence[Group], fixture: int, held: Sequence[Truth]) -> Decision:
        return settle(outcomes, held, self.policy.settings.default_status, self.fixtures[fixture].facts)

    # fixtures

    def results(self) -> tuple[FixtureResult, ...]:
        """What became of each fixture, in their order."""
        return tuple(self._result(i, fixture) for i, fixture in enumerate(self.fixtures))

    def _result(self, number: int, fixture: Fixture) -> FixtureResult:
        wrong = self._wrong[number]
        told: tuple[str, ...] = ()
        if wrong:
            more = (fixture.expected.rule or "",)
            told = tuple(lines(explain(self.groups, self._decided[number], fixture.facts, more)))
        return FixtureResult(fixture.name, not wrong, wrong, told)

    # coverage

    def terms(self) -> tuple[Place, ...]:
        """All terms, the strongest first."""
        return tuple(Place(group, term) for group in self.groups for term in terms(group.condition, MAX_TERMS))

    def uncovered(self) -> tuple[Place, ...]:
        """The terms that hold of no fixture."""
        return tuple(place for place in self.terms() if not self._chorus.ask(place.condition).true)

    # mutants

    def mutants(self) -> Iterator[Mutant]:
        """The mutants of all rules, in the order of the rules."""
        for rule in self.policy.rules:
            yield from mutants(rule)

    def survivors(self, tried: Iterable[Mutant]) -> tuple[Mutant, ...]:
        """The mutants that no fixture notices."""
        return tuple(mutant for mutant in tried if not self._notices(mutant))

    def _notices(self, mutant: Mutant) -> bool:
        own = groups(replace(self.policy, rules=(mutant.rule,)))
        start, end = self._spans[mutant.rule.name]
        old = self.groups[start:end]
        bits = [self._chorus.ask(group.condition) for group in own]
        changed = self._changed(own, bits, start, end) & self._passing
        outcomes = (*self.groups[:start], *own, *self.groups[end:])
        louder = any(group.notes for group in (*old, *own))
        graver = any(group.severity is not None for group in (*old, *own))
        while changed:
            i = changed.bit_length() - 1
            changed ^= 1 << i
            if not (louder or self._reaches(i, start, graver=graver)):
                continue
            held = self._held[i]
            mine = [_one(one, i) for one in bits]
            decision = self._settle(outcomes, i, [*held[:start], *mine, *held[end:]])
            if mismatches(self.fixtures[i].expected, decision, outcomes):
                return True
        return False

    def _changed(self, own: Sequence[Group], bits: Sequence[Bits], start: int, end: int) -> int:
        """The fixtures of which a changed rule may say something else."""
        decides = [group[3:6] for group in own] == [group[3:6] for group in self.groups[start:end]]
        found = 0
        if not decides:
            for one in (*bits, *self._bits[start:end]):
                found |= one.true | ~one.false
            return found & ((1 << len(self.fixtures)) - 1)
        for new, old in zip(bits, self._bits[start:end], strict=True):
            found |= (new.true ^ old.true) | (new.false ^ old.false)
        return found

    def _reaches(self, fixture: int, start: int, *, graver: bool) -> bool:
        """Whether a group at `start` could still decide something about a fixture: no stronger one has."""
        decision = self._decided[fixture]
        if decision.status_by is None or decision.status_by >= start:
            return True
        return graver and (decision.severity_by is None or decision.severity_by >= start)


def _size(condition: Condition) -> int:
    """Tests and words of a condition: a mutant is about one of them, and repeats the others."""
    size = 0
    for leaf in leaves(condition):
        match leaf:
            case Some(item) | Every(item):
                size += 1 + _size(item)
            case _:
                size += 1 + len(getattr(leaf, "words", ()))
    return size


def _one(bits: Bits, fixture: int) -> Truth:
    if bits.true >> fixture & 1:
        return True
    return False if bits.false >> fixture & 1 else None


def mismatches(expected: Expected, decision: Decision, outcomes: Sequence[Group]) -> tuple[Mismatch, ...]:
    """What is not as expected."""
    wrong = []

    def compare(what: What, wanted: str, found: str) -> None:
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
