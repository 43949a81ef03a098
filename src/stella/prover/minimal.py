"""The plainest example of a formula.

Rules:
- Columns are chosen one after the other in the order of the names, each as it can be: known rather than missing, and
  then its first value. That is one world, whatever the solver has learned before.
- Then each column is dropped when the formula holds whatever it is, missing or not. What is left matters. A column of a
  statement is dropped when it makes no difference while those that were dropped before are missing.
- The reference interpreter confirms the finding that has just what is left.
"""

from __future__ import annotations

from collections.abc import Callable

from stella.language.interpret import Facts
from stella.language.names import COLUMNS, STATEMENT
from stella.prover.columns import Cases, Members, Numbers
from stella.prover.errors import ExampleUnconfirmed
from stella.prover.example import Example, Plain, plain
from stella.prover.solver import Solver
from stella.prover.sums import Sums
from stella.prover.worlds import FINDING, Place, Worlds

CONFIRMING = 2_000  # units of the solver; of a policy of some hundred rules
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
    search = _Search(solver, worlds, sums, literal, confirm)
    if not search.choose():
        return None
    search.drop()
    found = search.read()
    if search.is_lost:
        return None
    if not confirm(found.facts()):
        raise ExampleUnconfirmed(claim=claim[0], subject=claim[1])
    return found


class _Search:
    def __init__(
        self, solver: Solver, worlds: Worlds, sums: Sums, literal: int, confirm: Callable[[Facts], bool]
    ) -> None:
        self._confirm = confirm
        self.is_lost = False  # something was not found out
        self.solver = solver
        self.worlds = worlds
        self.literal = literal
        self.kept: dict[Place, list[int]] = {}
        self.exists: list[int] = []
        self.late: dict[Place, bool] = {}
        self.drawn: dict[Place, Plain | None] = {}  # None for a missing value
        self._find_places(sums)

    def _find_places(self, sums: Sums) -> None:
        worlds = self.worlds
        reached = set(worlds.graph.reached([self.literal]))
        self.solver.spend(2 * len(reached))
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
        return self._holds(self.literal, *self.exists, *self._fixed(), *more) is True

    def _holds(self, *literals: int) -> bool | None:
        held = None if self.is_lost else self.solver.holds(*literals)
        self.is_lost = held is None
        return held

    def confirm(self, facts: Facts) -> bool:
        """Ask the interpreter, which takes its time too."""
        self.solver.spend(CONFIRMING)
        return self._confirm(facts)

    def choose(self) -> bool:
        """Choose everything, the first there is."""
        if not self._can():
            return False
        if self.evidence:
            for one in self.worlds.exists:
                self.exists.append(-one if self._can(-one) else one)
        for place in self.places:
            if place.slot == FINDING or self.worlds.exists[place.slot] in self.exists:
                self._choose(place)
        if self.timed:
            self.kept[_AS_OF] = self._first(_AS_OF, self.worlds.as_of)
        for place in self.wide:
            if self.drawn.get(place) is not None:
                self._can()
                value = self.solver.smallest(place, [self.literal, *self.exists, *self._fixed()])
                self.kept[place].append(self.solver.fix(place, value))
                self.drawn[place] = value
        return True

    def _choose(self, place: Place) -> None:
        column = self.worlds.columns[place]
        if not self._can(-column.missing):
            self.kept[place] = [column.missing]
            self.drawn[place] = None
            return
        self.kept[place] = [-column.missing]
        late = self.worlds.late.get(place)
        if late is not None:
            self.late[place] = not self._can(-late)
            self.kept[place].append(late if self.late[place] else -late)
            self.drawn[place] = 0  # it follows the instant of the run
        elif isinstance(column, Members):
            self._members(place, column)
        else:
            self.kept[place] += self._first(place, column)

    def _members(self, place: Place, column: Members) -> None:
        chosen = self.kept[place]
        found = []
        for text, bit in zip(column.texts, column.bits, strict=True):
            out = self._can(-bit)
            chosen.append(-bit if out else bit)
            found += [] if out else [text]
        self.drawn[place] = plain(frozenset(found))

    def _first(self, place: Place, column: Cases | Numbers) -> list[int]:
        low, high = 0, column.count - 1
        middle = low  # the very first is often good enough
        while low < high:
            if self._can(column.up_to(middle)):
                high = middle
            else:
                low = middle + 1
            middle = (low + high) // 2
        self.drawn[place] = plain(column.value(high))
        return list(column.chosen(high))

    def _fixed(self) -> list[int]:
        return [literal for chosen in self.kept.values() for literal in chosen]

    def drop(self) -> None:
        """Leave out what makes no difference: of the finding first, while all statements stay as they are."""
        for place in [one for one in self.kept if one.slot == FINDING]:
            chosen = self.kept.pop(place)
            if not self._always(self.exists):
                self.kept[place] = chosen
        about = {place: self.kept.pop(place) for place in list(self.kept) if place.slot != FINDING}
        self.evidence = self.evidence and not self._always([])
        if self.evidence:
            self.kept |= about
            for place in about:
                self._drop_of_statement(place)

    def _drop_of_statement(self, place: Place) -> None:
        """The worlds do not have all statements that there could be, so each value is shown to the interpreter."""
        column, chosen, drawn = self.worlds.columns[place], self.kept[place], self.drawn[place]
        assert not isinstance(column, Members)  # noqa: S101  no column of a statement is a set
        for value in (*(plain(column.value(at)) for at in range(column.count)), None):
            self.drawn[place] = value
            if not self.confirm(self.read().facts()):
                self.drawn[place] = drawn
                return
        self.kept.pop(place, chosen)

    def _always(self, exists: list[int]) -> bool:
        return self._holds(-self.literal, *exists, *self._fixed()) is False

    def read(self) -> Example:
        """What is left, as plain data."""
        instant = int(str(self.drawn.get(_AS_OF, self.worlds.as_of.low)))
        values: dict[Place, Plain] = {}
        missing: list[Place] = []
        for place in sorted(self.kept, key=lambda one: (one.slot, one.name)):
            value = instant + self.late[place] if place in self.late else self.drawn[place]
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
            as_of=instant if timed or fixed else None,
        )
