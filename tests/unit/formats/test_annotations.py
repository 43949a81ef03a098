"""Annotations: one line each, whatever is in them."""

from __future__ import annotations

from stella.formats.annotations import Annotation, log_lines


def test_the_form() -> None:
    made = log_lines(
        [
            Annotation("error", "a,b:c.stella", 3, 7, "A1: x", "100 % wrong\nand more", 3, 9),
            Annotation("note", "a", 1, 1, "B2", "said"),
        ]
    )
    assert made.decode().splitlines() == [
        "::error file=a%2Cb%3Ac.stella,line=3,col=7,endLine=3,endColumn=9,title=A1%3A x::100 %25 wrong%0Aand more",
        "::notice file=a,line=1,col=1,title=B2::said",
    ]


def test_nothing_of_a_message_begins_a_command() -> None:
    made = log_lines([Annotation("warning", "a\r\n::error::x", 1, 1, "t\n::error::y", "m\r::error::z\udcff")])
    assert made.count(b"\n") == 1
    assert made.startswith(b"::warning ")
    assert b"\r" not in made
