"""Conditions over all findings, ready to be asked about: first some worlds by chance, then the solver.

Rules:
- What is asked is known before the first question: the graph does not grow afterwards.
- An example is the same whatever was asked before it: the first one in a fixed order of columns and values, from which
  everything is dropped that makes no difference.
- No example leaves before the reference interpreter has confirmed it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

from stella.language.interpret import Facts
from stella.language.model import Condition
from stella.prover.asked import Asked
from stella.prover.conditions import Encoder, Pair
from stella.prover.example import Example
from stella.prover.graph import Graph
from stella.prover.minimal import minimal
from stella.prover.sampling import FULL, sample
from stella.prover.solver import DEFAULT_EFFORT, DEFAULT_TOTAL, Solver
from stella.prover.texts import is_exact

Confirm = Callable[[Facts], bool]


class Scene:
    """All that is asked by some conditions. `as_of` is None for any instant."""

    def __init__(
        self,
        conditions: Iterable[Condition],
        as_of: int | None = None,
        effort: int = DEFAULT_EFFORT,
        total: int = DEFAULT_TOTAL,
    ) -> None:
        asked = Asked()
        asked.look(conditions)
        self.graph = Graph()
        self.encoder = Encoder(self.graph, asked, as_of)
        self.worlds = self.encoder.worlds
        self.as_of = as_of
        self.effort = effort
        self.total = total
        self._inexact = {key for key, patterns in asked.patterns.items() if not is_exact(patterns)}

    def pair(self, condition: Condition) -> Pair:
        """The formulas of one of the conditions."""
        return self.encoder.pair(condition)

    @cached_property
    def solver(self) -> Solver:
        """The solver; the graph is complete."""
        _ = self.chance
        return Solver(self.graph, self.worlds, self.encoder.sums.lines, self.effort, self.total)

    @cached_property
    def chance(self) -> list[int]:
        """The value of every node in the worlds by chance; the graph is complete."""
        self.worlds.settle()
        return self.graph.values(sample(self.worlds, self.encoder.sums), FULL)

    @cached_property
    def valid(self) -> int:
        """The worlds by chance that can be."""
        return self.graph.valid(self.chance, FULL)

    def seen(self, literal: int) -> int:
        """The worlds by chance that can be and in which a literal holds."""
        found = self.chance[abs(literal)]
        return self.valid & (found if literal > 0 else ~found)

    def can(self, *literals: int) -> bool | None:
        """Whether they can hold together; None when that was not found out."""
        common = self.valid
        for literal in literals:
            common &= self.seen(literal)
        if common:
            return True
        found = self.solver.holds(*literals)
        return None if found is False and self._is_inexact(literals) else found

    def example(self, literal: int, confirm: Confirm, claim: tuple[str, str]) -> Example | None:
        """The plainest finding for which a literal holds; None when none was found. Raises ExampleUnconfirmed."""
        return minimal(self.solver, self.worlds, self.encoder.sums, literal, confirm, claim)

    def _is_inexact(self, literals: Iterable[int]) -> bool:
        """Whether a text was asked about in ways that might have more cases than were thought of."""
        if not self._inexact:
            return False
        reached = set(self.graph.reached(literals))
        self.solver.spend(len(reached))
        return any(
            reached.intersection(column.inputs())
            for place, column in self.worlds.columns.items()
            if self._inexact & {place.name, f"vex.latest.{place.name}"}
        )
