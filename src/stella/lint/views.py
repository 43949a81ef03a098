"""What people see of a lint."""

from __future__ import annotations

from stella.formats.view import Cell, Facts, Table, Text, View, human_count
from stella.lint.model import Finding, TenancyLinted


def tenancy(result: TenancyLinted) -> View:
    """The findings, what to do about each kind, then what was read."""
    rows = [(_place(found), _rule(found), found.message) for found in result.findings]
    view: list[Facts | Table | Text] = [Table(("place", "rule", "what"), rows)] if rows else []
    fixes = {found.rule: found.fix for found in result.findings}
    if fixes:
        view.append(Facts([(rule, fix) for rule, fix in sorted(fixes.items())], "Instead"))
    read = f"{human_count(result.python_files)} Python, {human_count(result.sql_files)} SQL"
    facts: list[tuple[str, str | Cell]] = [
        ("files", f"{read}, {human_count(result.statements)} statements"),
        ("tenant tables", human_count(len(result.tenant_tables))),
        ("waived", human_count(len(result.waived))),
        ("findings", Cell(human_count(len(result.findings)), "bad" if result.findings else "good")),
    ]
    return [*view, Facts(facts), *(Text(note, "warn") for note in result.notes)]


def _place(found: Finding) -> str:
    return f"{found.file}:{found.line}:{found.column}"


def _rule(found: Finding) -> Cell:
    return Cell(found.rule, "warn" if found.level == "warning" else "bad")
