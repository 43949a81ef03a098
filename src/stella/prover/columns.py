"""The values of one column as inputs of a graph: finitely many cases, each with a value that stands for it.

Rules:
- The cases of a column are in a fixed order, and its inputs say "this case or a later one": one input less than cases.
- Decimals and instants are cut only where a policy cuts them; the lowest value of a case stands for it.
- A column that is missing has no value, whatever its other inputs say.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import TypeAlias

from stella.language.interpret import Value
from stella.prover.graph import FALSE, TRUE, Graph

Holds: TypeAlias = Callable[[int], bool]
"""Whether a literal holds in a world."""


class Cases:
    """A column with a closed list of values: a flag, a word, or the texts that can be told apart."""

    def __init__(self, graph: Graph, values: tuple[Value, ...], missing: int) -> None:
        self.graph = graph
        self.values = values
        self.missing = missing
        self.steps = [graph.fresh() for _ in values[1:]]  # by i: the value is not among the first i + 1
        for lower, upper in zip(self.steps, self.steps[1:], strict=False):
            graph.require(lower, -upper)
        self.places = {value: place for place, value in enumerate(values)}

    def inputs(self) -> list[int]:
        """Its own inputs, `missing` not among them."""
        return self.steps

    def among(self, places: Iterable[int]) -> int:
        """The value is one of those at these places."""
        found, last, first = FALSE, -2, -2
        for place in sorted(set(places)):
            if place != last + 1:
                found = self.graph.either(found, self._between(first, last))
                first = place
            last = place
        return self.graph.either(found, self._between(first, last))

    def chosen(self, place: int) -> tuple[int, ...]:
        """The literals that choose the value at a place."""
        return (*self.steps[:place][-1:], *(-step for step in self.steps[place : place + 1]))

    def up_to(self, place: int) -> int:
        """The value is at this place or before it."""
        return -self.steps[place] if place < len(self.steps) else TRUE

    @property
    def count(self) -> int:
        """How many cases there are."""
        return len(self.values)

    def place(self, holds: Holds) -> int:
        """The place of the value in a world."""
        return sum(1 for step in self.steps if holds(step))

    def value(self, place: int) -> Value:
        """The value at a place."""
        return self.values[place]

    def drawn(self, value: Value) -> Iterable[int]:
        """The inputs that hold for a value."""
        return self.steps[: self.places[value]]

    def _between(self, first: int, last: int) -> int:
        if last < 0:
            return FALSE
        after = self.steps[first - 1] if first else TRUE
        before = -self.steps[last] if last < len(self.steps) else TRUE
        return self.graph.both(after, before)


class Numbers:
    """A decimal in micros or an instant in seconds: cut into cases wherever somebody asks `at_least`."""

    def __init__(self, graph: Graph, low: int, high: int, missing: int) -> None:
        self.graph = graph
        self.low = low
        self.high = high
        self.missing = missing
        self.cuts: dict[int, int] = {}
        self.ordered: list[int] = []

    def at_least(self, bound: int) -> int:
        """The number is not below a bound."""
        if bound <= self.low:
            return TRUE
        if bound > self.high:
            return FALSE
        if bound not in self.cuts:
            self.cuts[bound] = self.graph.fresh()
        return self.cuts[bound]

    def settle(self) -> None:
        """All bounds are known: require their order. Called once."""
        self.ordered = sorted(self.cuts)
        for lower, upper in zip(self.ordered, self.ordered[1:], strict=False):
            self.graph.require(self.cuts[lower], -self.cuts[upper])

    def inputs(self) -> list[int]:
        """Its own inputs, `missing` not among them."""
        return [self.cuts[bound] for bound in self.ordered]

    def chosen(self, place: int) -> tuple[int, ...]:
        """The literals that choose the case at a place."""
        inputs = self.inputs()
        return (*inputs[:place][-1:], *(-one for one in inputs[place : place + 1]))

    def up_to(self, place: int) -> int:
        """The case is at this place or before it."""
        return -self.cuts[self.ordered[place]] if place < len(self.ordered) else TRUE

    @property
    def count(self) -> int:
        """How many cases there are."""
        return len(self.ordered) + 1

    def place(self, holds: Holds) -> int:
        """The place of the case in a world."""
        return sum(1 for bound in self.ordered if holds(self.cuts[bound]))

    def value(self, place: int) -> int:
        """The lowest value of a case."""
        return self.ordered[place - 1] if place else self.low

    def drawn(self, value: int) -> Iterable[int]:
        """The inputs that hold for a number."""
        return (self.cuts[bound] for bound in self.ordered[: bisect_right(self.ordered, value)])


class Members:
    """A set of texts: one input for each text that can be told apart."""

    def __init__(self, graph: Graph, texts: tuple[str, ...], missing: int) -> None:
        self.graph = graph
        self.texts = texts
        self.missing = missing
        self.bits = [graph.fresh() for _ in texts]

    def inputs(self) -> list[int]:
        """Its own inputs, `missing` not among them."""
        return self.bits

    @property
    def count(self) -> int:
        """How many texts there are."""
        return len(self.texts)

    def among(self, places: Iterable[int]) -> int:
        """One of the texts at these places is in the set."""
        return self.graph.some(self.bits[place] for place in sorted(set(places)))

    def found(self, holds: Holds) -> frozenset[str]:
        """The set in a world."""
        return frozenset(text for text, bit in zip(self.texts, self.bits, strict=True) if holds(bit))

    def drawn(self, value: frozenset[str]) -> Iterable[int]:
        """The inputs that hold for a set."""
        return (bit for text, bit in zip(self.texts, self.bits, strict=True) if text in value)


Column: TypeAlias = Cases | Numbers | Members
