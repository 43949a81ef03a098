"""A snapshot in memory: five dimensions of values, and findings that point into them.

Rules:
- A finding is five row numbers, one for each dimension. Whatever can be said of it is said of these rows.
- Every column has a way to be missing, and nothing is missing by accident: a column that a dimension does not have is
  missing in all of its rows.
- Arrays are never written to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from stella.language.names import DIMENSIONS, Dimension

Ints: TypeAlias = npt.NDArray[np.int32]
Longs: TypeAlias = npt.NDArray[np.int64]
Bytes: TypeAlias = npt.NDArray[np.int8]

NO_CODE = -1  # a missing text or word
NO_VALUE = -(2**63)  # a missing decimal or instant
NO_FLAG = -1  # a missing flag; 0 is false, 1 is true


@dataclass(frozen=True, eq=False)
class Coded:
    """Texts or words: `words[codes[row]]`, or missing where the code is NO_CODE."""

    codes: Ints
    words: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Many:
    """Sets of texts: those of a row are `codes[offsets[row]:offsets[row + 1]]`; missing where `known` is 0."""

    offsets: Longs
    codes: Ints
    words: tuple[str, ...]
    known: Bytes


@dataclass(frozen=True, eq=False)
class Scaled:
    """Decimals in micros, or instants in seconds since 1970; missing where NO_VALUE."""

    values: Longs


@dataclass(frozen=True, eq=False)
class Flags:
    """1, 0, or NO_FLAG."""

    values: Bytes


Values: TypeAlias = Coded | Many | Scaled | Flags


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of one dimension, or of all statements: columns by the names of `language.names`."""

    rows: int
    columns: dict[str, Values]


@dataclass(frozen=True, eq=False)
class Evidence(Table):
    """The sets of evidence: statements of set s are rows `offsets[s]:offsets[s + 1]` of `statements`, oldest first."""

    offsets: Longs
    statements: Table


@dataclass(frozen=True, eq=False)
class Star:
    """Findings: `keys[dimension][i]` is the row of finding i, and i is the id of the finding.

    `digest` names the content: the same findings and values have the same one.
    """

    dimensions: dict[Dimension, Table]
    keys: dict[Dimension, Ints]
    digest: str

    @property
    def findings(self) -> int:
        """How many there are."""
        return len(self.keys[DIMENSIONS[0]])
