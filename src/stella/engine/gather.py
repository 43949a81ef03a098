"""The backend that is always there: numpy, in blocks that fit the cache.

Rules:
- A block works in buffers of its own, so blocks run on several threads; numpy lets go of the interpreter meanwhile.
- What is asked finding by finding is asked here for every backend that works on arrays.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from stella.engine.arrays import LANE, Keys, Lanes, Longs
from stella.engine.board import Board
from stella.engine.lanes import Bins, Masks, cuts_of, holds_from, is_sum
from stella.engine.reading import Reading, decide
from stella.engine.tally import Compare, Count
from stella.engine.terms import dimensions, home
from stella.engine.truths import Truths, every, opposite
from stella.language.model import All, Any, Compared, Condition, Not
from stella.language.names import Dimension

FEW_CUTS = 16  # up to here comparing with each cut is faster than a search


class Backend(Protocol):
    """A way to AND the masks of findings."""

    name: str
    block: int  # findings that it takes at a time
    threads: int  # that may use it at once; 0 is as many as wanted

    def fill(self, masks: Masks, board: Board, start: int, out: Lanes) -> None:
        """Put the masks of the findings from `start` on into `out[lane, finding]`."""

    def count(self, reading: Reading, lanes: Lanes, normal: npt.NDArray[np.uint8], rows: Keys, into: Count) -> None:
        """Count what the masks decide; `normal[rows[i]]` is the severity of the advisory of finding i."""

    def compare(self, readings: tuple[Reading, Reading], lanes: Lanes, start: int, into: Compare) -> None:
        """Count what two policies make of the same masks."""


class Numpy:
    """Take, then AND."""

    name = "numpy"
    block = 1 << 15
    threads = 0

    def fill(self, masks: Masks, board: Board, start: int, out: Lanes) -> None:
        size = out.shape[1]
        buffer = np.empty(size, np.uint64)
        places = {name: _places(board, name, start, size) for name in masks.tables}
        for lane in range(len(out)):
            _gather(masks, places, lane, out[lane], buffer)
        finish(masks, board, start, out, self)

    def pick(self, mask: Lanes, number: Keys, out: Lanes) -> None:
        """AND the masks of bins."""
        out &= np.take(mask, number, mode="clip")

    def bins(self, bins: Bins, keys: dict[Dimension, Keys]) -> Keys:
        """The bin of each finding."""
        total: Longs | None = None
        for dimension, addends in bins.addends.items():
            more = np.take(addends, keys[dimension], mode="clip")
            total = more if total is None else np.add(total, more, out=total)
        assert total is not None  # noqa: S101  such a sum has parts on two dimensions at least
        if len(bins.cuts) > FEW_CUTS:
            return np.searchsorted(bins.cuts, total, side="right")
        number = np.zeros(len(total), np.intp)
        for cut in bins.cuts:
            number += total >= cut
        return number

    def count(self, reading: Reading, lanes: Lanes, normal: npt.NDArray[np.uint8], rows: Keys, into: Count) -> None:
        into.add(reading, decide(reading, lanes), np.take(normal, rows, mode="clip"))

    def compare(self, readings: tuple[Reading, Reading], lanes: Lanes, start: int, into: Compare) -> None:
        into.add(readings, decide(readings[0], lanes), decide(readings[1], lanes), start)


def _places(board: Board, dimension: Dimension, start: int, size: int) -> npt.NDArray[np.intp]:
    return board.keys[dimension][start : start + size].astype(np.intp)


def _gather(masks: Masks, places: dict[Dimension, npt.NDArray[np.intp]], lane: int, out: Lanes, buffer: Lanes) -> None:
    first = True
    for dimension, table in masks.tables.items():
        if first:
            np.take(table[lane], places[dimension], out=out, mode="clip")
        else:
            np.take(table[lane], places[dimension], out=buffer, mode="clip")
            np.bitwise_and(out, buffer, out=out)
        first = False
    if first:
        out.fill(masks.base[lane])
    else:
        np.bitwise_and(out, masks.base[lane], out=out)


class Picking(Protocol):
    """What is left to a backend of bins."""

    def bins(self, bins: Bins, keys: dict[Dimension, Keys]) -> Keys:
        """The number of the bin of each finding."""

    def pick(self, mask: Lanes, number: Keys, out: Lanes) -> None:
        """AND the masks of bins, `mask[number[i]]`, into `out`."""


def finish(masks: Masks, board: Board, start: int, out: Lanes, picking: Picking) -> None:
    """AND what is no table: bins of sums, and conditions that are asked finding by finding."""
    keys = {name: held[start : start + out.shape[1]] for name, held in board.keys.items()}
    for bins in masks.bins:
        number = picking.bins(bins, keys)
        for lane in range(len(out)):
            picking.pick(bins.lanes[lane], number, out[lane])
    for whole in masks.wholes:
        held = held_whole(whole.condition, masks, keys, out.shape[1])
        out[whole.bit // LANE] &= ~((~held.sure).astype(np.uint64) << np.uint64(whole.bit % LANE))
        out[whole.second // LANE] &= ~((~held.maybe).astype(np.uint64) << np.uint64(whole.second % LANE))


def held_whole(condition: Condition, masks: Masks, keys: dict[Dimension, Keys], count: int) -> Truths:
    """The truth of a condition for each finding: leaves are gathered, the rest is logic."""
    match condition:
        case Not(item):
            return opposite(held_whole(item, masks, keys, count))
        case All(items):
            return every((held_whole(item, masks, keys, count) for item in items), count)
        case Any(items):
            return opposite(every((opposite(held_whole(item, masks, keys, count)) for item in items), count))
        case Compared() if is_sum(condition):
            addends = masks.sums[condition.sum.parts]
            total = np.sum([held[keys[dimension]] for dimension, held in addends.items()], axis=0)
            cuts = cuts_of([condition])
            held = np.array([False, *(holds_from(condition, cut) for cut in cuts)])  # the first is unknown
            number = np.searchsorted(cuts, total, side="right")
            return Truths(held[number], held[number] | (number == 0))
        case _:
            rows, mine = masks.leaves[condition], keys[home(dimensions(condition))]
            return Truths(rows.sure[mine], rows.maybe[mine])
