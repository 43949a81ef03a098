"""The order of versions in each ecosystem: a version becomes a key once, and keys compare.

Rules:
- The order is that of the ecosystem's own tools: PEP 440, Semantic Versioning 2.0.0, Debian policy 5.6.12, Maven 4.
- A version that its ecosystem cannot order raises ValueError; nobody guesses where it stands.
- Keys are cached: the same few versions are compared with very many ranges.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from packaging.version import Version

from stella.inventory.maven import MavenKey

MAX_VERSION = 256  # characters; longer ones are no versions
KEPT = 1 << 18  # keys; about 100 MB at most

_SEMVER = re.compile(r"[vV]?(\d+(?:\.\d+)*)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.+-]*)?\Z", re.ASCII)
_GO = re.compile(r"(?:go|v)?(\d+(?:\.\d+)*)(rc|beta)(\d+)\Z", re.ASCII)
_DEBIAN = re.compile(r"(?:(\d{1,9}):)?([^\s:]\S*)\Z", re.ASCII)
_DIGITS = re.compile(r"([0-9]+)([^0-9]*)", re.ASCII)
_CORE = 3  # numbers of a semantic version


@lru_cache(KEPT)
def key_of(ecosystem: str, version: str) -> Any:  # noqa: ANN401  # comparable with keys of the same ecosystem
    """The key of a version in an OSV ecosystem without its release (`Debian`, not `Debian:12`); raises ValueError."""
    if not 0 < len(version) <= MAX_VERSION:
        raise ValueError("empty or too long for a version")
    return _ORDERS[ecosystem](version)


def is_ordered(ecosystem: str) -> bool:
    """Whether the order of this ecosystem's versions is known."""
    return ecosystem in _ORDERS


def _pypi(version: str) -> object:
    return Version(version)


def _semver(version: str) -> object:
    match = _SEMVER.match(version)
    if not match:
        raise ValueError("not a semantic version")
    numbers = [int(part) for part in match[1].split(".")]
    numbers += [0] * (_CORE - len(numbers))
    return tuple(numbers), _prerelease(match[2])


def _prerelease(text: str | None) -> tuple[object, ...]:
    """Precedence of what follows the hyphen (section 11): none is above all, numbers are below words."""
    if text is None:
        return (1,)
    parts = text.split(".")
    if not all(parts):
        raise ValueError("an empty part in a pre-release")
    return (0, tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts))


def _go(version: str) -> object:
    """A module's version, or that of Go itself: `1.21rc2` and `go1.21.0` too."""
    if match := _GO.match(version):
        version = f"{match[1]}-{match[2]}.{match[3]}"
    return _semver(version.removeprefix("go"))


def _debian(version: str) -> object:
    match = _DEBIAN.match(version)
    if not match:
        raise ValueError("not a Debian version")
    upstream, _, revision = match[2].rpartition("-")
    if not upstream:
        upstream, revision = revision, ""
    return int(match[1] or 0), _debian_part(upstream), _debian_part(revision)


def _debian_part(text: str) -> tuple[object, ...]:
    """Words and numbers by turns; a tilde is below the end, the end below letters, letters below the rest."""
    lead = re.match(r"[^0-9]*", text)
    word = lead[0] if lead else ""
    pairs = _DIGITS.findall(text[len(word) :])
    if not pairs or pairs[-1][1]:
        pairs.append(("0", ""))  # where a number could stand and none does, it is zero
    return (_debian_word(word), *(part for number, after in pairs for part in (int(number), _debian_word(after))))


def _debian_word(word: str) -> tuple[int, ...]:
    return (*(-1 if c == "~" else ord(c) if c.isalpha() else ord(c) + 256 for c in word), 0)


def _maven(version: str) -> object:
    return MavenKey(version)


_ORDERS: dict[str, Callable[[str], object]] = {
    "PyPI": _pypi,
    "npm": _semver,
    "crates.io": _semver,
    "Go": _go,
    "Maven": _maven,
    "Debian": _debian,
}
"""By the name of the ecosystem in OSV."""
