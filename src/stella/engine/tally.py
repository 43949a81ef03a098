"""Counts over all findings: of one policy, and of two that are compared.

Rules:
- Each thread counts for itself; sums of counts do not depend on who counted what.
- A finding is newly blocked when only the second policy blocks it, unblocked when only the first does; it is changed
  when its status or its severity is another one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from stella.engine.arrays import Bools, Keys, Longs
from stella.engine.reading import NORMAL, WORDS, Decided, Reading
from stella.language.names import STATUS

BLOCKED = STATUS.words.index("blocked")
CHANGED, NEWLY, FREED = 1, 2, 4  # of a cell of the matrix: another status; newly blocked; unblocked
SEVERITIES = WORDS + 1  # and one for none that is known
KINDS = ("newly_blocked", "unblocked", "unblocked_kev", "changed")


@dataclass
class Count:
    """`status[g]` and `severity[g]` findings are decided by group g, of those `words[s]` have severity s in the end."""

    status: Longs
    severity: Longs
    words: Longs
    undecided: int = 0

    @classmethod
    def of(cls, reading: Reading) -> Count:
        """Nothing yet."""
        groups = reading.groups + 1
        return cls(np.zeros(groups, np.int64), np.zeros(groups, np.int64), np.zeros(SEVERITIES, np.int64))

    def add(self, reading: Reading, found: Decided, normal: npt.NDArray[np.uint8]) -> None:
        """Some more findings."""
        groups = reading.groups + 1
        self.status += np.bincount(found.status_by, minlength=groups)
        self.severity += np.bincount(found.severity_by, minlength=groups)
        self.words += np.bincount(severities(reading, found, normal), minlength=SEVERITIES)
        self.undecided += int(np.count_nonzero(found.undecided))

    def merge(self, other: Count) -> None:
        """What another thread counted."""
        self.status += other.status
        self.severity += other.severity
        self.words += other.words
        self.undecided += other.undecided


def severities(reading: Reading, found: Decided, normal: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The number of the severity of each finding."""
    if not reading.severity_bits.any():
        return normal
    words = np.take(reading.severity_of, found.severity_by, mode="clip")
    return np.where(words == NORMAL, normal, words)


def classes(before: Reading, after: Reading) -> npt.NDArray[np.uint8]:
    """What a move from one group to another means: CHANGED, NEWLY, FREED, by number of cell."""
    old, new = before.status_of[:, None], after.status_of[None, :]
    found = np.where(old != new, CHANGED, 0)
    found |= np.where((old != BLOCKED) & (new == BLOCKED), NEWLY, 0)
    found |= np.where((old == BLOCKED) & (new != BLOCKED), FREED, 0)
    return found.astype(np.uint8).ravel()


@dataclass
class Ground:
    """What a comparison looks up: by row of advisories and assets, and by cell of the matrix."""

    normal: npt.NDArray[np.uint8]
    kev: npt.NDArray[np.uint8]
    advisories: Keys
    assets: Keys
    rows: int  # of assets, with the one for a missing one
    classes: npt.NDArray[np.uint8]


@dataclass
class Compare:
    """`matrix[old * (groups + 1) + new]`, `severity[old * SEVERITIES + new]`, and four counts of each asset."""

    ground: Ground
    matrix: Longs
    severity: Longs
    assets: Longs  # [kind, asset]
    undecided: Longs = field(default_factory=lambda: np.zeros(2, np.int64))

    @classmethod
    def of(cls, readings: tuple[Reading, Reading], ground: Ground) -> Compare:
        """Nothing yet."""
        cells = (readings[0].groups + 1) * (readings[1].groups + 1)
        matrix, severity = np.zeros(cells, np.int64), np.zeros(SEVERITIES * SEVERITIES, np.int64)
        return cls(ground, matrix, severity, np.zeros((len(KINDS), ground.rows), np.int64))

    def add(self, readings: tuple[Reading, Reading], before: Decided, after: Decided, start: int) -> None:
        """Some more findings, the first of which is `start`."""
        ground, count = self.ground, len(before.status_by)
        cell = before.status_by * np.intp(readings[1].groups + 1) + after.status_by
        self.matrix += np.bincount(cell, minlength=len(self.matrix))
        normal = np.take(ground.normal, ground.advisories[start : start + count], mode="clip")
        old, new = severities(readings[0], before, normal), severities(readings[1], after, normal)
        self.severity += np.bincount(old * np.intp(SEVERITIES) + new, minlength=len(self.severity))
        self.undecided += (np.count_nonzero(before.undecided), np.count_nonzero(after.undecided))
        kind = np.take(ground.classes, cell, mode="clip") | (old != new)
        where = np.flatnonzero(kind)
        if len(where):
            self._of_assets(kind[where], where + start)

    def _of_assets(self, kind: npt.NDArray[np.uint8], ids: npt.NDArray[np.intp]) -> None:
        ground = self.ground
        assets, known = ground.assets[ids], ground.kev[ground.advisories[ids]] == 1
        freed: Bools = kind & FREED != 0
        for number, mine in enumerate((kind & NEWLY != 0, freed, freed & known, kind != 0)):
            self.assets[number] += np.bincount(assets[mine], minlength=ground.rows)

    def merge(self, other: Compare) -> None:
        """What another thread counted."""
        self.matrix += other.matrix
        self.severity += other.severity
        self.assets += other.assets
        self.undecided += other.undecided
