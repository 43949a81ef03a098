"""Why a finding is decided as it is: its mask, group by group, term by term, leaf by leaf, with the values.

Rules:
- Everything is there: groups that are true, false and unknown, in the order of their strength.
- The truth of a leaf comes from the interpreter, that of a group from its terms. A mask that is given must agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Literal as OneWord
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np

from stella.engine.arrays import Lanes
from stella.engine.board import MAX_KEPT, Board
from stella.engine.errors import BackendsDisagree
from stella.engine.evaluate import groups_in
from stella.engine.facts import facts, missing
from stella.engine.lanes import Layout
from stella.engine.plan import NO_GROUP, Plan
from stella.engine.terms import Dimensions, Literal, Term, dimensions, leaves
from stella.inventory.star import Star
from stella.language.interpret import Facts, Truth, Value, settle, truth
from stella.language.model import (
    Adjusted,
    All,
    Any,
    Before,
    Compared,
    Condition,
    Constant,
    Every,
    Not,
    OutcomeIs,
    Some,
)

Word: TypeAlias = OneWord["true", "false", "unknown"]
Plain: TypeAlias = bool | int | str | tuple[str, ...]
WORDS: dict[Truth, Word] = {True: "true", False: "false", None: "unknown"}
TRUTHS: dict[Word, Truth] = {word: held for held, word in WORDS.items()}
MAX_PLANS = 8  # of which the outline is kept


class LeafSaid(msgspec.Struct, frozen=True, gc=False):
    """One test: the leaf, whether it is asked for or its negation, and the values that it read; a missing one is null.

    Of a leaf about statements the values are in `statements`, oldest first.
    """

    leaf: Condition
    holds: bool
    truth: Word
    values: dict[str, Plain | None]
    statements: tuple[dict[str, Plain], ...] = ()


class TermSaid(msgspec.Struct, frozen=True, gc=False):
    """A conjunction by the number of its bit; `truth` is that of all its leaves together.

    A condition that is asked whole has its leaves here too, and the truth of all of it.
    """

    bit: int
    truth: Word
    leaves: tuple[LeafSaid, ...]


class GroupSaid(msgspec.Struct, frozen=True, gc=False):
    """An outcome by its number: what it would decide, and whether it is true."""

    group: int
    rule: str
    branch: str
    truth: Word
    status: str | None
    severity: str | None
    because: str
    terms: tuple[TermSaid, ...]


class Explanation(msgspec.Struct, frozen=True):
    """What is decided of a finding, by which groups, and all groups there are."""

    finding: int
    as_of: int
    status: str
    severity: str | None
    status_by: int | None
    severity_by: int | None
    undecided: bool
    groups: tuple[GroupSaid, ...]

    def matching(self) -> tuple[GroupSaid, ...]:
        """The groups that are true or unknown."""
        return tuple(group for group in self.groups if group.truth != "false")


def explain(
    plan: Plan,
    star: Star | Board,
    finding: int,
    as_of: int = 0,
    *,
    mask: Lanes | None = None,
    layout: Layout | None = None,
) -> Explanation:
    """Explain one finding of a star at an instant; of a board, at its own.

    With `mask` and its `layout`, raises BackendsDisagree when it says something else.
    """
    if isinstance(star, Board):
        as_of, star = star.as_of, star.star
    told, lost, view, outline = facts(star, finding, as_of), missing(star, finding), plan.view, _outline(plan)
    leaves_said = [_leaf(asked, told, lost) for asked in outline.asked]
    said = [
        _term(bit, term, tuple([leaves_said[number] for number in numbers]), told, lost)
        for bit, (term, numbers) in enumerate(zip(plan.terms, outline.numbers, strict=True))
    ]
    terms = [tuple([said[bit] for bit in bits]) for bits in outline.bits]
    held = [_any(term.truth for term in group) for group in terms]
    found = settle(view.groups, [TRUTHS[word] for word in held], view.default_status, told)
    if mask is not None and layout is not None:
        _checked(finding, groups_in(view, layout, np.asarray(mask)), (found.true, found.unknown))
    groups = tuple(
        GroupSaid(number, group.rule, group.branch, word, group.status, group.severity, group.because, of_group)
        for number, (group, word, of_group) in enumerate(zip(view.groups, held, terms, strict=True))
    )
    return Explanation(
        finding,
        as_of,
        found.status,
        found.severity,
        found.status_by,
        found.severity_by,
        found.undecided,
        groups,
    )


class _Asked(NamedTuple):
    """A literal, and what it reads."""

    literal: Literal
    columns: tuple[str, ...]
    quantified: bool


class _Outline(NamedTuple):
    """All that is asked by a plan, each thing once: `numbers` are those of the literals of each term."""

    asked: tuple[_Asked, ...]
    numbers: tuple[tuple[int, ...], ...]
    bits: tuple[tuple[int, ...], ...]  # of each group


@lru_cache(MAX_PLANS)
def _outline(plan: Plan) -> _Outline:
    numbers: dict[Literal, int] = {}
    terms = tuple(tuple(numbers.setdefault(one, len(numbers)) for one in _literals(term)) for term in plan.terms)
    asked = tuple(_Asked(one, *columns(one.leaf)) for one in numbers)
    bits: list[list[int]] = [[] for _ in plan.view.groups]
    for bit, group in enumerate(plan.view.group_of):
        if group != NO_GROUP:
            bits[group].append(bit)
    return _Outline(asked, terms, tuple(map(tuple, bits)))


def _literals(term: Term) -> tuple[Literal, ...]:
    """Those of a term; of a condition that is asked whole, its leaves, none negated."""
    return term.literals if term.whole is None else tuple(Literal(leaf, True) for leaf in leaves(term.whole))  # noqa: FBT003


def _any(held: Iterable[Word]) -> Word:
    seen = set(held)
    return "true" if "true" in seen else "unknown" if "unknown" in seen else "false"


def _blind(condition: Condition, lost: Dimensions) -> Condition:
    """The same when nothing is known of some dimensions, not even that a value is missing."""
    match condition:
        case _ if not lost or not lost & dimensions(condition):
            return condition
        case Not(item):
            return Not(_blind(item, lost))
        case All(items) | Any(items):
            return type(condition)(tuple(_blind(item, lost) for item in items))
        case _:
            return Constant(None)


def _checked(finding: int, found: object, wanted: object) -> None:
    if found != wanted:
        raise BackendsDisagree(finding=finding, backend="the mask given", found=found, wanted=wanted)


def _leaf(asked: _Asked, told: Facts, lost: Dimensions) -> LeafSaid:
    leaf, holds = asked.literal
    held = truth(_blind(leaf if holds else Not(leaf), lost), told)
    values = {name: _plain(told.values[name]) if name in told.values else None for name in asked.columns}
    statements = told.statements if asked.quantified else ()
    said = tuple([{name: _plain(value) for name, value in one.items()} for one in statements])
    return LeafSaid(leaf, holds, WORDS[held], values, said)


def _term(bit: int, term: Term, said: tuple[LeafSaid, ...], told: Facts, lost: Dimensions) -> TermSaid:
    if term.whole is not None:
        return TermSaid(bit, WORDS[truth(_blind(term.whole, lost), told)], said)
    held = [leaf.truth for leaf in said]
    return TermSaid(bit, "false" if "false" in held else "unknown" if "unknown" in held else "true", said)


def _plain(value: Value) -> Plain:
    return tuple(sorted(value)) if isinstance(value, frozenset) else value


@lru_cache(MAX_KEPT)
def columns(condition: Condition) -> tuple[tuple[str, ...], bool]:
    """The columns of a finding that a condition reads, and whether it reads statements."""
    found: dict[str, None] = {}
    quantified = _columns(condition, found)
    return tuple(found), quantified


def _columns(condition: Condition, into: dict[str, None]) -> bool:
    """Collect columns; whether statements are read. Every item is walked, whatever the one before says."""
    match condition:
        case Constant() | OutcomeIs():
            return False
        case Some() | Every():
            return True
        case Not(item):
            return _columns(item, into)
        case All(items) | Any(items):
            return max([_columns(item, into) for item in items], default=False)
        case Compared(total):
            quantified = False
            for part in total.parts:
                if isinstance(part, Adjusted):
                    quantified |= max([_columns(one, into) for one, _ in part.cases], default=False)
                else:
                    into[part.column] = None
            return quantified
        case Before(column):
            if column is not None:
                into[column] = None
            return False
        case _:
            into[condition.column] = None
            return False
