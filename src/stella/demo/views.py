"""What people see of the demo."""

from __future__ import annotations

from stella.demo.model import DemoDone, Served
from stella.formats.view import Cell, Facts, Table, Text, View, human_bytes, human_count

SHORT = 16  # hex characters of a digest that are enough to tell two apart by eye


WIDE = 76  # characters of a command that fit beside the other columns; summary.json has them whole


def short(command: str) -> str:
    """A command as it fits in a table."""
    return command if len(command) <= WIDE else f"{command[: WIDE - 3]}..."


def served(result: Served) -> str:
    """The import through a service in one line."""
    return (
        f"a sealed stack up in {result.up_seconds:.2f} s, generation {result.generation} imported over HTTP in"
        f" {result.import_seconds:.2f} s, stopped without a trace"
    )


def done(result: DemoDone) -> View:
    """After demo."""
    steps = [(step.side, short(step.command), step.outcome, f"{step.seconds:.2f} s") for step in result.steps]
    generations = [
        (
            str(carried.number),
            human_count(carried.files),
            human_bytes(carried.content_bytes),
            f"{human_bytes(carried.bundle_bytes)} {'thin' if carried.thin else 'full'}",
            f"{carried.create_seconds:.2f} s",
            f"{carried.import_seconds:.2f} s",
            carried.root[:SHORT],
        )
        for carried in result.generations
    ]
    attacks = [
        (
            attack.name,
            Cell("rejected", "good") if attack.rejected else Cell("ACCEPTED", "bad"),
            attack.reason,
            attack.detail,
        )
        for attack in result.attacks
    ]
    origin = "from the package index" if result.real else "made here, because no package index could be reached"
    return [
        Text(f"{result.product} {result.versions[0]} -> {result.versions[1]}, {origin}"),
        Table(("side", "command", "outcome", "time"), steps, "The main job", right=("time",)),
        Table(
            ("generation", "files", "content", "bundle", "create", "import", "root"),
            generations,
            "What crossed the gap",
            right=("files", "content", "bundle", "create", "import"),
        ),
        Table(("attack", "verdict", "reason", "what the site said"), attacks, "Attacks"),
        Facts(
            [
                ("thin bundle", f"{100 * result.thin_ratio:.1f} % of the full one"),
                ("site holds", Cell("the vendor's bytes, file by file", "good")),
                ("network", Cell("none: the site's processes were sealed, nothing could leave the machine", "good")),
                ("service", served(result.service)),
                ("time", f"{result.seconds:.1f} s"),
                ("look at", result.report),
                ("for machines", result.summary),
            ]
        ),
    ]
