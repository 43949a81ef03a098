"""Records that cannot be used: each is kept with its reason, and a file with too many of them is refused.

Rules:
- More than 1 % bad records, and the file is refused. Files that hold one record each count together, as one batch.
- What is worth knowing but not wrong is noted: it is kept as well, and does not count.
- A text from a file is cut before it is kept: a hostile record does not fill the quarantine.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from stella.inventory.errors import TooManyBad

SHARE = 100  # one bad record in so many is the most that a file may have
SHOWN = 200  # characters of a record or a problem

Reason = Literal[
    "bad_record",
    "bad_purl",
    "bad_score",
    "bad_time",
    "bad_status",
    "broken_range",
    "duplicate_id",
    "missing_reference",
    "reference_cycle",
    "unordered_version",
    "no_version",
    "no_sbom",
    "no_asset",
    "refused",
]


class Quarantined(msgspec.Struct, frozen=True, order=True):
    """One record: in which file, which it is, why. `counts` says whether it was bad or only worth knowing."""

    file: str
    record: str
    reason: Reason
    problem: str
    counts: bool = True


class Tally:
    """The records of one file, or of one batch of files: how many, and the bad ones."""

    def __init__(self, file: str, ledger: list[Quarantined]) -> None:
        self.file = file
        self.records = 0
        self._bad: list[Quarantined] = []
        self._ledger = ledger

    @property
    def bad_records(self) -> int:
        """How many were bad so far."""
        return len(self._bad)

    def good(self, count: int = 1) -> None:
        """Count records that can be used."""
        self.records += count

    def bad(self, record: str, reason: Reason, problem: object, file: str | None = None) -> None:
        """Count a record that cannot be used, and keep it with its reason."""
        self.records += 1
        self._bad.append(_kept(file or self.file, record, reason, problem, counts=True))

    def note(self, record: str, reason: Reason, problem: object) -> None:
        """Keep something worth knowing."""
        self._ledger.append(_kept(self.file, record, reason, problem, counts=False))

    def close(self) -> None:
        """Put the bad records into the quarantine; raises TooManyBad."""
        if len(self._bad) * SHARE > self.records:
            first = min(self._bad)
            raise TooManyBad(
                file=first.file,
                bad=len(self._bad),
                records=self.records,
                record=first.record,
                problem=first.problem or first.reason,
            )
        self._ledger.extend(self._bad)


def as_lines(rows: Iterable[Quarantined]) -> bytes:
    """JSON lines, in the order of files and records, each once."""
    encoder = msgspec.json.Encoder()
    return encoder.encode_lines(sorted(set(rows)))


def _kept(file: str, record: str, reason: Reason, problem: object, *, counts: bool) -> Quarantined:
    return Quarantined(file, _short(record), reason, _short(str(problem)), counts)


def _short(text: str) -> str:
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:SHOWN])
    return clean if len(text) <= SHOWN else f"{clean}..."
