"""Why a finding is decided as it is: its mask, group by group, term by term, leaf by leaf, with the values.

Rules:
- Everything is there: groups that are true, false and unknown, in the order of their strength.
- Truths come from the interpreter; when a mask is given it must say the same.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, TypeAlias

import msgspec
import numpy as np

from stella.engine.arrays import Lanes
from stella.engine.board import MAX_KEPT, Board
from stella.engine.errors import BackendsDisagree
from stella.engine.evaluate import groups_in
from stella.engine.facts import facts, missing
from stella.engine.gather import Numpy
from stella.engine.lanes import Layout, prepare
from stella.engine.plan import Plan
from stella.engine.reading import decide as read_by
from stella.engine.reading import read
from stella.engine.terms import Dimensions, Term, dimensions, leaves
from stella.inventory.star import Star
from stella.language.interpret import Decision, Facts, Truth, Value, decide, truth
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

Word: TypeAlias = Literal["true", "false", "unknown"]
Plain: TypeAlias = bool | int | str | tuple[str, ...]
WORDS: dict[Truth, Word] = {True: "true", False: "false", None: "unknown"}


class LeafSaid(msgspec.Struct, frozen=True):
    """One test: the leaf, whether it is asked for or its negation, and the values that it read; a missing one is null.

    Of a leaf about statements the values are in `statements`, oldest first.
    """

    leaf: Condition
    holds: bool
    truth: Word
    values: dict[str, Plain | None]
    statements: tuple[dict[str, Plain], ...] = ()


class TermSaid(msgspec.Struct, frozen=True):
    """A conjunction by the number of its bit; `truth` is that of all its leaves together.

    A condition that is asked whole has its leaves here too, and the truth of all of it.
    """

    bit: int
    truth: Word
    leaves: tuple[LeafSaid, ...]


class GroupSaid(msgspec.Struct, frozen=True):
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
    board = star if isinstance(star, Board) else None
    whole = star.star if isinstance(star, Board) else star
    as_of = as_of if board is None else board.as_of
    told, view = facts(whole, finding, as_of), plan.view
    found = decide(view.groups, view.default_status, told)
    lost = missing(whole, finding)
    if lost:
        found = _degraded(plan, board or Board(whole, as_of), finding, found)
    if mask is not None and layout is not None:
        _checked(finding, groups_in(view, layout, np.asarray(mask)), (found.true, found.unknown))
    return Explanation(
        finding,
        told.as_of,
        found.status,
        found.severity,
        found.status_by,
        found.severity_by,
        found.undecided,
        _groups(plan, found, told, lost),
    )


def _groups(plan: Plan, found: Decision, told: Facts, lost: Dimensions) -> tuple[GroupSaid, ...]:
    held: dict[int, Truth] = dict.fromkeys(found.true, True) | dict.fromkeys(found.unknown)
    bits: dict[int, list[int]] = {}
    for bit, number in enumerate(plan.view.group_of):
        bits.setdefault(number, []).append(bit)
    return tuple(
        _group(plan, number, WORDS[held.get(number, False)], bits.get(number, []), told, lost)
        for number in range(len(plan.view.groups))
    )


def _group(plan: Plan, number: int, held: Word, bits: list[int], told: Facts, lost: Dimensions) -> GroupSaid:
    group = plan.view.groups[number]
    terms = tuple(_term(bit, plan.terms[bit], told, lost, held) for bit in bits)
    return GroupSaid(number, group.rule, group.branch, held, group.status, group.severity, group.because, terms)


def _degraded(plan: Plan, board: Board, finding: int, found: Decision) -> Decision:
    """What the mask says: of a row that is not there nothing is known, not even that a value is missing."""
    one = board.only(np.array([finding]))
    masks, view = prepare(plan, one), plan.view
    out = np.empty((masks.layout.lanes, 1), np.uint64)
    Numpy().fill(masks, one, 0, out)
    true, unknown = groups_in(view, masks.layout, out[:, 0])
    said = read_by(read(view, masks.layout), out)
    by_status, by_severity = (int(one[0]) for one in (said.status_by, said.severity_by))
    none = len(view.groups)
    return found._replace(
        true=true,
        unknown=unknown,
        status=view.default_status if by_status == none else view.groups[by_status].status or view.default_status,
        severity=found.severity if by_severity == none else view.groups[by_severity].severity,
        status_by=None if by_status == none else by_status,
        severity_by=None if by_severity == none else by_severity,
        undecided=bool(said.undecided[0]),
    )


def _checked(finding: int, found: object, wanted: object) -> None:
    if found != wanted:
        raise BackendsDisagree(finding=finding, backend="the mask given", found=found, wanted=wanted)


def _term(bit: int, term: Term, told: Facts, lost: Dimensions, group: Word) -> TermSaid:
    if term.whole is not None:  # the only term of its group
        return TermSaid(bit, group, tuple(_leaf(leaf, True, told, lost) for leaf in leaves(term.whole)))  # noqa: FBT003  none is negated
    said = tuple(_leaf(literal.leaf, literal.holds, told, lost) for literal in term.literals)
    held = {leaf.truth for leaf in said}
    return TermSaid(bit, "false" if "false" in held else "unknown" if "unknown" in held else "true", said)


def _leaf(leaf: Condition, holds: bool, told: Facts, lost: Dimensions) -> LeafSaid:  # noqa: FBT001  the sign
    held = None if lost and dimensions(leaf) & lost else truth(leaf if holds else Not(leaf), told)
    names, quantified = columns(leaf)
    values = {name: _plain(told.values[name]) if name in told.values else None for name in names}
    statements = told.statements if quantified else ()
    said = tuple({name: _plain(value) for name, value in one.items()} for one in statements)
    return LeafSaid(leaf, holds, WORDS[held], values, said)


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
