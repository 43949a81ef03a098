"""A comment on a pull request: found again, never too long, and with nothing in it that acts."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.formats.markdown import Rows, cell, comment


def rows(count: int, text: str = "some words about it") -> Rows:
    return Rows("Findings", ("place", "what"), [(f"a:{number}", text) for number in range(count)])


def test_the_form() -> None:
    made = comment(
        "stella policy lint", "Lint: failed", ["2 errors."], [rows(1), Rows("Files", ("file",), [("x",)], True)]
    )
    assert made.decode().splitlines() == [
        "<!-- stella policy lint -->",
        "",
        "### Lint: failed",
        "",
        "2 errors.",
        "",
        "#### Findings (1)",
        "",
        "| place | what |",
        "| --- | --- |",
        "| a:0 | some words about it |",
        "",
        "<details><summary>Files (1)</summary>",
        "",
        "| file |",
        "| --- |",
        "| x |",
        "",
        "</details>",
    ]


@pytest.mark.parametrize("limit", [1_000, 5_000, 65_000])
def test_it_is_cut_to_the_limit_and_says_by_how_much(limit: int) -> None:
    made = comment("m", "t", [], [rows(5_000), rows(3, "y" * 50)], limit).decode()
    assert len(made) <= limit
    assert "(5,000)" in made
    left = re.search(r"and ([\d,]+) more of 5,000", made)
    assert left is not None
    assert made.count("| a:") - made.count("yyy |") == 5_000 - int(left[1].replace(",", ""))
    assert limit - len(made) < limit // 2 + 200


def test_what_one_table_leaves_another_may_use() -> None:
    made = comment("m", "t", [], [rows(1), rows(400, "z" * 100)], 20_000).decode()
    assert len(made) > 19_000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", "a\\|b"),
        ("`a|b` c", "`a\\|b` c"),
        ("@alice <b> & [x](y)", "&#64;alice &lt;b> &amp; \\[x\\]\\(y\\)".replace("b>", "b\\>")),
        ("one ` alone", "one \\` alone"),
        ("two\nlines\x1b[0m", "two lines\\\\u001b\\[0m"),
        ("http://x www.x", "http&#58;//x www&#46;x"),
        ("<!-- m -->", "&lt;\\!\\-\\- m \\-\\-\\>"),
    ],
)
def test_what_is_escaped(text: str, shown: str) -> None:
    assert cell(text) == shown


@given(st.text(max_size=80))
def test_a_cell_stays_in_its_line_and_its_column(text: str) -> None:
    shown = cell(text)
    assert len(shown.splitlines()) <= 1
    assert not re.search(r"(?<!\\)\|", shown.replace("\\\\", ""))
    outside = re.sub(r"`[^`]*`", "", shown.replace("\\`", ""))
    assert "<" not in outside
    assert "@" not in outside


def test_a_marker_cannot_end_itself() -> None:
    assert comment("a --> b", "t", [], []).decode().splitlines()[0] == "<!-- a - b -->"
