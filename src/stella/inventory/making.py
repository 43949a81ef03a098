"""Loading an inventory: from files to a snapshot in the store."""

from __future__ import annotations

from pathlib import Path

import msgspec

from stella.inventory import dimensions, evidence, snapshot
from stella.inventory.gathering import Gathering
from stella.inventory.model import LoadInventory, SnapshotLoaded
from stella.inventory.pairs import findings_of, pairs_of
from stella.inventory.quarantine import as_lines
from stella.inventory.service import figures_of, left_of
from stella.inventory.snapshot import Core, Record, Stored
from stella.kernel.instant import format_time, parse_time
from stella.operations import Context
from stella.runtime.files import replacing


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
        figures=figures_of(head),
        files=len(record.inputs),
        records=sum(one.records for one in record.inputs),
        quarantined=sum(one.bad for one in record.inputs),
        refused=tuple(one.name for one in record.inputs if one.refused),
        left=left_of(gathering.ledger),
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
        evidence.Told(gathering.statements(matches), trust, reached, gathering.as_of),
    )
    return dimensions.Made(fleet.assets, components, matches, pairs, findings, known, feeds, gathering.as_of)
