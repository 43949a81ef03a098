"""What people see of a drill."""

from __future__ import annotations

from stella.drill.model import Drilled
from stella.drill.rules import shown
from stella.formats.view import Cell, Facts, Table, Text, View, human_count


def drilled(result: Drilled) -> View:
    """What was measured beside its limit, what happened, and the verdict."""
    rows = []
    for measure in result.measures:
        found, limit = shown(measure)
        verdict = Cell("ok", "good") if measure.passed else Cell("failed", "bad")
        rows.append((measure.name, found, limit, verdict))
    events = [(human_count(event.at), event.name, event.detail) for event in result.events]
    passed = Cell("passed", "good") if result.passed else Cell("failed", "bad")
    facts: list[tuple[str, str | Cell]] = [
        ("drill", result.name),
        ("verdict", passed),
        ("traffic", f"{human_count(result.requests)} requests of {result.tenants} tenants"),
        ("time", f"{human_count(result.seconds)} s of the drill in {result.took_ms / 1000:.1f} s"),
        ("seed", str(result.seed)),
        *(("report", path) for path in result.reports),
    ]
    return [
        Table(("measured", "found", "limit", "verdict"), rows, right=("found", "limit")),
        Table(("second", "event", "detail"), events, right=("second",), empty="nothing happened"),
        Facts(facts),
        *(Text(note, "warn") for note in result.notes),
    ]
