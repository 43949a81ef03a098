"""The plainest example of a formula.

Rules:
- Columns are chosen one after the other in the order of the names, each as it can be: known rather than missing, and
  then its first value. That is one world, whatever the solver has learned before.
- Then each column is dropped when the formula holds whatever it is, missing or not. What is left matters.
- The reference interpreter confirms the finding that has just what is left.
"""

from __future__ import annotations

from collections.abc import Callable

from stella.language.interpret import Facts
from stella.language.names import COLUMNS, STATEMENT
from stella.prover.columns import Cases, Column, Members, Numbers
from stella.prover.errors import ExampleUnconfirmed
from stella.prover.example import Example, Plain, plain
from stella.prover.solver import Solver
from stella.prover.sums import Sums
from stella.prover.worlds import FINDING, Place, Worlds

_AS_OF = Place(FINDING, "")
_ORDER = {name: at for at, name in enumerate((*COLUMNS, *STATEMENT, ""))}


def minimal(
    solver: Solver,
    worlds: Worlds,
    sums: Sums,
    literal: int,
    confirm: Callable[[Facts], bool],
    claim: tuple[str, str],
) -> Example | None:
    """The plainest finding of which a literal holds; None when the solver finds none in time."""
    search = _Search(solver, worlds, sums, literal)
    if not search.choose():
        return None
    search.drop()
    found = search.read()
    if not confirm(found.facts()):
        raise ExampleUnconfirmed(claim=claim[0], subject=claim[1])
    return found


class _Search:
    def __init__(self, solver: Solver, worlds: Worlds, sums: Sums, literal: int) -> None:
        self.solver = solver
        self.worlds = worlds
        self.literal = literal
        self.kept: dict[Place, list[int]] = {}
        self.exists: list[int] = []
        self.lines = sums.lines
        self._find_places(sums)

    def _find_places(self, sums: Sums) -> None:
        worlds = self.worlds
        reached = set(worlds.graph.reached([self.literal]))
        wide = {place for line, node in sums.lines.items() if node in reached for place, _ in line.terms}
        self.places = [
            place
            for place, column in sorted(worlds.columns.items(), key=lambda one: (one[0].slot, _ORDER[one[0].name]))
            if place in wide
            or column.missing in reached
            or worlds.late.get(place) in reached
            or reached.intersection(column.inputs())
        ]
        self.wide = [place for place in self.places if place in wide]
        self.timed = bool(reached.intersection(worlds.as_of.inputs()))
        self.evidence = bool(reached.intersection(worlds.exists)) or any(p.slot != FINDING for p in self.places)

    def _can(self, *more: int) -> bool:
        fixed = [literal for chosen in self.kept.values() for literal in chosen]
        return self.solver.holds(self.literal, *self.exists, *fixed, *more) is True

    def choose(self) -> bool:
        """Choose everything, the first there is."""
        if not self._can():
            return False
        if self.evidence:
            for one in self.worlds.exists:
                self.exists.append(-one if not self.solver.in_model(one) or self._can(-one) else one)
        for place in self.places:
            if place.slot == FINDING or self.worlds.exists[place.slot] in self.exists:
                self._choose(place)
        if self.timed:
            self.kept[_AS_OF] = []
            self.kept[_AS_OF] += self._first(self.worlds.as_of)
        for place in self.wide:
            if place in self.kept and self.worlds.columns[place].missing not in self.kept[place]:
                self._can()
                fixed = [literal for chosen in self.kept.values() for literal in chosen]
                value = self.solver.smallest(place, [self.literal, *self.exists, *fixed])
                self.kept[place].append(self.solver.fix(place, value))
        return self._can()

    def _choose(self, place: Place) -> None:
        column = self.worlds.columns[place]
        if self.solver.in_model(column.missing) and not self._can(-column.missing):
            self.kept[place] = [column.missing]
            return
        self.kept[place] = [-column.missing]
        late = self.worlds.late.get(place)
        if late is not None:
            self.kept[place].append(-late if not self.solver.in_model(late) or self._can(-late) else late)
        self.kept[place] += self._members(column) if isinstance(column, Members) else self._first(column)

    def _members(self, column: Members) -> list[int]:
        chosen: list[int] = []
        for bit in column.bits:
            chosen.append(-bit if not self.solver.in_model(bit) or self._can(*chosen, -bit) else bit)
        return chosen

    def _first(self, column: Cases | Numbers) -> list[int]:
        low, high = 0, column.place(self.solver.in_model)
        while low < high:
            middle = (low + high) // 2
            if self._can(column.up_to(middle)):
                high = column.place(self.solver.in_model)
            else:
                low = middle + 1
        return list(column.chosen(high))

    def drop(self) -> None:
        """Leave out what makes no difference."""
        self.drawn = {place: self._value(place) for place in self.kept}
        self.instant = self._as_of()
        for place in list(self.kept):
            chosen = self.kept.pop(place)
            if not self._always(self.exists):
                self.kept[place] = chosen
        self.evidence = self.evidence and (any(p.slot != FINDING for p in self.kept) or not self._always([]))

    def _always(self, exists: list[int]) -> bool:
        fixed = [literal for chosen in self.kept.values() for literal in chosen]
        return self.solver.holds(-self.literal, *exists, *fixed) is False

    def _value(self, place: Place) -> Plain | None:
        """The value that was chosen; None for a missing one."""
        if place == _AS_OF:
            return self._as_of()
        column: Column = self.worlds.columns[place]
        if column.missing in self.kept[place]:
            return None
        late = self.worlds.late.get(place)
        if late is not None:
            return self._as_of() + (late in self.kept[place])
        if isinstance(column, Members):
            return plain(column.found(self.solver.in_model))
        if place in self.wide:
            return self.solver.number(place)
        return plain(column.value(column.place(self.solver.in_model)))

    def read(self) -> Example:
        """What is left, as plain data."""
        values: dict[Place, Plain] = {}
        missing: list[Place] = []
        for place in sorted(self.kept, key=lambda one: (one.slot, one.name)):
            value = self.drawn[place]
            if value is None:
                missing.append(place)
            elif place != _AS_OF:
                values[place] = value
        slots = [slot for slot, one in enumerate(self.worlds.exists) if one in self.exists] if self.evidence else []
        gone = tuple(tuple(one.name for one in missing if one.slot == slot) for slot in slots)
        timed = _AS_OF in self.kept or any(place in self.worlds.late for place in values)
        fixed = self.worlds.as_of.low == self.worlds.as_of.high
        return Example(
            values=tuple((place.name, value) for place, value in values.items() if place.slot == FINDING),
            missing=tuple(place.name for place in missing if place.slot == FINDING),
            statements=tuple(
                tuple((place.name, value) for place, value in values.items() if place.slot == slot) for slot in slots
            )
            if self.evidence
            else None,
            statement_missing=gone if any(gone) else (),
            as_of=self.instant if timed or fixed else None,
        )

    def _as_of(self) -> int:
        if not self.timed:
            return self.worlds.as_of.low
        return self.worlds.as_of.value(self.worlds.as_of.place(self.solver.in_model))
