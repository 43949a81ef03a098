"""The fast backend: numba, where it is installed.

Rules:
- Loops run without the interpreter's lock, on the blocks that threads hand in; compiled code is kept on disk.
- Bits are found by counting trailing zeros, one instruction.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]  # as it comes
from numba.extending import intrinsic

from stella.engine.arrays import LANE, Keys, Lanes, Longs
from stella.engine.board import Board
from stella.engine.gather import FEW_CUTS, finish
from stella.engine.lanes import Bins, Masks
from stella.engine.reading import NORMAL, Reading
from stella.engine.tally import CHANGED, FREED, NEWLY, SEVERITIES, Compare, Count
from stella.language.names import Dimension

Array = npt.NDArray[Any]
compiled = numba.njit(nogil=True, cache=True)


@intrinsic
def _trailing(_context: Any, word: Any) -> Any:
    """Trailing zeros of a word; 64 of 0."""

    def code(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return numba.types.int64(word), code


_zeros: Any = _trailing  # called without the context of numba's compiler


@compiled
def _and_rows(table: Array, keys: Array, out: Array) -> None:
    for i in range(len(keys)):
        out[i] &= table[keys[i]]


@compiled
def _set_rows(addends: Array, keys: Array, out: Array) -> None:
    for i in range(len(keys)):
        out[i] = addends[keys[i]]


@compiled
def _add_rows(addends: Array, keys: Array, out: Array) -> None:
    for i in range(len(keys)):
        out[i] += addends[keys[i]]


@compiled
def _find_bins(cuts: Array, total: Array, out: Array) -> None:
    """In place of `out`; without branches, for no one can foresee them."""
    for i in range(len(total)):
        out[i] = 0
    for cut in cuts:
        for i in range(len(total)):
            out[i] += total[i] >= cut


@compiled
def _winner(lanes: Array, i: int, bits: Array, group_of: Array, none: int) -> int:
    if len(bits) == 1:  # no branch: which bit wins cannot be foreseen
        return int(group_of[_zeros(lanes[0, i] & bits[0])])
    for lane in range(len(bits)):
        held = lanes[lane, i] & bits[lane]
        if held:
            return int(group_of[lane * LANE + _zeros(held)])
    return none


@compiled
def _open(lanes: Array, i: int, against: Array) -> int:
    if len(against) == 1:
        return int((lanes[0, i] & against[0]) != 0)
    for lane in range(len(against)):
        if lanes[lane, i] & against[lane]:
            return 1
    return 0


@compiled
def _count(lanes: Array, normal: Array, rows: Array, reading: Any, status: Array, severity: Array, words: Array) -> int:
    undecided, shifts, opens = 0, reading.severity_bits.any(), reading.against.any()
    more = np.zeros((2, len(status)), np.int64)  # two, for neighbours often count the same: one must not wait
    decided = np.zeros((2, len(status)), np.int64)
    seen = np.zeros((2, len(words)), np.int64)
    for i in range(lanes.shape[1]):
        group = _winner(lanes, i, reading.status_bits, reading.group_of, reading.groups)
        more[i & 1, group] += 1
        if opens:
            undecided += _open(lanes, i, reading.against[group])
        word = normal[rows[i]]
        if shifts:
            by = _winner(lanes, i, reading.severity_bits, reading.group_of, reading.groups)
            decided[i & 1, by] += 1
            told = reading.severity_of[by]
            word = word if told == NORMAL else told
        seen[i & 1, word] += 1
    if not shifts:
        severity[reading.groups] += lanes.shape[1]
    status += more[0] + more[1]
    severity += decided[0] + decided[1]
    words += seen[0] + seen[1]
    return undecided


@compiled
def _compare(  # noqa: PLR0913, PLR0917  a kernel takes its arrays one by one
    lanes: Array,
    before: Any,
    after: Any,
    advisories: Array,
    assets: Array,
    normal: Array,
    kev: Array,
    classes: Array,
    matrix: Array,
    severity: Array,
    counts: Array,
    undecided: Array,
) -> None:
    width, first, second = after.groups + 1, 0, 0
    opens = before.against.any() or after.against.any()
    shifts = before.severity_bits.any() or after.severity_bits.any()
    same = np.zeros((2, SEVERITIES), np.int64)
    for i in range(lanes.shape[1]):
        old = _winner(lanes, i, before.status_bits, before.group_of, before.groups)
        new = _winner(lanes, i, after.status_bits, after.group_of, after.groups)
        cell = old * width + new
        matrix[cell] += 1
        if opens:
            first += _open(lanes, i, before.against[old])
            second += _open(lanes, i, after.against[new])
        word = normal[advisories[i]]
        kind = classes[cell]
        if shifts:
            was = before.severity_of[_winner(lanes, i, before.severity_bits, before.group_of, before.groups)]
            now = after.severity_of[_winner(lanes, i, after.severity_bits, after.group_of, after.groups)]
            was = word if was == NORMAL else was
            now = word if now == NORMAL else now
            severity[was * SEVERITIES + now] += 1
            if was != now:
                kind |= CHANGED
        else:
            same[i & 1, word] += 1
        if kind:
            asset = assets[i]
            counts[3, asset] += 1
            if kind & NEWLY:
                counts[0, asset] += 1
            if kind & FREED:
                counts[1, asset] += 1
                if kev[advisories[i]] == 1:
                    counts[2, asset] += 1
    for word in range(SEVERITIES):
        severity[word * SEVERITIES + word] += same[0, word] + same[1, word]
    undecided[0] += first
    undecided[1] += second


class Numba:
    """Loops of machine code."""

    name = "numba"
    block = 1 << 14
    threads = 0

    def fill(self, masks: Masks, board: Board, start: int, out: Lanes) -> None:
        size = out.shape[1]
        for lane in range(len(out)):
            out[lane].fill(masks.base[lane])
            for dimension, table in masks.tables.items():
                _and_rows(table[lane], board.keys[dimension][start : start + size], out[lane])
        finish(masks, board, start, out, self)

    def pick(self, mask: Lanes, number: Keys, out: Lanes) -> None:
        """AND the masks of bins."""
        _and_rows(mask, number, out)

    def bins(self, bins: Bins, keys: dict[Dimension, Keys]) -> Keys:
        """The bin of each finding."""
        total: Longs = np.empty(len(next(iter(keys.values()))), np.int64)
        add = _set_rows
        for dimension, addends in bins.addends.items():
            add(addends, keys[dimension], total)
            add = _add_rows
        if len(bins.cuts) > FEW_CUTS:
            return np.searchsorted(bins.cuts, total, side="right")
        number = np.empty(len(total), np.int32)
        _find_bins(bins.cuts, total, number)
        return number

    def count(self, reading: Reading, lanes: Lanes, normal: Array, rows: Keys, into: Count) -> None:
        into.undecided += _count(lanes, normal, rows, reading, into.status, into.severity, into.words)

    def compare(self, readings: tuple[Reading, Reading], lanes: Lanes, start: int, into: Compare) -> None:
        ground, stop = into.ground, start + lanes.shape[1]
        advisories, assets = ground.advisories[start:stop], ground.assets[start:stop]
        looked_up = (ground.normal, ground.kev, ground.classes)
        counted = (into.matrix, into.severity, into.assets, into.undecided)
        _compare(lanes, *readings, advisories, assets, *looked_up, *counted)
