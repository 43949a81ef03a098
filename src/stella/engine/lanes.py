"""The masks of the rows of each dimension: what a plan becomes on one inventory.

Rules:
- A mask is some lanes of 64 bits. Bit t says that term t holds; behind them is one bit for each term that can be
  unknown, saying that it holds or might. A term that nothing makes unknown here has no second bit.
- A finding's mask is the AND of the masks of its five rows, of its bins, and of what is asked finding by finding.
- A dimension of which all rows have the same mask is not gathered at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeGuard

import numpy as np

from stella.engine.arrays import FULL, LANE, Bools, Lanes, Longs
from stella.engine.board import Board
from stella.engine.errors import SumTooLarge
from stella.engine.plan import Plan
from stella.engine.terms import Literal, dimensions, leaves
from stella.engine.truths import SAFE, Truths
from stella.language.interpret import OPERATORS
from stella.language.model import Compared, Condition, Part
from stella.language.names import DIMENSIONS, Dimension

NOTHING = -(2**60)  # a missing addend: five of them do not overflow, and one makes the sum less than any real one
UNKNOWN_BELOW = -(2**59)


class Layout(NamedTuple):
    """Where bits are: `second[t]` is the bit that says that term t might hold; t itself when it cannot be unknown."""

    terms: int
    second: tuple[int, ...]
    lanes: int


class Bins(NamedTuple):
    """A sum over dimensions: gather the addends, find the bin among the sorted cuts, AND its mask.

    Bin 0 is that of a sum with a missing part; `lanes[:, bin]` is the mask of a bin.
    """

    addends: dict[Dimension, Longs]
    cuts: Longs
    lanes: Lanes


class Whole(NamedTuple):
    """A term that is asked finding by finding: its condition over leaves of known truth, and its two bits."""

    condition: Condition
    bit: int
    second: int


@dataclass(frozen=True, eq=False)
class Masks:
    """What is gathered for each finding: `tables[dimension][lane, row]`, and `base[lane]` for what is the same."""

    layout: Layout
    base: Lanes
    tables: dict[Dimension, Lanes]
    bins: tuple[Bins, ...]
    wholes: tuple[Whole, ...]
    leaves: dict[Condition, Truths]  # of the wholes: those on one dimension
    sums: dict[tuple[Part, ...], dict[Dimension, Longs]]  # of the wholes: addends by the parts of their sums


def prepare(plan: Plan, board: Board, layout: Layout | None = None) -> Masks:
    """The masks of all rows; with `layout`, in the places that it gives, if they are enough."""
    asked = _Asked(plan, board)
    place = layout if layout is not None and _fits(layout, asked.uncertain) else _layout(asked.uncertain)
    filled = {dimension: _table(asked.held[dimension], place, asked.rows[dimension]) for dimension in DIMENSIONS}
    base = np.full(place.lanes, FULL)
    tables: dict[Dimension, Lanes] = {}
    for dimension, table in filled.items():
        real = table if board.missing[dimension] else table[:, :-1]
        if real.shape[1] and (real == real[:, :1]).all():
            base &= real[:, 0]
        else:
            tables[dimension] = table
    bins = tuple(_binned(one, place) for one in asked.sums.values())
    asked_whole = [leaf for term in plan.terms if term.whole is not None for leaf in leaves(term.whole)]
    single = {leaf: board.truths(leaf) for leaf in asked_whole if len(dimensions(leaf)) <= 1}
    sums = {leaf.sum.parts: _Summed(board, leaf.sum.parts).addends for leaf in asked_whole if is_sum(leaf)}
    return Masks(place, base, tables, bins, _wholes(plan, place), single, sums)


def is_sum(leaf: Condition) -> TypeGuard[Compared]:
    """Whether a leaf compares a sum over several dimensions."""
    return isinstance(leaf, Compared) and len(dimensions(leaf)) > 1


class _Asked:
    """The truth of every literal of a plan on a board, sorted by where it is."""

    def __init__(self, plan: Plan, board: Board) -> None:
        self.rows = {dimension: board.star.dimensions[dimension].rows + 1 for dimension in DIMENSIONS}
        self.held: dict[Dimension, dict[int, Truths]] = {dimension: {} for dimension in DIMENSIONS}
        self.sums: dict[tuple[Part, ...], _Summed] = {}
        self.uncertain = [term.whole is not None for term in plan.terms]
        self._board = board
        for bit, term in enumerate(plan.terms):
            for literal in term.literals:
                self._ask(bit, literal)

    def _ask(self, bit: int, literal: Literal) -> None:
        leaf = literal.leaf
        if is_sum(leaf):
            parts = leaf.sum.parts
            one = self.sums.get(parts)
            if one is None:
                one = self.sums[parts] = _Summed(self._board, parts)
            one.literals.append((bit, leaf, literal.holds))
            self.uncertain[bit] |= one.uncertain
            return
        where, held = self._board.where(leaf), self._board.truths(leaf)
        if not literal.holds:
            held = Truths(~held.maybe, ~held.sure)
        before = self.held[where].get(bit)
        if before is not None:
            held = Truths(before.sure & held.sure, before.maybe & held.maybe)
        self.held[where][bit] = held
        real = slice(None) if self._board.missing[where] else slice(-1)
        self.uncertain[bit] |= bool((held.sure[real] != held.maybe[real]).any())


class _Summed:
    """A sum over dimensions and the literals that ask for it."""

    def __init__(self, board: Board, parts: tuple[Part, ...]) -> None:
        self.addends: dict[Dimension, Longs] = {}
        self.literals: list[tuple[int, Compared, bool]] = []
        self.uncertain = False
        for dimension, held in board.addends(parts).items():
            values = np.where(held.known, held.values, 0)
            if len(values) and max(abs(int(values.max())), abs(int(values.min()))) >= SAFE:
                raise SumTooLarge(dimensions=", ".join(board.addends(parts)), limit=SAFE)
            self.addends[dimension] = np.where(held.known, values, NOTHING).astype(np.int64)
            real = slice(None) if board.missing[dimension] else slice(-1)
            self.uncertain |= not bool(held.known[real].all())


def _layout(uncertain: Sequence[bool]) -> Layout:
    second, free = [], len(uncertain)
    for bit, unsure in enumerate(uncertain):
        second.append(free if unsure else bit)
        free += unsure
    return Layout(len(uncertain), tuple(second), max(1, -(-free // LANE)))


def _fits(layout: Layout, uncertain: Sequence[bool]) -> bool:
    return all(layout.second[bit] != bit for bit, unsure in enumerate(uncertain) if unsure)


def _table(held: dict[int, Truths], place: Layout, rows: int) -> Lanes:
    table = np.empty((place.lanes, rows), np.uint64)
    table[:] = FULL
    for bit, one in held.items():
        _clear(table, bit, ~one.sure)
        if place.second[bit] != bit:
            _clear(table, place.second[bit], ~one.maybe)
    return table


def _clear(table: Lanes, bit: int, where: Bools) -> None:
    lane = table[bit // LANE]
    lane &= ~(where.astype(np.uint64) << np.uint64(bit % LANE))


def _binned(summed: _Summed, place: Layout) -> Bins:
    """The cuts of all its literals and the mask of each bin between them."""
    cuts = cuts_of([leaf for _, leaf, _ in summed.literals])
    lanes = np.full((place.lanes, len(cuts) + 1), FULL)
    for bit, leaf, holds in summed.literals:
        sure = np.array([False, *(holds_from(leaf, cut) == holds for cut in cuts)])
        maybe = sure.copy()
        maybe[0] = True
        _clear(lanes, bit, ~sure)
        if place.second[bit] != bit:
            _clear(lanes, place.second[bit], ~maybe)
    keep = [0, 1] + [i for i in range(2, len(cuts) + 1) if (lanes[:, i] != lanes[:, i - 1]).any()]
    return Bins(summed.addends, np.array([cuts[i - 1] for i in keep[1:]], np.int64), lanes[:, keep].copy())


def cuts_of(asked: Iterable[Compared]) -> list[int]:
    """Where the answer of one of these comparisons can change, as the parts of their sum grow; first, their least."""
    wanted: set[int] = set()
    for leaf in asked:
        for edge in (leaf.bound, leaf.sum.low, leaf.sum.high):
            if edge is not None:
                wanted |= {edge - leaf.sum.constant, edge - leaf.sum.constant + 1}
    return [UNKNOWN_BELOW, *sorted(cut for cut in wanted if UNKNOWN_BELOW < cut < -UNKNOWN_BELOW)]


def holds_from(leaf: Compared, parts: int) -> bool:
    """Whether the comparison holds when the parts of its sum make so much; the same from a cut to the next."""
    value = parts + leaf.sum.constant
    value = value if leaf.sum.low is None else max(value, leaf.sum.low)
    value = value if leaf.sum.high is None else min(value, leaf.sum.high)
    return OPERATORS[leaf.operator](value, leaf.bound)


def _wholes(plan: Plan, place: Layout) -> tuple[Whole, ...]:
    return tuple(
        Whole(term.whole, bit, place.second[bit]) for bit, term in enumerate(plan.terms) if term.whole is not None
    )
