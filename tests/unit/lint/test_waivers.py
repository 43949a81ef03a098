"""Waivers: what they allow, for how long, and what is wrong with one."""

from __future__ import annotations

import datetime as dt

import pytest

from stella.lint.model import Spot
from stella.lint.waivers import Waiver, beside, in_python, in_sql, judge

TODAY = dt.date(2027, 1, 1)
SPOT = Spot("STL002", 5, 1, "x", 4)


def allow(text: str, *, line: int = 5) -> Waiver:
    (found,) = in_python(b"\n" * (line - 1) + b"x  # " + text.encode())
    return found


def left(text: str, line: int = 5) -> list[str]:
    judged = judge([SPOT], [allow(text, line=line)], TODAY)
    return [spot.rule for spot in (*judged.left, *(spot for spot, _ in judged.wrong))]


@pytest.mark.parametrize("line", [3, 4, 5])
def test_on_the_line_the_one_before_and_at_the_statement(line: int) -> None:
    assert left("stella: allow STL002 until 2027-01-01: it is safe", line) == []


@pytest.mark.parametrize("line", [2, 6])
def test_not_elsewhere(line: int) -> None:
    assert left("stella: allow STL002 until 2027-01-01: it is safe", line) == ["STL002", "STW002"]


def test_a_whole_file() -> None:
    assert left("stella: allow-file STL002 until 2027-01-01: it is safe", 90) == []


def test_what_was_allowed_is_told() -> None:
    ((spot, waiver),) = judge([SPOT], [allow("stella: allow STL002 until 2027-01-01: it is safe")], TODAY).allowed
    assert (spot, waiver.until, waiver.reason) == (SPOT, TODAY, "it is safe")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stella: allow STL002 until 2026-12-31: it was safe", ["STL002", "STW001"]),
        ("stella: allow STL001 until 2027-01-01: another rule", ["STL002", "STW002"]),
        ("stella: allow STL002, STL001 until 2027-01-01: one of two", ["STW002"]),
        ("stella: allow STL001 until 2026-12-31: neither", ["STL002", "STW002"]),
        ("stella: allow STL002", ["STL002", "STW003"]),
        ("stella: allow STL002 until 2027-01-01", ["STL002", "STW003"]),
        ("stella: allow STL002 until 2027-01-01:", ["STL002", "STW003"]),
        ("stella: allow STL002 until 2027-01-01:   ", ["STL002", "STW003"]),
        ("stella: allow STL002 until tomorrow: why", ["STL002", "STW003"]),
        ("stella: allow STL002 until 2027-02-30: why", ["STL002", "STW003"]),
        ("stella: allow STL002: for ever", ["STL002", "STW003"]),
        ("stella: allow until 2027-01-01: everything", ["STL002", "STW003"]),
        ("stella: allow * until 2027-01-01: everything", ["STL002", "STW003"]),
        ("stella: allow STL999 until 2027-01-01: no such rule", ["STL002", "STW003"]),
        ("stella: allow STW002 until 2027-01-01: itself", ["STL002", "STW003"]),
        ("stella: allow-files STL002 until 2027-01-01: why", ["STL002", "STW003"]),
    ],
)
def test_what_is_wrong_with_one(text: str, expected: list[str]) -> None:
    assert left(text) == expected


def test_only_comments_of_python_count() -> None:
    assert in_python(b"x = '# stella: allow STL002 until 2027-01-01: why'\n") == []
    assert in_python(b"'''\n# stella: allow STL002 until 2027-01-01: why\n'''\n") == []
    assert in_python(b"# stella: allows nothing\n# stella and allow\n") == []
    assert in_python(b"x = (  # stella: allow STL002 until 2027-01-01: why\n") != []  # what is read before the error


def test_sql() -> None:
    (found,) = in_sql(
        "SELECT 1;\n  -- stella: allow STS013, squawk:ban-drop-table until 2027-01-01: why\nCOPY t FROM STDIN;"
    )
    assert (found.line, found.rules) == (2, ("STS013", "squawk:ban-drop-table"))
    assert in_sql("-- stella:no-transaction\nSELECT 1") == []


def test_beside_a_file_that_must_not_change() -> None:
    found = beside(
        "# why they are here\n\n001_a.sql:7 allow STS013 until 2027-01-01: a\n"
        "001_a.sql allow STS014 until 2027-01-01: b\n"
        "allow STS013 until 2027-01-01: of what?\n002_b.sql:x allow STS013 until 2027-01-01: where?\n"
    )
    assert [(one.line, one.rules) for one in found["001_a.sql"]] == [(7, ("STS013",)), (0, ("STS014",))]
    assert [one.at for one in found[""]] == [5, 6]
    assert all(one.problem for one in found[""])
