"""What is wrong with a text, and where.

Rules:
- Places are offsets in code points, and become lines and columns, both from 1, only when they are shown.
- A fix replaces spans of the text; a safe one cannot change what the text means to its author.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple

from stella.language.codes import CODES, Level

MAX_DIAGNOSTICS = 100  # of one text; more of them help nobody
LONGEST_GUESS = 64  # of a word that may be mistyped; longer than any name
MAX_MESSAGE = 400  # of a message, in code points: the words in it come from the text

_END_OF_LINE = re.compile(r"\r\n|\r|\n")


class Span(NamedTuple):
    """A part of a text, in code points."""

    start: int
    end: int


class Fix(NamedTuple):
    """A proposal: other words for a part of the text."""

    title: str
    span: Span
    text: str
    safe: bool = False


class Diagnostic(NamedTuple):
    """One thing that is wrong. `example` is a finding that shows it, in one line."""

    code: str
    level: Level
    message: str
    span: Span
    fix: Fix | None = None
    example: str = ""


class Position(NamedTuple):
    """Line and column, from 1."""

    line: int
    column: int


class Lines:
    """The lines of a text; they end with LF, CR LF or CR."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(end.end() for end in _END_OF_LINE.finditer(text))]

    def at(self, offset: int) -> Position:
        """Where an offset is."""
        line = bisect_right(self._starts, offset)
        return Position(line, offset - self._starts[line - 1] + 1)

    def offset(self, line: int, column: int) -> int:
        """The offset of a position; what lies behind the text is its last line."""
        return self._starts[min(line, len(self._starts)) - 1] + column - 1


def found(code: str, message: str, span: Span, fix: Fix | None = None, *, level: Level | None = None) -> Diagnostic:
    """A diagnostic with the level of its code, or another one."""
    if len(message) > MAX_MESSAGE:
        message = f"{message[: MAX_MESSAGE - 1]}…"
    return Diagnostic(code, level or CODES[code].level, message, span, fix)


def applied(text: str, fixes: Iterable[Fix]) -> str:
    """The text with the fixes made, from behind; of two that overlap the first one counts."""
    made: list[Fix] = []
    for fix in sorted(set(fixes), key=lambda fix: (fix.span, fix.text)):
        if not made or fix.span.start >= made[-1].span.end:
            made.append(fix)
    for fix in reversed(made):
        text = text[: fix.span.start] + fix.text + text[fix.span.end :]
    return text
