"""What people see of errors, settings and versions."""

from __future__ import annotations

from stella.about.catalogue import EXIT_MEANING
from stella.about.model import ConfigShown, Explained, VersionShown
from stella.formats.view import Cell, Facts, Table, Text, View
from stella.kernel.errors import Exit


def explained(result: Explained) -> View:
    """One code in full, or all of them as tables."""
    if len(result.errors) + len(result.diagnostics) != 1:
        rows = [(row.code, str(row.exit), row.message) for row in result.errors]
        return [
            Table(("code", "exit", "message"), rows, right=("exit",)),
            Table(("code", "level", "message"), [(row.code, row.level, row.message) for row in result.diagnostics]),
            Text("one of them: stella explain CODE", "dim"),
        ]
    if result.diagnostics:
        (found,) = result.diagnostics
        of_policies = [("level", f"{found.level} ({found.name})"), ("hint", found.hint)]
        return [Text(f"{found.code}: {found.message}"), Text(found.explanation), Facts(of_policies)]
    (row,) = result.errors
    facts = [("exit", f"{row.exit}, {EXIT_MEANING[Exit(row.exit)]}"), ("reason", row.reason)]
    if row.hint:
        facts.append(("hint", row.hint))
    return [Text(f"{row.code}: {row.message}"), Text(row.explanation), Facts(facts)]


def configured(result: ConfigShown) -> View:
    """The settings as a table."""
    with_origin = any(row.origin is not None for row in result.settings)
    rows: list[list[str | Cell]] = [
        [row.key, Cell(_spelled(row.value), "dim" if row.value == row.default else "plain"), row.origin or ""]
        for row in result.settings
    ]
    columns = ("setting", "value", "origin")
    return [Table(columns, rows) if with_origin else Table(columns[:2], [row[:2] for row in rows])]


def version(result: VersionShown) -> View:
    """One line that a script can read, then what it runs on."""
    return [Text(f"stella {result.version} (Python {result.python}, {result.platform})")]


def _spelled(value: str | int | bool) -> str:  # noqa: FBT001  # a value of a setting, not a switch of this function
    """As it is written in `stella.toml`."""
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)
