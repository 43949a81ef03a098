"""The truth of a condition for all fixtures at once: a bit for each fixture.

Rules:
- Bit i of `true` is set when the condition holds of fixture i, bit i of `false` when it does not; neither when unknown.
- A test is asked of the reference interpreter. What joins tests is Kleene's logic on whole words of bits.
- What is asked twice is answered from memory, as long as it is the same object: mutants share all but their change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from stella.language.interpret import Facts, truth
from stella.language.model import All, Any, Condition, Not


class Bits(NamedTuple):
    """The fixtures where it holds, and those where it does not."""

    true: int
    false: int


class Chorus:
    """The facts of all fixtures."""

    def __init__(self, facts: Sequence[Facts]) -> None:
        self._facts = facts
        self._every = (1 << len(facts)) - 1
        self._known: dict[int, tuple[Condition, Bits]] = {}  # the condition is kept, so that its id stays its own

    def remember(self, condition: Condition) -> Bits:
        """The truth of a condition, which is kept with all its parts."""
        known = self._known.get(id(condition))
        if known is not None:
            return known[1]
        match condition:
            case All(items) | Any(items):
                for item in items:
                    self.remember(item)
            case Not(item):
                self.remember(item)
            case _:
                pass
        found = self.ask(condition)
        self._known[id(condition)] = condition, found
        return found

    def ask(self, condition: Condition) -> Bits:
        """The truth of a condition."""
        known = self._known.get(id(condition))
        if known is not None:
            return known[1]
        match condition:
            case Not(item):
                true, false = self.ask(item)
                return Bits(false, true)
            case All(items):
                true, false = self._every, 0
                for item in items:
                    held = self.ask(item)
                    true, false = true & held.true, false | held.false
                return Bits(true, false)
            case Any(items):
                true, false = 0, self._every
                for item in items:
                    held = self.ask(item)
                    true, false = true | held.true, false & held.false
                return Bits(true, false)
            case _:
                return self._test(condition)

    def _test(self, leaf: Condition) -> Bits:
        true = false = 0
        bit = 1
        for facts in self._facts:
            held = truth(leaf, facts)
            if held:
                true |= bit
            elif held is False:
                false |= bit
            bit <<= 1
        return Bits(true, false)
