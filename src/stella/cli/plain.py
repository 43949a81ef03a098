"""Views as plain aligned text: what a pipe, a file and a terminal without colour get. Pure.

Rules:
- No line ends in white space. Columns are two spaces apart; numbers stand to the right.
- Text from outside cannot move the cursor, change colours or reverse the reading order: control and direction
  characters are shown as escapes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from stella.formats.view import Cell, Excerpt, Facts, Table, Text, View

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSAFE_BUT_LINES = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
GAP = "  "


def clean(text: str, *, lines: bool = False) -> str:
    """`text` without characters that act on a terminal; with `lines`, line feeds stay."""
    pattern = _UNSAFE_BUT_LINES if lines else _UNSAFE
    return pattern.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def cell_text(cell: str | Cell) -> str:
    """The words of a cell, safe to print."""
    return clean(cell.text if isinstance(cell, Cell) else cell)


def width(text: str) -> int:
    """Columns that a terminal needs for `text`."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def layout(view: View) -> str:
    """The whole view, blocks a blank line apart, with a final newline; empty for an empty view."""
    blocks = [block for block in map(_block, view) if block]
    return "\n\n".join(blocks) + "\n" if blocks else ""


def excerpt(part: Excerpt) -> tuple[str, str, str]:
    """The three pieces of an excerpt: its head, the line with its carets, and what is told; no final newlines."""
    told = "\n".join(f"  {clean(line)}" for line in part.told)
    if not part.source.strip():
        return clean(part.head), "", told
    before, marked = part.source[: part.column - 1], part.source[part.column - 1 :][: part.width]
    shown = [clean(piece.replace("\t", " ")) for piece in (before, marked, part.source)]
    number = str(part.line)
    carets = " " * width(shown[0]) + "^" * max(width(shown[1]), 1)
    return clean(part.head), f"  {number} | {shown[2].rstrip()}\n  {' ' * len(number)} | {carets}", told


def _block(part: Facts | Table | Text | Excerpt) -> str:
    if isinstance(part, Text):
        return clean(part.text, lines=True)
    if isinstance(part, Excerpt):
        return "\n".join(filter(None, excerpt(part)))
    title = [clean(part.title)] if part.title else []
    if isinstance(part, Facts):
        rows = [(clean(name), cell_text(value)) for name, value in part.rows]
        return "\n".join([*title, *_align(rows, set())])
    if not part.rows:
        return "\n".join([*title, clean(part.empty)]) if part.empty else ""
    right = {number for number, name in enumerate(part.columns) if name in part.right}
    rows_of_text = [tuple(map(cell_text, row)) for row in part.rows]
    return "\n".join([*title, *_align([tuple(part.columns), *rows_of_text], right)])


def _align(rows: Sequence[Sequence[str]], right: set[int]) -> Iterable[str]:
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = (
            " " * (space - width(text)) + text if number in right else text + " " * (space - width(text))
            for number, (text, space) in enumerate(zip(row, widths, strict=True))
        )
        yield GAP.join(padded).rstrip()
