"""Which versions an advisory is about: the evaluation algorithm of the OSV schema 1.7.

Rules:
- A version is affected when it is listed, or when one of the ranges holds it.
- A range that breaks the schema, or names a version that its ecosystem cannot order, makes the advisory a bad record;
  half of a range is never applied.
- Ranges of commits are for those who have a repository; they are passed over.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from stella.inventory.versions import is_ordered, key_of

MAX_EVENTS = 10_000  # in one range; the longest public ones have some hundred
_KINDS = ("introduced", "fixed", "last_affected", "limit")
_START = "0"  # before every version
_NO_LIMIT = "*"


class BrokenRange(ValueError):
    """A range that cannot be applied."""


class Event(NamedTuple):
    """From where something changes: `after` is 0 for the start of all versions, 1 for `key`."""

    after: int
    key: Any
    rank: int


class Range(NamedTuple):
    """Events in the order of their versions, and limits of which one must be above."""

    events: tuple[Event, ...]
    limits: tuple[Any, ...]


class Affected(NamedTuple):
    """What an advisory says of one package. `fixed` is None when nobody can tell whether a good version exists."""

    ecosystem: str
    ranges: tuple[Range, ...]
    versions: tuple[str, ...]
    fixed: bool | None


def affected(ecosystem: str, ranges: Iterable[Any], versions: Iterable[str]) -> Affected:
    """Check and sort the ranges of a package; `ecosystem` is without its release. Raises BrokenRange."""
    kept: list[Range] = []
    seen: set[str] = set()
    for one in ranges:
        if one.type not in {"SEMVER", "ECOSYSTEM", "GIT"}:
            raise BrokenRange(f"a range has the type {one.type!r}")
        if one.type != "GIT":
            kept.append(_range(ecosystem, one.events, seen))
    listed = tuple(versions)
    fixed = True if "fixed" in seen else None if listed or "last_affected" in seen or "limit" in seen else False
    return Affected(ecosystem, tuple(kept), listed, fixed)


def _range(ecosystem: str, events: Iterable[dict[str, Any]], seen: set[str]) -> Range:
    found: list[Event] = []
    limits: list[Any] = []
    kinds: set[str] = set()
    for event in events:
        told = [(kind, event[kind]) for kind in _KINDS if kind in event]
        if len(told) != 1 or not isinstance(told[0][1], str):
            raise BrokenRange("an event is not one of introduced, fixed, last_affected and limit")
        kind, version = told[0]
        kinds.add(kind)
        if kind == "limit":
            limits.append(None if version == _NO_LIMIT else _key(ecosystem, version))
        else:
            start = version == _START and kind == "introduced"
            found.append(Event(0 if start else 1, None if start else _key(ecosystem, version), _KINDS.index(kind)))
    if "introduced" not in kinds:
        raise BrokenRange("a range does not say where it begins")
    if {"fixed", "last_affected"} <= kinds:
        raise BrokenRange("a range has both fixed and last_affected")
    if len(found) > MAX_EVENTS:
        raise BrokenRange(f"a range has more than {MAX_EVENTS} events")
    seen |= kinds
    return Range(tuple(sorted(found)), tuple(limits))


def _key(ecosystem: str, version: str) -> Any:  # noqa: ANN401  # comparable within the ecosystem
    try:
        return key_of(ecosystem, version)
    except ValueError:
        raise BrokenRange(f"{version!r} is no version of {ecosystem}") from None


def affects(what: Affected, version: str) -> bool:
    """Whether a version is affected; raises ValueError when it can be neither found nor ordered."""
    if version in what.versions:
        return True
    if not what.ranges and not what.versions:
        return False
    if not is_ordered(what.ecosystem):
        raise ValueError("its versions have no known order")
    key = key_of(what.ecosystem, version)
    if what.ecosystem == "PyPI" and any(_same(key, one) for one in what.versions):
        return True
    return any(_holds(one, key) for one in what.ranges)


def _same(key: object, listed: str) -> bool:
    """`1.0` and `1.0.0` are one version of PyPI; what is listed in no form of PEP 440 is equal to nothing else."""
    try:
        return bool(key == key_of("PyPI", listed))
    except ValueError:
        return False


def _holds(what: Range, key: Any) -> bool:  # noqa: ANN401  # as _key
    if what.limits and not any(limit is None or key < limit for limit in what.limits):
        return False
    inside = False
    for event in what.events:
        kind = _KINDS[event.rank]
        if kind == "introduced":
            inside = inside or not event.after or key >= event.key
        elif (kind == "fixed" and key >= event.key) or (kind == "last_affected" and key > event.key):
            inside = False
    return inside
