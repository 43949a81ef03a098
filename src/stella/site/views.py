"""What people see of a site."""

from __future__ import annotations

from stella.formats.view import Cell, Facts, Table, Text, View, human_bytes, human_count
from stella.kernel.instant import format_duration
from stella.site.model import (
    CaseReleased,
    EventsShown,
    HeldShown,
    Imported,
    ImportState,
    QuarantineShown,
    ReceiptMade,
    RolledBack,
    SiteIndexed,
    SiteLaid,
    SiteListed,
    SiteShown,
)

SHORT = 16  # hex characters of a digest that are enough to tell two apart by eye

_CLOCK = {
    "ok": Cell("ok", "good"),
    "clock_behind": Cell("behind: the last proof of time counts instead", "warn"),
    "clock_ahead_suspected": Cell("far ahead of the last proof of time: that proof counts instead", "warn"),
}


def laid(result: SiteLaid) -> View:
    """After site init."""
    return [
        Facts(
            [
                ("site", f"{result.site} ({result.site_id})"),
                ("folder", result.dir),
                ("trusts", f"channel {result.channel}"),
                ("root sha256", result.root_sha256),
            ]
        ),
        Text("Compare the root sha256 with the vendor's before the first import.", "dim"),
        Text(f"next: stella site import B.stella --dir {result.dir}"),
    ]


def imported(result: Imported) -> View:
    """After site import."""
    word = "active" if result.state is ImportState.ACTIVE else str(result.state)
    checks = Table(
        ("check", "verdict", "found"), [(name, Cell("ok", "good"), detail) for name, detail in result.checks], "Checks"
    )
    kind = f"thin against generation {result.base}" if result.thin else "full"
    facts = Facts(
        [
            ("generation", Cell(f"{result.generation} {word}", "good")),
            ("root", result.root),
            ("content", f"{human_count(result.files)} files, {human_bytes(result.content_bytes)}"),
            ("bundle", f"{human_bytes(result.bundle_bytes)}, {kind}"),
            ("signed by", f"{result.signing} key"),
            ("clock", _CLOCK[result.clock]),
            ("trusted time", result.trusted_time),
            ("rollback to", str(result.previous) if result.previous else "none"),
        ]
    )
    return [checks, facts, *(Text(note, "dim") for note in result.notes)]


def status(result: SiteShown) -> View:
    """One screen for the operator."""
    runs = f"generation {result.active}" if result.active else "nothing yet"
    rows: list[tuple[str, str | Cell]] = [
        ("site", f"{result.site} ({result.site_id})"),
        ("channel", result.channel),
        ("runs", Cell(runs, "good" if result.active else "warn")),
        ("root", result.root or "none"),
        ("created", result.created or "never"),
        ("content", f"{human_count(result.files)} files, {human_bytes(result.content_bytes)}"),
        ("rollback to", str(result.previous) if result.previous else "none"),
        ("clock", _CLOCK[result.clock]),
        ("local time", result.local_time),
        ("trusted time", result.trusted_time),
        ("quarantine", Cell(f"{result.quarantined} refused", "warn") if result.quarantined else "empty"),
        ("on disk", human_bytes(result.store_bytes)),
    ]
    view: list[Facts | Table | Text] = [Facts(rows)]
    if result.budgets:
        tones = {"fresh": "good", "warn": "warn", "breach": "bad"}
        ages = [
            (name, format_duration(age.age_s), Cell(age.verdict, tones[age.verdict]))  # type: ignore[arg-type]  # a Tone
            for name, age in result.budgets.items()
        ]
        view.append(Table(("category", "age", "budget"), ages, "Age of content", right=("age",)))
    return view


def listing(result: SiteListed) -> View:
    """Generations and history."""
    generations = [
        (
            str(row.generation),
            Cell(row.state, "good" if row.state == "active" else "plain"),
            row.created,
            human_count(row.files),
            human_bytes(row.content_bytes),
            row.root[:SHORT],
        )
        for row in result.generations
    ]
    history = [
        (
            record.time,
            Cell(str(record.state), "bad" if record.state is ImportState.QUARANTINED else "plain"),
            str(record.generation or ""),
            record.actor,
            record.detail or record.why,
        )
        for record in result.history
    ]
    return [
        Table(
            ("generation", "state", "created", "files", "content", "root"),
            generations,
            "Generations",
            right=("files", "content"),
            empty="none; import one: `stella site import`",
        ),
        Table(("time", "state", "generation", "who", "what"), history, "History", empty="empty"),
    ]


def shown(result: HeldShown) -> View:
    """One generation."""
    view: list[Facts | Table | Text] = [
        Facts(
            [
                ("generation", f"{result.generation} ({result.state})"),
                ("root", result.root),
                ("created", result.created),
                ("proof of time", result.anchored),
                ("signed by", f"{result.signing} key"),
                ("content", f"{human_count(result.files)} files, {human_bytes(result.content_bytes)}"),
            ]
        ),
        Table(
            ("category", "files", "content"),
            [(name, human_count(row.files), human_bytes(row.bytes)) for name, row in result.categories.items()],
            right=("files", "content"),
        ),
    ]
    if result.entries:
        rows = [(entry.path, human_bytes(entry.size), entry.sha256[:SHORT]) for entry in result.entries]
        view.append(Table(("path", "size", "sha256"), rows, "Files", right=("size",)))
    if result.written:
        view.append(Text(f"{human_count(result.written)} files written"))
    return view


def rolled_back(result: RolledBack) -> View:
    """After site rollback."""
    return [
        Facts(
            [
                ("runs", Cell(f"generation {result.active}", "good")),
                ("was", f"generation {result.was}"),
                ("root", result.root),
            ]
        ),
        *(Text(note, "dim") for note in result.notes),
    ]


def quarantine(result: QuarantineShown) -> View:
    """Refused bundles."""
    if len(result.cases) == 1:
        case = result.cases[0]
        return [
            Facts(
                [
                    ("id", case.id),
                    ("file", f"{case.file}, {human_bytes(case.bytes)}" + (", copy kept" if case.copy else "")),
                    ("refused", case.time),
                    ("reason", Cell(f"{case.reason} ({case.code})", "bad")),
                    ("found", case.detail),
                    ("offending", case.offending or "the bundle as a whole"),
                    ("what to do", case.fix),
                ]
            )
        ]
    rows = [(case.id, case.time, Cell(case.reason, "bad"), case.file, case.detail) for case in result.cases]
    return [Table(("id", "time", "reason", "file", "found"), rows, "Quarantine", empty="empty: no bundle was refused")]


def released(result: CaseReleased) -> View:
    """After site release."""
    done = Text(f"{result.case.id}: let go; the history keeps the case")
    return [done, *(Text(note, "dim") for note in result.notes)]


def receipt(result: ReceiptMade) -> View:
    """After site receipt."""
    return [
        Facts(
            [
                ("receipt", result.receipt),
                ("holds", f"generation {result.generation}"),
                ("root", result.root),
                ("trusted time", result.time),
                ("sha256", result.sha256),
            ]
        ),
        Text("Carry it back; on the connected side: stella mirror create --for RECEIPT ..."),
    ]


def indexed(result: SiteIndexed) -> View:
    """After site index."""
    return [Facts([("site", result.site), ("events", f"{result.events} in its history, {result.entered} new")])]


def events(result: EventsShown) -> View:
    """Custody events."""
    if not result.rows:
        return [Text("The index has no event. Enter a site: stella site index --dir D")]
    rows = [
        (
            row.time,
            row.site,
            row.state,
            "" if row.generation is None else str(row.generation),
            f"{row.actor}, {row.approver}" if row.approver else row.actor,
            row.reason or row.why,
        )
        for row in result.rows
    ]
    table = Table(("time", "site", "state", "generation", "who", "why"), rows, right=("generation",))
    return [table, *([Text(f"More: add --cursor {result.next}")] if result.next else [])]
