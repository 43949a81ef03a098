"""Advisories in the OSV format: what is read of one, and the record that counts of several with one id.

Rules:
- A file holds one advisory, a JSON array of them, or one in each line (`.jsonl`).
- Of two advisories with one id the later modified counts; the other goes to the quarantine. Of two that were modified
  at the same time the one with the greater digest counts, so that the order of files decides nothing.
- A withdrawn advisory is about nothing.
- Severity is the word that the database gives, else the band of the CVSS score; what neither tells is missing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from stella.inventory.cvss import base_score
from stella.inventory.instants import parse_instant
from stella.inventory.packages import Package, advised, located, parse
from stella.inventory.quarantine import Tally
from stella.inventory.ranges import Affected, BrokenRange, affected
from stella.inventory.reading import Document, decode, decode_yaml, is_yaml
from stella.language.names import MICRO

ENDINGS = (".json", ".jsonl", ".yaml", ".yml")
FORM = "OSV advisory"
MAX_ID = 128  # characters
_CWE = re.compile(r"CWE-\d+\Z", re.ASCII)
_WORDS = {
    "none": "None",
    "negligible": "Low",
    "low": "Low",
    "moderate": "Medium",
    "medium": "Medium",
    "important": "High",
    "high": "High",
    "critical": "Critical",
}
_BANDS = ((9 * MICRO, "Critical"), (7 * MICRO, "High"), (4 * MICRO, "Medium"), (MICRO // 10, "Low"), (0, "None"))


class _Package(msgspec.Struct):
    ecosystem: str = ""
    name: str = ""
    purl: str = ""


class _Range(msgspec.Struct):
    type: str
    events: list[dict[str, Any]]


class _Severity(msgspec.Struct):
    type: str
    score: str


class _Affected(msgspec.Struct):
    package: _Package | None = None
    ranges: list[_Range] | None = None
    versions: list[str] | None = None
    severity: list[_Severity] | None = None
    ecosystem_specific: Any = None
    database_specific: Any = None


class Osv(msgspec.Struct):
    """What is read of an advisory."""

    id: str
    modified: str
    published: str | None = None
    withdrawn: str | None = None
    aliases: list[str] | None = None
    severity: list[_Severity] | None = None
    affected: list[_Affected] | None = None
    database_specific: Any = None


class Advised(NamedTuple):
    """What an advisory says of one package; instants are in seconds, None is missing."""

    package: Package
    affected: tuple[Affected, ...]
    severity: str | None
    cvss: int | None

    @property
    def fixed(self) -> bool | None:
        """Whether a version without it exists."""
        told = {one.fixed for one in self.affected}
        return True if True in told else None if None in told else False


class Advisory(NamedTuple):
    """An advisory, package by package."""

    id: str
    modified: int
    digest: str
    published: int | None
    withdrawn: int | None
    aliases: tuple[str, ...]
    cwes: tuple[str, ...] | None
    packages: tuple[Advised, ...]


def records(document: Document) -> Iterator[tuple[str, Any]]:
    """The advisories of a file, not yet looked at, each with a name for it. Raises as `reading.decode`."""
    if is_yaml(document):
        yield document.shown, decode_yaml(document)
    elif is_lines(document.shown):
        for number, line in enumerate(document.data.splitlines(), 1):
            if line.strip():
                yield f"line {number}", msgspec.Raw(line)
    elif document.data.lstrip()[:1] == b"[":
        yield from ((f"item {i}", raw) for i, raw in enumerate(decode(document, list[msgspec.Raw], FORM), 1))
    else:
        yield document.shown, decode(document, msgspec.Raw, FORM)


def is_batch(document: Document) -> bool:
    """Whether a file holds one record, so that it counts together with others."""
    return is_yaml(document) or not (is_lines(document.shown) or document.data.lstrip()[:1] == b"[")


def is_lines(name: str) -> bool:
    """Whether the name of a file says that each of its lines is an advisory."""
    return name.lower().removesuffix(".gz").endswith(".jsonl")


def read(name: str, record: object, document: Document, tally: Tally) -> Advisory | None:
    """Read an advisory; None, and a line in the tally, when it is bad."""
    try:
        if isinstance(record, msgspec.Raw):
            osv = msgspec.json.decode(record, type=Osv)
        else:
            osv = msgspec.convert(record, Osv, strict=False)
    except (msgspec.MsgspecError, RecursionError) as error:
        tally.bad(name, "bad_record", error, document.shown)
        return None
    try:
        found = _advisory(osv)
    except BrokenRange as error:
        tally.bad(osv.id, "broken_range", error, document.shown)
        return None
    except ValueError as error:
        tally.bad(osv.id, "bad_record", error, document.shown)
        return None
    tally.good()
    return found


def _advisory(osv: Osv) -> Advisory:
    """Check an advisory; raises BrokenRange, or ValueError."""
    if not 0 < len(osv.id) <= MAX_ID or not osv.id.isprintable():
        raise ValueError("it has no id")
    modified = parse_instant(osv.modified)
    packages: dict[Package, list[_Affected]] = {}
    for one in osv.affected or []:
        if package := _package(one.package):
            packages.setdefault(package, []).append(one)
    advised_of = tuple(_advised(osv, package, packages[package]) for package in sorted(packages))
    return Advisory(
        osv.id,
        0 if modified is None else modified,
        hashlib.sha256(msgspec.json.encode(osv, order="deterministic")).hexdigest(),
        parse_instant(osv.published),
        parse_instant(osv.withdrawn),
        tuple(sorted(set(osv.aliases or ()) - {osv.id})),
        _cwes(osv.database_specific),
        advised_of,
    )


def _package(told: _Package | None) -> Package | None:
    if told is None:
        return None
    if told.ecosystem and told.name:
        return advised(told.ecosystem, told.name)
    found = located(parse(told.purl)) if told.purl else None
    return found.package if found else None


def _advised(osv: Osv, package: Package, told: list[_Affected]) -> Advised:
    checked = tuple(affected(package.ecosystem, one.ranges or (), one.versions or ()) for one in told)
    vectors = [one.score for part in told for one in part.severity or ()] or [one.score for one in osv.severity or ()]
    scores = [score for score in map(base_score, vectors) if score is not None]
    score = max(scores, default=None)
    specific = [part for one in told for part in (one.database_specific, one.ecosystem_specific)]
    words = [*map(_word, specific), None] if any(map(_word, specific)) else [_word(osv.database_specific)]
    band = next((word for low, word in _BANDS if score is not None and score >= low), None)
    return Advised(package, checked, max(words, key=_rank) or band, score)


def _word(specific: object) -> str | None:
    told = specific.get("severity") if isinstance(specific, dict) else None
    return _WORDS.get(told.lower()) if isinstance(told, str) else None


def _rank(word: str | None) -> int:
    return -1 if word is None else [band for _, band in reversed(_BANDS)].index(word)


def _cwes(specific: object) -> tuple[str, ...] | None:
    told = specific.get("cwe_ids") if isinstance(specific, dict) else None
    if not isinstance(told, list):
        return None
    return tuple(sorted({one for one in told if isinstance(one, str) and _CWE.match(one)}))
