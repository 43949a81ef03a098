"""Refused command lines: one form, the nearest word, exit 2."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

BASE = ("fake", "make", "--dir", "D", "--out", "B")


@pytest.mark.parametrize(
    ("words", "first", "hint"),
    [
        (["fale"], "error[CLI-001]: There is no command `stella fale`", "did you mean `stella fake`?"),
        (
            ["fake", "mkae"],
            "error[CLI-001]: There is no command `stella fake mkae`",
            "did you mean `stella fake make`?",
        ),
        (["qqq"], "error[CLI-001]: There is no command `stella qqq`", "see `stella --help`"),
        ([*BASE, "--dry"], "error[CLI-002]: `stella fake make` has no option `--dry`", "did you mean `--dir`?"),
        ([*BASE, "--chekc"], "error[CLI-002]: `stella fake make` has no option `--chekc`", "did you mean `--check`?"),
        ([*BASE, "--jsn"], "error[CLI-002]: `stella fake make` has no option `--jsn`", "did you mean `--json`?"),
        ([*BASE, "-x"], "error[CLI-002]: `stella fake make` has no option `-x`", "see `stella fake make --help`"),
        (["--zzz"], "error[CLI-002]: `stella` has no option `--zzz`", "see `stella --help`"),
        (["fake", "make"], "error[CLI-003]: `stella fake make` needs `--dir M`", "see `stella fake make --help`"),
        (
            ["fake", "make", "--dir"],
            "error[CLI-003]: `stella fake make` needs a value in `--dir M`",
            "see `stella fake make --help`",
        ),
        (["completion"], "error[CLI-003]: `stella completion` needs `bash|zsh|fish`", "see `stella completion --help`"),
        (
            [*BASE, "--kind", "thn"],
            "error[CLI-004]: Bad value for `--kind KIND`: 'thn' is not one of 'thin', 'full'",
            "did you mean `thin`?",
        ),
        (
            [*BASE, "--count", "x"],
            "error[CLI-004]: Bad value for `--count N`: 'x' is not a valid integer",
            "see `stella fake make --help`",
        ),
        (
            [*BASE, "--dry-run=1"],
            "error[CLI-004]: Bad value for `--dry-run`: it takes no value",
            "see `stella fake make --help`",
        ),
        ([*BASE, "a", "b"], "error[CLI-007]: `stella fake make` does not take `b`", "see `stella fake make --help`"),
    ],
)
def test_a_refusal_names_what_is_wrong_and_the_nearest_word(
    stella: Callable[..., Any], words: list[str], first: str, hint: str
) -> None:
    ended = stella(*words)
    assert (ended.code, ended.out) == (2, "")
    code = first.partition("[")[2].partition("]")[0]
    assert ended.err.splitlines() == [first, f"  hint: {hint}", f"  more: stella explain {code}"]


def test_with_json_a_refusal_is_one_problem_document(stella: Callable[..., Any]) -> None:
    ended = stella("fake", "mkae", "--json")
    assert (ended.code, ended.err) == (2, "")
    problem = json.loads(ended.out)
    assert list(problem) == ["schema", "type", "title", "detail", "code", "reason", "exit", "hint", "facts"]
    assert (problem["code"], problem["exit"], problem["reason"]) == ("CLI-001", 2, "usage")
    assert problem["facts"]["command"] == "stella fake mkae"
