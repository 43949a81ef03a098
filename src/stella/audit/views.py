"""What people see of the audit log."""

from __future__ import annotations

from stella.audit.model import EventShown, EventsShown, LogExported, LogVerified
from stella.formats.view import Cell, Facts, Table, Text, Tone, View, human_bytes, human_count

_TONES: dict[str, Tone] = {"success": "good", "failure": "warn", "error": "warn"}


def events(result: EventsShown) -> View:
    """One line an event, newest first."""
    table = Table(
        ("seq", "time", "actor", "action", "resource", "outcome", "reason"),
        [_row(row) for row in result.rows],
        f"Tenant {result.tenant}",
        right=("seq",),
        empty="No event is like that.",
    )
    more = [Text(f"more: add --cursor {result.next}", "dim")] if result.next else []
    return [table, *more]


def _row(row: EventShown) -> tuple[str | Cell, ...]:
    return (
        str(row.sequence) if row.sequence else Cell("waits", "dim"),
        row.time,
        row.actor,
        row.action,
        row.resource,
        Cell(row.outcome, _TONES.get(row.outcome, "bad")),
        row.reason,
    )


def exported(result: LogExported) -> View:
    """After audit export."""
    command = f"stella audit verify {result.out} " + " ".join(f"--key {key}" for key in result.keys)
    return [
        Facts(
            [
                ("file", f"{result.out}, {human_bytes(result.bytes)}"),
                ("sha256", result.sha256),
                ("tenant", result.tenant),
                ("events", human_count(result.events)),
                ("last hash", result.head),
                *(("signed by", key) for key in result.keys),
            ]
        ),
        Text("Tell the reader the key by another way than the file.", "dim"),
        Text(f"next: {command}"),
    ]


def verified(result: LogVerified) -> View:
    """After audit verify: all is well."""
    return [
        Facts(
            [
                ("verdict", Cell("verified", "good")),
                ("tenant", result.tenant),
                ("events", f"{human_count(result.events)}, none edited, dropped, moved or cut off"),
                ("checkpoints", f"{human_count(result.checkpoints)}, the last one of {result.signed}"),
                ("root", result.root),
                ("last hash", result.head),
                *(("signed by", key) for key in result.keys),
            ]
        ),
        Text(f"With `--at-least {result.events}` a later file that is shorter will be refused.", "dim"),
    ]
