"""Conditions as formulas: for each one that it is true and one that it is false; where neither holds it is unknown.

Rules:
- Kleene's logic to the letter of the reference interpreter; single tests are asked of it, value for value.
- A condition is encoded once for each slot that it is asked in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from stella.language.interpret import Facts, Truth, truth
from stella.language.model import (
    All,
    Any,
    Before,
    Compared,
    Condition,
    Constant,
    Every,
    Flagged,
    Has,
    Not,
    OneOf,
    OutcomeIs,
    Present,
    Ranked,
    Some,
    StartsWith,
)
from stella.prover.asked import Asked, Sought, sought
from stella.prover.columns import Cases, Column, Members, Numbers
from stella.prover.graph import FALSE, TRUE, Graph
from stella.prover.sums import Sums
from stella.prover.worlds import FINDING, Worlds


class Pair(NamedTuple):
    """The literals of a condition: that it is true, that it is false."""

    true: int
    false: int


UNKNOWN = Pair(FALSE, FALSE)


class Encoder:
    """Conditions over one set of worlds. `asked` has seen all of them before."""

    def __init__(self, graph: Graph, asked: Asked, as_of: int | None = None) -> None:
        self.graph = graph
        self.asked = asked
        self._required: set[Sought] = set()
        self.worlds = Worlds(graph, len(asked.statements), asked.patterns, as_of)
        self.sums = Sums(graph, self.worlds, self.pair)
        self._done: dict[tuple[int, int], tuple[Pair, Condition]] = {}  # by identity; the condition is kept alive
        self._passed: dict[tuple[str, Condition], tuple[int, ...]] = {}

    def pair(self, condition: Condition, slot: int = FINDING, outcome: Mapping[str, Mapping[str, int]] = {}) -> Pair:
        """The formulas of a condition that is asked in a slot; `outcome` says of each word that it was decided."""
        if outcome:
            return self._fresh(condition, slot, outcome)
        key = (slot, id(condition))
        found = self._done.get(key)
        if found is None:
            found = self._done[key] = (self._fresh(condition, slot, outcome), condition)
        return found[0]

    def _fresh(self, condition: Condition, slot: int, outcome: Mapping[str, Mapping[str, int]]) -> Pair:
        graph = self.graph
        match condition:
            case Constant(value):
                return _known(value)
            case Not(item):
                true, false = self.pair(item, slot, outcome)
                return Pair(false, true)
            case All(items):
                pairs = [self.pair(item, slot, outcome) for item in items]
                return Pair(graph.every(one.true for one in pairs), graph.some(one.false for one in pairs))
            case Any(items):
                pairs = [self.pair(item, slot, outcome) for item in items]
                return Pair(graph.some(one.true for one in pairs), graph.every(one.false for one in pairs))
            case Some() | Every():
                return self._statements(condition, outcome)
            case OutcomeIs(attribute, words):
                decided = outcome.get(attribute, {})
                true = graph.some(decided[word] for word in words if word in decided)
                return Pair(true, graph.both(graph.some(decided.values()), -true))
            case Compared(total, sign, bound):
                return Pair(*self.sums.compare(total, sign, bound, slot))
            case _:
                return self._column(condition, slot)

    def _statements(self, condition: Some | Every, outcome: Mapping[str, Mapping[str, int]]) -> Pair:
        """Its own statement and the latest one decide; that no other one says more is required of every world."""
        graph, exists, every = self.graph, self.worlds.exists, isinstance(condition, Every)
        found = sought(condition)
        own, latest = self.asked.statements[found], self.worlds.latest
        hits: list[int] = []  # by statement: it is there and decides
        maybes: list[int] = []  # by statement: it is there and might
        for slot, there in enumerate(exists):
            true, false = self.pair(condition.item, slot, outcome)
            hits.append(graph.both(there, false if every else true))
            maybes.append(graph.both(there, -true if every else -false))
        hit, maybe = graph.either(hits[own], hits[latest]), graph.either(maybes[own], maybes[latest])
        if found not in self._required:
            self._required.add(found)
            graph.require(-exists[own], maybes[own])
            for slot in range(latest):
                if slot != own:
                    graph.require(-hits[slot], hit)
                    graph.require(-maybes[slot], maybe)
        return Pair(graph.both(exists[latest], -maybe), hit) if every else Pair(hit, -maybe)

    def _column(self, leaf: Present | Before | Flagged | OneOf | StartsWith | Ranked | Has, slot: int) -> Pair:
        if isinstance(leaf, Before) and leaf.column is None:
            return self._before(leaf.instant)
        name = leaf.column or ""
        place = self.worlds.place(slot, name)
        if place is None:  # no finding has such a column
            return _known(truth(leaf, Facts({})))
        missing, column = self.worlds.missing(slot, place), self.worlds.column(place)
        if isinstance(leaf, Present):
            return Pair(-missing, missing)
        if isinstance(leaf, Before):
            before = self.worlds.before(place)
            return Pair(self.graph.both(-missing, before), self.graph.both(-missing, -before))
        return self._tested(leaf, missing, column)

    def _before(self, instant: int | None) -> Pair:
        if instant is None:
            return UNKNOWN
        later = self.worlds.as_of.at_least(instant)
        return Pair(-later, later)

    def _tested(self, leaf: Flagged | OneOf | StartsWith | Ranked | Has, missing: int, column: Column) -> Pair:
        if isinstance(column, Numbers):
            return _known(truth(leaf, Facts({})))  # a number is neither a word nor a flag
        among = column.among(self._places(leaf, column))
        without = truth(leaf, Facts({}))
        true, false = self.graph.both(-missing, among), self.graph.both(-missing, -among)
        if without is None:
            return Pair(true, false)
        return (
            Pair(self.graph.either(true, missing), false) if without else Pair(true, self.graph.either(false, missing))
        )

    def _places(self, leaf: Flagged | OneOf | StartsWith | Ranked | Has, column: Cases | Members) -> Iterable[int]:
        """Which values of a column pass a test."""
        if isinstance(leaf, OneOf) and isinstance(column, Cases) and not leaf.lower:
            return [column.places[word] for word in leaf.words if word in column.places]
        key = (type(column).__name__, leaf)
        found = self._passed.get(key)
        if found is None:
            self.graph.spend(column.count)
            values = column.values if isinstance(column, Cases) else [frozenset((text,)) for text in column.texts]
            passed = (truth(leaf, Facts({leaf.column: value})) for value in values)
            found = self._passed[key] = tuple(place for place, held in enumerate(passed) if held)
        return found


def _known(held: Truth) -> Pair:
    return UNKNOWN if held is None else Pair(TRUE, FALSE) if held else Pair(FALSE, TRUE)
