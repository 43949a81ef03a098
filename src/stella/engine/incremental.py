"""After a feed: only the findings whose masks can differ are asked again.

Rules:
- Most changes of values change no mask. Rows are compared by what they add to masks, not by their values.
- Findings of a row are found by an inverted index that is made once for a dimension.
- When rows were added, or a term can be unknown that could not before, everything is asked again: same answer, slower.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stella.engine.arrays import Bools, Keys, Lanes
from stella.engine.board import Board
from stella.engine.evaluate import RECHECKED, Evaluation, backend_of, evaluate, rechecked
from stella.engine.lanes import Masks, prepare
from stella.engine.reading import normal, read
from stella.engine.tally import Count
from stella.inventory.star import Star
from stella.language.names import Dimension


class Index:
    """Which findings point to each row of a dimension, in the order of ids."""

    def __init__(self, keys: Keys, rows: int) -> None:
        self.order = np.argsort(keys, kind="stable")
        self.starts = np.searchsorted(keys[self.order], np.arange(rows + 1))

    def findings(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Those of some rows, by id."""
        starts, counts = self.starts[rows], self.starts[rows + 1] - self.starts[rows]
        before = np.cumsum(counts) - counts
        places = np.arange(int(counts.sum())) + np.repeat(starts - before, counts)
        return np.sort(self.order[places])


class Refreshed(NamedTuple):
    """The evaluation after a change, and the findings that were asked again."""

    evaluation: Evaluation
    touched: npt.NDArray[np.intp]


def refresh(
    done: Evaluation,
    star: Star,
    changed: Dimension,
    index: Index,
    *,
    reuse: bool = False,
    recheck: int = RECHECKED,
) -> Refreshed:
    """The same policy over the same findings after values of one dimension changed.

    With `reuse` the masks of `done` are written to, and `done` must not be used any more.
    """
    board, old = done.board.with_star(star, changed), done.prepared
    masks = prepare(done.plan, board, old.layout)
    rows = done.board.star.dimensions[changed].rows
    if masks.layout != old.layout or star.dimensions[changed].rows != rows:
        again = evaluate(done.plan, Board(star, board.as_of), board.as_of, recheck=recheck)
        return Refreshed(again, np.arange(star.findings))
    touched = index.findings(np.flatnonzero(_differing(done.board, old, board, masks, changed)[:rows]))
    backend = backend_of("auto", len(touched))
    some = board.only(touched)
    found = np.empty((masks.layout.lanes, len(touched)), np.uint64)
    for start in range(0, len(touched), backend.block):
        backend.fill(masks, some, start, found[:, start : start + backend.block])
    kept = done.masks if reuse else done.masks.copy()
    counts = _counted(done, touched, board, found)
    kept[:, touched] = found
    again = Evaluation(done.plan, board, masks, kept, counts, backend.name)
    step = max(1, len(touched) // max(1, recheck))
    chosen = touched[::step].tolist() if recheck else []
    rechecked(done.plan, board, masks.layout, backend.name, chosen, found[:, ::step])
    return Refreshed(again, touched)


def _counted(done: Evaluation, touched: npt.NDArray[np.intp], board: Board, found: Lanes) -> Count:
    """The counts without what the touched findings were, and with what they are."""
    reading, backend = read(done.plan.view, done.layout), backend_of("auto", len(touched))
    was, now = Count.of(reading), Count.of(reading)
    rows = board.keys["advisory"][touched]
    backend.count(reading, np.ascontiguousarray(done.masks[:, touched]), normal(done.board), rows, was)
    backend.count(reading, found, normal(board), rows, now)
    counts = done.counts
    return Count(
        counts.status - was.status + now.status,
        counts.severity - was.severity + now.severity,
        counts.words - was.words + now.words,
        counts.undecided - was.undecided + now.undecided,
    )


def _differing(before: Board, old: Masks, after: Board, new: Masks, changed: Dimension) -> Bools:
    """The rows of a dimension that add something else to masks, to sums, to what is asked whole, or to severities."""
    mine, yours = _whole_table(old, changed), _whole_table(new, changed)
    found: Bools = (mine != yours).any(axis=0)
    if found.shape[0] == 1:
        found = np.repeat(found, before.star.dimensions[changed].rows + 1)
    for one, other in zip(
        [*(bins.addends for bins in old.bins), *old.sums.values()],
        [*(bins.addends for bins in new.bins), *new.sums.values()],
        strict=True,
    ):
        if changed in one:
            found = found | (one[changed] != other[changed])
    for leaf, held in old.leaves.items():
        if before.where(leaf) == changed:
            fresh = new.leaves[leaf]
            found = found | (held.sure != fresh.sure) | (held.maybe != fresh.maybe)
    return found | (normal(before) != normal(after)) if changed == "advisory" else found


def _whole_table(masks: Masks, dimension: Dimension) -> Lanes:
    """What each row of a dimension adds, together with what is the same for all."""
    base = masks.base[:, np.newaxis]
    return base & masks.tables[dimension] if dimension in masks.tables else base
