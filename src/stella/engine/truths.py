"""Whether a condition holds of each row of a table, all rows at once.

Rules:
- The answer is two columns: `sure` where it is true, `maybe` where it is not false. Unknown is maybe and not sure.
- Texts and words are decided once for each word of the dictionary, never once for each row.
- The answer is that of `language.interpret.truth`, row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from stella.engine.arrays import Bools, Exact
from stella.inventory.star import NO_FLAG, NO_VALUE, Coded, Evidence, Flags, Longs, Many, Scaled, Table
from stella.language.interpret import OPERATORS, RANKS
from stella.language.model import (
    Addend,
    Adjusted,
    All,
    Any,
    Before,
    Compared,
    Condition,
    Constant,
    Every,
    Flagged,
    Has,
    Mapped,
    Not,
    OneOf,
    OutcomeIs,
    Part,
    Present,
    Ranked,
    Some,
    StartsWith,
    Sum,
)
from stella.language.names import MICRO

SAFE = 2**57  # sums of a few numbers below it fit 64 bits; larger ones are Python's integers


class Truths(NamedTuple):
    """For each row: it is true; it is true or unknown."""

    sure: Bools
    maybe: Bools


class Amounts(NamedTuple):
    """For each row: a number of micros, and whether it is there."""

    values: Exact
    known: Bools


class Rows(NamedTuple):
    """A table that conditions are asked of; with `owners`, its rows are statements, each of a row of `sets`."""

    table: Table
    as_of: int
    sets: Evidence | None = None
    owners: Longs | None = None

    @property
    def size(self) -> int:
        return self.table.rows


def rows_of(table: Table, as_of: int) -> Rows:
    """The rows of a dimension."""
    return Rows(table, as_of, table if isinstance(table, Evidence) else None)


def truths(condition: Condition, rows: Rows) -> Truths:
    """The truth of a condition, row by row."""
    match condition:
        case Constant(value):
            return _same(value, rows.size)
        case OutcomeIs():
            return _same(None, rows.size)
        case Not(item):
            return opposite(truths(item, rows))
        case All(items):
            return every((truths(item, rows) for item in items), rows.size)
        case Any(items):
            return opposite(every((opposite(truths(item, rows)) for item in items), rows.size))
        case Some(item):
            return _spread(_some(item, rows), rows)
        case Every(item):
            return _spread(_every(item, rows), rows)
        case Compared(total, sign, bound):
            amount = amounts(total, rows)
            return _where(np.asarray(OPERATORS[sign](amount.values, bound), dtype=np.bool_), amount.known)  # type: ignore[arg-type]
        case Before(column, instant):
            return _before(column, instant, rows)
        case Present(column):
            known = _known(column, rows)
            return Truths(known, known)
        case _:
            return _test(condition, rows)


def opposite(held: Truths) -> Truths:
    """Not; unknown stays unknown."""
    return Truths(~held.maybe, ~held.sure)


def every(held: Iterable[Truths], count: int) -> Truths:
    """And."""
    sure, maybe = np.ones(count, np.bool_), np.ones(count, np.bool_)
    for one in held:
        sure &= one.sure
        maybe &= one.maybe
    return Truths(sure, maybe)


def _same(value: bool | None, count: int) -> Truths:  # noqa: FBT001  a truth
    return Truths(np.full(count, value is True), np.full(count, value is not False))


def _where(held: Bools, known: Bools) -> Truths:
    return Truths(held & known, held | ~known)


def _known(column: str, rows: Rows) -> Bools:
    match rows.table.columns.get(column):
        case Coded(codes):
            return np.greater_equal(codes, 0)
        case Many(known=known):
            return np.not_equal(known, 0)
        case Scaled(values):
            return np.not_equal(values, NO_VALUE)
        case Flags(flags):
            return np.not_equal(flags, NO_FLAG)
        case _:
            return np.zeros(rows.size, np.bool_)


def _test(leaf: Flagged | OneOf | StartsWith | Ranked | Has, rows: Rows) -> Truths:
    values = rows.table.columns.get(leaf.column)
    match leaf:
        case Flagged(_, default):
            if not isinstance(values, Flags):
                return _same(default, rows.size)
            missing = np.int8(NO_FLAG if default is None else default)
            flags = np.where(values.values == NO_FLAG, missing, values.values)
            return Truths(flags == 1, flags != 0)
        case Has(_, words, lower):
            if not isinstance(values, Many):
                return _same(None, rows.size)
            hits = _decided(values.words, _among(words, lower=lower))[values.codes]
            return _where(_any_within(hits, values.offsets), values.known != 0)
        case OneOf(_, words, lower, default):
            return _coded(values, _among(words, lower=lower), default, rows.size)
        case StartsWith(_, prefix, lower, default):
            return _coded(values, lambda word: (word.lower() if lower else word).startswith(prefix), default, rows.size)
        case Ranked(column, sign, word, default):
            ranks, holds = RANKS[column], OPERATORS[sign]
            return _coded(values, lambda one: holds(ranks[one], ranks[word]), default, rows.size)


def _among(words: tuple[str, ...], *, lower: bool) -> Callable[[str], bool]:
    wanted = frozenset(words)
    return (lambda word: word.lower() in wanted) if lower else wanted.__contains__


def _decided(words: tuple[str, ...], test: Callable[[str], bool]) -> Bools:
    return np.fromiter((test(word) for word in words), np.bool_, len(words))


def _coded(values: object, test: Callable[[str], bool], default: str | None, count: int) -> Truths:
    missing = None if default is None else test(default)
    if not isinstance(values, Coded):
        return _same(missing, count)
    held = _decided(values.words, test)
    sure, maybe = np.append(held, missing is True), np.append(held, missing is not False)  # NO_CODE is the last one
    return Truths(sure[values.codes], maybe[values.codes])


def _before(column: str | None, instant: int | None, rows: Rows) -> Truths:
    if column is None:
        return _same(None if instant is None else rows.as_of < instant, rows.size)
    values = rows.table.columns.get(column)
    if not isinstance(values, Scaled):
        return _same(None, rows.size)
    return _where(values.values > rows.as_of, values.values != NO_VALUE)


def _any_within(hits: Bools, offsets: Longs) -> Bools:
    """Whether there is a hit between each offset and the next one."""
    before = np.concatenate((np.zeros(1, np.int64), np.cumsum(hits, dtype=np.int64)))
    return before[offsets[1:]] > before[offsets[:-1]]


def _statements(item: Condition, sets: Evidence, as_of: int) -> Truths:
    owners = np.repeat(np.arange(sets.rows, dtype=np.int64), np.diff(sets.offsets))
    return truths(item, Rows(sets.statements, as_of, sets, owners))


def _some(item: Condition, rows: Rows) -> Truths:
    if rows.sets is None:
        return _same(False, rows.size)  # noqa: FBT003  no statements at all
    held = _statements(item, rows.sets, rows.as_of)
    return Truths(_any_within(held.sure, rows.sets.offsets), _any_within(held.maybe, rows.sets.offsets))


def _every(item: Condition, rows: Rows) -> Truths:
    if rows.sets is None:
        return _same(None, rows.size)
    held = opposite(_statements(item, rows.sets, rows.as_of))
    empty = rows.sets.offsets[1:] == rows.sets.offsets[:-1]
    sure, maybe = _any_within(held.maybe, rows.sets.offsets), _any_within(held.sure, rows.sets.offsets)
    return Truths(~sure & ~empty, ~maybe | empty)


def _spread(held: Truths, rows: Rows) -> Truths:
    """To each statement what is true of its set, when statements were asked about their set."""
    return held if rows.owners is None else Truths(held.sure[rows.owners], held.maybe[rows.owners])


def amounts(total: Sum, rows: Rows) -> Amounts:
    """The value of a sum, row by row: `language.interpret.amount`."""
    value: Exact = np.zeros(rows.size, np.int64)
    known = np.ones(rows.size, np.bool_)
    if any(abs(one) >= SAFE for one in (total.constant, total.low or 0, total.high or 0)) or len(total.parts) > 15:  # noqa: PLR2004  of SAFE
        value = value.astype(object)
    value = value + total.constant
    for part in total.parts:
        more = part_amounts(part, rows)
        value, known = value + more.values, known & more.known
    value = value if total.low is None else np.maximum(value, total.low)
    return Amounts(value if total.high is None else np.minimum(value, total.high), known)


def part_amounts(part: Part, rows: Rows) -> Amounts:
    """The value of one part; 0 where it is missing."""
    match part:
        case Addend(column, factor, default):
            return _addend(rows.table.columns.get(column), factor, default, rows.size)
        case Mapped(column, weights):
            return _mapped(rows.table.columns.get(column), dict(weights), rows.size)
        case Adjusted(cases):
            held = [(truths(condition, rows), weight) for condition, weight in cases]
            known = np.ones(rows.size, np.bool_)
            value = _exact([0] * rows.size, sum(abs(weight) for _, weight in cases))
            for one, weight in held:
                known &= one.sure | ~one.maybe
                value = value + np.where(one.sure, *_exact([weight, 0], weight))
            return Amounts(np.where(known, value, 0), known)


def _exact(values: list[int], largest: int) -> Exact:
    return np.array(values, np.int64 if abs(largest) < SAFE else object)


def _addend(values: object, factor: int, default: int | None, count: int) -> Amounts:
    numbers = values.values if isinstance(values, Scaled) else np.full(count, NO_VALUE, np.int64)
    known = numbers != NO_VALUE
    numbers = np.where(known, numbers, 0)
    if default is not None:
        if abs(default) >= SAFE:
            numbers = numbers.astype(object)
        numbers, known = np.where(known, numbers, default), np.ones(count, np.bool_)
    largest = max((abs(int(one)) for one in (numbers.max(), numbers.min())), default=0) if count else 0
    if max(largest, 1) * max(abs(factor), 1) >= SAFE:
        numbers = numbers.astype(object)
    return Amounts(np.where(known, numbers * factor // MICRO, 0), known)


def _mapped(values: object, weights: dict[str, int], count: int) -> Amounts:
    if not isinstance(values, Coded):
        return Amounts(np.zeros(count, np.int64), np.zeros(count, np.bool_))
    by_word = _exact([weights.get(word, 0) for word in values.words] + [0], max(map(abs, weights.values()), default=0))
    return Amounts(by_word[values.codes], values.codes >= 0)
