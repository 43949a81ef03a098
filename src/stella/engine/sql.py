"""The same plan as SQL: findings joined to small tables of masks, one tree for every dialect.

Rules:
- Masks are signed 64-bit integers, for Spark and Trino know no others; the bits are the same.
- Unknown is NULL: the logic of SQL is Kleene's. A sum that misses a part is less than any real one, as elsewhere.
- The tree is made once; DuckDB, Spark and Trino differ in how it is written.
"""

from __future__ import annotations

from functools import reduce
from typing import Literal

import numpy as np
import numpy.typing as npt
from sqlglot import exp

from stella.engine.arrays import FULL, LANE, Lanes, Longs
from stella.engine.lanes import Masks, cuts_of, holds_from, is_sum
from stella.engine.terms import dimensions, home
from stella.language.model import All, Any, Compared, Condition, Constant, Not
from stella.language.names import DIMENSIONS, Dimension

Dialect = Literal["duckdb", "spark", "trino"]
Column = npt.NDArray[np.int64] | list[bool | None]
FINDINGS = "findings"
LEAST = -(2**63)  # a literal that most parsers read as the negation of one that is too large


def text(masks: Masks, dialect: Dialect, *, counted: bool = False) -> str:
    """The query in a dialect; with `counted`, how many findings have each mask."""
    return (counts(masks) if counted else query(masks)).sql(dialect)


def query(masks: Masks) -> exp.Select:
    """`id`, and a column `m0`, `m1`, ... for each lane of its mask, of every finding."""
    joined = exp.select(exp.column("id", FINDINGS)).from_(FINDINGS)
    joined = joined.select(*(_lane(masks, lane).as_(f"m{lane}") for lane in range(masks.layout.lanes)))
    for dimension in used(masks):
        same = exp.column("id", _table(dimension)).eq(exp.column(dimension, FINDINGS))
        joined = joined.join(exp.to_table(_table(dimension)), on=same, join_type="inner")
    return joined


def counts(masks: Masks) -> exp.Select:
    """Each mask, and how many findings have it: all that counts need, and few rows."""
    names = [f"m{lane}" for lane in range(masks.layout.lanes)]
    each = query(masks).subquery("masked")
    return exp.select(*names, exp.Count(this=exp.Star()).as_("n")).from_(each).group_by(*names)


def used(masks: Masks) -> tuple[Dimension, ...]:
    """The dimensions that the query joins."""
    wanted: set[Dimension] = {*masks.tables, *(name for bins in masks.bins for name in bins.addends)}
    wanted |= {name for addends in masks.sums.values() for name in addends}
    wanted |= {home(dimensions(leaf)) for leaf in masks.leaves}
    return tuple(name for name in DIMENSIONS if name in wanted)


def tables(masks: Masks) -> dict[str, dict[str, Column]]:
    """The tables of masks that the query joins, by name: columns of equal length."""
    return {_table(name): _columns(masks, name) for name in used(masks)}


def _columns(masks: Masks, dimension: Dimension) -> dict[str, Column]:
    found: dict[str, Column] = {}
    if dimension in masks.tables:
        found |= {f"m{lane}": signed(one) for lane, one in enumerate(masks.tables[dimension])}
    for number, addends in enumerate(_sums(masks)):
        if dimension in addends:
            found[f"s{number}"] = addends[dimension]
    for number, (leaf, held) in enumerate(masks.leaves.items()):
        if home(dimensions(leaf)) == dimension:
            pairs = zip(held.sure.tolist(), held.maybe.tolist(), strict=True)
            found[f"l{number}"] = [True if sure else None if maybe else False for sure, maybe in pairs]
    rows = len(next(iter(found.values())))
    return {"id": np.arange(rows, dtype=np.int64), **found}


def signed(lanes: Lanes) -> Longs:
    """The same bits as signed integers."""
    return np.ascontiguousarray(lanes).view(np.int64)


def _sums(masks: Masks) -> list[dict[Dimension, Longs]]:
    return [*(bins.addends for bins in masks.bins), *masks.sums.values()]


def _table(dimension: Dimension) -> str:
    return f"{dimension}_masks"


def _lane(masks: Masks, lane: int) -> exp.Expr:
    parts: list[exp.Expr] = [_word(int(masks.base[lane]))]
    parts += [exp.column(f"m{lane}", _table(name)) for name in masks.tables]
    for number, bins in enumerate(masks.bins):
        if (bins.lanes[lane] == FULL).all():
            continue  # its terms are in other lanes
        values = [_word(mask) for mask in bins.lanes[lane].tolist()]
        parts.append(_steps(_total(bins.addends, number), bins.cuts.tolist(), values))
    for whole in masks.wholes:
        held = _whole(whole.condition, masks)
        if whole.bit // LANE == lane:
            parts.append(_case(held, _word(2**64 - 1), _without(whole.bit)))
        if whole.second // LANE == lane and whole.second != whole.bit:
            parts.append(_case(exp.not_(exp.paren(held)), _without(whole.second), _word(2**64 - 1)))
    # a mask of constants alone would be as narrow as they are
    return exp.cast(_every(parts), "bigint")


def _every(parts: list[exp.Expr]) -> exp.Expr:
    """The AND of all, as flat as can be: where it is a function, a chain would be calls as deep as it is long."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return exp.BitwiseAnd(this=_every(parts[:half]), expression=_every(parts[half:]))


def _word(bits: int) -> exp.Expr:
    return _number(bits - 2**64 if bits >= 2**63 else bits)


def _number(value: int) -> exp.Expr:
    if value == LEAST:
        return exp.paren(exp.Sub(this=exp.Literal.number(value + 1), expression=exp.Literal.number(1)))
    return exp.Literal.number(value)


def _without(bit: int) -> exp.Expr:
    return _word(2**64 - 1 - (1 << bit % LANE))


def _case(condition: exp.Expr, then: exp.Expr, otherwise: exp.Expr) -> exp.Expr:
    return exp.Case().when(condition, then).else_(otherwise)


def _total(addends: dict[Dimension, Longs], number: int) -> exp.Expr:
    columns: list[exp.Expr] = [exp.column(f"s{number}", _table(name)) for name in addends]
    return reduce(lambda a, b: exp.Add(this=a, expression=b), columns)


def _steps(total: exp.Expr, cuts: list[int], values: list[exp.Expr]) -> exp.Expr:
    """The first value below the first cut, the second from there to the next, and so on."""
    case = exp.Case()
    for cut, value in zip(cuts, values, strict=False):
        case = case.when(exp.LT(this=total.copy(), expression=_number(cut)), value)
    return case.else_(values[-1])


def _whole(condition: Condition, masks: Masks) -> exp.Expr:
    match condition:
        case Not(item):
            return exp.not_(exp.paren(_whole(item, masks)))
        case All(items) | Any(items) if not items:
            return exp.convert(isinstance(condition, All))
        case All(items):
            return exp.paren(exp.and_(*(_whole(item, masks) for item in items)))
        case Any(items):
            return exp.paren(exp.or_(*(_whole(item, masks) for item in items)))
        case Constant(value):
            return exp.convert(value)
        case Compared() if is_sum(condition):
            return _sum(condition, masks)
        case _:
            number = list(masks.leaves).index(condition)
            # a column that is unknown in every row may have come without a type
            return exp.cast(exp.column(f"l{number}", _table(home(dimensions(condition)))), "boolean")


def _sum(leaf: Compared, masks: Masks) -> exp.Expr:
    cuts = cuts_of([leaf])
    number = len(masks.bins) + list(masks.sums).index(leaf.sum.parts)
    values = [exp.Null(), *(exp.convert(holds_from(leaf, cut)) for cut in cuts)]
    return _steps(_total(masks.sums[leaf.sum.parts], number), cuts, values)
