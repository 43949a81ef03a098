"""What a solver says of terms that no fixture reaches and of mutants that none notices.

Rules:
- A mutant that is proved to decide like its policy, note by note, is no mutant. A term that is proved never to hold is
  no term. What is not proved counts.
- The solver is loaded only when there is something to ask.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from stella.language.groups import Group, Note, groups
from stella.language.model import Any, Condition, Constant, Policy, Rule
from stella.policy.mutants import Mutant
from stella.prover.example import Example
from stella.prover.refactors import equivalent, holds

MOST = 200  # mutants that are asked about in one policy; with so many survivors the score tells enough


def same(policy: Policy, survivors: Iterable[Mutant]) -> list[Mutant]:
    """The mutants among the first MOST that are proved to mean the same."""
    return [mutant for mutant in list(survivors)[:MOST] if _is_same(policy, mutant.rule)]


def _is_same(policy: Policy, changed: Rule) -> bool:
    rules = tuple(changed if rule.name == changed.name else rule for rule in policy.rules)
    (rule,) = (one for one in policy.rules if one.name == changed.name)
    alike = equivalent(policy, replace(policy, rules=rules), compared=("status", "severity", "undecided"))
    return alike.state == "proved" and _same_notes(policy, rule, changed)


def _same_notes(policy: Policy, rule: Rule, changed: Rule) -> bool:
    """Whether each note is said of the same findings."""
    old, new = (groups(replace(policy, rules=(one,))) for one in (rule, changed))
    for note in {note for group in (*old, *new) for note in group.notes}:
        before, after = _said(old, note), _said(new, note)
        if before != after and not (_implies(policy, before, after) and _implies(policy, after, before)):
            return False
    return True


def _said(found: Iterable[Group], note: Note) -> Condition:
    said = [group.condition for group in found if note in group.notes]
    return Any(tuple(said))  # of none it is false


def _implies(policy: Policy, given: Condition, then: Condition) -> bool:
    return holds(policy, given, then).state == "proved"


def reached(policy: Policy, condition: Condition) -> Example | bool:
    """A finding of which a condition holds; False when there is none, True when nobody knows."""
    verdict = holds(policy, condition, Constant(value=False))
    return False if verdict.state == "proved" else verdict.example or True
