"""The page about the lint names every code, option and report."""

from __future__ import annotations

from pathlib import Path

from stella.language.codes import CODES
from stella.operations import fields_of
from stella.policy.text.model import LintPolicy
from stella.policy.text.reports import FORMATS

PAGE = (Path(__file__).parents[3] / "docs/policy/lint.md").read_text()


def test_every_code_with_its_level() -> None:
    assert [f"| {code.code} | {code.level} | {code.what} |" in PAGE for code in CODES.values()] == [True] * len(CODES)


def test_every_option_and_report() -> None:
    for name, kind, about, default in fields_of(LintPolicy):
        word = f"--no-{name}" if kind is bool and default else f"--{name.replace('_', '-')}"
        assert about.positional or f"`{word}" in PAGE, name
    assert all(f"| `{form}` |" in PAGE for form in FORMATS)
