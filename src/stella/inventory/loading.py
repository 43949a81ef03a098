"""A snapshot as a star in memory: what is evaluated.

Rules:
- Arrays come as they are in Parquet; only words and texts become codes.
- The digests of all files are checked first, unless the caller has done so: what was changed decides nothing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from stella.inventory import snapshot, tables
from stella.inventory.errors import SnapshotDamaged
from stella.inventory.star import (
    NO_CODE,
    NO_FLAG,
    NO_VALUE,
    Coded,
    Evidence,
    Flags,
    Ints,
    Longs,
    Scaled,
    Star,
    Table,
    Values,
)
from stella.language.names import COLUMNS, DIMENSIONS, LATEST, STATEMENT, Dimension


def load_star(path: str | Path, *, check: bool = True) -> Star:
    """The star of the snapshot in a folder.

    Raises SnapshotMissing, SnapshotVersion, or SnapshotDamaged when a file is not what was written or points nowhere.
    """
    folder = snapshot.find(str(path))
    head = snapshot.verify(folder) if check else snapshot.read(folder)
    try:
        found = {dimension: _dimension(folder, dimension) for dimension in DIMENSIONS}
        keys = {dimension: _keys(folder, dimension) for dimension in DIMENSIONS}
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SnapshotDamaged(snapshot=folder, problem=error) from None
    for dimension, key in keys.items():
        if len(key) and not (key.min() >= 0 and key.max() < found[dimension].rows):
            raise SnapshotDamaged(snapshot=folder, problem=f"a finding points to no {dimension}")
    return Star(found, keys, head.star)


def _keys(folder: Path, dimension: Dimension) -> Ints:
    keys: Ints = tables.numbers(folder / "findings.parquet", dimension)
    return keys


def _dimension(folder: Path, dimension: Dimension) -> Table:
    path = folder / f"{dimension}.parquet"
    columns = [one for one in COLUMNS.values() if one.dimension == dimension and not one.name.startswith(LATEST)]
    found = tables.table(path, columns)
    if dimension != "evidence":
        return found
    statements = tables.table(folder / "statement.parquet", STATEMENT.values())
    counts = tables.numbers(path, "statements")
    offsets: Longs = np.zeros(found.rows + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    if offsets[-1] != statements.rows or (counts < 0).any():
        raise SnapshotDamaged(snapshot=folder, problem="its evidence and its statements do not fit")
    last = np.where(counts > 0, offsets[1:] - 1, -1)
    latest = {LATEST + name: _picked(values, last) for name, values in statements.columns.items()}
    return Evidence(found.rows, found.columns | latest, offsets, statements)


def _picked(values: Values, rows: Longs) -> Values:
    """The values of those statements; missing where the row is -1."""
    gone = rows < 0
    if not len(rows) or gone.all():
        rows = np.zeros(0, np.int64)
    match values:
        case Coded(codes, words):
            return Coded(_filled(codes, rows, gone, NO_CODE), words)
        case Scaled(numbers):
            return Scaled(_filled(numbers, rows, gone, NO_VALUE))
        case Flags(flags):
            return Flags(_filled(flags, rows, gone, NO_FLAG))
        case _:
            raise TypeError("statements have no sets of texts")


def _filled(values: tables.Array, rows: Longs, gone: tables.Array, missing: int) -> tables.Array:
    """`values[rows]`, with `missing` where a row is gone; `rows` is empty when all are."""
    if not len(rows):
        return np.full(len(gone), missing, values.dtype)
    found = values[rows]
    found[gone] = missing
    return found
