"""Fixtures: findings made up by people, with what a policy is to say of each, in a file beside the policy.

    as_of = 2026-11-01T00:00:00Z

    [[fixture]]
    name = "a trusted statement clears it"
    expect = { status = "not_affected", rule = "code_is_not_there" }

    [fixture.finding]
    kev = false
    severity.normalized = "High"

    [[fixture.statement]]
    status = "not_affected"
    trust = 0.9

Rules:
- `exploited.stella` has its fixtures in `exploited.fixtures.toml`, in `exploited.fixtures.json`, or in both.
- What is not written is missing, as it would be in a finding. Statements are oldest first; none at all is known.
- Decimals are read as they are written, never through binary fractions. `vex.latest` is what the last statement says.
- What is not expected is not looked at, except that a finding is decided unless `undecided = true` is expected.
"""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from stella.kernel.nearest import nearest
from stella.language.compare import decimal
from stella.language.exceptions import has_deep_key
from stella.language.instants import instant
from stella.language.interpret import Facts, Value
from stella.language.names import COLUMNS, LATEST, MICRO, SEVERITY, STATEMENT, STATUS, Column
from stella.policy.trial.errors import FixtureBadValue, FixturesUnreadable, FixtureTwice, FixtureUnknownName

MAX_SOURCE = 4 << 20  # bytes; some ten thousand fixtures, which nobody oversees
SUFFIXES = (".fixtures.toml", ".fixtures.json")
DEFAULT = "(default)"  # in place of the rule, where none decides
EXPECTED = ("status", "severity", "rule", "notes", "undecided")
KEYS = ("name", "as_of", "finding", "statement", "expect")
PLACES = 6  # of a decimal: what MICRO holds
_SIXTH = Decimal(1) / MICRO
_SHOWN = 60  # characters of a wrong value that a message repeats


class Expected(msgspec.Struct, frozen=True):
    """What a fixture expects; None is not looked at. `rule` is the one that decides the status, or DEFAULT."""

    status: str | None = None
    severity: str | None = None
    rule: str | None = None
    notes: tuple[str, ...] | None = None
    undecided: bool = False


class Fixture(NamedTuple):
    """A finding with a name and what is expected of it; `dated` when somebody said which instant it is about."""

    name: str
    facts: Facts
    expected: Expected
    dated: bool


def read_fixtures(source: bytes, file: str) -> tuple[Fixture, ...]:
    """The fixtures of a file; raises the errors of fixtures."""
    top = _document(source, file)
    _only(top, ("as_of", "fixture"), file)
    rows = top.get("fixture", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise FixturesUnreadable(file=file, problem="entries begin with `[[fixture]]`")
    found: dict[str, Fixture] = {}
    for number, row in enumerate(rows, 1):
        name = row.get("name")
        where = f"{file}: fixture {number}"
        if not isinstance(name, str) or not name.strip():
            raise FixtureBadValue(where=where, name="name", problem="is a string that says what the fixture shows")
        where = f"{file}: fixture `{name}`"
        _only(row, KEYS, where)
        if "expect" not in row:
            raise FixtureBadValue(where=where, name="expect", problem="is missing, so that nothing would be tested")
        if name in found:
            raise FixtureTwice(file=file, name=name)
        facts, dated = _facts({"as_of": top["as_of"], **row} if "as_of" in top else row, where)
        found[name] = Fixture(name, facts, _expected(row["expect"], where), dated)
    return tuple(found.values())


def read_finding(source: bytes, file: str) -> tuple[Facts, bool]:
    """A single finding, as a fixture has it but without a name; with it, whether it says its instant."""
    top = _document(source, file)
    _only(top, KEYS, file)
    return _facts(top, file)


def _document(source: bytes, file: str) -> dict[str, Any]:
    if len(source) > MAX_SOURCE:
        raise FixturesUnreadable(file=file, problem=f"it has {len(source)} bytes, the limit is {MAX_SOURCE}")
    try:
        text = source.decode("utf-8-sig")
        if file.endswith(".json"):
            read = json.loads(text, parse_float=Decimal, object_pairs_hook=_once)
        else:
            if has_deep_key(text):
                raise RecursionError
            read = tomllib.loads(text, parse_float=Decimal)
    except UnicodeDecodeError:
        raise FixturesUnreadable(file=file, problem="it is not UTF-8") from None
    except (ArithmeticError, RecursionError) as error:
        if isinstance(error, ArithmeticError):  # a number whose exponent has too many digits
            raise FixturesUnreadable(file=file, problem="a number is out of all bounds") from None
        raise FixturesUnreadable(file=file, problem="it is nested too deep") from None
    except ValueError as error:  # of both parsers
        raise FixturesUnreadable(file=file, problem=str(error)[:200]) from None
    if not isinstance(read, dict):
        raise FixturesUnreadable(file=file, problem="it is no object")
    return read


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _only(row: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    for key in row:
        if key not in known:
            raise _no_name(key, known, where)


def _no_name(name: str, known: Iterable[str], where: str) -> FixtureUnknownName:
    guess = nearest(name, known)
    return FixtureUnknownName(where=where, name=name[:_SHOWN], guess=f"; did you mean `{guess}`?" if guess else "")


# what is known of the finding


def _facts(row: Mapping[str, Any], where: str) -> tuple[Facts, bool]:
    finding, statements = row.get("finding", {}), row.get("statement", [])
    if not isinstance(finding, dict):
        raise FixtureBadValue(where=where, name="finding", problem="is a table of names and values")
    if not isinstance(statements, list) or not all(isinstance(one, dict) for one in statements):
        raise FixtureBadValue(where=where, name="statement", problem="is a list of tables: `[[fixture.statement]]`")
    given = {name: column for name, column in COLUMNS.items() if not name.startswith(LATEST)}
    values = _values(finding, given, where)
    said = tuple(_values(one, STATEMENT, f"{where}, statement {number}") for number, one in enumerate(statements, 1))
    if said:
        values |= {LATEST + name: value for name, value in said[-1].items()}
    as_of = _instant(row["as_of"], where, "as_of") if "as_of" in row else 0
    return Facts(values, said, as_of), "as_of" in row


def _values(row: Mapping[str, Any], known: Mapping[str, Column], where: str) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for name, value in _flat(row, ""):
        if name not in known:
            if name.startswith(LATEST):
                problem = "is what the last `[[fixture.statement]]` says; write it there"
                raise FixtureBadValue(where=where, name=name, problem=problem)
            raise _no_name(name, known, where)
        if name in found:
            raise FixtureBadValue(where=where, name=name, problem="is there twice")
        found[name] = _value(value, known[name], where)
    return found


def _flat(row: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, Any]]:
    """Values by their whole names: `severity.normalized = x` without quotes is a table in TOML."""
    for key, value in row.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _value(value: object, column: Column, where: str) -> Value:
    match column.type, value:
        case "flag", bool():
            return value
        case "word", str() if column.words is not None and value in column.words.words:
            return value
        case "word", _:
            raise _wrong(where, column.name, value, f"one of {', '.join(column.words.words if column.words else ())}")
        case "text", str():
            return value
        case "texts", list() if all(isinstance(one, str) for one in value):
            return frozenset(value)
        case "decimal", int() | Decimal() | str() if not isinstance(value, bool):
            return _decimal(value, column, where)
        case "instant", _:
            return _instant(value, where, column.name)
        case kind, _:
            names = {"flag": "true or false", "text": "a string", "texts": "a list of strings", "decimal": "a number"}
            raise _wrong(where, column.name, value, names[kind])


def _decimal(value: int | Decimal | str, column: Column, where: str) -> int:
    try:
        number = Decimal(value)
    except ArithmeticError:
        raise _wrong(where, column.name, value, "a number") from None
    domain = f"a number from {decimal(column.low)} to {decimal(column.high)}"
    low, high = Decimal(column.low) / MICRO, Decimal(column.high) / MICRO
    if not number.is_finite() or not low <= number <= high:  # comparing is exact, and so is what is multiplied below
        raise _wrong(where, column.name, value, domain)
    _, digits, places = number.as_tuple()
    exponent = int(places)  # which is a letter only of what is not finite
    if exponent < -PLACES and any(digits[exponent + PLACES :]):
        raise _wrong(where, column.name, value, "a number with up to six places")
    return int(number * MICRO) if exponent >= -PLACES else int(number.quantize(_SIXTH) * MICRO)


def _instant(value: object, where: str, name: str) -> int:
    if isinstance(value, dt.datetime) and value.tzinfo is not None and not value.microsecond:
        return int(value.timestamp())
    found = instant(value) if isinstance(value, str) else None
    if found is None:
        raise _wrong(where, name, value, "an instant such as 2026-11-01T00:00:00Z")
    return found


def _wrong(where: str, name: str, value: object, expected: str) -> FixtureBadValue:
    return FixtureBadValue(where=where, name=name, problem=f"is `{str(value)[:_SHOWN]}`, expected {expected}")


# what is expected of the policy


def _expected(row: object, where: str) -> Expected:
    if not isinstance(row, dict) or not row:
        raise FixtureBadValue(where=where, name="expect", problem=f"is a table of {', '.join(EXPECTED)}")
    _only(row, EXPECTED, where)
    for name, words in (("status", STATUS.words), ("severity", SEVERITY.words)):
        if name in row and row[name] not in words:
            raise _wrong(where, name, row[name], f"one of {', '.join(words)}")
    if not isinstance(row.get("rule", ""), str):
        raise _wrong(where, "rule", row["rule"], f'the name of a rule, or "{DEFAULT}"')
    if not isinstance(row.get("undecided", False), bool):
        raise _wrong(where, "undecided", row["undecided"], "true or false")
    notes = row.get("notes", [])
    if not isinstance(notes, list) or not all(isinstance(one, str) for one in notes):
        raise _wrong(where, "notes", notes, 'a list of strings such as "warn: plan the fix"')
    return Expected(**(row | ({"notes": tuple(sorted(notes))} if "notes" in row else {})))
