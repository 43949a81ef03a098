"""What some conditions ask: the texts they compare with, and the conditions that they ask of statements."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from stella.language.model import (
    Adjusted,
    All,
    Any,
    Compared,
    Condition,
    Every,
    Has,
    Mapped,
    Not,
    OneOf,
    Some,
    StartsWith,
    Sum,
)
from stella.language.names import LATEST
from stella.prover.texts import Patterns


class Sought(NamedTuple):
    """A statement of which a condition is true, or false; else one of which it is unknown."""

    item: Condition
    wanted: bool


class Asked:
    """All that is asked by the conditions that were shown so far."""

    def __init__(self) -> None:
        self._patterns: dict[str, tuple[set[str], ...]] = {}
        self._seen: dict[tuple[int, str], Condition] = {}  # by identity; the condition is kept alive
        self.statements: dict[Sought, int] = {}  # its number, by what is sought among statements

    @property
    def patterns(self) -> dict[str, Patterns]:
        """The texts that each column is compared with."""
        return {key: Patterns(*map(frozenset, found)) for key, found in self._patterns.items()}

    def look(self, conditions: Iterable[Condition]) -> None:
        """Take in more conditions."""
        for condition in conditions:
            self._look(condition, "")

    def _look(self, condition: Condition, prefix: str) -> None:
        if (id(condition), prefix) in self._seen:
            return
        self._seen[id(condition), prefix] = condition
        match condition:
            case All(items) | Any(items):
                for item in items:
                    self._look(item, prefix)
            case Not(item):
                self._look(item, prefix)
            case Some(item) | Every(item):
                self.statements.setdefault(sought(condition), len(self.statements))
                self._look(item, LATEST)
            case Compared(total):
                self._sum(total, prefix)
            case OneOf(column, words, lower):
                found = frozenset(words)
                self._add(prefix + column, Patterns(lower_words=found) if lower else Patterns(words=found))
            case Has(column, words, lower):
                found = frozenset(words)
                self._add(prefix + column, Patterns(lower_words=found) if lower else Patterns(words=found))
            case StartsWith(column, start, lower):
                found = frozenset((start,))
                self._add(prefix + column, Patterns(lower_prefixes=found) if lower else Patterns(prefixes=found))
            case _:
                pass

    def _sum(self, total: Sum, prefix: str) -> None:
        for part in total.parts:
            match part:
                case Mapped(column, weights):
                    self._add(prefix + column, Patterns(words=frozenset(word for word, _ in weights)))
                case Adjusted(weighed):
                    for condition, _ in weighed:
                        self._look(condition, prefix)
                case _:
                    pass

    def _add(self, key: str, more: Patterns) -> None:
        known = self._patterns.setdefault(key, tuple(set() for _ in more))
        for texts, others in zip(known, more, strict=True):
            texts.update(others)


def sought(condition: Some | Every) -> Sought:
    """What statement decides a condition: `vex.any` seeks one of which it is true, `vex.all` one of which it is not."""
    wanted, item = isinstance(condition, Some), condition.item
    while isinstance(item, Not):
        wanted, item = not wanted, item.item
    return Sought(item, wanted)
