"""The operations of `inventory` at a service. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from stella.client.remote import Caller
from stella.inventory.model import (
    LoadInventory,
    OfSnapshot,
    OfStore,
    SnapshotDetailed,
    SnapshotLoaded,
    SnapshotsListed,
    SnapshotVerified,
)


class InventoryCalls:
    """The operations of `inventory` at a service."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def load(
        self,
        *,
        dir: str,
        sbom: tuple[str, ...],
        advisories: tuple[str, ...],
        assets: str | None = None,
        vex: tuple[str, ...] = (),
        trust: str | None = None,
        kev: str | None = None,
        epss: str | None = None,
        reach: str | None = None,
        as_of: str | None = None,
        skip_refused: bool = False,
    ) -> SnapshotLoaded:
        """Make a snapshot of a fleet: its findings, and all that a policy can ask of them."""
        return self._call(
            "inventory.load",
            LoadInventory(
                dir=dir,
                sbom=sbom,
                advisories=advisories,
                assets=assets,
                vex=vex,
                trust=trust,
                kev=kev,
                epss=epss,
                reach=reach,
                as_of=as_of,
                skip_refused=skip_refused,
            ),
            SnapshotLoaded,
        )

    def list(self, *, dir: str) -> SnapshotsListed:
        """List the snapshots, the newest first."""
        return self._call("inventory.list", OfStore(dir=dir), SnapshotsListed)

    def show(self, *, snapshot: str = "", dir: str = ".") -> SnapshotDetailed:
        """Show what a snapshot is made of, and what is in its quarantine."""
        return self._call("inventory.show", OfSnapshot(snapshot=snapshot, dir=dir), SnapshotDetailed)

    def verify(self, *, snapshot: str = "", dir: str = ".") -> SnapshotVerified:
        """Check every byte of a snapshot against its digests, and every finding against its tables."""
        return self._call("inventory.verify", OfSnapshot(snapshot=snapshot, dir=dir), SnapshotVerified)
