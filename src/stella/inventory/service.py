"""Loading an inventory, and looking at what was loaded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import msgspec

from stella.inventory import dimensions, evidence, snapshot
from stella.inventory.errors import SnapshotMissing
from stella.inventory.gathering import Gathering
from stella.inventory.model import (
    Figures,
    FileShown,
    Left,
    LoadInventory,
    OfSnapshot,
    OfStore,
    SnapshotDetailed,
    SnapshotLoaded,
    SnapshotShown,
    SnapshotsListed,
    SnapshotVerified,
)
from stella.inventory.pairs import findings_of, pairs_of
from stella.inventory.quarantine import Quarantined, as_lines
from stella.inventory.snapshot import Core, Record, Snapshot, Stored
from stella.kernel.instant import Instant, format_duration, format_time, parse_time
from stella.operations import Context
from stella.runtime.files import read_file, replacing

MAX_QUARANTINE = 1 << 30  # bytes


def load(ctx: Context, want: LoadInventory) -> SnapshotLoaded:
    """Read everything, and put a snapshot into the store."""
    as_of = ctx.clock.read().wall if want.as_of is None else parse_time(want.as_of)
    gathering = Gathering(want, as_of, ctx.progress)
    store = Path(want.dir)
    made = _made(gathering)
    with snapshot.loading(store) as folder:
        ctx.progress.start("write", len(snapshot.TABLES), "tables")
        written = dimensions.write(folder, made)
        ctx.progress.advance(len(snapshot.TABLES))
        lines = as_lines(gathering.ledger)
        with replacing(folder / snapshot.QUARANTINE) as file:
            file.write(lines)
        core = msgspec.convert({"form": snapshot.FORM, "as_of": as_of, "tables": written} | gathering.digests, Core)
        rows = lines.count(b"\n")
        record = Record(
            tuple(sorted(gathering.files)),
            Stored(rows, len(lines), snapshot.digest_of(folder / snapshot.QUARANTINE)),
            dict(sorted(gathering.counts.items())),
        )
        head = snapshot.sealed(core, record)
        place = snapshot.commit(store, folder, head)
    return SnapshotLoaded(
        digest=head.digest,
        path=str(place),
        as_of=format_time(as_of),
        figures=_figures(head),
        files=len(record.inputs),
        records=sum(one.records for one in record.inputs),
        quarantined=sum(one.bad for one in record.inputs),
        refused=tuple(one.name for one in record.inputs if one.refused),
        left=_left(gathering.ledger),
        counts=record.counts,
    )


def _made(gathering: Gathering) -> dimensions.Made:
    """All that the tables are made of."""
    entries = gathering.entries()
    trust = gathering.trust()
    feeds = gathering.feeds()
    reached = gathering.reached()
    sboms = gathering.sboms()
    fleet = sboms.assets(entries, gathering.tally("assets"))
    components = sboms.fleet.components
    matches = gathering.matches(sboms)
    pairs = pairs_of(matches, len(components))
    findings = findings_of(fleet.components, pairs)
    known = evidence.evidence_of(
        findings,
        pairs,
        matches,
        [one.purl for one in components],
        fleet.names,
        gathering.statements(matches),
        reached,
        {str(one.values["asset.id"]): number for number, one in enumerate(fleet.assets)},
        trust,
        gathering.as_of,
    )
    return dimensions.Made(fleet.assets, components, matches, pairs, findings, known, feeds, gathering.as_of)


def list_(ctx: Context, want: OfStore) -> SnapshotsListed:
    """The snapshots of a store, the newest first."""
    now = ctx.clock.read().wall
    found = [snapshot.read(one) for one in snapshot.snapshots(Path(want.dir))]
    found.sort(key=lambda one: (-one.core.as_of, one.digest))
    return SnapshotsListed(dir=want.dir, snapshots=tuple(_shown(one, now) for one in found))


def show(ctx: Context, want: OfSnapshot) -> SnapshotDetailed:
    """What a snapshot is made of, and what is in its quarantine."""
    folder = _folder(want)
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
        figures=_figures(head),
        inputs=input_digests(head),
        files=_files(head),
        left=_left(msgspec.json.Decoder(Quarantined).decode_lines(data)),
        counts=head.record.counts,
    )


def verify(ctx: Context, want: OfSnapshot) -> SnapshotVerified:
    """Check every byte of a snapshot, and that its findings point to rows that are there."""
    from stella.inventory.loading import load_star

    folder = _folder(want)
    head = snapshot.verify(folder)
    load_star(folder, check=False)
    now = ctx.clock.read().wall
    return SnapshotVerified(
        verdict="passed",
        digest=head.digest,
        as_of=format_time(head.core.as_of),
        age=format_duration(snapshot.age(head, now)),
        stale=snapshot.age(head, now) > snapshot.MAX_AGE,
        figures=_figures(head),
        files=len(head.core.tables) + 1,
        size=sum(one.size for one in head.core.tables.values()) + head.record.quarantine.size,
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


def _folder(want: OfSnapshot) -> Path:
    if want.snapshot:
        return snapshot.find(want.snapshot, want.dir)
    store = Path(want.dir)
    if (store / snapshot.HEAD).is_file():
        return store
    found = snapshot.snapshots(store)
    if not found:
        raise SnapshotMissing(snapshot=want.dir)
    return max(found, key=lambda one: (snapshot.read(one).core.as_of, one.name))


def _shown(head: Snapshot, now: Instant) -> SnapshotShown:
    figures = _figures(head)
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


def _figures(head: Snapshot) -> Figures:
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


def _left(ledger: Iterable[Quarantined]) -> tuple[Left, ...]:
    """The quarantine by reason: how many, and the first."""
    kinds: defaultdict[tuple[bool, str], list[Quarantined]] = defaultdict(list)
    for one in sorted(set(ledger)):
        kinds[not one.counts, one.reason].append(one)
    return tuple(
        Left(reason, len(rows), not noted, rows[0].file, rows[0].record, rows[0].problem)
        for (noted, reason), rows in sorted(kinds.items())
    )
