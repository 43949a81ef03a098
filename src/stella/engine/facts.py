"""A finding of a star in the form that the interpreter reads."""

from __future__ import annotations

from stella.inventory.star import NO_CODE, NO_FLAG, NO_VALUE, Coded, Evidence, Flags, Many, Scaled, Star, Table, Values
from stella.language.interpret import Facts, Value
from stella.language.names import COLUMNS, DIMENSIONS, STATEMENT, Dimension


def facts(star: Star, finding: int, as_of: int) -> Facts:
    """What is known of a finding; nothing of a dimension where its key points to no row."""
    values: dict[str, Value] = {}
    statements: tuple[dict[str, Value], ...] = ()
    for dimension in DIMENSIONS:
        table, row = star.dimensions[dimension], int(star.keys[dimension][finding])
        if not 0 <= row < table.rows:
            continue
        mine = {name: held for name, held in table.columns.items() if _is_of(name, dimension)}
        values |= _row(mine, row)
        if isinstance(table, Evidence):
            statements = tuple(
                statement(table.statements, i) for i in range(int(table.offsets[row]), int(table.offsets[row + 1]))
            )
    return Facts(values, statements, as_of)


def missing(star: Star, finding: int) -> frozenset[Dimension]:
    """The dimensions in which the key of a finding points to no row."""
    return frozenset(name for name in DIMENSIONS if not 0 <= int(star.keys[name][finding]) < star.dimensions[name].rows)


def statement(table: Table, row: int) -> dict[str, Value]:
    """One statement."""
    return _row({name: held for name, held in table.columns.items() if name in STATEMENT}, row)


def _is_of(name: str, dimension: str) -> bool:
    column = COLUMNS.get(name)
    return column is not None and column.dimension == dimension


def _row(columns: dict[str, Values], row: int) -> dict[str, Value]:
    found = ((name, _value(held, row)) for name, held in columns.items())
    return {name: value for name, value in found if value is not None}


def _value(held: Values, row: int) -> Value | None:
    match held:
        case Coded(codes, words):
            return None if codes[row] == NO_CODE else words[codes[row]]
        case Many(offsets, codes, words, known):
            return frozenset(words[code] for code in codes[offsets[row] : offsets[row + 1]]) if known[row] else None
        case Scaled(values):
            return None if values[row] == NO_VALUE else int(values[row])
        case Flags(flags):
            return None if flags[row] == NO_FLAG else bool(flags[row])
