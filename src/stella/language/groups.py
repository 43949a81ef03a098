"""The outcomes of a policy in the order of their strength: what each rule, and each exception, can decide.

Rules:
- An earlier group is stronger. Exceptions come before all rules; of two exceptions, the one whose name is smaller.
- A branch of a rule is one group, and one more for each thing that it decides only in some cases: while an instant has
  not come, or for one band of a score. All groups of a rule stand together.
- The status is that of the strongest true group that has one; the severity likewise. Notes of all true groups count.
- When a stronger group that would decide another status is unknown, the finding is undecided.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from stella.language.model import (
    Action,
    All,
    Annotate,
    BandSeverity,
    Before,
    Compared,
    Condition,
    ExceptionRule,
    Ignore,
    Not,
    Policy,
    RequireVex,
    Rule,
    SetSeverity,
    SetStatus,
    Sum,
    Warn,
)
from stella.language.names import MICRO, SEVERITY

Branch = Literal["exception", "then", "else"]
Note = Annotate | Warn | RequireVex

IGNORED = "ignored"
BANDS: tuple[int, ...] = (0, MICRO // 10, 4 * MICRO, 7 * MICRO, 9 * MICRO)
"""Where each word of severity begins on the scale of CVSS 3.1 (specification, section 5)."""


class Group(NamedTuple):
    """One outcome: where it comes from, when it holds, and what it decides."""

    rule: str
    branch: Branch
    condition: Condition
    status: str | None
    severity: str | None
    notes: tuple[Note, ...]
    because: str


def groups(policy: Policy, exceptions: Iterable[ExceptionRule] = ()) -> tuple[Group, ...]:
    """All groups, the strongest first."""
    found = [_exempted(one) for one in sorted(exceptions, key=lambda one: one.name.encode())]
    for rule in policy.rules:
        found += _branch(rule, "then", rule.when, rule.then)
        if rule.otherwise:
            found += _branch(rule, "else", Not(rule.when), rule.otherwise)
    return tuple(found)


def banded(total: Sum, word: int) -> Condition:
    """That a sum is in the band of the word with that number in SEVERITY; the lowest takes all below it."""
    above = (Compared(total, ">=", BANDS[word]),) if word else ()
    below = (Compared(total, "<", BANDS[word + 1]),) if word + 1 < len(BANDS) else ()
    return All((*above, *below))


def _exempted(one: ExceptionRule) -> Group:
    condition = one.when if one.expires is None else All((one.when, Before(instant=one.expires)))
    return Group(one.name, "exception", condition, one.status, None, (), one.justification)


def _branch(rule: Rule, branch: Branch, condition: Condition, actions: tuple[Action, ...]) -> Iterator[Group]:
    status = severity = None
    notes: list[Note] = []
    bands: list[Group] = []
    for action in actions:
        match action:
            case Ignore(until):
                yield Group(rule.name, branch, All((condition, until)), IGNORED, None, (), rule.because)
            case BandSeverity(total):
                bands += [
                    Group(rule.name, branch, All((condition, banded(total, i))), None, word, (), rule.because)
                    for i, word in enumerate(SEVERITY.words)
                ]
            case SetStatus(word):
                status = word
            case SetSeverity(word):
                severity = word
            case _:
                notes.append(action)
    yield Group(rule.name, branch, condition, status, severity, tuple(notes), rule.because)
    yield from bands
