"""What a policy decides, as formulas: which group wins, and which word is decided.

Rules:
- As in the reference interpreter: the strongest true group that has a status decides it; the severity likewise.
- The default status is the policy's, the default severity is the advisory's, and may be missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from stella.language.groups import Group
from stella.language.names import SEVERITY
from stella.prover.columns import Cases
from stella.prover.graph import FALSE, TRUE
from stella.prover.scene import Scene
from stella.prover.worlds import FINDING, Place

Attribute = Literal["status", "severity"]
ATTRIBUTES: tuple[Attribute, ...] = ("status", "severity")
_NORMALIZED = Place(FINDING, "severity.normalized")


def assigned(group: Group, attribute: Attribute) -> str | None:
    """The word that a group decides."""
    return group.status if attribute == "status" else group.severity


class Outcomes:
    """The groups of one policy in a scene."""

    def __init__(self, scene: Scene, groups: Sequence[Group], default_status: str) -> None:
        self.scene = scene
        self.groups = groups
        self.default_status = default_status
        self.pairs = [scene.pair(group.condition) for group in groups]
        self.wins = {attribute: self._wins(attribute) for attribute in ATTRIBUTES}

    def _wins(self, attribute: Attribute) -> list[int]:
        """By group: it decides the attribute."""
        graph, free = self.scene.graph, TRUE
        found = []
        for group, pair in zip(self.groups, self.pairs, strict=True):
            if assigned(group, attribute) is None:
                found.append(FALSE)
                continue
            found.append(graph.both(pair.true, free))
            free = graph.both(free, -pair.true)
        return found

    def decided(self, attribute: Attribute, start: int = 0) -> dict[str, int]:
        """By word: it is decided by the groups from one on, or by default."""
        graph = self.scene.graph
        found = self._default(attribute)
        for at in range(len(self.groups) - 1, start - 1, -1):
            word, true = assigned(self.groups[at], attribute), self.pairs[at].true
            if word is None:
                continue
            for other in sorted({*found, word}):
                found[other] = graph.choice(true, TRUE if other == word else FALSE, found.get(other, FALSE))
        return dict(sorted(found.items()))

    def undecided(self) -> int:
        """A stronger group that might be true would decide another status."""
        graph, free, found = self.scene.graph, TRUE, FALSE
        status = self.decided("status")
        for group, pair in zip(self.groups, self.pairs, strict=True):
            if group.status is not None:
                might = graph.every((free, -pair.true, -pair.false, -status[group.status]))
                found = graph.either(found, might)
                free = graph.both(free, -pair.true)
        return found

    def _default(self, attribute: Attribute) -> dict[str, int]:
        if attribute == "status":
            return {self.default_status: TRUE}
        worlds = self.scene.worlds
        column = worlds.column(_NORMALIZED)
        assert isinstance(column, Cases)  # noqa: S101  a word
        there = -column.missing
        return {word: self.scene.graph.both(there, column.among((at,))) for at, word in enumerate(SEVERITY.words)}
