"""Places and fixes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stella.language.diagnostics import MAX_MESSAGE, Fix, Lines, Span, applied, found


def test_lines_end_in_any_of_three_ways() -> None:
    lines = Lines("a\nb\r\nc\rd")
    assert [lines.at(offset) for offset in (0, 2, 5, 7)] == [(1, 1), (2, 1), (3, 1), (4, 1)]
    assert lines.at(8) == (4, 2)


@given(st.text(alphabet="ab\r\n"), st.data())
def test_a_place_leads_back_to_its_offset(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    lines = Lines(text)
    assert lines.offset(*lines.at(offset)) == offset


def test_fixes_are_made_from_behind() -> None:
    fixes = [Fix("", Span(0, 1), "one"), Fix("", Span(2, 3), "three")]
    assert applied("1 3", fixes) == applied("1 3", reversed(fixes)) == "one three"


def test_of_two_fixes_that_overlap_the_first_counts_whatever_their_order() -> None:
    fixes = [Fix("", Span(0, 3), "x"), Fix("", Span(2, 4), "y"), Fix("", Span(0, 3), "z"), Fix("", Span(0, 3), "x")]
    assert applied("abcd", fixes) == applied("abcd", fixes[::-1]) == "xd"


def test_a_message_has_a_length() -> None:
    assert len(found("POL2001", "x" * 10_000, Span(0, 0)).message) == MAX_MESSAGE
