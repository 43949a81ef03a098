"""Made-up stars of any size, the same on every machine: material of tests and of measurements.

Rules:
- Sizes and shares follow what fleets look like: few assets and components hold most findings, most advisories have no
  KEV entry, some of everything is missing.
- The same arguments give the same star.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stella.inventory.star import (
    NO_CODE,
    NO_FLAG,
    NO_VALUE,
    Coded,
    Evidence,
    Flags,
    Ints,
    Many,
    Scaled,
    Star,
    Table,
    Values,
)
from stella.language.names import COLUMNS, DIMENSIONS, LATEST, MICRO, STATEMENT, Column, Dimension

AS_OF = 1_767_225_600  # 2026-01-01, the instant around which instants are made up
DAY = 86400
EXACT = {  # words that policies ask for, beside made-up ones
    "env.name": ("dev", "prod", "staging"),
    "env.runtime": ("container", "serverless", "vm"),
    "env.deployment": ("air-gapped", "cloud", "on-premises"),
    "component.ecosystem": ("cargo", "deb", "golang", "maven", "npm", "pypi"),
    "advisory.source": ("CVE", "DSA", "GHSA", "GO", "PYSEC"),
    "vendor": ("acme", "distribution", "upstream"),
}


class Sizes(NamedTuple):
    """Rows of each dimension; the defaults are those of a large fleet."""

    assets: int = 5_000
    components: int = 20_000
    advisories: int = 200_000
    evidence: int = 8_080
    ages: int = 400


SMALL = Sizes(50, 200, 500, 40, 30)


def made_up(findings: int, sizes: Sizes = Sizes(), seed: int = 1, missing: float = 0.1) -> Star:  # noqa: B008
    """A star of so many findings, in the order of their assets; `missing` is the share of values that are."""
    chance = np.random.Generator(np.random.PCG64(seed))
    rows = dict(zip(DIMENSIONS, sizes, strict=True))
    tables: dict[Dimension, Table] = {}
    for dimension in DIMENSIONS:
        if dimension == "evidence":
            tables[dimension] = _evidence(chance, rows[dimension], missing)
        else:
            columns = {name: column for name, column in COLUMNS.items() if column.dimension == dimension}
            share = 0.0 if dimension == "age" else missing
            tables[dimension] = _table(chance, columns, rows[dimension], share)
    keys = {dimension: _keys(chance, findings, rows[dimension]) for dimension in DIMENSIONS}
    keys["asset"].sort()
    return Star(tables, keys, f"made-up-{findings}-{'-'.join(map(str, sizes))}-{seed}-{missing}")


def _keys(chance: np.random.Generator, findings: int, rows: int) -> Ints:
    """Row numbers of which low ones are more frequent."""
    keys = np.empty(findings, np.int32)
    for start in range(0, findings, 1 << 22):
        piece = keys[start : start + (1 << 22)]
        piece[:] = np.square(chance.random(len(piece), np.float32), dtype=np.float32) * np.float32(rows)
    np.minimum(keys, rows - 1, out=keys)
    return keys


def _table(chance: np.random.Generator, columns: dict[str, Column], rows: int, missing: float) -> Table:
    return Table(rows, {name: _values(chance, column, rows, missing) for name, column in columns.items()})


def _values(chance: np.random.Generator, column: Column, rows: int, missing: float) -> Values:
    gone = chance.random(rows) < missing
    match column.type:
        case "flag":
            share = 0.01 if column.name == "kev" else 0.3
            return Flags(np.where(gone, NO_FLAG, chance.random(rows) < share).astype(np.int8))
        case "decimal" if column.name == "age.days":
            return Scaled(np.arange(rows, dtype=np.int64) * MICRO)
        case "decimal":
            high = min(column.high, 100 * MICRO)
            return Scaled(np.where(gone, NO_VALUE, chance.integers(column.low, high + 1, rows)))
        case "instant":
            return Scaled(np.where(gone, NO_VALUE, AS_OF + chance.integers(-90, 90, rows) * DAY))
        case "texts":
            return _many(chance, column, rows, gone)
        case _:
            words = column.words.words if column.words else EXACT.get(_plain(column.name)) or _names(column, rows)
            codes = np.arange(rows) if len(words) == rows else chance.integers(0, len(words), rows)
            return Coded(np.where(gone, NO_CODE, codes).astype(np.int32), words)


def _many(
    chance: np.random.Generator, column: Column, rows: int, gone: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> Many:
    words = tuple(f"{_plain(column.name)}-{i:02}" for i in range(40))
    counts = np.where(gone, 0, chance.integers(0, 4, rows))
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    first = np.repeat(chance.integers(0, len(words), rows), counts)
    codes = (first + np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)) % len(words)
    return Many(offsets, codes.astype(np.int32), words, (~gone).astype(np.int8))


def _names(column: Column, rows: int) -> tuple[str, ...]:
    return tuple(f"{_plain(column.name)}-{i:06}" for i in range(rows))


def _plain(name: str) -> str:
    return name.removeprefix(LATEST)


def _evidence(chance: np.random.Generator, rows: int, missing: float) -> Evidence:
    """Sets of none to three statements; the latest of each is told again in its row."""
    counts = chance.integers(0, 4, rows)
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    statements = _table(chance, STATEMENT, int(offsets[-1]), missing)
    own = _table(chance, {"reach_state": COLUMNS["reach_state"]}, rows, missing)
    last = np.where(counts > 0, offsets[1:] - 1, -1)
    told = {LATEST + name: _picked(values, last) for name, values in statements.columns.items()}
    return Evidence(rows, own.columns | told, offsets, statements)


def _picked(values: Values, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Values:
    """The values of those rows; missing where a row is -1."""
    match values:
        case Coded(codes, words):
            return Coded(np.where(rows < 0, NO_CODE, codes[rows]).astype(np.int32), words)
        case Scaled(numbers):
            return Scaled(np.where(rows < 0, NO_VALUE, numbers[rows]))
        case Flags(flags):
            return Flags(np.where(rows < 0, NO_FLAG, flags[rows]).astype(np.int8))
        case _:
            raise TypeError("statements have no sets of texts")
