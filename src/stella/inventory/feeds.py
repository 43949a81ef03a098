"""KEV and EPSS: what is known of single CVEs.

Rules:
- KEV comes as CISA's JSON or CSV, EPSS as FIRST's CSV with its line of comment; each may be compressed.
- Scores are read as decimals, never as binary fractions.
- A CVE that a file names twice is a bad record the second time; two files may say the same, and of two EPSS files the
  one with the later date counts.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

import msgspec

from stella.inventory.errors import NotParsed, WrongFormat
from stella.inventory.quarantine import Tally
from stella.inventory.reading import Document, decode
from stella.language.names import MICRO

KEV = "catalogue of known exploited vulnerabilities"
EPSS = "list of EPSS scores"
_CVE = re.compile(r"CVE-\d{4}-\d{4,19}\Z", re.ASCII)
_DATE = re.compile(r"score_date:(\d{4}-\d\d-\d\d)")


class Epss(NamedTuple):
    """Probability and percentile in micros."""

    score: int
    percentile: int


class Scores(NamedTuple):
    """An EPSS file: its day, and the score of each CVE."""

    day: str
    scores: dict[str, Epss]


class _Known(msgspec.Struct, rename={"cve": "cveID", "ransomware": "knownRansomwareCampaignUse"}):
    cve: str
    ransomware: str = ""


class _Catalogue(msgspec.Struct):
    vulnerabilities: list[msgspec.Raw]


def read_kev(document: Document, tally: Tally) -> dict[str, bool]:
    """Each CVE of a catalogue, and whether ransomware is known to use it. Raises as `decode`, or WrongFormat."""
    found: dict[str, bool] = {}
    for name, one in _kev_csv(document) if not document.data.lstrip().startswith(b"{") else _kev_json(document):
        if isinstance(one, Exception):
            tally.bad(name, "bad_record", one)
        elif not _CVE.match(one.cve):
            tally.bad(name, "bad_record", f"{one.cve!r} is no CVE")
        elif one.cve in found:
            tally.bad(one.cve, "duplicate_id", "it is listed twice")
        else:
            tally.good()
            found[one.cve] = one.ransomware.lower() == "known"
    return found


def _kev_json(document: Document) -> Iterator[tuple[str, _Known | Exception]]:
    for number, raw in enumerate(decode(document, _Catalogue, KEV).vulnerabilities, 1):
        try:
            yield f"vulnerability {number}", msgspec.json.decode(raw, type=_Known)
        except msgspec.MsgspecError as error:
            yield f"vulnerability {number}", error


def _kev_csv(document: Document) -> Iterator[tuple[str, _Known | Exception]]:
    for line, row in _rows(document, ("cveID",), KEV):
        if None in row.values():
            yield f"line {line}", ValueError("it has fewer fields than the head")
        else:
            yield f"line {line}", _Known(row["cveID"], row.get("knownRansomwareCampaignUse", ""))


def read_epss(document: Document, tally: Tally) -> Scores:
    """The scores of a file. Raises WrongFormat or NotParsed."""
    found: dict[str, Epss] = {}
    day = _DATE.search(document.data[:200].decode(errors="replace"))
    for line, row in _rows(document, ("cve", "epss", "percentile"), EPSS):
        cve = row["cve"] or ""
        try:
            scores = Epss(*(micros(row[name] or "", 0, MICRO) for name in ("epss", "percentile")))
        except ValueError as error:
            tally.bad(cve or f"line {line}", "bad_score", error)
            continue
        if not _CVE.match(cve):
            tally.bad(f"line {line}", "bad_record", f"{cve[:40]!r} is no CVE")
        elif cve in found:
            tally.bad(cve, "duplicate_id", "it is listed twice")
        else:
            tally.good()
            found[cve] = scores
    return Scores(day[1] if day else "", found)


def _rows(document: Document, needed: tuple[str, ...], kind: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with their lines; a first line of comment is passed over."""
    text = io.StringIO(document.data.decode(), newline="")
    lines = (line for line in text if not line.startswith("#"))
    reader = csv.DictReader(lines, strict=True)
    try:
        head = reader.fieldnames or ()
        if missing := [name for name in needed if name not in head]:
            raise WrongFormat(file=document.shown, expected=kind, problem=f"it has no column `{missing[0]}`")
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise NotParsed(file=document.shown, form="CSV", problem=error) from None


def micros(text: str, low: int, high: int) -> int:
    """A decimal as micros, digits beyond the sixth rounded half to even; raises ValueError outside of the bounds."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text[:40]!r} is no number") from None
    if not value.is_finite() or not Decimal(low) / MICRO <= value <= Decimal(high) / MICRO:
        raise ValueError(f"{text[:40]!r} is not between {low // MICRO} and {high // MICRO}")
    return int((value * MICRO).to_integral_value())


def digest_of(rows: Mapping[str, object]) -> str:
    """SHA-256 of what a feed says, whatever the order and the form in which it says it."""
    whole = hashlib.sha256()
    for name in sorted(rows):
        whole.update(msgspec.json.encode((name, rows[name])) + b"\n")
    return whole.hexdigest()
