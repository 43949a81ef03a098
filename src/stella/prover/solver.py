"""z3 behind few words: whether there is a world in which some literals hold.

Rules:
- The clauses are written once, in the DIMACS form, and every question is a set of assumptions: nothing is pushed.
- z3's SAT solver for finite domains, or its arithmetic one where a sum of several decimals is asked about.
- Work is counted in z3's own units, never in time, and the seed is fixed: a run can be repeated. What is not decided
  is asked once more of a solver that was asked nothing before, so that the order of questions does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from stella.language.names import MICRO
from stella.prover.columns import Numbers
from stella.prover.graph import TRUE, Graph
from stella.prover.sums import Line
from stella.prover.worlds import Place, Worlds

if TYPE_CHECKING:
    import z3

DEFAULT_EFFORT = 2_000_000  # z3's units for one question; about a second
DEFAULT_TOTAL = 10_000_000  # of all questions about one policy
ASKING = 100  # units of any question, however short


class Solver:
    """Questions about one graph that does not grow any more."""

    def __init__(
        self,
        graph: Graph,
        worlds: Worlds,
        lines: Mapping[Line, int],
        effort: int = DEFAULT_EFFORT,
        total: int = DEFAULT_TOTAL,
    ) -> None:
        self._graph = graph
        self._worlds = worlds
        self._lines = lines
        self._effort = effort
        self._left = total
        self._text: str | None = None
        self._solver: z3.Solver | None = None
        self._literals: dict[int, z3.BoolRef] = {}
        self._model: z3.ModelRef | None = None
        self.numbers: dict[Place, z3.ArithRef] = {}
        self._fixed: list[tuple[int, Place, int]] = []
        self.asked = 0
        self._units = 0

    def holds(self, *literals: int) -> bool | None:
        """Whether they can hold together; None when that was not found out."""
        wanted = [literal for literal in literals if literal != TRUE]
        if -TRUE in wanted:
            return False
        if self.is_spent:
            return None
        found = self._ask(wanted)
        if found is None and not self.is_spent:
            self._solver = None
            found = self._ask(wanted)
            self._solver = None if found is None else self._solver
        return found

    @property
    def is_spent(self) -> bool:
        """Whether nothing more is asked, since all has taken too long."""
        return self._left <= 0

    def spend(self, units: int) -> None:
        """Count work beside the questions."""
        self._left -= units

    def in_model(self, literal: int) -> bool:
        """Whether a literal holds in the world that was just found; what does not matter is false."""
        import z3  # noqa: PLC0415

        if abs(literal) == TRUE:
            return literal == TRUE
        context = z3.main_ctx().ref()
        found = z3.Z3_model_get_const_interp(context, self._found().model, self._literal(abs(literal)).decl().ast)
        held = bool(found) and z3.Z3_get_bool_value(context, found) == z3.Z3_L_TRUE
        return held == (literal > 0)

    def number(self, place: Place) -> int:
        """The number of a column that is part of arithmetic, in the world that was just found."""
        return int(self._found().eval(self.numbers[place], model_completion=True).as_long())

    def smallest(self, place: Place, literals: Iterable[int]) -> int:
        """The smallest number of a column with which the literals hold; they are known to hold with some."""
        solver, number = self._ready(), self.numbers[place]
        wanted = [self._literal(literal) for literal in literals if literal != TRUE]
        column = self._worlds.column(place)
        assert isinstance(column, Numbers)  # noqa: S101  only numbers are part of arithmetic
        low, high = column.low, self.number(place)
        solver.push()
        while low < high:
            self.spend(ASKING)
            middle = (low + high) // 2
            solver.push()
            solver.add(number <= middle)
            if str(solver.check(*wanted)) == "sat":
                high = middle
            elif self.is_spent:
                low = high
            else:
                low = middle + 1
            solver.pop()
        solver.pop()
        return high

    def fix(self, place: Place, value: int) -> int:
        """A literal that holds only where a number of arithmetic has this value."""
        literal = self._graph.fresh()
        self._fixed.append((literal, place, value))
        self._ready().add(self._name(literal) == (self.numbers[place] == value))
        return literal

    def _found(self) -> z3.ModelRef:
        """The world that was just found: getting it costs as much as ten questions."""
        if self._model is None:
            self._model = self._ready().model()
        return self._model

    def _ask(self, wanted: list[int]) -> bool | None:
        import z3  # noqa: PLC0415

        solver = self._ready()
        self.asked += 1
        # what z3's own `check` does, without its looking at each literal again: that is half of a short question
        terms = (z3.Ast * len(wanted))(*(self._literal(literal).ast for literal in wanted))
        found = z3.Z3_solver_check_assumptions(solver.ctx.ref(), solver.solver, len(wanted), terms)
        self._model = None
        self._count(solver, given_up=found == z3.Z3_L_UNDEF)
        return None if found == z3.Z3_L_UNDEF else bool(found == z3.Z3_L_TRUE)

    def _count(self, solver: z3.Solver, *, given_up: bool) -> None:
        """What a question has taken, in z3's units, which grow from question to question."""
        now = solver.statistics().get_key_value("rlimit count")
        self._left -= ASKING + (self._effort if given_up else max(0, now - self._units))
        self._units = now

    def _ready(self) -> z3.Solver:
        if self._solver is None:
            import z3  # noqa: PLC0415

            self._solver = z3.SimpleSolver() if self._lines else z3.SolverFor("QF_FD")
            self._solver.set("rlimit", self._effort)
            self._solver.set("random_seed", 0)
            self._solver.from_string(self._written())
            if self._lines:
                self._arithmetic(self._solver)
            self.spend(len(self._graph.pairs))
            self._units = self._solver.statistics().get_key_value("rlimit count")
        return self._solver

    def _written(self) -> str:
        if self._text is None:
            rows = ["1"]
            for node, pair in enumerate(self._graph.pairs):
                if pair is not None:
                    one, other = pair
                    rows += [f"{-node} {one}", f"{-node} {other}", f"{node} {-one} {-other}"]
            rows += [" ".join(map(str, clause)) for clause in self._graph.clauses]
            self._text = f"p cnf {len(self._graph.pairs)} {len(rows)}\n" + " 0\n".join(rows) + " 0\n"
        return self._text

    def _arithmetic(self, solver: z3.Solver) -> None:
        """What the sums of several decimals mean."""
        import z3  # noqa: PLC0415

        def scaled(place: Place, factor: int) -> z3.ArithRef:
            number = self.numbers.get(place)
            if number is None:
                number = self.numbers[place] = z3.Int(f"{place.slot}:{place.name}")
            return number * (factor // MICRO) if factor % MICRO == 0 else (number * factor) / z3.IntVal(MICRO)

        for line, literal in self._lines.items():
            total = z3.Sum([scaled(place, factor) for place, factor in line.terms])
            solver.add(self._name(literal) == (total >= line.bound))
        for place, number in self.numbers.items():
            column = self._worlds.column(place)
            assert isinstance(column, Numbers)  # noqa: S101  only numbers are part of arithmetic
            solver.add(number >= column.low, number <= column.high)
            for bound, literal in column.cuts.items():
                solver.add(self._name(literal) == (number >= bound))
        for literal, place, value in self._fixed:
            solver.add(self._name(literal) == (self.numbers[place] == value))

    def _name(self, node: int) -> z3.BoolRef:
        """The constant that the DIMACS reader makes for a variable."""
        found = self._literals.get(node)
        if found is None:
            import z3  # noqa: PLC0415

            context = z3.main_ctx()
            symbol = z3.Z3_mk_int_symbol(context.ref(), node)
            found = z3.BoolRef(z3.Z3_mk_const(context.ref(), symbol, z3.BoolSort().ast), context)
            self._literals[node] = found
        return found

    def _literal(self, literal: int) -> z3.BoolRef:
        found = self._literals.get(literal)
        if found is None:
            import z3  # noqa: PLC0415

            found = z3.Not(self._name(-literal)) if literal < 0 else self._name(literal)
            self._literals[literal] = found
        return found
