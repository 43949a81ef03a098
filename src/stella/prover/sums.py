"""Comparisons of sums as formulas.

Rules:
- A sum of one decimal and of weights for words and conditions is cut into cases of that decimal: no arithmetic is
  left. A sum of several decimals is an input of its own; what it means is given to the solver as linear arithmetic.
- Rounding and clamps are those of the reference interpreter.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

from stella.language.model import Addend, Adjusted, Condition, Mapped, Operator, Sum
from stella.language.names import MICRO
from stella.prover.columns import Cases, Numbers
from stella.prover.errors import SumTooWide
from stella.prover.graph import FALSE, TRUE, Graph
from stella.prover.worlds import Place, Worlds

LINE = 300  # steps of a sum of several decimals, which is worked out in every world by chance
MAX_TOTALS = 4_096  # different totals of the weights of one sum; more cost more than they tell


class Line(NamedTuple):
    """Decimals, each times its factor and divided by MICRO, rounded down, together reach a bound."""

    terms: tuple[tuple[Place, int], ...]
    bound: int


Totals = dict[int, int]
"""By a total of weights, the literal that they come to just that."""


class Sums:
    """The sums of some worlds."""

    def __init__(self, graph: Graph, worlds: Worlds, pair: Callable[[Condition, int], tuple[int, int]]) -> None:
        self.graph = graph
        self.worlds = worlds
        self.lines: dict[Line, int] = {}
        self._pair = pair

    def compare(self, total: Sum, sign: Operator, bound: int, slot: int) -> tuple[int, int]:
        """That a sum stands so to a bound, and that it does not; where a part is missing neither holds."""
        self.graph.spend(1 + len(total.parts))
        known, reaches = self._parts(total, slot)
        held = _compared(self.graph, total, reaches, sign, bound)
        return self.graph.both(known, held), self.graph.both(known, -held)

    def _parts(self, total: Sum, slot: int) -> tuple[int, Callable[[int], int]]:
        """That all parts are known, and how to say that they come to at least so much where they are."""
        known = TRUE
        totals: Totals = {total.constant: TRUE}
        addends: list[tuple[Place, int, int | None]] = []
        for part in total.parts:
            match part:
                case Addend(column, factor, default):
                    place = self.worlds.place(slot, column)
                    numbers = None if place is None else self.worlds.column(place)
                    if place is not None and isinstance(numbers, Numbers):
                        addends.append((place, factor, default))
                        missing = self.worlds.missing(slot, place)
                        known = self.graph.both(known, -missing) if default is None else known
                    elif default is None:
                        known = FALSE
                    else:
                        totals = {value + default * factor // MICRO: when for value, when in totals.items()}
                case Mapped(column, weights):
                    found = self._weights(column, dict(weights), slot)
                    known = self.graph.both(known, self.graph.some(found.values()))
                    totals = self._added(totals, found)
                case Adjusted(cases):
                    for condition, weight in cases:
                        true, false = self._pair(condition, slot)
                        known = self.graph.both(known, self.graph.either(true, false))
                        totals = self._added(totals, {weight: true, 0: -true} if weight else {0: TRUE})
        return known, lambda bound: self._reaches(totals, addends, bound, slot)

    def _weights(self, column: str, weights: dict[str, int], slot: int) -> Totals:
        """The weight of a text, where it is not missing."""
        place = self.worlds.place(slot, column)
        cases = None if place is None else self.worlds.column(place)
        if place is None or not isinstance(cases, Cases):
            return {}
        places: dict[int, list[int]] = {}
        for at, value in enumerate(cases.values):
            places.setdefault(weights.get(str(value), 0), []).append(at)
        there = -self.worlds.missing(slot, place)
        return {weight: self.graph.both(there, cases.among(found)) for weight, found in places.items()}

    def _added(self, totals: Totals, more: Totals) -> Totals:
        found: Totals = {}
        self.graph.spend(len(totals) * len(more))
        for (value, when), (weight, also) in product(totals.items(), more.items()):
            both = self.graph.both(when, also)
            found[value + weight] = self.graph.either(found.get(value + weight, FALSE), both)
        if len(found) > MAX_TOTALS:
            raise SumTooWide(limit=MAX_TOTALS)
        return found

    def _reaches(self, totals: Totals, addends: list[tuple[Place, int, int | None]], bound: int, slot: int) -> int:
        """Each choice of which decimals are missing, and stand for their defaults, is a case of its own."""
        found = FALSE
        gone = [[False] if default is None else [False, True] for _, _, default in addends]
        for choice in product(*gone):
            self.graph.spend()
            fixed, when = 0, TRUE
            terms: list[tuple[Place, int]] = []
            for (place, factor, default), absent in zip(addends, choice, strict=True):
                missing = self.worlds.missing(slot, place)
                if default is not None:
                    when = self.graph.both(when, missing if absent else -missing)
                if absent and default is not None:
                    fixed += default * factor // MICRO
                else:
                    terms.append((place, factor))
            self.graph.spend(len(totals))
            for value, only in totals.items():
                reached = self._line(tuple(terms), bound - value - fixed)
                found = self.graph.either(found, self.graph.every((when, only, reached)))
        return found

    def _line(self, terms: tuple[tuple[Place, int], ...], bound: int) -> int:
        terms = tuple((place, factor) for place, factor in terms if factor)
        if not terms:
            return TRUE if bound <= 0 else FALSE
        if len(terms) > 1:
            return self._linear(Line(terms, bound))
        ((place, factor),) = terms
        numbers = self.worlds.column(place)
        assert isinstance(numbers, Numbers)  # noqa: S101  only such columns are addends
        needed = bound * MICRO
        if factor > 0:
            return numbers.at_least(-(-needed // factor))
        return -numbers.at_least(needed // factor + 1)

    def _linear(self, line: Line) -> int:
        if line not in self.lines:
            self.graph.spend(LINE)
            self.lines[line] = self.graph.fresh()
        return self.lines[line]


def _compared(graph: Graph, total: Sum, reaches: Callable[[int], int], sign: Operator, bound: int) -> int:
    def at_least(value: int) -> int:
        if total.high is not None and value > total.high:
            return FALSE
        if total.low is not None and value <= total.low:
            return TRUE
        return reaches(value)

    match sign:
        case ">=":
            return at_least(bound)
        case ">":
            return at_least(bound + 1)
        case "<":
            return -at_least(bound)
        case "<=":
            return -at_least(bound + 1)
        case _:
            equal = graph.both(at_least(bound), -at_least(bound + 1))
            return equal if sign == "==" else -equal
