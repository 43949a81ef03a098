"""A star that is asked many times: its keys checked once, and the truths of leaves kept.

Rules:
- A key that points to no row points to one more row, of which nothing is known: every leaf there is unknown. How many
  findings have such a key is counted, and a run with one is degraded.
- A leaf that was asked of a dimension is not asked again, by whatever policy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stella.engine.arrays import Keys, Longs
from stella.engine.terms import dimensions, home, place, spans
from stella.engine.truths import Amounts, Truths, amounts, rows_of, truths
from stella.inventory.star import Star, Table
from stella.language.model import Condition, Part, Sum
from stella.language.names import DIMENSIONS, Dimension

STEP = 1 << 20  # keys that are checked at a time
MAX_KEPT = 4_096  # leaves of which the truth is kept


class Board:
    """A star with what was learned about it at an instant."""

    def __init__(self, star: Star, as_of: int) -> None:
        self.star = star
        self.as_of = as_of
        self.keys: dict[Dimension, Keys] = {}
        self.missing: dict[Dimension, int] = {}
        self._truths: dict[tuple[Condition, Dimension], Truths] = {}
        self._addends: dict[tuple[Part, ...], dict[Dimension, Amounts]] = {}
        self._totals: dict[Dimension, Longs] = {}
        for dimension in DIMENSIONS:
            self.keys[dimension], self.missing[dimension] = _checked(
                star.keys[dimension], star.dimensions[dimension].rows
            )

    @property
    def degraded(self) -> int:
        """How many keys of findings point to no row."""
        return sum(self.missing.values())

    def findings_of(self, dimension: Dimension) -> Longs:
        """How many findings point to each row, the last number for those that point to none."""
        found = self._totals.get(dimension)
        if found is None:
            rows, keys = self.star.dimensions[dimension].rows + 1, self.keys[dimension]
            found = np.zeros(rows, np.int64)
            for start in range(0, len(keys), STEP):
                found += np.bincount(keys[start : start + STEP], minlength=rows)
            self._totals[dimension] = found
        return found

    def where(self, leaf: Condition) -> Dimension:
        """The dimension that a leaf is asked of."""
        return home(dimensions(leaf))

    def truths(self, leaf: Condition) -> Truths:
        """The truth of a leaf for each row of its dimension, and for the row that nothing is known of."""
        key = (leaf, self.where(leaf))
        found = self._truths.get(key)
        if found is None:
            found = self._asked(leaf, key[1])
            if len(self._truths) >= MAX_KEPT:
                self._truths.clear()
            self._truths[key] = found
        return found

    def _asked(self, leaf: Condition, dimension: Dimension) -> Truths:
        table = self.star.dimensions[dimension]
        if not dimensions(leaf):  # the same everywhere, so of what is missing too
            return truths(leaf, rows_of(Table(table.rows + 1, {}), self.as_of))
        held = truths(leaf, rows_of(table, self.as_of))
        return Truths(np.append(held.sure, False), np.append(held.maybe, True))

    def addends(self, parts: tuple[Part, ...]) -> dict[Dimension, Amounts]:
        """The parts of a sum, added up within each dimension; unknown in the row that nothing is known of."""
        kept = self._addends.get(parts)
        if kept is not None:
            return kept
        found: dict[Dimension, Amounts] = {}
        for dimension in sorted(spans(Sum(parts))):
            mine = tuple(part for part in parts if place(part) == dimension)
            held = amounts(Sum(mine), rows_of(self.star.dimensions[dimension], self.as_of))
            found[dimension] = Amounts(np.append(held.values, 0), np.append(held.known, False))
        self._addends[parts] = found
        return found

    def only(self, findings: Keys) -> Board:
        """Some of the findings, in the order given, over the same rows."""
        other = object.__new__(Board)
        keys = {name: held[findings] for name, held in self.keys.items()}
        other.star = Star(self.star.dimensions, keys, self.star.digest)
        other.as_of, other.keys, other.missing = self.as_of, keys, self.missing
        other._addends, other._truths, other._totals = self._addends, self._truths, {}
        return other

    def with_star(self, star: Star, changed: Dimension) -> Board:
        """The same findings after the rows of one dimension changed."""
        other = object.__new__(Board)
        other.star, other.as_of = star, self.as_of
        other.keys, other.missing = self.keys, self.missing
        other._addends = {}
        other._totals = self._totals
        other._truths = {key: held for key, held in self._truths.items() if key[1] != changed}
        return other


def narrowed(star: Star) -> Star:
    """The same with keys as small as they can be: less memory to read, so faster."""
    keys: Any = {name: keys.astype(_narrow(star.dimensions[name].rows)) for name, keys in star.keys.items()}
    return Star(star.dimensions, keys, star.digest)


def _narrow(rows: int) -> type[np.uint16 | np.int32]:
    return np.uint16 if rows < 2**16 else np.int32  # one number more than rows, for what is missing


def _checked(keys: Keys, rows: int) -> tuple[Keys, int]:
    """Keys that all point to a row of `rows` or to the one after them; and how many point there."""
    bad = sum(
        int(np.count_nonzero(_astray(keys[start : start + STEP], rows)))
        for start in range(0, len(keys), STEP)
        if _any_astray(keys[start : start + STEP], rows)
    )
    return (np.where(_astray(keys, rows), rows, keys).astype(np.int32), bad) if bad else (keys, 0)


def _any_astray(keys: Keys, rows: int) -> bool:
    return bool(keys.max() >= rows) or bool(keys.min() < 0)


def _astray(keys: Keys, rows: int) -> Keys:
    return (keys < 0) | (keys >= rows)
