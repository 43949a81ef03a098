"""What people see of migrations."""

from __future__ import annotations

from collections.abc import Iterable

from stella.database.model import Category, FileRow, Paused, Planned, Ran, State, StatusShown, Verified
from stella.formats.view import Cell, Facts, Table, Text, Tone, View, human_count

TONES: dict[State, Tone] = {
    "applied": "good",
    "pending": "warn",
    "begun": "warn",
    "paused": "warn",
    "changed": "bad",
    "unknown": "bad",
}
NOTHING = "nothing is pending"


def status(result: StatusShown) -> View:
    """Every file, then whether a start would work."""
    rows = [
        (row.module, row.name, row.category, _state(row), row.applied_at or "", row.applied_by or "", _took(row))
        for row in result.files
    ]
    columns = ("module", "file", "category", "state", "applied", "by", "took")
    return [
        Table(columns, rows, right=("took",), empty="no module has migrations"),
        Facts([("may start", _ready(result)), ("database", "read-only" if result.read_only else "writable")]),
        *_notes(result.notes),
    ]


def _ready(result: StatusShown) -> Cell:
    if result.ready:
        return Cell("yes", "good")
    bad = (row for row in result.files if TONES[row.state] == "bad")
    differs = any(row.state == "unknown" or row.category is not Category.SEED for row in bad)
    command = "stella migrate verify" if differs else "stella migrate run --category release"
    return Cell(f"no: `{command}`", "bad")


def planned(result: Planned) -> View:
    """The files in the order of the run."""
    return [_files(result.files, NOTHING), Facts([("plan", result.digest)]), *_notes(result.notes)]


def ran(result: Ran) -> View:
    """What was applied, or for a dry run what would be."""
    view: list[Facts | Table | Text] = [_files(result.files, NOTHING)]
    if result.dry_run:
        view.append(Text("dry run; nothing was changed", "dim"))
    if any(row.state == "paused" for row in result.files):
        view.append(Text("paused; go on: stella migrate run --category data"))
    return [*view, Facts([("plan", result.digest)]), *_notes(result.notes)]


def verified(result: Verified) -> View:
    """After migrate verify."""
    facts = [
        ("applied", f"{human_count(result.applied)}, all as shipped"),
        ("pending", human_count(result.pending)),
        ("database", "read-only" if result.read_only else "writable"),
    ]
    return [Facts(facts), *_notes(result.notes)]


def paused(result: Paused) -> View:
    """After migrate pause."""
    table = _files(result.files, "no data migration is pending")
    return [table, Text("go on: stella migrate run --category data")] if result.files else [table]


def _files(files: Iterable[FileRow], empty: str) -> Table:
    rows = [(row.module, row.name, row.category, _state(row), _took(row)) for row in files]
    return Table(("module", "file", "category", "state", "took"), rows, right=("took",), empty=empty)


def _state(row: FileRow) -> Cell:
    rows = f", {human_count(row.touched)} rows" if row.touched is not None else ""
    return Cell(row.state + rows, TONES[row.state])


def _took(row: FileRow) -> str:
    return "" if row.duration_ms is None else f"{human_count(row.duration_ms)} ms"


def _notes(notes: Iterable[str]) -> list[Text]:
    return [Text(note, "warn") for note in notes]
