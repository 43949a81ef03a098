"""What people see of inventories."""

from __future__ import annotations

from collections.abc import Sequence

from stella.formats.view import Cell, Facts, Table, Text, View, human_bytes, human_count
from stella.inventory.model import Figures, Left, SnapshotDetailed, SnapshotLoaded, SnapshotsListed, SnapshotVerified

SHORT = 12  # characters of a digest that people compare
PLACE, WHAT = 40, 90  # characters of a file and of a problem in a table; `--json` has all of them


def loaded(result: SnapshotLoaded) -> View:
    """After inventory load: what there is, and what was put aside."""
    rows: list[tuple[str, str | Cell]] = [
        ("snapshot", result.digest[:SHORT]),
        ("path", result.path),
        ("as of", result.as_of),
        *_figures(result.figures),
        ("read", f"{human_count(result.files)} files, {human_count(result.records)} records"),
        ("quarantined", Cell(human_count(result.quarantined), "warn" if result.quarantined else "good")),
    ]
    view: list[Facts | Table | Text] = [Facts(rows), *_left(result.left)]
    if result.refused:
        count = len(result.refused)
        files = "1 file was" if count == 1 else f"{human_count(count)} files were"
        view.append(Text(f"{files} refused and left out; the first is {_end(result.refused[0])}", "warn"))
    return view


def listing(result: SnapshotsListed) -> View:
    """The snapshots of a store."""
    rows: list[tuple[str | Cell, ...]] = [
        (one.digest[:SHORT], one.as_of, _age(one.age, stale=one.stale), *map(human_count, (one.findings, one.assets)))
        for one in result.snapshots
    ]
    columns = ("snapshot", "as of", "age", "findings", "assets")
    return [Table(columns, rows, right=("findings", "assets"), empty="no snapshot yet: `stella inventory load`")]


def shown(result: SnapshotDetailed) -> View:
    """What a snapshot is made of."""
    facts: list[tuple[str, str | Cell]] = [
        ("snapshot", result.digest),
        ("as of", result.as_of),
        ("age", _age(result.age, stale=result.stale)),
        *_figures(result.figures),
    ]
    inputs: list[tuple[str, str | Cell]] = [
        (name.replace("_", " "), Cell("not given", "dim") if digest is None else digest)
        for name, digest in result.inputs.items()
    ]
    files = [
        (one.kind, human_count(one.files), human_bytes(one.size), human_count(one.records), human_count(one.bad))
        for one in result.files
    ]
    columns = ("kind", "files", "size", "records", "bad")
    return [
        Facts(facts),
        Facts(inputs, "Digests of the inputs"),
        Table(columns, files, "Files", right=columns[1:]),
        *_left(result.left),
    ]


def verified(result: SnapshotVerified) -> View:
    """After inventory verify."""
    return [
        Facts(
            [
                ("verdict", Cell(result.verdict, "good")),
                ("snapshot", result.digest),
                ("as of", result.as_of),
                ("age", _age(result.age, stale=result.stale)),
                *_figures(result.figures),
                ("checked", f"{human_count(result.files)} files, {human_bytes(result.size)}"),
            ]
        )
    ]


def _figures(figures: Figures) -> list[tuple[str, str | Cell]]:
    return [
        ("findings", human_count(figures.findings)),
        ("assets", human_count(figures.assets)),
        ("components", human_count(figures.components)),
        ("advisories", human_count(figures.advisories)),
        ("evidence", f"{human_count(figures.evidence)} sets of {human_count(figures.statements)} statements"),
    ]


def _age(age: str, *, stale: bool) -> Cell:
    return Cell(f"{age}, stale" if stale else age, "warn" if stale else "plain")


def _end(text: str) -> str:
    """The end of a path, which tells files apart."""
    return text if len(text) <= PLACE else f"...{text[3 - PLACE :]}"


def _start(text: str) -> str:
    return text if len(text) <= WHAT else f"{text[: WHAT - 3]}..."


def _left(left: Sequence[Left]) -> list[Table]:
    """The quarantine, reason by reason, each with its first record."""
    rows = [
        (
            Cell(one.reason.replace("_", " "), "bad" if one.bad else "dim"),
            human_count(one.count),
            _end(one.file),
            _start(one.problem if one.record in one.problem else f"{one.record}: {one.problem}"),
        )
        for one in left
    ]
    return [Table(("reason", "count", "first in", "what"), rows, "Quarantine", right=("count",))] if rows else []
