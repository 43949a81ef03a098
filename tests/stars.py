"""Random stars: small inventories in which anything can be missing.

The same seed gives the same star. Values are drawn from few, so that random conditions are true of some findings.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence

import numpy as np

from stella.inventory.star import (
    NO_CODE,
    NO_FLAG,
    NO_VALUE,
    Coded,
    Evidence,
    Flags,
    Many,
    Scaled,
    Star,
    Table,
    Values,
)
from stella.language.names import COLUMNS, DIMENSIONS, MICRO, STATEMENT, Column, Dimension

TEXTS = ("prod", "Prod", "staging", "dev", "pkg:pypi/a@1", "pkg:npm/b@2", "GHSA-1", "CVE-2026-1", "", "ß")
NOW = 1_790_000_000
INSTANTS = (NOW - 86_400, NOW - 1, NOW, NOW + 1, NOW + 86_400)
SHARES = (0, 100_000, 300_000, 500_000, 700_000, 900_000, 1_000_000)


def decimals(column: Column) -> tuple[int, ...]:
    """Some values of a decimal column, both ends of its domain among them."""
    inside = (*SHARES, 4 * MICRO, 6_900_000, 7 * MICRO, 9 * MICRO, 30 * MICRO)
    return tuple(sorted({column.low, column.high, *(one for one in inside if column.low <= one <= column.high)}))


def words(column: Column) -> tuple[str, ...]:
    """Some values of a text or word column."""
    return column.words.words if column.words is not None else TEXTS


def random_star(rng: random.Random, findings: int = 50, rows: int = 6, missing: float = 0.25) -> Star:
    """A star of random values, each missing with that probability."""
    tables: dict[Dimension, Table] = {}
    for dimension in DIMENSIONS:
        count = rng.randint(1, rows)
        mine = [column for column in COLUMNS.values() if column.dimension == dimension]
        tables[dimension] = Table(count, _columns(rng, mine, count, missing))
    tables["evidence"] = _evidence(rng, tables["evidence"], missing)
    keys = {
        name: np.array([rng.randrange(table.rows) for _ in range(findings)], np.int32) for name, table in tables.items()
    }
    digest = hashlib.sha256(b"".join(held.tobytes() for held in keys.values())).hexdigest()
    return Star(tables, keys, digest)


def _evidence(rng: random.Random, table: Table, missing: float) -> Evidence:
    counts = [rng.choice((0, 1, 1, 2, 3)) for _ in range(table.rows)]
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    statements = Table(sum(counts), _columns(rng, list(STATEMENT.values()), sum(counts), missing))
    return Evidence(table.rows, table.columns, offsets, statements)


def _columns(rng: random.Random, columns: Sequence[Column], count: int, missing: float) -> dict[str, Values]:
    kept = [column for column in columns if rng.random() > 0.1]  # a column can be missing as a whole
    return {column.name: _values(rng, column, count, rng.choice((0.0, missing, missing))) for column in kept}


def _values(rng: random.Random, column: Column, count: int, missing: float) -> Values:
    def gone() -> bool:
        return rng.random() < missing

    match column.type:
        case "flag":
            return Flags(np.array([NO_FLAG if gone() else rng.randint(0, 1) for _ in range(count)], np.int8))
        case "decimal" | "instant":
            some = INSTANTS if column.type == "instant" else decimals(column)
            return Scaled(np.array([NO_VALUE if gone() else rng.choice(some) for _ in range(count)], np.int64))
        case "texts":
            sizes = [rng.choice((0, 1, 2, 3)) for _ in range(count)]
            codes = [rng.randrange(len(TEXTS)) for _ in range(sum(sizes))]
            known = np.array([0 if gone() else 1 for _ in range(count)], np.int8)
            offsets = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
            return Many(offsets, np.array(codes, np.int32), TEXTS, known)
        case _:
            pool = list(words(column))
            rng.shuffle(pool)
            codes = [NO_CODE if gone() else rng.randrange(len(pool)) for _ in range(count)]
            return Coded(np.array(codes, np.int32), tuple(pool))
