"""The reasons of a decision as they are handed on: plain values, and the lines that people read."""

from __future__ import annotations

import msgspec

from stella.language.groups import Branch

MISSING = "missing"  # what is shown where nothing is known


class Clause(msgspec.Struct, frozen=True):
    """One test of a condition: its text, `true`, `false` or `unknown`, and what the finding has there."""

    text: str
    held: str
    found: str


class Reason(msgspec.Struct, frozen=True):
    """One outcome: where it comes from, whether it holds, what it decides, its condition and its clauses."""

    group: int
    rule: str
    branch: Branch
    held: str
    decides: str
    because: str
    text: str
    clauses: tuple[Clause, ...]


class Explanation(msgspec.Struct, frozen=True):
    """What was decided, which rule decided it, and the outcomes, the strongest first."""

    status: str
    status_by: str | None
    severity: str | None
    severity_by: str | None
    undecided: bool
    notes: tuple[str, ...]
    reasons: tuple[Reason, ...]


def lines(told: Explanation) -> list[str]:
    """An explanation as lines of text."""
    by = f"by rule {told.status_by}" if told.status_by else "by no rule: the default"
    made = [f"status {told.status}, {by}"]
    by = f"by rule {told.severity_by}" if told.severity_by else "as the advisory has it"
    made.append(f"severity {told.severity or MISSING}, {by}")
    if told.undecided:
        made.append("undecided: a stronger rule that would decide otherwise is unknown")
    made += [f"note {note}" for note in told.notes]
    for reason in told.reasons:
        branch = "" if reason.branch == "then" else f" ({reason.branch})"
        made.append(f"{reason.rule}{branch} is {reason.held}: {reason.decides}")
        made += [f"  because {reason.because}"] if reason.because else []
        made.append(f"  when {reason.text}")
        made += [
            f"    {one.held:7} {one.text}" + (f"    found {one.found}" if one.found else "") for one in reason.clauses
        ]
    return made
