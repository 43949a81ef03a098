"""The backend on polars: gathers and ANDs as expressions over the keys.

Rules:
- Unknown is null: the logic of polars on nullable booleans is Kleene's.
"""

from __future__ import annotations

from functools import reduce
from operator import and_, or_

import numpy as np
import polars as pl

from stella.engine.arrays import LANE, Lanes, Longs
from stella.engine.board import Board
from stella.engine.gather import Numpy
from stella.engine.lanes import Masks, cuts_of, holds_from, is_sum
from stella.engine.terms import dimensions, home
from stella.engine.truths import Truths
from stella.language.model import All, Any, Condition, Constant, Not
from stella.language.names import Dimension


class Polars(Numpy):
    """Expressions; what is decided is read from the masks as numpy does."""

    name = "polars"
    block = 1 << 21
    threads = 1  # polars has threads of its own

    def fill(self, masks: Masks, board: Board, start: int, out: Lanes) -> None:
        size = out.shape[1]
        keys = {name: held[start : start + size] for name, held in board.keys.items()}
        found = pl.DataFrame(keys).select(_lane(masks, lane).alias(f"m{lane}") for lane in range(len(out)))
        for lane in range(len(out)):
            column = found[f"m{lane}"].to_numpy()
            out[lane] = column if len(column) == size else column[0]  # the same for all findings


def _lane(masks: Masks, lane: int) -> pl.Expr:
    parts = [_word(int(masks.base[lane]))]
    parts += [_gathered(pl.Series(table[lane]), dimension) for dimension, table in masks.tables.items()]
    parts += [_bins(_total(bins.addends), bins.cuts, bins.lanes[lane]) for bins in masks.bins]
    for whole in masks.wholes:
        held = _whole(whole.condition, masks)
        if whole.bit // LANE == lane:
            parts.append(pl.when(held).then(_word(2**64 - 1)).otherwise(_without(whole.bit)))
        if whole.second // LANE == lane and whole.second != whole.bit:
            parts.append(pl.when(~held).then(_without(whole.second)).otherwise(_word(2**64 - 1)))
    return reduce(and_, parts)


def _word(value: int) -> pl.Expr:
    return pl.lit(value, dtype=pl.UInt64)


def _without(bit: int) -> pl.Expr:
    return _word(2**64 - 1 - (1 << bit % LANE))


def _gathered(values: pl.Series, dimension: Dimension) -> pl.Expr:
    return pl.lit(values).gather(pl.col(dimension))


def _total(addends: dict[Dimension, Longs]) -> pl.Expr:
    return pl.sum_horizontal(_gathered(pl.Series(values), dimension) for dimension, values in addends.items())


def _bins(total: pl.Expr, cuts: Longs, lanes: Lanes) -> pl.Expr:
    found = _word(int(lanes[-1]))
    for cut, mask in zip(cuts[::-1].tolist(), lanes[-2::-1].tolist(), strict=True):
        found = pl.when(total < cut).then(_word(mask)).otherwise(found)
    return found


def _whole(condition: Condition, masks: Masks) -> pl.Expr:
    match condition:
        case Not(item):
            return ~_whole(item, masks)
        case All(items) | Any(items) if not items:
            return pl.lit(isinstance(condition, All))
        case All(items):
            return reduce(and_, (_whole(item, masks) for item in items))
        case Any(items):
            return reduce(or_, (_whole(item, masks) for item in items))
        case Constant(value):
            return pl.lit(value, dtype=pl.Boolean)
        case _ if is_sum(condition):
            total, cuts = _total(masks.sums[condition.sum.parts]), cuts_of([condition])
            found: pl.Expr = pl.lit(holds_from(condition, cuts[-1]))
            for cut, before in zip(cuts[:0:-1], cuts[-2::-1], strict=True):
                found = pl.when(total < cut).then(pl.lit(holds_from(condition, before))).otherwise(found)
            return pl.when(total >= cuts[0]).then(found)
        case _:
            return _gathered(_nullable(masks.leaves[condition]), home(dimensions(condition)))


def _nullable(held: Truths) -> pl.Series:
    values = np.where(held.sure, 1, np.where(held.maybe, -1, 0))
    return pl.select(pl.when(pl.lit(pl.Series(values)) >= 0).then(pl.lit(pl.Series(held.sure)))).to_series()
