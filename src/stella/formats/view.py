"""What a person is shown, as data: slices say what, entries say how.

Rules:
- Cells are text that is ready to read; numbers are formatted by the functions here, so they look the same everywhere.
- `tone` is a hint for colour; the word in the cell must carry the meaning alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

Tone = Literal["plain", "good", "bad", "warn", "dim"]


class Cell(msgspec.Struct, frozen=True):
    """One piece of text and its tone."""

    text: str
    tone: Tone = "plain"


class Facts(msgspec.Struct, frozen=True):
    """Named values, one a line."""

    rows: Sequence[tuple[str, str | Cell]]
    title: str = ""


class Table(msgspec.Struct, frozen=True):
    """Rows under column heads; `right` names the columns that hold numbers."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    title: str = ""
    right: Sequence[str] = ()
    empty: str = ""


class Text(msgspec.Struct, frozen=True):
    """A line or a paragraph, printed as it is."""

    text: str
    tone: Tone = "plain"


class Excerpt(msgspec.Struct, frozen=True):
    """Something about a place in a text: what, then the line with carets under `width` characters, then more lines.

    `line` and `column` count from 1. Without a `source` the line is not shown.
    """

    head: str
    source: str
    line: int
    column: int
    width: int
    told: Sequence[str] = ()
    tone: Tone = "plain"


View = Sequence[Facts | Table | Text | Excerpt]


_STEP = 1000  # from one decimal unit to the next


def human_bytes(count: int) -> str:
    """Decimal units with three digits: 812 B, 7.17 MB, 1.07 GB."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < _STEP or unit == "GB":
            break
        size /= _STEP
    return f"{count} B" if unit == "B" else f"{size:.3g} {unit}" if size < _STEP else f"{size:,.0f} {unit}"


def human_count(count: int) -> str:
    """Thousands separated by commas."""
    return f"{count:,}"
