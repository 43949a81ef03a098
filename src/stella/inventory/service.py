"""Looking at what was loaded. Nothing heavy is imported for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import msgspec

from stella.inventory import snapshot
from stella.inventory.model import (
    Figures,
    FileShown,
    Left,
    OfSnapshot,
    OfStore,
    SnapshotDetailed,
    SnapshotShown,
    SnapshotsListed,
)
from stella.inventory.quarantine import Quarantined
from stella.inventory.snapshot import Snapshot
from stella.kernel.instant import Instant, format_duration, format_time
from stella.operations import Context
from stella.runtime.files import read_file

MAX_QUARANTINE = 1 << 30  # bytes


def list_(ctx: Context, want: OfStore) -> SnapshotsListed:
    """The snapshots of a store, the newest first."""
    now = ctx.clock.read().wall
    found = [snapshot.read(one) for one in snapshot.snapshots(Path(want.dir))]
    found.sort(key=lambda one: (-one.core.as_of, one.digest))
    return SnapshotsListed(dir=want.dir, snapshots=tuple(_shown(one, now) for one in found))


def show(ctx: Context, want: OfSnapshot) -> SnapshotDetailed:
    """What a snapshot is made of, and what is in its quarantine."""
    folder = folder_of(want)
    head = snapshot.read(folder)
    now = ctx.clock.read().wall
    data = read_file(folder / snapshot.QUARANTINE, MAX_QUARANTINE)
    return SnapshotDetailed(
        digest=head.digest,
        star=head.star,
        path=str(folder),
        as_of=format_time(head.core.as_of),
        age=format_duration(snapshot.age(head, now)),
        stale=snapshot.age(head, now) > snapshot.MAX_AGE,
        figures=figures_of(head),
        inputs=input_digests(head),
        files=_files(head),
        left=left_of(msgspec.json.Decoder(Quarantined).decode_lines(data)),
        counts=head.record.counts,
    )


def input_digests(head: Snapshot) -> dict[str, str | None]:
    """The digests of the inputs of a run, by kind; None for a kind that was not given."""
    core = head.core
    return {
        "sbom_digest": core.sbom_digest,
        "advisory_snapshot": core.advisory_snapshot,
        "vex_set": core.vex_set,
        "kev": core.kev,
        "epss": core.epss,
        "assets": core.assets,
        "trust": core.trust,
        "reach": core.reach,
    }


def folder_of(want: OfSnapshot) -> Path:
    """The snapshot that was named, or the newest; raises SnapshotMissing or SnapshotAmbiguous."""
    return snapshot.find(want.snapshot, want.dir) if want.snapshot else snapshot.find(want.dir)


def _shown(head: Snapshot, now: Instant) -> SnapshotShown:
    figures = figures_of(head)
    age = snapshot.age(head, now)
    return SnapshotShown(
        head.digest,
        format_time(head.core.as_of),
        format_duration(age),
        age > snapshot.MAX_AGE,
        figures.findings,
        figures.assets,
        sum(one.bad for one in head.record.inputs),
    )


def figures_of(head: Snapshot) -> Figures:
    """How much is in a snapshot."""
    rows = {name: one.rows for name, one in head.core.tables.items()}
    return Figures(
        rows["findings"], rows["asset"], rows["component"], rows["advisory"], rows["evidence"], rows["statement"]
    )


def _files(head: Snapshot) -> tuple[FileShown, ...]:
    kinds: defaultdict[str, list[snapshot.InputFile]] = defaultdict(list)
    for one in head.record.inputs:
        kinds[one.kind].append(one)
    return tuple(
        FileShown(
            kind,
            len(files),
            sum(one.size for one in files),
            sum(one.records for one in files),
            sum(one.bad for one in files),
        )
        for kind, files in sorted(kinds.items())
    )


def left_of(ledger: Iterable[Quarantined]) -> tuple[Left, ...]:
    """The quarantine by reason: how many, and the first."""
    kinds: defaultdict[tuple[bool, str], list[Quarantined]] = defaultdict(list)
    for one in sorted(set(ledger)):
        kinds[not one.counts, one.reason].append(one)
    return tuple(
        Left(reason, len(rows), not noted, rows[0].file, rows[0].record, rows[0].problem)
        for (noted, reason), rows in sorted(kinds.items())
    )
