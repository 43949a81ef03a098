"""Offsets of a text, and the lines and units in which an editor counts (LSP 3.17, "Position").

Rules:
- Lines end with LF, CR LF or CR, and with nothing else. Units are those that were agreed on: by default of UTF-16, in
  which a character beyond the first plane is two.
- Any position gives an offset inside of the text: one behind the end of a line is its end.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Literal, NamedTuple

Units = Literal["utf-8", "utf-16", "utf-32"]
_END_OF_LINE = re.compile(r"\r\n|\r|\n")
_BITS = (0x80, 0x800, 0x10000)  # where UTF-8 takes one byte more


class Place(NamedTuple):
    """Line and units, both from 0."""

    line: int
    character: int


class Positions:
    """The places of one text."""

    def __init__(self, text: str, units: Units = "utf-16") -> None:
        self._text = text
        self._units = units
        ends = list(_END_OF_LINE.finditer(text))
        self._starts = [0, *(end.end() for end in ends)]
        self._ends = [*(end.start() for end in ends), len(text)]

    @property
    def last(self) -> Place:
        """The end of the text."""
        return self.place(len(self._text))

    def place(self, offset: int) -> Place:
        """Where an offset is."""
        offset = min(max(offset, 0), len(self._text))
        line = bisect_right(self._starts, offset) - 1
        return Place(line, self.width(self._text[self._starts[line] : offset]))

    def offset(self, line: int, character: int) -> int:
        """The offset of a place; inside of a character it is where that begins."""
        if line >= len(self._starts):
            return len(self._text)
        start, end = self._starts[line], self._ends[line]
        if self._units == "utf-32" or self._text[start:end].isascii():
            return min(start + character, end)
        left = character
        for offset in range(start, end):
            left -= self.width(self._text[offset])
            if left < 0:
                return offset
        return end

    def lines(self, start: int, end: int) -> list[tuple[int, int]]:
        """A part of the text as the parts of its lines, without what ends them."""
        first, last = bisect_right(self._starts, start) - 1, bisect_right(self._starts, max(end - 1, start)) - 1
        return [
            (max(start, self._starts[line]), min(end, self._ends[line]))
            for line in range(first, last + 1)
            if max(start, self._starts[line]) < min(end, self._ends[line])
        ]

    def width(self, text: str) -> int:
        """Units of a text."""
        if self._units == "utf-32" or text.isascii():
            return len(text)
        if self._units == "utf-16":
            return len(text) + sum(letter >= "\U00010000" for letter in text)
        return sum(1 + sum(ord(letter) >= bound for bound in _BITS) for letter in text)
