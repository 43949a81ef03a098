"""Comparisons: which test two values make, and what is wrong when they make none.

Rules:
- The value that varies comes first; a comparison written the other way round is turned.
- A difference of sums is compared with a constant, so that every number of a finding stands on one side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

from stella.kernel.instant import format_time
from stella.kernel.nearest import nearest
from stella.language.diagnostics import Diagnostic, Fix, found
from stella.language.groups import BANDS, banded
from stella.language.instants import before
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
    Operator,
    OutcomeIs,
    Part,
    Present,
    Ranked,
    Some,
    StartsWith,
    Sum,
)
from stella.language.names import COLUMNS, MICRO, OUTCOME, SEVERITY, STATEMENT, Column, Dimension, Words
from stella.language.tree import Comparison, Expression, Text
from stella.language.values import (
    NOUNS,
    AsOf,
    Banded,
    Dated,
    Items,
    Null,
    Numeric,
    Outcome,
    Plural,
    Said,
    Textual,
    Truthy,
    Value,
    Worded,
)

TURNED: dict[str, str] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
MOST_WORDS = 8  # wrong ones of a list that are said
OPPOSITE = {"!=": "==", "not in": "in"}
LARGEST = 2**53 - 1  # of a sum in micros: what JSON and every engine hold exactly
LARGEST_FACTOR = 1_000_000 * MICRO  # with it the product of a number below a million and a factor is exact in 64 bits
TOO_LARGE = f"a sum of this policy can be more than {LARGEST // MICRO}"
ORDERS = frozenset({"<", "<=", ">", ">="})


class Judged(NamedTuple):
    """The test, or what is wrong."""

    condition: Condition | None
    diagnostics: tuple[Diagnostic, ...] = ()


def compared(sign: str, left: Value, right: Value, node: Comparison) -> Judged:
    """The test that a comparison makes. Raises nothing; None and a diagnostic when it makes none."""
    if sign in TURNED and isinstance(left, Said | Null | Items) and not isinstance(right, Said | Null | Items):
        return compared(TURNED[sign], right, left, turned(node))
    if sign in OPPOSITE:
        judged = compared(OPPOSITE[sign], left, right, node)
        return Judged(judged.condition and Not(judged.condition), judged.diagnostics)
    if isinstance(right, Null):
        return _null(sign, left, node)
    match left:
        case Numeric():
            return _numbers(sign, left, right, node)
        case Worded() | Outcome() | Banded():
            return _words(sign, left, right, node)
        case Textual():
            return _texts(sign, left, right, node)
        case Truthy():
            return _flags(sign, left, right, node)
        case AsOf():
            return _instants(sign, right, node)
        case Dated() if isinstance(right, AsOf) and sign in ORDERS:
            return _instants(TURNED[sign], left, node)
        case Said() if sign == "in" and isinstance(right, Plural):
            text = left.text.lower() if right.lower else left.text
            return Judged(Has(right.column.name, (text,), right.lower))
        case Said(text) if isinstance(right, Said) and sign == "==":
            return Judged(Constant(value=text == right.text))
        case _:
            return _mismatch(sign, left, right, node)


def turned(node: Comparison) -> Comparison:
    """The same comparison written the other way round; of those that have one."""
    sign = cast("Operator", TURNED[node.operator])
    return Comparison(sign, node.right, node.left, node.span, node.operator_span)


def _mismatch(sign: str, left: Value, right: Value, node: Comparison) -> Judged:
    more = ""
    if isinstance(left, Plural):
        more = f'; write `"..." in {left.column.name}`'
    elif isinstance(left, Dated) or isinstance(right, Dated):
        more = "; an instant is compared with `as_of`"
    said = f"`{sign}` does not compare {NOUNS[type(left)]} with {NOUNS[type(right)]}{more}"
    return Judged(None, (found("POL2002", said, node.span),))


def _null(sign: str, left: Value, node: Comparison) -> Judged:
    column = getattr(left, "column", None)
    if getattr(left, "default", None) is not None:
        return Judged(None, (found("POL2002", "what `coalesce` gives is never missing", node.span),))
    if sign != "==" or not isinstance(column, Column):
        return _mismatch(sign, left, Null(), node)
    return Judged(Not(Present(column.name)))


# numbers


def _numbers(sign: str, left: Numeric, right: Value, node: Comparison) -> Judged:
    if not isinstance(right, Numeric) or sign == "in":
        return _mismatch(sign, left, right, node)
    if right.sum.parts and not left.sum.parts:
        return _numbers(TURNED[sign], right, left, turned(node))
    total: Sum | None = left.sum
    if right.sum.parts:
        total = added((left.sum, negated(right.sum)))
    if total is None:
        return Judged(None, (found("POL2002", "a score with limits is compared with a number only", node.span),))
    bound = right.sum.constant if not right.sum.parts else 0
    if total.low is None:
        total, bound = Sum(total.parts), bound - total.constant
    if not total.parts:
        return Judged(Constant(value=_holds(sign, total.constant, bound)))
    if too_large(total) or abs(bound) > LARGEST:
        return Judged(None, (found("POL2004", TOO_LARGE, node.span),))
    condition = Compared(total, cast("Operator", sign), bound)
    column = left.column if not right.sum.parts else None
    low, high = (column.low, column.high) if column else (total.low, total.high)
    if low is not None and high is not None and not low <= bound <= high:
        name = f"`{column.name}`" if column else "the score"
        said = f"{name} is {decimal(low)} to {decimal(high)}, so `{sign} {decimal(bound)}` tells nothing apart"
        share = column is not None and high == MICRO and MICRO < bound <= 100 * MICRO
        fix = Fix(f"write `{decimal(bound // 100)}`", node.right.span, decimal(bound // 100)) if share else None
        return Judged(condition, (found("POL2004", said, node.span, fix),))
    return Judged(condition)


def _holds(sign: str, left: int, right: int) -> bool:
    order = (left > right) - (left < right)
    return order in {"<": (-1,), "<=": (-1, 0), ">": (1,), ">=": (1, 0), "==": (0,)}[sign]


def decimal(micros: int) -> str:
    """Micros as the language writes them."""
    whole, part = divmod(abs(micros), MICRO)
    text = f"{whole}.{part:06d}".rstrip("0").rstrip(".") if part else str(whole)
    return f"-{text}" if micros < 0 else text


def added(sums: Sequence[Sum | None]) -> Sum | None:
    """The sum of all; None when one is None, or has limits and the others are more than nothing."""
    whole = [one for one in sums if one is not None]
    limited = [one for one in whole if one.low is not None or one.high is not None]
    more = [one for one in whole if one.parts or one.constant]
    if len(whole) < len(sums) or (limited and (len(limited) > 1 or more not in ([], limited))):
        return None
    if limited:
        return limited[0]
    return Sum(tuple(part for one in whole for part in one.parts), sum(one.constant for one in whole))


def negated(total: Sum) -> Sum | None:
    """The same with the other sign; None when it has limits."""
    if total.low is not None or total.high is not None:
        return None
    return Sum(tuple(times(part, -1) for part in total.parts), -total.constant)


def too_large(total: Sum) -> bool:
    """Whether the sum can be more than LARGEST, or has a factor that is more than anybody means."""
    return abs(total.constant) + sum(_most(part) for part in total.parts) > LARGEST


def _most(part: Part) -> int:
    match part:
        case Addend(name, factor, default):
            column = COLUMNS.get(name) or STATEMENT[name]
            if abs(factor) > LARGEST_FACTOR:
                return LARGEST + 1
            return max(abs(column.low), abs(column.high), abs(default or 0)) * abs(factor) // MICRO + 1
        case Mapped(_, weights):
            return max((abs(weight) for _, weight in weights), default=0)
        case Adjusted(cases):
            return sum(abs(weight) for _, weight in cases)


def times(part: Part, factor: int, divisor: int = 1) -> Part:
    """A part so many times, rounded toward minus infinity."""
    match part:
        case Addend(column, one, default):
            return Addend(column, one * factor // divisor, default)
        case Mapped(column, weights):
            return Mapped(column, tuple((word, weight * factor // divisor) for word, weight in weights))
        case Adjusted(cases):
            return Adjusted(tuple((condition, weight * factor // divisor) for condition, weight in cases))


def dimensions(total: Sum) -> frozenset[Dimension]:
    """The dimensions that a sum speaks of."""
    names: set[str] = set()
    for part in total.parts:
        if isinstance(part, Adjusted):
            for condition, _ in part.cases:
                names |= columns(condition)
        else:
            names.add(part.column)
    return frozenset(COLUMNS[name].dimension for name in names)


def columns(condition: Condition) -> frozenset[str]:
    """The columns that a condition reads; those of a statement with their place among the evidence."""
    match condition:
        case All(items) | Any(items):
            return frozenset().union(*(columns(item) for item in items))
        case Not(item):
            return columns(item)
        case Some() | Every():
            return frozenset({"reach_state"})
        case Compared(total):
            parts = [frozenset({part.column}) for part in total.parts if not isinstance(part, Adjusted)]
            cases = [columns(case) for part in total.parts if isinstance(part, Adjusted) for case, _ in part.cases]
            return frozenset().union(*parts, *cases)
        case Before(column):
            return frozenset({column} if column else ())
        case Flagged(column) | OneOf(column) | StartsWith(column) | Ranked(column) | Has(column) | Present(column):
            return frozenset({column})
        case _:
            return frozenset()


# words and texts


def _words(sign: str, left: Worded | Outcome | Banded, right: Value, node: Comparison) -> Judged:
    words = _kind(left)
    given = (
        right.texts if isinstance(right, Items) and sign == "in" else (right.text,) if isinstance(right, Said) else None
    )
    if given is None or (sign == "in" and isinstance(right, Said)):
        return _mismatch(sign, left, right, node)
    if not given:
        return _empty(node)
    strange = [word for word in given if word not in words.words]
    wrong = [_no_word(word, words, node.right) for word in strange[:MOST_WORDS]]
    if wrong:
        return Judged(None, tuple(wrong))
    if sign in ORDERS and not words.ordered:
        said = f"the words of a {words.name} have no order; use `==` or `in`"
        return Judged(None, (found("POL2002", said, node.operator_span),))
    if sign in ORDERS:
        return Judged(_ordered(sign, left, given[0], words))
    return Judged(_among(left, given, words))


def _kind(left: Worded | Outcome | Banded) -> Words:
    match left:
        case Worded(column):
            return column.words or SEVERITY
        case Outcome(attribute):
            return OUTCOME[attribute]
        case Banded():
            return SEVERITY


def _among(left: Worded | Outcome | Banded, given: tuple[str, ...], words: Words) -> Condition:
    match left:
        case Worded(column, default):
            return OneOf(column.name, sorted_words(given), default=default)
        case Outcome(attribute):
            return OutcomeIs(attribute, sorted_words(given))
        case Banded(total):
            inside = tuple(banded(total, words.words.index(word)) for word in dict.fromkeys(given))
            return inside[0] if len(inside) == 1 else Any(inside)


def _ordered(sign: str, left: Worded | Outcome | Banded, word: str, words: Words) -> Condition:
    rank = words.words.index(word)
    match left:
        case Worded(column, default):
            return Ranked(column.name, cast("Operator", sign), word, default)
        case Outcome(attribute):
            inside = tuple(one for i, one in enumerate(words.words) if _holds(sign, i, rank))
            return OutcomeIs(attribute, sorted_words(inside))
        case Banded(total):
            first = rank + (sign in {">", "<="})  # the first band that is not on the lower side
            if first >= len(BANDS):
                held = All((Compared(total, "<", BANDS[0]), Compared(total, ">=", BANDS[0])))
                return held if sign == ">" else Not(held)
            above: Condition = Compared(total, ">=", BANDS[first])
            if first == 0:  # the lowest band takes all below it: of what is known this holds
                above = Any((Compared(total, "<", BANDS[0]), above))
            return above if sign in {">", ">="} else Not(above)


def _no_word(word: str, words: Words, node: Expression) -> Diagnostic:
    same = next((one for one in words.words if one.lower() == word.lower()), None)
    guess = same or nearest(word, words.words)
    said = f"`{word}` is no {words.name}; there are {', '.join(words.words)}"
    fix = None
    if guess is not None and isinstance(node, Text):
        fix = Fix(f"write `{guess}`", node.span, f'"{guess}"', safe=same is not None)
    return found("POL2003", said, node.span, fix)


def sorted_words(words: tuple[str, ...]) -> tuple[str, ...]:
    """Each word once, in the order of its bytes."""
    return tuple(sorted(set(words), key=str.encode))


def _texts(sign: str, left: Textual, right: Value, node: Comparison) -> Judged:
    if isinstance(right, Plural) and sign == "in":
        said = f"`{left.column.name}` varies too; `in {right.column.name}` takes a string"
        return Judged(None, (found("POL2002", said, node.span),))
    given: tuple[str, ...]
    if isinstance(right, Said) and sign == "==":
        given = (right.text,)
    elif isinstance(right, Items) and sign == "in":
        given = right.texts
    else:
        return _mismatch(sign, left, right, node)
    if not given:
        return _empty(node)
    if left.lower:
        given = tuple(word.lower() for word in given)
    return Judged(OneOf(left.column.name, sorted_words(given), left.lower, left.default))


def _empty(node: Comparison) -> Judged:
    return Judged(None, (found("POL2002", "nothing is in an empty list", node.right.span),))


def _flags(sign: str, left: Truthy, right: Value, node: Comparison) -> Judged:
    match right:
        case Truthy(Constant(bool() as wanted)) if sign == "==":
            return Judged(left.condition if wanted else Not(left.condition))
        case Truthy() if sign == "==" and isinstance(left.condition, Constant):
            return _flags(sign, right, left, node)
        case _:
            return _mismatch(sign, left, right, node)


# instants


def _instants(sign: str, right: Value, node: Comparison) -> Judged:
    end = before(right)
    if sign not in ORDERS or end is None:
        if isinstance(right, Said) and end is None:
            example = format_time(0).replace("1970", "2027")
            said = f"`{right.text[:40]}` is no instant; write it as `{example}`"
            return Judged(None, (found("POL2002", said, node.right.span),))
        return _mismatch(sign, AsOf(), right, node)
    if sign in {"<=", ">"}:
        said = "an instant has come or has not: compare by `<` or `>=`"
        return Judged(None, (found("POL2002", said, node.operator_span),))
    return Judged(end if sign == "<" else Not(end))


def mixed(condition: Condition) -> bool:
    """Whether a condition compares a sum of more than one dimension."""
    match condition:
        case All(items) | Any(items):
            return any(mixed(item) for item in items)
        case Not(item):
            return mixed(item)
        case Compared(total):
            return len(dimensions(total)) > 1
        case _:
            return False
