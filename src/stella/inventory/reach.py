"""Reachability of single findings, where somebody has found it out.

Rules:
- A JSON array or a CSV file of `asset`, `component`, `advisory`, `reach_state`; an asset that is empty stands for all.
- A component is a package URL, with or without a version. An advisory is named by any of its ids.
- Where several lines are about one finding the strongest state counts: what was reached once is reachable.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from stella.inventory.errors import NotParsed, WrongFormat
from stella.inventory.quarantine import Tally
from stella.inventory.reading import Document, decode
from stella.language.names import REACH

FORM = "list of reachability"


class Reached(NamedTuple):
    """A state, by its rank, of findings."""

    asset: str
    component: str
    advisory: str
    rank: int


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    component: str
    advisory: str
    reach_state: str
    asset: str = ""


def read(document: Document, tally: Tally) -> list[Reached]:
    """The states of a file. Raises as `decode`, or WrongFormat."""
    found: list[Reached] = []
    for number, raw in enumerate(_rows(document), 1):
        try:
            row = msgspec.json.decode(raw, type=_Row) if isinstance(raw, msgspec.Raw) else msgspec.convert(raw, _Row)
        except msgspec.MsgspecError as error:
            tally.bad(f"row {number}", "bad_record", error)
            continue
        if row.reach_state not in REACH.words:
            tally.bad(f"row {number}", "bad_status", f"its state is {row.reach_state[:40]!r}")
            continue
        tally.good()
        found.append(Reached(row.asset, row.component, row.advisory, REACH.words.index(row.reach_state)))
    return found


def _rows(document: Document) -> Iterator[Any]:
    if document.data.lstrip()[:1] in {b"[", b"{"}:
        yield from decode(document, list[msgspec.Raw], FORM)
        return
    try:
        reader = csv.DictReader(io.StringIO(document.data.decode(), newline=""), strict=True)
        if not {"component", "advisory", "reach_state"} <= set(reader.fieldnames or ()):
            raise WrongFormat(
                file=document.shown, expected=FORM, problem="it lacks one of `component`, `advisory`, `reach_state`"
            )
        yield from reader
    except csv.Error as error:
        raise NotParsed(file=document.shown, form="CSV", problem=error) from None
