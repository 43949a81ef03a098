"""What people see of all checks of policies."""

from __future__ import annotations

from stella.formats.view import Cell, Table, Text, Tone, View
from stella.policy.pipeline.model import PoliciesChecked

_TONES: dict[str, Tone] = {"passed": "good", "failed": "bad", "skipped": "dim"}


def checked(result: PoliciesChecked) -> View:
    """A line for each step, each finding of the lint, and the verdict."""
    rows = [
        (one.step, one.file or "all", Cell(one.verdict, _TONES[one.verdict]), one.reason, one.told)
        for one in result.steps
    ]
    table = Table(("step", "policy", "verdict", "reason", "found"), rows)
    found = [(f"{one.file}:{one.line}:{one.column}", one.code, one.message) for one in result.linted.findings]
    more = [Table(("place", "code", "what"), found)] if found else []
    return [table, *more, Text(f"policies {result.verdict}", _TONES[result.verdict])]
