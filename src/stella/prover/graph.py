"""Formulas as a graph of conjunctions: one node for each formula, however often it is said.

Rules:
- A literal is the number of a node, negative when it is denied. Node 1 is true, so -1 is false.
- A node is an input or the conjunction of two literals; equal conjunctions are one node.
- Bits are worlds: a node's value in many worlds at once is one integer, a bit for each world.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stella.prover.errors import PolicyTooWide

TRUE = 1
FALSE = -1


MAX_STEPS = 250_000  # nodes, and other work; some seconds of it, fifty times what 100 rules take


class Graph:
    """Formulas over inputs, and the clauses that every world keeps."""

    def __init__(self) -> None:
        self.pairs: list[tuple[int, int] | None] = [None, None]  # by node; None for an input, 0 is not used
        self.clauses: list[tuple[int, ...]] = []
        self._known: dict[tuple[int, int], int] = {}
        self._left = MAX_STEPS

    def spend(self, steps: int = 1) -> None:
        """Take so many steps; raises PolicyTooWide when there are no more."""
        self._left -= steps
        if self._left < 0:
            raise PolicyTooWide(limit=MAX_STEPS)

    def fresh(self) -> int:
        """A new input."""
        self.spend()
        self.pairs.append(None)
        return len(self.pairs) - 1

    def both(self, one: int, other: int) -> int:
        """The conjunction of two literals."""
        if one in {TRUE, other}:
            return other
        if other == TRUE:
            return one
        if FALSE in {one, other} or one == -other:
            return FALSE
        pair = (one, other) if one < other else (other, one)
        node = self._known.get(pair)
        if node is None:
            self.spend()
            node = self._known[pair] = len(self.pairs)
            self.pairs.append(pair)
        return node

    def either(self, one: int, other: int) -> int:
        """The disjunction of two literals."""
        return -self.both(-one, -other)

    def every(self, literals: Iterable[int]) -> int:
        """All of them; true of none."""
        found = TRUE
        for literal in literals:
            found = self.both(found, literal)
        return found

    def some(self, literals: Iterable[int]) -> int:
        """One of them; false of none."""
        found = TRUE
        for literal in literals:
            found = self.both(found, -literal)
        return -found

    def choice(self, when: int, then: int, otherwise: int) -> int:
        """`then` where `when` holds, `otherwise` where not."""
        if then == otherwise:
            return then
        return self.either(self.both(when, then), self.both(-when, otherwise))

    def differ(self, one: int, other: int) -> int:
        """Exactly one of them."""
        return self.choice(one, -other, other)

    def require(self, *literals: int) -> None:
        """Keep to worlds where one of these holds."""
        self.spend()
        self.clauses.append(literals)

    def valid(self, values: list[int], full: int) -> int:
        """The worlds that keep all clauses."""
        found = full
        for clause in self.clauses:
            held = 0
            for literal in clause:
                held |= values[literal] if literal > 0 else full ^ values[-literal]
            found &= held
        return found

    def reached(self, literals: Iterable[int]) -> list[int]:
        """All nodes that these literals are made of, in ascending order."""
        seen: set[int] = set()
        waiting = [abs(literal) for literal in literals]
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            pair = self.pairs[node]
            if pair is not None:
                waiting += [abs(pair[0]), abs(pair[1])]
        return sorted(seen)

    def values(self, inputs: Mapping[int, int], full: int) -> list[int]:
        """The value of each node in all worlds of `full`, given that of the inputs; an input not given is false."""
        found = [0, full]
        for node in range(2, len(self.pairs)):
            pair = self.pairs[node]
            if pair is None:
                found.append(inputs.get(node, 0))
                continue
            one, other = pair
            left = found[one] if one > 0 else full ^ found[-one]
            right = found[other] if other > 0 else full ^ found[-other]
            found.append(left & right)
        return found
