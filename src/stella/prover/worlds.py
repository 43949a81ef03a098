"""Every finding there could be, as inputs of a graph: the columns of a finding, its statements, and the instant.

Rules:
- A slot is the finding itself (FINDING), one of the statements, or LATEST, the last of them.
- There are as many statements as can matter: one for each condition that is sought among statements, and the latest.
  Of any set of statements, one that decides the condition, else one that might, is enough for each, and the latest.
- `vex.latest.*` are the columns of the latest statement, and missing when there is none. Nothing else is taken for
  granted: every column may be missing, and every decimal is inside of its domain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from stella.language.names import COLUMNS, LATEST, STATEMENT
from stella.language.names import Column as Named
from stella.prover.columns import Cases, Column, Members, Numbers
from stella.prover.graph import FALSE, Graph
from stella.prover.texts import Patterns, cases, effort

FINDING = -1
LAST_INSTANT = 2**53 - 2  # one instant later is still what a JSON number holds


class Place(NamedTuple):
    """A column of a slot."""

    slot: int
    name: str


class Worlds:
    """The inputs, made when they are asked for."""

    def __init__(
        self, graph: Graph, statements: int, patterns: Mapping[str, Patterns], as_of: int | None = None
    ) -> None:
        self.graph = graph
        self.latest = statements
        self.exists = [graph.fresh() for _ in range(statements + 1)]
        self.columns: dict[Place, Column] = {}
        self.late: dict[Place, int] = {}  # by an instant's column: the run is before it
        self.as_of = Numbers(graph, *((0, LAST_INSTANT) if as_of is None else (as_of, as_of)), FALSE)
        self.texts: dict[str, tuple[str, ...]] = {}
        self._patterns = patterns
        for one in self.exists[:-1]:
            graph.require(-one, self.exists[-1])

    def place(self, slot: int, name: str) -> Place | None:
        """Where a name is found when it is asked in a slot; None when there is no such column."""
        if slot != FINDING:
            return Place(slot, name) if name in STATEMENT else None
        if name.startswith(LATEST) and name in COLUMNS:
            return Place(self.latest, name.removeprefix(LATEST))
        return Place(FINDING, name) if name in COLUMNS else None

    def column(self, place: Place) -> Column:
        """The column there."""
        found = self.columns.get(place)
        if found is None:
            found = self.columns[place] = self._make(place)
        return found

    def missing(self, slot: int, place: Place) -> int:
        """That a column has no value, as it is seen from a slot."""
        column = self.column(place)
        if slot == FINDING and place.slot == self.latest:
            return self.graph.either(column.missing, -self.exists[self.latest])
        return column.missing

    def before(self, place: Place) -> int:
        """That the run is before the instant in a column that is not missing."""
        self.column(place)
        if place not in self.late:
            self.late[place] = self.graph.fresh()
        return self.late[place]

    def numbers(self) -> Iterator[Numbers]:
        """All columns of numbers, and the instant of the run."""
        yield self.as_of
        yield from (column for column in self.columns.values() if isinstance(column, Numbers))

    def settle(self) -> None:
        """Everything was asked for."""
        for column in self.numbers():
            column.settle()

    def _make(self, place: Place) -> Column:
        named = (COLUMNS if place.slot == FINDING else STATEMENT)[place.name]
        missing = self.graph.fresh()
        match named.type:
            case "flag":
                return Cases(self.graph, (False, True), missing)
            case "decimal" | "instant":
                return Numbers(self.graph, named.low, named.high, missing)
            case "texts":
                return Members(self.graph, self._texts(place, named), missing)
            case _ if named.words is not None:
                return Cases(self.graph, named.words.words, missing)
            case _:
                return Cases(self.graph, self._texts(place, named), missing)

    def _texts(self, place: Place, named: Named) -> tuple[str, ...]:
        key = named.name if place.slot == FINDING else LATEST + named.name
        if key not in self.texts:
            patterns = self._patterns.get(key, Patterns())
            self.graph.spend(effort(patterns))
            self.texts[key] = cases(patterns)
        return self.texts[key]
