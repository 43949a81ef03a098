"""The functions of the language: what each makes of its values; None when they are of the wrong types."""

from __future__ import annotations

from collections.abc import Callable

from stella.language import compare
from stella.language.model import Addend, Constant, Flagged, Has, Present, StartsWith, Sum
from stella.language.names import MICRO, Column
from stella.language.values import Banded, Dated, Numeric, Plural, Said, Textual, Truthy, Value, Worded

RISK = 10  # the scale of risk, 0 to 100, beside that of CVSS
FUNCTIONS = {
    "exists": "exists(name)",
    "coalesce": "coalesce(name, value)",
    "lowercase": "lowercase(text)",
    "starts_with": 'starts_with(text, "prefix")',
    "percent_of": "percent_of(percent, number)",
    "normalize_cvss": "normalize_cvss(number)",
    "severity_band": "severity_band(number)",
    "risk_score": "risk_score(profile)",
    "sbom.has_tag": 'sbom.has_tag("tag")',
    "vex.any": "vex.any(condition)",
    "vex.all": "vex.all(condition)",
}


def typed(column: Column) -> Value:
    """A column as a value."""
    match column.type:
        case "flag":
            return Truthy(Flagged(column.name), column)
        case "word":
            return Worded(column)
        case "text":
            return Textual(column)
        case "texts":
            return Plural(column)
        case "decimal":
            return Numeric(Sum((Addend(column.name, MICRO),)), column)
        case "instant":
            return Dated(column)


def _column_of(value: Value) -> Column | None:
    """The column that a value is, when it is nothing but that one: what has a default is never missing."""
    if getattr(value, "default", None) is not None:
        return None
    return value.column if isinstance(value, Truthy | Numeric | Worded | Textual | Plural | Dated) else None


def _exists(value: Value) -> Value | None:
    column = _column_of(value)
    return None if column is None else Truthy(Present(column.name))


def _coalesce(value: Value, other: Value) -> Value | None:
    if getattr(value, "default", None) is not None:
        return None
    match value, other:
        case Numeric(_, Column() as column), Numeric(Sum((), constant)):
            return Numeric(Sum((Addend(column.name, MICRO, constant),)), column, constant)
        case Truthy(_, Column() as column), Truthy(Constant(bool() as default)):
            return Truthy(Flagged(column.name, default), None)
        case Worded(column), Said(text) if column.words is not None and text in column.words.words:
            return Worded(column, text)
        case Textual(column, lower), Said(text):
            return Textual(column, lower, text)
        case _:
            return None


def _lowercase(value: Value) -> Value | None:
    if isinstance(value, Said):
        return Said(value.text.lower())
    return value._replace(lower=True) if isinstance(value, Textual | Plural) else None


def _starts_with(value: Value, prefix: Value) -> Value | None:
    match value, prefix:
        case Textual(column, lower, default), Said(text):
            return Truthy(StartsWith(column.name, text.lower() if lower else text, lower, default))
        case _:
            return None


def _percent_of(percent: Value, value: Value) -> Value | None:
    match percent, value:
        case Numeric(Sum((), share)), Numeric(Sum(parts, constant, None, None)):
            made = tuple(compare.times(part, share, 100 * MICRO) for part in parts)
            return Numeric(Sum(made, constant * share // (100 * MICRO)))
        case _:
            return None


def _normalize_cvss(value: Value) -> Value | None:
    match value:
        case Numeric(Sum((), constant, None, None)):
            return Numeric(Sum((), max(0, min(constant * RISK, 100 * MICRO))))
        case Numeric(Sum(parts, constant, None, None)):
            scored = tuple(compare.times(part, RISK) for part in parts)
            return Numeric(Sum(scored, constant * RISK, 0, 100 * MICRO))
        case _:
            return None


def _has_tag(value: Value) -> Value | None:
    return Truthy(Has("sbom.tags", (value.text,))) if isinstance(value, Said) else None


def _severity_band(value: Value) -> Value | None:
    return Banded(value.sum) if isinstance(value, Numeric) else None


APPLY: dict[str, Callable[..., Value | None]] = {
    "exists": _exists,
    "coalesce": _coalesce,
    "lowercase": _lowercase,
    "starts_with": _starts_with,
    "percent_of": _percent_of,
    "normalize_cvss": _normalize_cvss,
    "severity_band": _severity_band,
    "sbom.has_tag": _has_tag,
}
