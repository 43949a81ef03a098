"""Tokens: what a text is cut into, and what is said of what is no token."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.language.diagnostics import MAX_DIAGNOSTICS
from stella.language.lexer import ESCAPES, lex, quoted


def kinds(text: str) -> list[tuple[str, str]]:
    return [(token.kind, token.text) for token in lex(text).tokens[:-1]]


def test_a_sign_is_never_part_of_a_number() -> None:
    assert kinds("a -1") == [("name", "a"), ("symbol", "-"), ("number", "1")]
    assert kinds("+0.5") == [("symbol", "+"), ("number", "0.5")]


def test_the_longest_symbol_is_taken() -> None:
    assert [text for _, text in kinds(":= = == => >= > <= < != : -")] == [
        ":=",
        "=",
        "==",
        "=>",
        ">=",
        ">",
        "<=",
        "<",
        "!=",
        ":",
        "-",
    ]


def test_a_number_needs_a_digit_behind_its_point() -> None:
    assert kinds("1.5 1.a .5") == [
        ("number", "1.5"),
        ("number", "1"),
        ("symbol", "."),
        ("name", "a"),
        ("symbol", "."),
        ("number", "5"),
    ]


@pytest.mark.parametrize(("written", "said"), [(f"\\{letter}", meant) for letter, meant in ESCAPES.items()])
def test_escapes_say_what_they_stand_for(written: str, said: str) -> None:
    assert kinds(f'"a{written}b"') == [("text", f"a{said}b")]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_quoted_is_read_back(text: str) -> None:
    lexed = lex(quoted(text))
    assert [(token.kind, token.text) for token in lexed.tokens] == [("text", text), ("end", "")]
    assert not lexed.diagnostics


def test_an_unknown_escape_is_said_where_it_stands() -> None:
    (wrong,) = lex('x "ab\\q"').diagnostics
    assert (wrong.code, wrong.span) == ("POL1001", (5, 7))


def test_a_string_ends_with_its_line() -> None:
    lexed = lex('a "no end\nb "an end"')
    assert [(one.code, one.span) for one in lexed.diagnostics] == [("POL1002", (2, 9))]
    assert [token.text for token in lexed.tokens] == ["a", "no end", "b", "an end", ""]


def test_a_comment_without_an_end_is_said_once() -> None:
    lexed = lex('a /* b\n "c')
    assert [(one.code, one.span) for one in lexed.diagnostics] == [("POL1002", (2, 10))]


def test_characters_without_a_meaning_are_said_together() -> None:
    lexed = lex("a §§ b")
    assert [(one.code, one.span) for one in lexed.diagnostics] == [("POL1001", (2, 4))]
    assert [token.text for token in lexed.tokens] == ["a", "b", ""]


def test_halves_of_characters_are_refused_and_do_no_harm() -> None:
    lexed = lex('a "\ud800"')
    assert [(one.code, one.span) for one in lexed.diagnostics] == [("POL1002", (3, 4))]
    assert lexed.tokens[1].text == "\ufffd"


@pytest.mark.parametrize(
    ("text", "beside"),
    [
        ("// a", [False]),
        ("a // b", [True]),
        ("a\n// b", [False]),
        ("a\r// b", [False]),
        ("a /* b */ /* c */", [True, True]),
        ("/* b */ /* c */", [False, True]),
        ("a\n/* b\n */ // c\n  // d", [False, True, False]),
    ],
)
def test_a_comment_knows_whether_something_is_before_it_on_its_line(text: str, beside: list[bool]) -> None:
    assert [comment.beside for comment in lex(text).comments] == beside


@pytest.mark.parametrize(
    ("text", "apart"),
    [
        ("// a\nb", False),
        ("// a\r\nb", False),
        ("// a\rb", False),
        ("// a\n\nb", True),
        ("// a\r\n \r\nb", True),
        ("/* a */ \n\t\nb", True),
    ],
)
def test_a_comment_knows_whether_an_empty_line_is_behind_it(text: str, *, apart: bool) -> None:
    assert [comment.apart for comment in lex(text).comments] == [apart]


def test_stars_in_a_comment_do_not_end_it() -> None:
    assert [comment.text for comment in lex("/***/ /* ** / */ x").comments] == ["/***/", "/* ** / */"]


@given(st.text())
def test_any_text_has_tokens_in_order_and_few_diagnostics(text: str) -> None:
    lexed = lex(text)
    ends = [0, *(token.end for token in lexed.tokens)]
    assert all(end <= token.start <= token.end for end, token in zip(ends, lexed.tokens, strict=False))
    assert lexed.tokens[-1].kind == "end"
    assert len(lexed.diagnostics) <= MAX_DIAGNOSTICS
