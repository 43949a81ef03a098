"""State machines as data: a table of legal moves, and nothing else moves."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, TypeVar

from stella.kernel.errors import IllegalMove

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


class Machine(Generic[S, E]):
    """A named transition table: (state, event) -> next state."""

    def __init__(self, name: str, start: S, moves: Mapping[tuple[S, E], S]) -> None:
        self.name = name
        self.start = start
        self.moves = dict(moves)

    def move(self, state: S, event: E) -> S:
        """The next state; raises IllegalMove."""
        try:
            return self.moves[state, event]
        except KeyError:
            raise IllegalMove(machine=self.name, state=state, event=event) from None
