"""What an SBOM says, whatever its form: what it is about, and what is in it.

Rules:
- A component without a package URL is counted and left out: no advisory can be about it.
- A component that is named several times, such as in several places of an image, is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from packageurl import PackageURL

LATEST_TAG = "image:latest-tag"
_WORD = re.compile(r"[A-Za-z0-9.+-]+(?::[A-Za-z0-9.+-]+)?")
_JOINTS = frozenset({"AND", "OR", "WITH"})
_NO_LICENSE = frozenset({"NOASSERTION", "NONE"})


class Component(NamedTuple):
    """A component; None is missing."""

    purl: str
    name: str
    version: str | None
    ecosystem: str
    scope: str | None
    direct: bool | None
    licenses: tuple[str, ...] | None


class Bom(NamedTuple):
    """An SBOM: `name` and `purl` are of what it is about; `unnamed` components have no package URL."""

    name: str
    purl: str | None
    tags: tuple[str, ...]
    components: frozenset[Component]
    unnamed: int


def component(
    purl: PackageURL, scope: str | None, *, direct: bool | None, licenses: tuple[str, ...] | None
) -> Component:
    """The component that a package URL names."""
    name = f"{purl.namespace}/{purl.name}" if purl.namespace else purl.name
    return Component(purl.to_string(), name, purl.version or None, purl.type, scope, direct, licenses)


def licenses_of(expressions: Iterable[str | None]) -> tuple[str, ...] | None:
    """The ids in SPDX license expressions; None when none is told."""
    found: set[str] = set()
    for expression in expressions:
        words = _WORD.findall(expression or "")
        found |= {word for word in words if word not in _JOINTS and word not in _NO_LICENSE}
    return tuple(sorted(found)) or None


def tags_of(purl: PackageURL | None, told: Iterable[str]) -> tuple[str, ...]:
    """The tags of an SBOM: those it has, and that its image was named by a tag that moves."""
    tags = set(told)
    image = purl is not None and purl.type in {"oci", "docker"}
    if purl is not None and image and "latest" in {purl.version, purl.qualifiers.get("tag")}:
        tags.add(LATEST_TAG)
    return tuple(sorted(tags))


def cycle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Names that are on a cycle, or between two, in order; empty when there is none."""
    left = {name: set(after) for name, after in graph.items()}
    while True:
        ends = {name for name, after in left.items() if not after & left.keys()}
        reached = set().union(*left.values()) if left else set()
        ends |= left.keys() - reached
        if not ends:
            return sorted(left)
        left = {name: after for name, after in left.items() if name not in ends}
