"""Who decides each asset's findings before and after, by the names of rules: what a canary is held against.

Rules:
- Every finding counts, also one that keeps its rule: an asset that has lost findings is seen to have lost them.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from stella.engine.plan import View
from stella.engine.reading import decide
from stella.engine.simulate import DEFAULT, UNKNOWN, Comparison
from stella.inventory.star import Coded

_APART = re.compile(r"[\s>=]")  # what stands between two names and their count


def by_asset(comparison: Comparison, wanted: Callable[[str], bool] = lambda _: True) -> dict[str, dict[str, int]]:
    """How many findings of each asset go from which rule to which, as `FROM>TO`; of the wanted assets alone."""
    first, second = comparison.readings
    names = _names(comparison)
    mine = np.array([wanted(name) for name in names], np.bool_)
    width = second.groups + 1
    cells = (first.groups + 1) * width
    assets = comparison.board.keys["asset"]
    counts: dict[int, int] = {}
    for start, lanes in comparison.blocks():
        rows = assets[start : start + lanes.shape[1]].astype(np.int64)
        cell = decide(first, lanes).status_by.astype(np.int64) * width + decide(second, lanes).status_by
        keys, found = np.unique((rows * cells + cell)[mine[rows]], return_counts=True)
        for key, count in zip(keys.tolist(), found.tolist(), strict=True):
            counts[key] = counts.get(key, 0) + count
    before, after = (_rules(view) for view in comparison.plan.views)
    made: dict[str, dict[str, int]] = {}
    for key, count in sorted(counts.items()):
        row, pair = divmod(key, cells)
        old, new = divmod(pair, width)
        matrix = made.setdefault(names[row], {})
        name = f"{before[old]}>{after[new]}"
        matrix[name] = matrix.get(name, 0) + count
    return made


def _rules(view: View) -> list[str]:
    return [_APART.sub("_", group.rule) for group in view.groups] + [DEFAULT]


def _names(comparison: Comparison) -> list[str]:
    """The name of each row of assets, and of the one that stands for what is missing."""
    table = comparison.board.star.dimensions["asset"]
    held = table.columns.get("asset.id")
    if not isinstance(held, Coded):
        return [UNKNOWN] * (table.rows + 1)
    return [held.words[code] if code >= 0 else UNKNOWN for code in held.codes.tolist()] + [UNKNOWN]
