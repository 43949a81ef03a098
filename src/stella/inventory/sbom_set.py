"""The SBOMs of a load, and the assets that they make.

Rules:
- The same SBOM under two names is one; it is read once.
- An SBOM that no asset of the list selects is an asset of its own, of which nothing else is known. So is every one when
  there is no list.
- An asset of the list without an SBOM stays, and is noted: nobody may take it for one without findings.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np

from stella.inventory.assets import ID, Entry, Value
from stella.inventory.bom import Bom
from stella.inventory.dimensions import Asset
from stella.inventory.evidence import Names
from stella.inventory.fleet import Fleet
from stella.inventory.quarantine import Tally
from stella.inventory.reading import Document
from stella.inventory.star import Ints

TAGS = "sbom.tags"
_PATTERN = frozenset("*?[")
_SHORT = 12  # characters of a digest that tell two SBOMs of one name apart


class Held(NamedTuple):
    """An SBOM without its components: what it is about, the numbers of them, and the files that it came in."""

    bom: Bom
    components: Ints
    files: set[str]
    sha256: set[str]

    @property
    def names(self) -> frozenset[str]:
        """What stands for its subject."""
        purl = self.bom.purl
        return frozenset(filter(None, (self.bom.name, purl, purl and purl.partition("?")[0])))


class AssetSet(NamedTuple):
    """Assets in the order of their ids, with their components and names."""

    assets: list[Asset]
    components: list[Ints]
    names: list[Names]


class SbomSet:
    """SBOMs by the digest of their content."""

    def __init__(self) -> None:
        self.held: dict[str, Held] = {}
        self.fleet = Fleet()

    def has(self, document: Document) -> bool:
        """Whether the same SBOM was read before; then it has one more name."""
        held = self.held.get(document.content)
        if held is None:
            return False
        held.files.add(document.shown)
        held.sha256.add(document.sha256)
        return True

    def add(self, document: Document, bom: Bom) -> None:
        """Keep an SBOM; its components become numbers."""
        numbers = np.array(sorted(self.fleet.add(bom.components)), np.int32)
        small = bom._replace(components=frozenset())
        self.held[document.content] = Held(small, numbers, {document.shown}, {document.sha256, document.content})

    @property
    def digest(self) -> str:
        """SHA-256 over the digests of all, in their order."""
        return hashlib.sha256("\n".join(sorted(self.held)).encode()).hexdigest()

    def assets(self, entries: Sequence[Entry], tally: Tally) -> AssetSet:
        """The assets: those of the list, and those that SBOMs make which no asset selects."""
        chosen = _Selection(self.held)
        found: dict[str, tuple[dict[str, Value], list[str]]] = {}
        left = set(self.held)
        for entry in entries:
            name = str(entry.values[ID])
            sboms = sorted({one for selector in entry.selectors for one in chosen.of(selector)})
            if not sboms:
                tally.note(name, "no_sbom", f"no SBOM is {', '.join(entry.selectors)}"[:200])
            left -= set(sboms)
            found[name] = dict(entry.values), sboms
        for one in sorted(left):
            name = self._name(one)
            name = f"{name}#{one[:_SHORT]}" if name in found else name
            if entries:
                tally.note(name, "no_asset", "an SBOM that no asset of the list selects is one of its own")
            found[name] = {ID: name}, [one]
        return self._set(found)

    def _name(self, content: str) -> str:
        held = self.held[content]
        return (held.bom.purl or "").partition("?")[0] or held.bom.name or min(held.files)

    def _set(self, found: dict[str, tuple[dict[str, Value], list[str]]]) -> AssetSet:
        made = AssetSet([], [], [])
        for name, (values, sboms) in sorted(found.items()):
            held = [self.held[one] for one in sboms]
            if TAGS not in values and held:
                values[TAGS] = tuple(sorted({tag for one in held for tag in one.bom.tags}))
            made.assets.append(Asset(values, tuple(sboms)))
            parts = [one.components for one in held]
            made.components.append(np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int32))
            made.names.append(Names(name, frozenset({name}).union(*(one.names for one in held))))
        return made


class _Selection:
    """Which SBOMs a selector means."""

    def __init__(self, held: dict[str, Held]) -> None:
        self._exact: defaultdict[str, set[str]] = defaultdict(set)
        self._files: list[tuple[str, str]] = []
        self._patterns: dict[str, set[str]] = {}
        for content, one in held.items():
            self._files += [(file, content) for file in one.files]
            for name in (*one.names, *(f"sha256:{digest}" for digest in one.sha256), *_tails(one.files)):
                self._exact[name].add(content)

    def of(self, selector: str) -> set[str]:
        """The SBOMs, by their content."""
        if selector in self._exact:
            return self._exact[selector]
        if not _PATTERN & set(selector):
            return set()
        if selector not in self._patterns:
            self._patterns[selector] = {
                content
                for file, content in self._files
                if fnmatchcase(file, selector) or fnmatchcase(file, f"*/{selector}")
            }
        return self._patterns[selector]


def _tails(files: Iterable[str]) -> Iterable[str]:
    """A path, and what is left of it without its first folders."""
    for file in files:
        parts = file.split("/")
        yield from ("/".join(parts[i:]) for i in range(len(parts)))
