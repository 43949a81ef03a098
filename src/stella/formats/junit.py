"""JUnit XML: checks in the form that pipelines count and show as tests.

Rules:
- The same checks give the same bytes: no time, no machine.
- A check that found nothing is there by its name too, so that a report says what was looked at.
- What XML 1.0 cannot hold is shown by its code (section 2.2).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_IN_TEXT: dict[str, str | int | None] = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_IN_ATTRIBUTE = _IN_TEXT | {'"': "&quot;", "\n": "&#10;", "\t": "&#9;"}

Outcome = Literal["passed", "failed", "skipped"]


class Case(NamedTuple):
    """One check: `kind` and `message` say why it failed or was skipped, `text` says more, `out` what it told."""

    name: str
    group: str
    outcome: Outcome = "passed"
    kind: str = ""
    message: str = ""
    text: str = ""
    out: str = ""


class Suite(NamedTuple):
    """Checks that belong together, such as those of one file."""

    name: str
    cases: Sequence[Case]


def document(name: str, suites: Sequence[Suite]) -> bytes:
    """The whole report."""
    every = [case for suite in suites for case in suite.cases]
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuites {_named(name)} {_counts(every)}>"]
    for suite in suites:
        lines.append(f"  <testsuite {_named(suite.name)} {_counts(suite.cases)}>")
        lines += [_case(case) for case in suite.cases]
        lines.append("  </testsuite>")
    return ("\n".join([*lines, "</testsuites>"]) + "\n").encode()


def _case(case: Case) -> str:
    head = f"    <testcase {_named(case.name)} classname={_quoted(case.group)}"
    inside = []
    if case.outcome == "failed":
        said = f"message={_quoted(case.message)} type={_quoted(case.kind)}"
        inside.append(f"      <failure {said}>{_text(case.text)}</failure>")
    elif case.outcome == "skipped":
        inside.append(f"      <skipped message={_quoted(case.message)}/>")
    if case.out:
        inside.append(f"      <system-out>{_text(case.out)}</system-out>")
    return "\n".join([f"{head}>", *inside, "    </testcase>"]) if inside else f"{head}/>"


def _counts(cases: Sequence[Case]) -> str:
    outcomes = [case.outcome for case in cases]
    failed, skipped = outcomes.count("failed"), outcomes.count("skipped")
    return f'tests="{len(cases)}" failures="{failed}" errors="0" skipped="{skipped}"'


def _named(name: str) -> str:
    return f"name={_quoted(name)}"


def _quoted(text: str) -> str:
    return f'"{_escaped(text, _IN_ATTRIBUTE)}"'


def _text(text: str) -> str:
    return _escaped(text, _IN_TEXT)


def _escaped(text: str, entities: dict[str, str | int | None]) -> str:
    clean = _NOT_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return clean.translate(str.maketrans(entities))
