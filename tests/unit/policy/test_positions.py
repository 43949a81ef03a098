"""Places as an editor counts them, against an encoder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.policy.editor.positions import Place, Positions, Units

PIECES = ["a", "é", "\u20ac", "\U0001f600", "\n", "\r", "\r\n", "\u2028", "\x0b"]
LETTERS = st.lists(st.sampled_from(PIECES), max_size=20).map("".join)
WIDTHS: dict[Units, tuple[str, int]] = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}


@given(LETTERS, st.sampled_from(list(WIDTHS)), st.integers(0, 40))
def test_there_and_back(text: str, units: Units, at: int) -> None:
    at = min(at, len(text))
    if text[at - 1 : at + 1] == "\r\n":
        at -= 1
    positions = Positions(text, units)
    place = positions.place(at)
    assert positions.offset(*place) == at
    encoding, size = WIDTHS[units]
    before = text[:at].replace("\r\n", "\n").replace("\r", "\n")
    assert place.line == before.count("\n")
    assert place.character == len(before.rpartition("\n")[2].encode(encoding)) // size


@given(LETTERS, st.sampled_from(list(WIDTHS)), st.integers(0, 99), st.integers(0, 99))
def test_any_place_is_one_of_the_text(text: str, units: Units, line: int, character: int) -> None:
    positions = Positions(text, units)
    assert 0 <= positions.offset(line, character) <= len(text)
    assert positions.offset(line, character) <= positions.offset(line, character + 1) <= positions.offset(line + 1, 0)


def test_inside_of_a_character() -> None:
    assert Positions("a\U0001f600b").offset(0, 2) == 1
    assert Positions("a\U0001f600b").last == Place(0, 4)


@pytest.mark.parametrize(
    ("start", "end", "parts"), [(0, 8, ["ab", "cd", "e"]), (1, 2, ["b"]), (2, 4, []), (3, 6, ["cd"])]
)
def test_parts_of_lines(start: int, end: int, parts: list[str]) -> None:
    text = "ab\r\ncd\ne"
    assert [text[begin:stop] for begin, stop in Positions(text).lines(start, end)] == parts
