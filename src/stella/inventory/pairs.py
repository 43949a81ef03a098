"""Findings as numbers: pairs of a component and an advisory, and which assets have them.

Rules:
- Pairs stand in the order of their components, so those of one component are a slice.
- A finding is an asset and a pair; those of an asset are in the order of pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from stella.inventory.fleet import Match
from stella.inventory.star import Ints, Longs


class Pairs(NamedTuple):
    """Pair p is of component `components[p]` and match `matches[p]`; those of c are `offsets[c]:offsets[c + 1]`."""

    components: Ints
    matches: Ints
    offsets: Longs


class Findings(NamedTuple):
    """Finding i is pair `pairs[i]` in asset `assets[i]`; both rise."""

    assets: Ints
    pairs: Ints

    def place(self, asset: int, pair: int) -> int | None:
        """The number of a finding; None when there is none."""
        low, high = np.searchsorted(self.assets, (asset, asset + 1))
        place = int(low + np.searchsorted(self.pairs[low:high], pair))
        return place if place < high and self.pairs[place] == pair else None


def pairs_of(matches: Sequence[Match], components: int) -> Pairs:
    """Every pair of some matches, of that many components."""
    counts = [len(match.components) for match in matches]
    found = np.fromiter((c for match in matches for c in match.components), np.int32, sum(counts))
    rows = np.repeat(np.arange(len(matches), dtype=np.int32), counts)
    order = np.argsort(found, kind="stable")
    offsets = np.zeros(components + 1, np.int64)
    np.cumsum(np.bincount(found, minlength=components), out=offsets[1:])
    return Pairs(found[order], rows[order], offsets)


def findings_of(assets: Iterable[Ints], pairs: Pairs) -> Findings:
    """The findings of assets that are given as their components, each in rising order."""
    parts = [_slices(pairs.offsets[components], pairs.offsets[components + 1]) for components in assets]
    owners = np.repeat(np.arange(len(parts), dtype=np.int32), [len(part) for part in parts])
    return Findings(owners, np.concatenate(parts) if parts else np.zeros(0, np.int32))


def _slices(starts: Longs, ends: Longs) -> Ints:
    """All numbers of several slices, one slice after the other."""
    counts = ends - starts
    total = int(counts.sum())
    before = np.cumsum(counts) - counts
    found: Ints = (np.arange(total) + np.repeat(starts - before, counts)).astype(np.int32)
    return found
