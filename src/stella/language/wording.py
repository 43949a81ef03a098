"""A checked condition as text: what the resolver took apart, written in the language again.

Rules:
- The text means the condition. Read again it gives that very condition, but for a list of one, which is its only item.
- Two things have no words of their own, and are shown in a form that is no source: `weight(...)`, which is a part of a
  profile, and `clamp(...)`, a sum with limits that no function of the language makes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias, cast

from stella.kernel.instant import format_time
from stella.language.compare import decimal
from stella.language.diagnostics import Span
from stella.language.format import shown
from stella.language.functions import RISK
from stella.language.lexer import quoted
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
from stella.language.tree import (
    Arithmetic,
    Atom,
    Call,
    Comparison,
    Expression,
    Listed,
    Logic,
    Name,
    Negation,
    Number,
    Text,
)
from stella.language.tree import Sign as Signed

Test: TypeAlias = Flagged | OneOf | StartsWith | Ranked | Has | Present | Compared | Before | OutcomeIs
HERE = Span(0, 0)
UNKNOWN = "unknown"  # no name; a test of it is unknown
DENIED = {"==": "!=", "in": "not in", "<": ">="}
RISK_LIMITS = (0, 100 * MICRO)  # of the functions that give a score of risk


def shown_condition(condition: Condition) -> str:
    """A condition in one line."""
    return shown(worded(condition))


def shown_sum(total: Sum) -> str:
    """A sum in one line."""
    return shown(_limited(total))


def shown_instant(seconds: int) -> str:
    """An instant as the language writes it; its seconds where it is further than a calendar goes."""
    try:
        return format_time(seconds)
    except (ValueError, OverflowError, OSError):
        return f"second {seconds}"


def worded(condition: Condition) -> Expression:
    """A condition as a tree of the language."""
    match condition:
        case Constant(value):
            return Name(UNKNOWN, HERE) if value is None else Atom(value, HERE)
        case All(items) | Any(items):
            return _logic("and" if isinstance(condition, All) else "or", items)
        case Not(item):
            return _denied(worded(item), item)
        case Some(item):
            return _call("vex.any", worded(item))
        case Every(item):
            return _call("vex.all", worded(item))
        case _:
            return _test(condition)


def _test(leaf: Test) -> Expression:
    match leaf:
        case Flagged(column, default):
            return _defaulted(column, None if default is None else Atom(default, HERE))
        case OneOf(column, words, lower, default):
            return _among(_texted(column, default, lower=lower), words)
        case StartsWith(column, prefix, lower, default):
            return _call("starts_with", _texted(column, default, lower=lower), _text(prefix))
        case Ranked(column, sign, word, default):
            return _compared(_texted(column, default, lower=False), sign, _text(word))
        case Has(column, words, lower):
            return _has(column, words, lower=lower)
        case Present(column):
            return _call("exists", Name(column, HERE))
        case Compared(total, sign, bound):
            return _compared(_limited(total), sign, _number(bound))
        case Before(column, instant):
            end = _text(shown_instant(instant or 0)) if column is None else Name(column, HERE)
            return _compared(Name("as_of", HERE), "<", end)
        case OutcomeIs(attribute, words):
            return _among(Name(attribute, HERE), words)


def _logic(operator: str, items: tuple[Condition, ...]) -> Expression:
    if not items:
        return Atom(operator == "and", HERE)
    made = tuple(worded(item) for item in items)
    return made[0] if len(made) == 1 else Logic("and" if operator == "and" else "or", made, HERE)


def _denied(tree: Expression, item: Condition) -> Expression:
    """The opposite, by the operator where the language has one for it."""
    if isinstance(item, Present):
        return _compared(Name(item.column, HERE), "==", Atom(None, HERE))
    if isinstance(tree, Comparison) and (tree.operator in {"==", "in"} or isinstance(item, Before)):
        return _compared(tree.left, DENIED[tree.operator], tree.right)
    return Negation(tree, HERE)


# words and texts


def _texted(column: str, default: str | None, *, lower: bool) -> Expression:
    name: Expression = Name(column, HERE)
    if lower:
        name = _call("lowercase", name)
    return name if default is None else _call("coalesce", name, _text(default))


def _defaulted(column: str, default: Expression | None) -> Expression:
    return Name(column, HERE) if default is None else _call("coalesce", Name(column, HERE), default)


def _among(left: Expression, words: tuple[str, ...]) -> Expression:
    if len(words) == 1:
        return _compared(left, "==", _text(words[0]))
    return _compared(left, "in", Listed(tuple(_text(word) for word in words), HERE))


def _has(column: str, words: tuple[str, ...], *, lower: bool) -> Expression:
    if column == "sbom.tags" and not lower:
        each: list[Expression] = [_call("sbom.has_tag", _text(word)) for word in words]
    else:
        each = [_compared(_text(word), "in", _texted(column, None, lower=lower)) for word in words]
    if not each:
        return Atom(value=False, span=HERE)
    return each[0] if len(each) == 1 else Logic("or", tuple(each), HERE)


# sums


def _limited(total: Sum) -> Expression:
    if total.low is None and total.high is None:
        return _added(total.parts, total.constant)
    if (total.low, total.high) == RISK_LIMITS and total.constant % RISK == 0 and all(map(_tenfold, total.parts)):
        return _call("normalize_cvss", _added(tuple(map(_tenth, total.parts)), total.constant // RISK))
    low, high = (Name("none", HERE) if limit is None else _number(limit) for limit in (total.low, total.high))
    return _call("clamp", _added(total.parts, total.constant), low, high)


def _added(parts: Iterable[Part], constant: int) -> Expression:
    items = [_signed(part) for part in parts]
    if constant or not items:
        items.append((constant < 0, Number(abs(constant), 0, HERE)))
    if len(items) == 1 and not items[0][0]:
        return items[0][1]
    return Arithmetic(tuple(items), HERE)


def _signed(part: Part) -> tuple[bool, Expression]:
    match part:
        case Addend(column, factor, default):
            name = _defaulted(column, None if default is None else _number(default))
            if abs(factor) == MICRO:
                return factor < 0, name
            return False, _call("percent_of", _number(factor * 100), name)
        case Mapped(column, weights):
            said = ", ".join(f"{quoted(word)} => {_weight(weight)}" for word, weight in weights)
            return False, Name(f"weight({column} {said})", HERE)
        case Adjusted(cases):
            each = (f"if {shown_condition(case)} then {_weight(weight)}" for case, weight in cases)
            return False, Name(f"weight({', '.join(each)})", HERE)


def _weight(micros: int) -> str:
    return f"{'+' if micros >= 0 else ''}{decimal(micros)}"


def _tenfold(part: Part) -> bool:
    match part:
        case Addend(_, factor):
            return factor % RISK == 0
        case Mapped(_, weights):
            return all(weight % RISK == 0 for _, weight in weights)
        case Adjusted(cases):
            return all(weight % RISK == 0 for _, weight in cases)


def _tenth(part: Part) -> Part:
    match part:
        case Addend(column, factor, default):
            return Addend(column, factor // RISK, default)
        case Mapped(column, weights):
            return Mapped(column, tuple((word, weight // RISK) for word, weight in weights))
        case Adjusted(cases):
            return Adjusted(tuple((case, weight // RISK) for case, weight in cases))


# nodes


def _number(micros: int) -> Expression:
    number = Number(abs(micros), 0, HERE)
    return Arithmetic(((True, number),), HERE) if micros < 0 else number


def _text(text: str) -> Text:
    return Text(text, HERE)


def _call(name: str, *arguments: Expression) -> Call:
    return Call(name, arguments, HERE, HERE)


def _compared(left: Expression, sign: str, right: Expression) -> Comparison:
    return Comparison(cast("Signed", sign), left, right, HERE, HERE)
