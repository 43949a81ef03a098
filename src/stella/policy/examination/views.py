"""What people see of an examination."""

from __future__ import annotations

from stella.formats.view import Cell, Facts, Table, Tone, View
from stella.policy.examination.model import PolicyExamined

SHORT = 16  # characters of a digest that tell two apart by eye
_TONES: dict[str, Tone] = {"passed": "good", "failed": "bad"}


def examined(result: PolicyExamined) -> View:
    """What was found, and what the gate still asks for."""
    rows = [
        (one.kind, Cell(one.verdict, _TONES.get(one.verdict, "warn")), one.digest[:SHORT], one.what)
        for one in result.evidence
    ]
    facts: list[tuple[str, str | Cell]] = [
        ("version", f"{result.policy}@{result.version}"),
        ("identity", result.ir_sha256),
    ]
    if result.inputs:
        facts += [("against", result.against), ("inputs", result.inputs)]
    facts.append(("gate", ", ".join(result.missing) or Cell("nothing is missing", "good")))
    return [Table(("evidence", "verdict", "digest", "what"), rows), Facts(facts)]
