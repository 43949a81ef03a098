"""What people see of migrations."""

from __future__ import annotations

from collections.abc import Iterable

from stella.database.model import (
    Category,
    FileRow,
    MigrationsBundled,
    MigrationsImported,
    Paused,
    Planned,
    Ran,
    State,
    StatusShown,
    Verified,
)
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


def bundled(result: MigrationsBundled) -> View:
    """After migrate bundle: every step of the trial, then what was written."""
    steps = [(step.step, step.file, step.result, _ms(step.duration_ms)) for step in result.steps]
    protected = human_count(len(result.tables_protected))
    return [
        Table(("step", "of", "result", "took"), steps, right=("took",)),
        Facts(
            [
                ("bundle", result.bundle),
                ("sha256", result.sha256),
                ("generation", f"{result.generation} of `{result.channel}`{'' if result.fresh else ', as it was'}"),
                ("signed with", f"{result.signing} keys"),
                ("release", f"{result.release}, {human_count(len(result.files))} files of {', '.join(result.modules)}"),
                (
                    "policies",
                    f"{human_count(result.policies_before)} before, {human_count(result.policies_after)} after",
                ),
                ("protected", f"{protected} tables"),
                ("schema", result.schema_digest),
            ]
        ),
    ]


def imported(result: MigrationsImported) -> View:
    """After migrate import: every check, every file, then where the database stands."""
    rows = [
        (
            row.module,
            row.name,
            row.category,
            Cell(row.state, TONES[row.state]),
            row.gate,
            row.digest[:12],
            _ms(row.duration_ms),
        )
        for row in result.files
    ]
    end = Cell("what the bundle ends with", "good") if result.complete else Cell("on the way", "warn")
    return [
        Table(("check", "found"), [(check.name, check.detail) for check in result.checks]),
        Table(("module", "file", "category", "state", "gate", "digest", "took"), rows, right=("took",)),
        Facts([("generation", f"{result.generation} of `{result.channel}`"), ("database", end)]),
        *_notes(result.notes),
    ]


def _ms(took: int | None) -> str:
    return "" if took is None else f"{human_count(took)} ms"


def _files(files: Iterable[FileRow], empty: str) -> Table:
    rows = [(row.module, row.name, row.category, _state(row), _took(row)) for row in files]
    return Table(("module", "file", "category", "state", "took"), rows, right=("took",), empty=empty)


def _state(row: FileRow) -> Cell:
    rows = f", {human_count(row.touched)} rows" if row.touched is not None else ""
    return Cell(row.state + rows, TONES[row.state])


def _took(row: FileRow) -> str:
    return _ms(row.duration_ms)


def _notes(notes: Iterable[str]) -> list[Text]:
    return [Text(note, "warn") for note in notes]
