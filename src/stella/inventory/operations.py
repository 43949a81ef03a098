"""The rows of the operation table about inventories."""

from __future__ import annotations

from stella.inventory import views
from stella.inventory.model import (
    LoadInventory,
    OfSnapshot,
    OfStore,
    SnapshotDetailed,
    SnapshotLoaded,
    SnapshotsListed,
    SnapshotVerified,
)
from stella.operations import Context, operation


@operation(
    "inventory.load",
    "POST /v1/inventory/snapshots",
    scope="inventory:write",
    view=views.loaded,
    example=(
        "stella inventory load --dir I --sbom sboms/ --advisories osv/\n"
        "stella inventory load --dir I --sbom sboms/ --assets assets.toml --advisories osv/ --vex vex/ --kev kev.json"
    ),
    creates=True,
    long=True,
)
def load(ctx: Context, want: LoadInventory) -> SnapshotLoaded:
    """Make a snapshot of a fleet: its findings, and all that a policy can ask of them.

    Every file that is read is recorded with its SHA-256. The same inputs give the same snapshot, whatever their order.
    A bad record is put into the quarantine with its reason; a file with more than 1 % of them is refused, and nothing
    is stored.
    """
    from stella.inventory import making

    return making.load(ctx, want)


@operation(
    "inventory.list",
    "GET /v1/inventory/snapshots",
    scope="inventory:read",
    view=views.listing,
    example="stella inventory list --dir I",
)
def list_(ctx: Context, want: OfStore) -> SnapshotsListed:
    """List the snapshots, the newest first."""
    from stella.inventory import service

    return service.list_(ctx, want)


@operation(
    "inventory.show",
    "POST /v1/inventory/inspections",
    scope="inventory:read",
    view=views.shown,
    example="stella inventory show --dir I\nstella inventory show 3f9a --dir I --json",
)
def show(ctx: Context, want: OfSnapshot) -> SnapshotDetailed:
    """Show what a snapshot is made of, and what is in its quarantine."""
    from stella.inventory import service

    return service.show(ctx, want)


@operation(
    "inventory.verify",
    "POST /v1/inventory/verifications",
    scope="inventory:read",
    view=views.verified,
    example="stella inventory verify --dir I",
)
def verify(ctx: Context, want: OfSnapshot) -> SnapshotVerified:
    """Check every byte of a snapshot against its digests, and every finding against its tables.

    Exit code 6 when one does not fit.
    """
    from stella.inventory import verifying

    return verifying.verify(ctx, want)
