"""What a solver says of terms that no fixture reaches and of mutants that none notices.

Rules:
- A mutant that is proved to decide like its policy, note by note, is no mutant. A term that is proved never to hold is
  no term. What is not proved counts.
- The condition alone is asked about first: where it means the same, so does the policy, and where it does not, the
  example often shows that the policy does not either. Only what is left is asked of whole policies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from stella.language.groups import Group, Note, groups
from stella.language.interpret import Decision, Facts, decide
from stella.language.model import Any, Condition, Constant, Not, Policy, Rule
from stella.policy.trial.mutants import Mutant
from stella.prover.example import Example
from stella.prover.refactors import equivalent, holds
from stella.prover.verdicts import Verdict

MOST = 200  # mutants, and terms, of one policy that are asked about; with so many survivors the score tells enough
MOST_RULES = 2_000  # in proofs about whole policies: ten for one of 200 rules, a hundred for one of 20
NEVER = Constant(value=False)


class Doubts:
    """Questions about one policy; its fixtures are findings to begin with."""

    def __init__(self, policy: Policy, facts: Sequence[Facts]) -> None:
        self._policy = policy
        self._bare = replace(policy, rules=(), invariants=())
        self._groups = groups(policy)
        self._facts = (Facts({}), *facts)
        self._reaching = MOST
        self._left = MOST_RULES // max(1, len(policy.rules)) + 1

    def same(self, survivors: Iterable[Mutant]) -> list[Mutant]:
        """The mutants among the first MOST that are proved to mean the same."""
        return [mutant for mutant in list(survivors)[:MOST] if self._is_same(mutant.rule)]

    def reached(self, condition: Condition) -> Example | bool:
        """A finding of which a condition holds; False when there is none, True when nobody knows."""
        self._reaching -= 1
        if self._reaching < 0:
            return True
        verdict = self._implied(condition, NEVER)
        return False if verdict.state == "proved" else verdict.example or True

    def _implied(self, given: Condition, then: Condition) -> Verdict:
        return holds(self._bare, given, then)

    def _is_same(self, changed: Rule) -> bool:
        (rule,) = (one for one in self._policy.rules if one.name == changed.name)
        other = replace(
            self._policy, rules=tuple(changed if one is rule else one for one in self._policy.rules), invariants=()
        )
        if rule.when != changed.when:
            verdicts = list(self._conditions(rule.when, changed.when))
            if all(verdict.state == "proved" for verdict in verdicts):
                return True
            found = groups(other)
            if any(self._differ(found, verdict.example) for verdict in verdicts if verdict.example):
                return False
        self._left -= 1
        return self._left >= 0 and self._whole(other) and self._same_notes(rule, changed)

    def _conditions(self, one: Condition, other: Condition) -> Iterator[Verdict]:
        """Whether two conditions are true of the same findings, and false of the same."""
        for given, then in ((one, other), (other, one), (Not(one), Not(other)), (Not(other), Not(one))):
            verdict = self._implied(given, then)
            yield verdict
            if verdict.state != "proved" and verdict.example is None:
                return

    def _differ(self, other: Sequence[Group], example: Example) -> bool:
        """Whether the whole policies differ about an example, or about a fixture that was made like it."""
        told = example.facts()
        for facts in self._facts:
            values = {name: value for name, value in facts.values.items() if name not in example.missing}
            statements = facts.statements if example.statements is None else told.statements
            if example.statements is not None:
                values = {name: value for name, value in values.items() if not name.startswith("vex.latest.")}
            as_of = facts.as_of if example.as_of is None else told.as_of
            made = Facts(values | dict(told.values), statements, as_of)
            if self._said(self._groups, made) != self._said(other, made):
                return True
        return False

    def _said(self, outcomes: Sequence[Group], facts: Facts) -> tuple[object, ...]:
        found: Decision = decide(outcomes, self._policy.settings.default_status, facts)
        return found.status, found.severity, found.undecided, sorted(map(repr, found.notes))

    def _whole(self, other: Policy) -> bool:
        alone = replace(self._policy, invariants=())
        return equivalent(alone, other, compared=("status", "severity", "undecided")).state == "proved"

    def _same_notes(self, rule: Rule, changed: Rule) -> bool:
        """Whether each note is said of the same findings."""
        old, new = (groups(replace(self._policy, rules=(one,))) for one in (rule, changed))
        for note in {note for group in (*old, *new) for note in group.notes}:
            before, after = _noted(old, note), _noted(new, note)
            if before != after:
                each = (self._implied(before, after), self._implied(after, before))
                if any(verdict.state != "proved" for verdict in each):
                    return False
        return True


def _noted(found: Iterable[Group], note: Note) -> Condition:
    return Any(tuple(group.condition for group in found if note in group.notes))  # of none it is false
