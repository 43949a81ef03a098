"""Kinds of arrays that the engine speaks of."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Bools: TypeAlias = npt.NDArray[np.bool_]
Longs: TypeAlias = npt.NDArray[np.int64]
Lanes: TypeAlias = npt.NDArray[np.uint64]
Numbers: TypeAlias = npt.NDArray[np.uint16]
Keys: TypeAlias = npt.NDArray[Any]  # rows of a dimension: integers of any width
Exact: TypeAlias = npt.NDArray[Any]  # int64, or Python's integers where those could overflow

LANE = 64  # bits of a lane
FULL = np.uint64(2**64 - 1)
