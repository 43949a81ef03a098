"""What a component and an advisory call the same package.

Rules:
- A package is an OSV ecosystem and a name in the form in which that ecosystem compares names.
- Debian is matched by release and by source package, which is what its advisories speak of. Where a package URL tells
  no release, the version may (`+deb12u1`); else nobody knows, and the component is judged by no advisory.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from packageurl import PackageURL

ECOSYSTEMS = {
    "pypi": "PyPI",
    "npm": "npm",
    "golang": "Go",
    "cargo": "crates.io",
    "maven": "Maven",
    "deb": "Debian",
}
"""The OSV ecosystem of a type of package URL."""

MAX_PURL = 2048  # characters
KEPT = 1 << 15  # parsed package URLs; about 50 MB at most
_TYPES = {ecosystem: kind for kind, ecosystem in ECOSYSTEMS.items()}
_RELEASE = re.compile(r"debian-(\d+)")
_BUILT_FOR = re.compile(r"[+~]deb(\d+)u\d")
_RUNS = re.compile(r"[-_.]+")


class Package(NamedTuple):
    """A package as OSV names it; `release` is that of a distribution, or empty."""

    ecosystem: str
    release: str
    name: str


class Located(NamedTuple):
    """A component as advisories see it."""

    package: Package
    version: str


@lru_cache(KEPT)
def parse(purl: str) -> PackageURL:
    """Parse and normalise a package URL; raises ValueError."""
    if len(purl) > MAX_PURL:
        raise ValueError("longer than a package URL may be")
    return PackageURL.from_string(purl)


def located(purl: PackageURL) -> Located | None:
    """The package and version that a package URL names; None when no known ecosystem has it."""
    ecosystem = ECOSYSTEMS.get(purl.type)
    if ecosystem is None or (ecosystem == "Debian" and purl.namespace != "debian"):
        return None
    version = purl.version or ""
    if ecosystem == "Debian":
        return _debian(purl, version)
    name = f"{purl.namespace}{':' if ecosystem == 'Maven' else '/'}{purl.name}" if purl.namespace else purl.name
    return Located(Package(ecosystem, "", plain(ecosystem, name)), version)


def _debian(purl: PackageURL, version: str) -> Located | None:
    qualifiers = purl.qualifiers
    release = _RELEASE.match(qualifiers.get("distro", "")) or _BUILT_FOR.search(version)
    if release is None:
        return None
    source, _, of_source = qualifiers.get("upstream", "").partition("@")
    epoch = qualifiers.get("epoch", "")
    if epoch.isdigit() and ":" not in version:
        version = f"{epoch}:{version}"
    return Located(Package("Debian", release[1], source or purl.name), of_source or version)


def advised(ecosystem: str, name: str) -> Package | None:
    """The package that an advisory names; None when its ecosystem is not known here."""
    base, _, release = ecosystem.partition(":")
    if base not in _TYPES:
        return None
    return Package(base, release if base == "Debian" else "", plain(base, name))


def plain(ecosystem: str, name: str) -> str:
    """A name as its ecosystem compares it: PEP 503 for PyPI; Go's package URLs are lower case."""
    if ecosystem == "PyPI":
        return _RUNS.sub("-", name).lower()
    return name.lower() if ecosystem == "Go" else name
