"""The terms of a condition: conjunctions of leaves, of which one must hold.

Rules:
- Only laws that Kleene's logic keeps are used: De Morgan, distribution, absorption. A leaf beside its own negation
  stays, for both can be unknown.
- A leaf is a test on one dimension, or a sum over several compared with a bound. It is never split.
- A condition with too many terms is tried again with everything that is on one dimension as one leaf; what is then
  still too long is no list of terms, and is asked finding by finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

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
    Mapped,
    Not,
    OutcomeIs,
    Part,
    Some,
    Sum,
)
from stella.language.names import COLUMNS, DIMENSIONS, Dimension

MANY_TERMS = 64  # of one group; above that its single-dimension parts are joined first
ABSORBED = 512  # terms; above that comparing each with each costs more than it saves

Indexes = frozenset[int]
Dimensions = frozenset[Dimension]
NOWHERE: Dimensions = frozenset()


class Literal(NamedTuple):
    """A leaf, or with `holds` False its negation."""

    leaf: Condition
    holds: bool


class Term(NamedTuple):
    """Literals that must all hold; with `whole` it is a condition that could not be brought to terms."""

    literals: tuple[Literal, ...]
    whole: Condition | None = None


class _TooMany(Exception):
    """More terms than are allowed."""


def dimensions(condition: Condition) -> Dimensions:
    """The dimensions that a condition looks at; none for what is the same for every finding."""
    match condition:
        case Constant() | OutcomeIs():
            return NOWHERE
        case Not(item):
            return dimensions(item)
        case All(items) | Any(items):
            return NOWHERE.union(*map(dimensions, items))
        case Some() | Every():
            return frozenset({"evidence"})
        case Compared(total):
            return spans(total)
        case Before(column):
            return _of(column)
        case _:
            return _of(condition.column)


def spans(total: Sum) -> Dimensions:
    """The dimensions of the parts of a sum."""
    return NOWHERE.union(*map(_spans, total.parts))


def place(part: Part) -> Dimension:
    """The dimension of one part of a sum."""
    return home(_spans(part))


def home(found: Dimensions) -> Dimension:
    """The one dimension where something is asked; the first for what is the same everywhere."""
    if len(found) > 1:
        raise ValueError(sorted(found))
    return next(iter(found), DIMENSIONS[0])


def terms(condition: Condition, most: int) -> tuple[Term, ...]:
    """The terms of a condition in the order of its text, or one that holds it whole when they are more than `most`."""
    try:
        return _terms(condition, min(most, MANY_TERMS), joined=False)
    except _TooMany:
        pass
    try:
        return _terms(condition, most, joined=True)
    except _TooMany:
        return (Term((), condition),)


def leaves(condition: Condition) -> tuple[Condition, ...]:
    """The leaves of a condition that is asked whole, each once."""
    found: dict[Condition, None] = {}
    _collect(condition, found)
    return tuple(found)


def _collect(condition: Condition, into: dict[Condition, None]) -> None:
    match condition:
        case Not(item):
            _collect(item, into)
        case All(items) | Any(items):
            for item in items:
                _collect(item, into)
        case _:
            into[condition] = None


def _spans(part: Part) -> Dimensions:
    match part:
        case Addend(column) | Mapped(column):
            return _of(column)
        case Adjusted(cases):
            return NOWHERE.union(*(dimensions(condition) for condition, _ in cases))


def _of(column: str | None) -> Dimensions:
    known = COLUMNS.get(column) if column is not None else None
    return NOWHERE if known is None else frozenset({known.dimension})


def _terms(condition: Condition, most: int, *, joined: bool) -> tuple[Term, ...]:
    numbers: dict[Literal, int] = {}
    found = _normal(condition, True, numbers, most, joined)  # noqa: FBT003  not negated
    literals = tuple(numbers)
    return tuple(Term(tuple(literals[i] for i in sorted(one))) for one in found)


def _normal(
    condition: Condition,
    holds: bool,  # noqa: FBT001  the sign under which it stands
    numbers: dict[Literal, int],
    most: int,
    joined: bool,  # noqa: FBT001  handed down as it came
) -> list[Indexes]:
    def inner(item: Condition) -> list[Indexes]:
        return _normal(item, holds, numbers, most, joined)

    match condition:
        case Constant(value) if value is not None:
            return [frozenset()] if value == holds else []
        case Not(item):
            return _normal(item, not holds, numbers, most, joined)
        case All(items) | Any(items):
            if joined:
                items = _by_dimension(condition)
            both = isinstance(condition, All) == holds
            if joined and len(items) == 1 and items[0] == condition:
                return [frozenset({_number(condition, holds, numbers)})]
            return _product(items, inner, most) if both else _union(items, inner, most)
        case _:
            return [frozenset({_number(condition, holds, numbers)})]


def _number(leaf: Condition, holds: bool, numbers: dict[Literal, int]) -> int:  # noqa: FBT001  as above
    return numbers.setdefault(Literal(leaf, holds), len(numbers))


def _by_dimension(condition: All | Any) -> tuple[Condition, ...]:
    """The same with all items on one dimension as one; itself when nothing else is in it."""
    kind = type(condition)
    parts: dict[object, list[Condition]] = {}
    for i, item in enumerate(condition.items):
        found = dimensions(item)
        key = home(found) if len(found) <= 1 else i
        parts.setdefault(key, []).append(item)
    if len(parts) == 1 and len(dimensions(condition)) <= 1:
        return (condition,)
    return tuple(items[0] if len(items) == 1 else kind(tuple(items)) for items in parts.values())


def _union(items: Iterable[Condition], inner: Callable[[Condition], list[Indexes]], most: int) -> list[Indexes]:
    found: dict[Indexes, None] = {}
    for item in items:
        found |= dict.fromkeys(inner(item))
    return _absorbed(list(found), most)


def _product(items: Sequence[Condition], inner: Callable[[Condition], list[Indexes]], most: int) -> list[Indexes]:
    found: list[Indexes] = [frozenset()]
    for item in items:
        more = inner(item)
        if len(found) * len(more) > 16 * most:
            raise _TooMany
        found = _absorbed(list(dict.fromkeys(a | b for a in found for b in more)), most)
    return found


def _absorbed(found: list[Indexes], most: int) -> list[Indexes]:
    """Without terms that say more than another one: `a or a and b` is `a`."""
    if len(found) <= ABSORBED:
        found = [one for one in found if not any(other < one for other in found)]
    if len(found) > most:
        raise _TooMany
    return found
