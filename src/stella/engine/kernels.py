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
from llvmlite import ir
from numba.extending import intrinsic

from stella.engine.arrays import LANE, Keys, Lanes, Longs
from stella.engine.board import Board
from stella.engine.gather import finish
from stella.engine.lanes import Bins, Masks
from stella.engine.reading import NORMAL, Reading
from stella.engine.tally import FREED, NEWLY, SEVERITIES, Compare, Count
from stella.language.names import Dimension

Array = npt.NDArray[Any]
compiled = numba.njit(nogil=True, cache=True)


@intrinsic
def _zeros(_context: Any, word: Any) -> Any:  # noqa: ANN401  types of numba
    """Trailing zeros of a word that is not 0."""

    def code(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:  # noqa: ANN401  as above
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return numba.types.int64(word), code


@compiled
def _and_rows(table: Array, keys: Array, out: Array) -> None:
    for i in range(len(keys)):
        out[i] &= table[keys[i]]


@compiled
def _add_rows(addends: Array, keys: Array, out: Array) -> None:
    for i in range(len(keys)):
        out[i] += addends[keys[i]]


@compiled
def _find_bins(cuts: Array, total: Array, out: Array) -> None:
    for i in range(len(total)):
        number, value = 0, total[i]
        while number < len(cuts) and value >= cuts[number]:
            number += 1
        out[i] = number


@compiled
def _winner(lanes: Array, i: int, bits: Array, group_of: Array, none: int) -> int:
    for lane in range(len(bits)):
        held = lanes[lane, i] & bits[lane]
        if held:
            return int(group_of[lane * LANE + _zeros(held)])
    return none


@compiled
def _open(lanes: Array, i: int, against: Array) -> int:
    for lane in range(len(against)):
        if lanes[lane, i] & against[lane]:
            return 1
    return 0


@compiled
def _count(
    lanes: Array, normal: Array, reading: Any, status: Array, severity: Array, words: Array  # noqa: ANN401  named tuple
) -> int:
    undecided = 0
    for i in range(lanes.shape[1]):
        group = _winner(lanes, i, reading.status_bits, reading.group_of, reading.groups)
        status[group] += 1
        undecided += _open(lanes, i, reading.against[group])
        by = _winner(lanes, i, reading.severity_bits, reading.group_of, reading.groups)
        severity[by] += 1
        word = reading.severity_of[by]
        words[normal[i] if word == NORMAL else word] += 1
    return undecided


@compiled
def _compare(  # noqa: PLR0913, PLR0917  a kernel takes its arrays one by one
    lanes: Array,
    before: Any,  # noqa: ANN401  named tuple
    after: Any,  # noqa: ANN401  as before
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
    width = after.groups + 1
    for i in range(lanes.shape[1]):
        old = _winner(lanes, i, before.status_bits, before.group_of, before.groups)
        new = _winner(lanes, i, after.status_bits, after.group_of, after.groups)
        cell = old * width + new
        matrix[cell] += 1
        undecided[0] += _open(lanes, i, before.against[old])
        undecided[1] += _open(lanes, i, after.against[new])
        was = before.severity_of[_winner(lanes, i, before.severity_bits, before.group_of, before.groups)]
        now = after.severity_of[_winner(lanes, i, after.severity_bits, after.group_of, after.groups)]
        word = normal[advisories[i]]
        was = word if was == NORMAL else was
        now = word if now == NORMAL else now
        severity[was * SEVERITIES + now] += 1
        kind = classes[cell]
        if kind or was != now:
            asset = assets[i]
            counts[3, asset] += 1
            if kind & NEWLY:
                counts[0, asset] += 1
            if kind & FREED:
                counts[1, asset] += 1
                if kev[advisories[i]] == 1:
                    counts[2, asset] += 1


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
        finish(masks, board, start, out, self.bins)

    def bins(self, bins: Bins, keys: dict[Dimension, Keys]) -> npt.NDArray[np.intp]:
        """The bin of each finding."""
        total: Longs = np.zeros(len(next(iter(keys.values()))), np.int64)
        for dimension, addends in bins.addends.items():
            _add_rows(addends, keys[dimension], total)
        number = np.empty(len(total), np.intp)
        _find_bins(bins.cuts, total, number)
        return number

    def count(self, reading: Reading, lanes: Lanes, normal: npt.NDArray[np.uint8], into: Count) -> None:
        into.undecided += _count(lanes, normal, reading, into.status, into.severity, into.words)

    def compare(self, readings: tuple[Reading, Reading], lanes: Lanes, start: int, into: Compare) -> None:
        ground, stop = into.ground, start + lanes.shape[1]
        advisories, assets = ground.advisories[start:stop], ground.assets[start:stop]
        looked_up = (ground.normal, ground.kev, ground.classes)
        counted = (into.matrix, into.severity, into.assets, into.undecided)
        _compare(lanes, *readings, advisories, assets, *looked_up, *counted)
