"""What a policy means: one finding after the other, in the plainest way there is.

Rules:
- This is the specification. Every faster way gives the same answer for every finding, or is wrong.
- The clock is an argument; nothing else of the world is read.
- True, False and None are Kleene's true, false and unknown.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from stella.language.groups import Group, Note
from stella.language.model import (
    Addend,
    Adjusted,
    All,
    Any,
    Before,
    Compared,
    Condition,
    Constant,
    Every,
    Flagged,
    Has,
    Mapped,
    Not,
    OneOf,
    OutcomeIs,
    Part,
    Present,
    Ranked,
    Some,
    StartsWith,
    Sum,
)
from stella.language.names import COLUMNS, MICRO, STATEMENT

Value: TypeAlias = bool | int | str | frozenset[str]
Truth: TypeAlias = bool | None

OPERATORS: Mapping[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
RANKS: Mapping[str, Mapping[str, int]] = {
    name: {word: rank for rank, word in enumerate(column.words.words)}
    for name, column in (COLUMNS | STATEMENT).items()
    if column.words is not None and column.words.ordered
}
"""The place of each word of an ordered kind, by column."""


class Facts(NamedTuple):
    """What is known of a finding; what is missing is not there. Statements are oldest first, `as_of` is in seconds."""

    values: Mapping[str, Value]
    statements: tuple[Mapping[str, Value], ...] = ()
    as_of: int = 0
    outcome: Mapping[str, str] = {}  # for invariants: what was decided


class Decision(NamedTuple):
    """What a policy says: numbers of groups that are true and unknown, and what follows."""

    true: tuple[int, ...]
    unknown: tuple[int, ...]
    status: str
    severity: str | None
    status_by: int | None
    severity_by: int | None
    undecided: bool
    notes: tuple[Note, ...]


def decide(groups: Iterable[Group], default_status: str, facts: Facts) -> Decision:
    """Ask every group, then let the strongest decide."""
    asked = tuple(groups)
    return settle(asked, [truth(group.condition, facts) for group in asked], default_status, facts)


def settle(groups: Sequence[Group], held: Sequence[Truth], default_status: str, facts: Facts) -> Decision:
    """What follows when it is known of every group whether it holds."""
    true = tuple(i for i, one in enumerate(held) if one)
    unknown = tuple(i for i, one in enumerate(held) if one is None)
    by_status = next((i for i in true if groups[i].status is not None), None)
    by_severity = next((i for i in true if groups[i].severity is not None), None)
    status = default_status if by_status is None else groups[by_status].status or default_status
    normal = facts.values.get("severity.normalized")
    severity = groups[by_severity].severity if by_severity is not None else normal
    undecided = any((by_status is None or i < by_status) and groups[i].status not in {None, status} for i in unknown)
    notes = tuple(note for i in true for note in groups[i].notes)
    return Decision(
        true, unknown, status, severity if isinstance(severity, str) else None, by_status, by_severity, undecided, notes
    )


def truth(condition: Condition, facts: Facts) -> Truth:
    """Whether a condition holds of a finding."""
    match condition:
        case Constant(value):
            return value
        case Not(item):
            held = truth(item, facts)
            return None if held is None else not held
        case All(items):
            return _all(truth(item, facts) for item in items)
        case Any(items):
            return _any(truth(item, facts) for item in items)
        case Some(item):
            return _any(truth(item, _of(statement, facts)) for statement in facts.statements)
        case Every(item):
            held = _all(truth(item, _of(statement, facts)) for statement in facts.statements)
            return held if facts.statements else None
        case Compared(total, sign, bound):
            found = amount(total, facts)
            return None if found is None else OPERATORS[sign](found, bound)
        case Before(column, instant):
            end = facts.values.get(column) if column is not None else instant
            return None if not isinstance(end, int) else facts.as_of < end
        case OutcomeIs(attribute, words):
            return facts.outcome[attribute] in words if attribute in facts.outcome else None
        case Present(column):
            return column in facts.values
        case _:
            return _test(condition, facts)


def _test(leaf: Flagged | OneOf | StartsWith | Ranked | Has, facts: Facts) -> Truth:
    value = facts.values.get(leaf.column, None if isinstance(leaf, Has) else leaf.default)
    match leaf, value:
        case Flagged(), bool():
            return value
        case OneOf(), str():
            return (value.lower() if leaf.lower else value) in leaf.words
        case StartsWith(), str():
            return (value.lower() if leaf.lower else value).startswith(leaf.prefix)
        case Ranked(), str():
            ranks = RANKS[leaf.column]
            return OPERATORS[leaf.operator](ranks[value], ranks[leaf.word])
        case Has(), frozenset():
            return any((text.lower() if leaf.lower else text) in leaf.words for text in value)
        case _:
            return None


def amount(total: Sum, facts: Facts) -> int | None:
    """The value of a sum in micros; None when something of it is missing."""
    value = total.constant
    for part in total.parts:
        more = _part(part, facts)
        if more is None:
            return None
        value += more
    value = value if total.low is None else max(value, total.low)
    return value if total.high is None else min(value, total.high)


def _part(part: Part, facts: Facts) -> int | None:
    match part:
        case Addend(column, factor, default):
            number = facts.values.get(column, default)
            return number * factor // MICRO if isinstance(number, int) else None
        case Mapped(column, weights):
            word = facts.values.get(column)
            return dict(weights).get(word, 0) if isinstance(word, str) else None
        case Adjusted(cases):
            held = [(truth(condition, facts), weight) for condition, weight in cases]
            unknown = any(one is None for one, _ in held)
            return None if unknown else sum(weight for one, weight in held if one)


def _of(statement: Mapping[str, Value], facts: Facts) -> Facts:
    return facts._replace(values=statement)


def _all(held: Iterable[Truth]) -> Truth:
    seen = set(held)
    return False if False in seen else None if None in seen else True


def _any(held: Iterable[Truth]) -> Truth:
    seen = set(held)
    return True if True in seen else None if None in seen else False
