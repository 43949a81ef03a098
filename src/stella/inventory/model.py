"""What the inventory operations take and give."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from stella.operations import arg

STORE = "Folder of snapshots."


class LoadInventory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of inventory.load."""

    dir: Annotated[str, arg("Folder that keeps the snapshots; it is created.", "folder", metavar="I")]
    sbom: Annotated[
        tuple[str, ...], arg("SBOMs: CycloneDX 1.4 to 1.6 or SPDX 2.3 as JSON.", "source", metavar="PATH...")
    ]
    advisories: Annotated[
        tuple[str, ...], arg("Advisories in the OSV format, as JSON or YAML.", "source", metavar="PATH...")
    ]
    assets: Annotated[
        str | None, arg("List of assets and their environments: TOML, JSON or CSV.", "file_in", metavar="FILE")
    ] = None
    vex: Annotated[tuple[str, ...], arg("VEX: OpenVEX or CSAF.", "source", metavar="PATH...")] = ()
    trust: Annotated[str | None, arg("How far each vendor of VEX is trusted: TOML.", "file_in", metavar="FILE")] = None
    kev: Annotated[
        str | None, arg("CISA's known exploited vulnerabilities: JSON or CSV.", "file_in", metavar="FILE")
    ] = None
    epss: Annotated[str | None, arg("FIRST's EPSS scores: CSV.", "file_in", metavar="FILE")] = None
    reach: Annotated[str | None, arg("Reachability of findings: JSON or CSV.", "file_in", metavar="FILE")] = None
    as_of: Annotated[str | None, arg("The instant that ages count from; without it the clock's.", metavar="TIME")] = (
        None
    )
    skip_refused: Annotated[
        bool, arg("Load the rest when a file of `--sbom`, `--advisories` or `--vex` is refused.")
    ] = False


class OfStore(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of inventory.list."""

    dir: Annotated[str, arg(STORE, "folder", metavar="I")]


class OfSnapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of inventory.show and inventory.verify."""

    snapshot: Annotated[
        str, arg("Digest of the snapshot, or enough of it; without it the newest.", positional=True, metavar="DIGEST")
    ] = ""
    dir: Annotated[str, arg(STORE, "folder", metavar="I")] = "."


class Left(msgspec.Struct, frozen=True):
    """How many records, or things worth knowing, are in the quarantine for one reason; the first of them."""

    reason: str
    count: int
    bad: bool
    file: str
    record: str
    problem: str


class Figures(msgspec.Struct, frozen=True):
    """How much there is."""

    findings: int
    assets: int
    components: int
    advisories: int
    evidence: int
    statements: int


class SnapshotLoaded(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.inventory.load@1"):
    """Result of inventory.load; `refused` are the files that were left out."""

    digest: str
    path: str
    as_of: str
    figures: Figures
    files: int
    records: int
    quarantined: int
    refused: tuple[str, ...]
    left: tuple[Left, ...]
    counts: dict[str, int]


class SnapshotShown(msgspec.Struct, frozen=True):
    """One snapshot of a list."""

    digest: str
    as_of: str
    age: str
    stale: bool
    findings: int
    assets: int
    quarantined: int


class SnapshotsListed(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.inventory.list@1"):
    """Result of inventory.list, the newest first."""

    dir: str
    snapshots: tuple[SnapshotShown, ...]


class FileShown(msgspec.Struct, frozen=True):
    """Files of one kind: how many, their bytes, records, and bad records."""

    kind: str
    files: int
    size: int
    records: int
    bad: int


class SnapshotDetailed(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.inventory.show@1"):
    """Result of inventory.show; `inputs` are the digests that a run names."""

    digest: str
    star: str
    path: str
    as_of: str
    age: str
    stale: bool
    figures: Figures
    inputs: dict[str, str | None]
    files: tuple[FileShown, ...]
    left: tuple[Left, ...]
    counts: dict[str, int]


class SnapshotVerified(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.inventory.verify@1"):
    """Result of inventory.verify: every digest fits, and every finding points to rows that are there."""

    verdict: Literal["passed"]
    digest: str
    as_of: str
    age: str
    stale: bool
    figures: Figures
    files: int
    size: int
