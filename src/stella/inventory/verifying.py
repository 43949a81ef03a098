"""Verifying a snapshot: every byte, and every finding."""

from __future__ import annotations

from stella.inventory import snapshot
from stella.inventory.loading import load_star
from stella.inventory.model import OfSnapshot, SnapshotVerified
from stella.inventory.service import figures_of, folder_of
from stella.kernel.instant import format_duration, format_time
from stella.operations import Context


def verify(ctx: Context, want: OfSnapshot) -> SnapshotVerified:
    """Check every byte of a snapshot, and that its findings point to rows that are there."""
    folder = folder_of(want)
    head = snapshot.verify(folder)
    load_star(folder, check=False)
    now = ctx.clock.read().wall
    return SnapshotVerified(
        verdict="passed",
        digest=head.digest,
        as_of=format_time(head.core.as_of),
        age=format_duration(snapshot.age(head, now)),
        stale=snapshot.age(head, now) > snapshot.MAX_AGE,
        figures=figures_of(head),
        files=len(head.core.tables) + 1,
        size=sum(one.size for one in head.core.tables.values()) + head.record.quarantine.size,
    )
