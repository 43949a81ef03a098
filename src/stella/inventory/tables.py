"""Tables of a snapshot as Parquet, and Parquet as columns of a star.

Rules:
- What is missing is null. Decimals are micros and instants seconds, in 64-bit integers.
- The same rows give the same bytes: the order of rows, the size of their groups and the compression are fixed.
- Columns that the language does not name, such as the package of an advisory, are for people.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from stella.inventory.star import NO_CODE, NO_FLAG, NO_VALUE, Coded, Flags, Longs, Many, Scaled, Table, Values
from stella.language.names import Column, Type
from stella.runtime.files import step, writing

Array: TypeAlias = npt.NDArray[Any]

Columns: TypeAlias = Mapping[str, tuple[Type | None, Sequence[Any] | Array]]

GROUP = 1 << 20  # rows; a group of findings has 20 MB in memory
LEVEL = 3  # of zstd; higher ones save little on integers
KINDS: dict[Type, Any] = {
    "flag": pl.Boolean,
    "word": pl.String,
    "text": pl.String,
    "texts": pl.List(pl.String),
    "decimal": pl.Int64,
    "instant": pl.Int64,
}


def write(path: Path, columns: Columns) -> None:
    """Write columns with their types; None stands for whole numbers, of which the array has the type."""
    frame = pl.DataFrame(
        [pl.Series(name, values, None if kind is None else KINDS[kind]) for name, (kind, values) in columns.items()]
    )
    with writing(path):
        step("write", path)
        frame.write_parquet(path, compression="zstd", compression_level=LEVEL, row_group_size=GROUP)


def numbers(path: Path, column: str) -> Array:
    """One column of whole numbers; raises SchemaError for another one."""
    found = pl.read_parquet(path, columns=[column])[column].rechunk()
    if found.dtype != pl.Int32 or found.null_count():
        raise pl.exceptions.SchemaError(f"{path.name}: `{column}` has no whole numbers")
    return found.to_numpy()


def table(path: Path, columns: Collection[Column], prefix: str = "") -> Table:
    """The columns of the language in a file; one that the file lacks is missing in all rows.

    Raises SchemaError for a column of another type.
    """
    frame = pl.read_parquet(path).rechunk()
    for one in columns:
        name = one.name.removeprefix(prefix)
        if name in frame.columns and frame.schema[name] != KINDS[one.type]:
            raise pl.exceptions.SchemaError(f"{path.name}: `{name}` is {frame.schema[name]}")
    found = {
        one.name: values(frame[one.name.removeprefix(prefix)], one)
        if one.name.removeprefix(prefix) in frame.columns
        else nothing(one, frame.height)
        for one in columns
    }
    return Table(frame.height, found)


def nothing(column: Column, rows: int) -> Values:
    """A column that is missing in all rows."""
    match column.type:
        case "flag":
            return Flags(np.full(rows, NO_FLAG, np.int8))
        case "texts":
            return Many(np.zeros(rows + 1, np.int64), np.zeros(0, np.int32), (), np.zeros(rows, np.int8))
        case "text" | "word":
            return Coded(np.full(rows, NO_CODE, np.int32), column.words.words if column.words else ())
        case _:
            return Scaled(np.full(rows, NO_VALUE, np.int64))


def values(series: pl.Series, column: Column) -> Values:
    """A series as a column of a star. Words are coded by their place in the language, texts by that in their order."""
    match column.type:
        case "flag":
            return Flags(series.cast(pl.Int8).fill_null(NO_FLAG).to_numpy())
        case "texts":
            counts = series.list.len().fill_null(0).to_numpy()
            offsets: Longs = np.zeros(len(series) + 1, np.int64)
            np.cumsum(counts, out=offsets[1:])
            flat = series.explode(empty_as_null=False, keep_nulls=False)
            coded = _coded(flat, None)
            return Many(offsets, coded.codes, coded.words, series.is_not_null().cast(pl.Int8).to_numpy())
        case "text" | "word":
            return _coded(series, column.words.words if column.words else None)
        case _:
            return Scaled(series.fill_null(NO_VALUE).to_numpy())


def _coded(series: pl.Series, words: tuple[str, ...] | None) -> Coded:
    known = series.drop_nulls().unique().sort() if words is None else pl.Series(words, dtype=pl.String)
    if not len(known):
        return Coded(np.full(len(series), NO_CODE, np.int32), ())
    codes = pl.Series(range(len(known)), dtype=pl.Int32)
    found = series.replace_strict(known, codes, default=NO_CODE, return_dtype=pl.Int32)
    return Coded(found.to_numpy(), tuple(known.to_list()))
