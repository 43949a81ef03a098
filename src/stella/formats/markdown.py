"""A report as a comment on a pull request, in the markdown of code hosts (GFM).

Rules:
- A hidden marker is the first line, so that the next run finds its comment and updates it in place.
- It is never longer than the limit of a forge: rows are left out from the end, and how many is said. Counts stay.
- Nothing from outside forms markup, mentions a person or makes a link: it is escaped, and what stands between two
  backquotes is code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

LIMIT = 65_000  # characters; GitHub takes 65,536 of a comment, and other forges more
MAX_CELL = 500  # characters of a cell; whoever wants more reads another report
_MARKUP = re.compile(r"[\\`*_{}\[\]()#+!|~>$-]")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", "@": "&#64;"}
_LINK = re.compile(r"(?i)(:)(?=//)|(?<=www)(\.)")


class Rows(NamedTuple):
    """A table under a head, folded away if wanted; a cell is text from outside, with code between backquotes."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: bool = False


def comment(marker: str, title: str, lines: Iterable[str], tables: Sequence[Rows], limit: int = LIMIT) -> bytes:
    """The comment. `lines` and `title` are text like cells; whoever calls keeps them short."""
    blocks = [f"<!-- {_marked(marker)} -->", f"### {cell(title)}"]
    blocks += [cell(line) for line in lines]
    room = limit - sum(len(block) + 2 for block in blocks) - len(tables) * 2
    for number, table in enumerate(tables):
        text = _table(table, room // (len(tables) - number))
        room -= len(text)
        blocks.append(text)
    return ("\n\n".join(blocks) + "\n").encode()


def cell(text: str) -> str:
    """Text from outside as one line of markdown."""
    clean = _UNSEEN.sub(lambda found: " " if found[0] in "\t\r\n" else f"\\u{ord(found[0]):04x}", text)
    if len(clean) > MAX_CELL:
        clean = clean[: MAX_CELL - 1] + "…"
    pieces = clean.split("`")
    if len(pieces) % 2 == 0:  # a backquote without another one is a letter
        pieces[-2:] = ["`".join(pieces[-2:])]
    shown = [_code(piece) if number % 2 else _plain(piece) for number, piece in enumerate(pieces)]
    return "".join(shown)


def _plain(text: str) -> str:
    text = "".join(_ENTITIES.get(letter, letter) for letter in _MARKUP.sub(r"\\\g<0>", text))
    return _LINK.sub(lambda found: f"&#{ord(found[0])};", text)


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|") if text.strip() else "``"[: 2 * bool(text)] + text


def _table(table: Rows, room: int) -> str:
    """A table in so many characters; its head stays even where there is no room for it."""
    head = [f"#### {cell(table.title)} ({len(table.rows):,})", ""] if table.title else []
    if table.folded:
        head = [f"<details><summary>{_plain(table.title)} ({len(table.rows):,})</summary>", ""]
    head += [_row(table.columns), _row(["---"] * len(table.columns), plain=True)]
    tail = ["", "</details>"] if table.folded else []
    lines: list[str] = []
    free = room - sum(len(line) + 1 for line in (*head, *tail)) - len(_more(10**12, table)) - 2
    for row in table.rows:
        line = _row(row)
        if len(line) + 1 > free:
            break
        free -= len(line) + 1
        lines.append(line)
    left = len(table.rows) - len(lines)
    return "\n".join([*head, *lines, *(["", _more(left, table)] if left else []), *tail])


def _more(left: int, table: Rows) -> str:
    return f"… and {left:,} more of {len(table.rows):,}; the other reports have them all."


def _row(cells: Sequence[str], *, plain: bool = False) -> str:
    return f"| {' | '.join(cells if plain else [cell(text) for text in cells])} |"


def _marked(marker: str) -> str:
    return re.sub(r"[^a-z0-9 .:/_]+", "-", marker)
