"""The components of all assets, and the advisories that are about them.

Rules:
- Each component is kept once, however many assets have it; an asset is a list of numbers.
- Advisories pass by one after the other. Kept are those that are about some component, and of all others the id, so
  that a second one with the same id is noticed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from stella.inventory.advisories import Advised, Advisory
from stella.inventory.bom import Component
from stella.inventory.packages import Package, located, parse
from stella.inventory.quarantine import Reason, Tally
from stella.inventory.ranges import affects


class AdvisoryRow(NamedTuple):
    """A row of the advisory dimension before the feeds are joined: an advisory and a package."""

    id: str
    package: Package
    aliases: tuple[str, ...]
    cwes: tuple[str, ...] | None
    severity: str | None
    cvss: int | None
    fixed: bool | None
    published: int | None

    @property
    def names(self) -> frozenset[str]:
        """Every id by which others may speak of it."""
        return frozenset((self.id, *self.aliases))


class Match(NamedTuple):
    """Components, by number, that an advisory is about through one package."""

    row: AdvisoryRow
    components: tuple[int, ...]


class Held(NamedTuple):
    """An advisory that was held against the fleet: what it is about, and what nobody can judge by it."""

    id: str
    modified: int
    digest: str
    matches: tuple[Match, ...]
    unjudged: frozenset[tuple[str, Reason]]


class Fleet:
    """All components of all assets, by number."""

    def __init__(self) -> None:
        self.numbers: dict[Component, int] = {}

    def add(self, components: Iterable[Component]) -> list[int]:
        """The numbers of some components, new ones where they are needed."""
        return [self.numbers.setdefault(one, len(self.numbers)) for one in components]

    @property
    def components(self) -> list[Component]:
        """Each component, in the order of its number."""
        return list(self.numbers)


class Matcher:
    """Holds advisories against a fleet that is complete."""

    def __init__(self, components: Iterable[Component], as_of: int) -> None:
        self._as_of = as_of
        self._found: dict[Package, dict[str, list[int]]] = {}
        self._kept: dict[str, Held] = {}
        self.unjudged: set[tuple[str, Reason]] = set()  # package URL, and why
        self.unknown = 0  # components of ecosystems that have no order here
        for number, one in enumerate(components):
            place = located(parse(one.purl))
            if place is None:
                self.unknown += 1
                continue
            package = place.package
            for key in {package, package._replace(release="")}:
                self._found.setdefault(key, {}).setdefault(place.version, []).append(number)
        self._purls = [one.purl for one in components]

    def held(self, advisory: Advisory) -> Held:
        """Hold an advisory against the fleet; it counts when it is taken."""
        unjudged: set[tuple[str, Reason]] = set()
        matches = tuple(self._matches(advisory, unjudged))
        return Held(advisory.id, advisory.modified, advisory.digest, matches, frozenset(unjudged))

    def take(self, held: Held, tally: Tally) -> None:
        """Let an advisory count; an older one with the same id is forgotten, into the quarantine."""
        before = self._kept.get(held.id)
        if before is not None:
            if before.digest == held.digest:
                return
            tally.note(held.id, "duplicate_id", "two advisories have this id; the later modified one counts")
            if (before.modified, before.digest) > (held.modified, held.digest):
                return
        self._kept[held.id] = held
        self.unjudged |= held.unjudged

    def _matches(self, advisory: Advisory, unjudged: set[tuple[str, Reason]]) -> Iterable[Match]:
        if advisory.withdrawn is not None and advisory.withdrawn <= self._as_of:
            return
        for told in advisory.packages:
            numbers = sorted(self._affected(told, unjudged))
            if numbers:
                yield Match(_row(advisory, told), tuple(numbers))

    def _affected(self, told: Advised, unjudged: set[tuple[str, Reason]]) -> Iterable[int]:
        for version, numbers in self._found.get(told.package, {}).items():
            try:
                hit = any(affects(one, version) for one in told.affected) if version else None
            except ValueError:
                hit = None
            if hit is None:
                reason: Reason = "unordered_version" if version else "no_version"
                unjudged.update((self._purls[number], reason) for number in numbers)
            elif hit:
                yield from numbers

    @property
    def advisories(self) -> int:
        """How many different ones were seen."""
        return len(self._kept)

    @property
    def digest(self) -> str:
        """SHA-256 over every advisory that counts: its id and its digest, in the order of ids."""
        whole = hashlib.sha256()
        for name in sorted(self._kept):
            whole.update(f"{name} {self._kept[name].digest}\n".encode())
        return whole.hexdigest()

    def matches(self) -> list[Match]:
        """What was found, in the order of advisories and packages."""
        return [match for name in sorted(self._kept) for match in self._kept[name].matches]


def _row(advisory: Advisory, told: Advised) -> AdvisoryRow:
    return AdvisoryRow(
        advisory.id,
        told.package,
        advisory.aliases,
        advisory.cwes,
        told.severity,
        told.cvss,
        told.fixed,
        advisory.published,
    )
