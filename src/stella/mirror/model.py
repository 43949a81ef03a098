"""What the mirror operations take and give, and what a channel folder keeps.

Rules:
- A channel is immutable objects by digest and one small pointer, `head.json`; whoever flips the pointer has published.
- Everything under `tuf/` and `trust/` is a rendering of the head and can be made again at any time.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from stella.bundle.model import Mark, Tally
from stella.operations import arg

DIR_HELP = "Channel folder or `s3://BUCKET/PREFIX`, made by `stella mirror init`."
Role = Literal["root", "targets", "snapshot", "timestamp", "release", "packer", "anchor"]


class InitChannel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of mirror.init."""

    dir: Annotated[
        str, arg("Folder to lay the channel in; it is created. Or `s3://BUCKET/PREFIX`.", "folder", metavar="M")
    ]
    channel: Annotated[str, arg("Name of the channel.", metavar="NAME")] = "stable"
    signers: Annotated[int, msgspec.Meta(le=64), arg("Release keys in the signer policy.", metavar="N")] = 1
    threshold: Annotated[int, arg("Release signatures that a bundle needs.", metavar="N")] = 1


class ChannelLaid(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.mirror.init@1"):
    """Result of mirror.init; `root_keyids` and `release_keyids` are what to compare out of band."""

    channel: str
    channel_id: str
    dir: str
    trust: str
    root_sha256: str
    root_keyids: tuple[str, ...]
    release_keyids: tuple[str, ...]
    release_threshold: int
    signing: Literal["production", "development"]


class CreateBundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"receipt": "for"}):
    """Request of mirror.create."""

    dir: Annotated[str, arg(DIR_HELP, "folder", metavar="M")]
    out: Annotated[str, arg("Bundle file to write.", "file_out", metavar="B.stella")]
    source: Annotated[
        tuple[str, ...],
        arg(
            "Folder or file to mirror; leave out to write the newest generation again.",
            "source",
            metavar="[CATEGORY=]PATH...",
        ),
    ] = ()
    receipt: Annotated[
        str | None, arg("Receipt of the site: makes the thinnest bundle for it.", "file_in", metavar="RECEIPT")
    ] = None
    generation: Annotated[int | None, arg("Write this earlier generation again.", metavar="N")] = None
    created: Annotated[str | None, arg("Time of creation instead of now; also SOURCE_DATE_EPOCH.", metavar="TIME")] = (
        None
    )
    renew: Annotated[bool, arg("Cut a new generation even if nothing has changed.")] = False


class BundleCreated(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.mirror.create@1"):
    """Result of mirror.create; sizes in bytes. `fresh` says whether a new generation was cut."""

    bundle: str
    sha256: str
    channel: str
    generation: int
    root: str
    fresh: bool
    thin: bool
    base: int | None
    created: str
    files: int
    content_bytes: int
    bundle_bytes: int
    categories: dict[str, Tally]
    deltas: int
    signing: Literal["production", "development"]
    milestone: dict[str, object]
    notes: tuple[str, ...] = ()


class VerifyBundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of mirror.verify."""

    bundle: Annotated[str, arg("Bundle file.", "file_in", positional=True, metavar="B.stella")]
    trust: Annotated[str, arg("Trust folder of the channel, got out of band.", "folder", metavar="T")]
    base: Annotated[
        str | None, arg("Bundle that a thin one builds on: checks the deltas too.", "file_in", metavar="BASE.stella")
    ] = None


class Check(msgspec.Struct, frozen=True):
    """One check that was made and what it found."""

    name: str
    detail: str


class BundleVerified(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.mirror.verify@1"):
    """Result of mirror.verify: everything was checked and is right. A failed check is an error with its reason."""

    bundle: str
    verdict: Literal["verified"]
    channel: str
    generation: int
    root: str
    thin: bool
    base: int | None
    created: str
    anchored: str
    signing: Literal["production", "development"]
    keyids: tuple[str, ...]
    files: int
    content_bytes: int
    contents_checked: int
    contents_in_base: int
    clock: str
    checks: tuple[Check, ...]


class ShowBundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of mirror.show."""

    bundle: Annotated[str, arg("Bundle file.", "file_in", positional=True, metavar="B.stella")]
    trust: Annotated[str | None, arg("Trust folder: verify while showing.", "folder", metavar="T")] = None
    files: Annotated[bool, arg("List every file.")] = False
    report: Annotated[tuple[str, ...], arg("Write a report; the format is html.", "report", metavar="FORMAT=FILE")] = ()


class FileRow(msgspec.Struct, frozen=True):
    """One entry as it is shown; `stored` is raw, zstd, pack, hdiff or base."""

    path: str
    category: str
    size: int
    sha256: str
    media_type: str
    stored: str


class BundleShown(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.mirror.show@1"):
    """Result of mirror.show. Without `trust` nothing is verified and `verdict` says so."""

    bundle: str
    verdict: Literal["verified", "not verified"]
    channel: str
    channel_id: str
    generation: int
    root: str
    thin: bool
    base: int | None
    created: str
    valid_for_s: int
    signing: Literal["production", "development"]
    producer: str
    tool_versions: dict[str, str]
    files: int
    content_bytes: int
    bundle_bytes: int
    categories: dict[str, Tally]
    stored: dict[str, Tally]
    entries: tuple[FileRow, ...] = ()
    reports: tuple[str, ...] = ()


class DiffBundles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of mirror.diff."""

    old: Annotated[str, arg("Bundle that is there now.", "file_in", positional=True, metavar="A.stella")]
    new: Annotated[str, arg("Bundle that would be imported.", "file_in", positional=True, metavar="B.stella")]
    limit: Annotated[int, arg("Paths to list of each kind; 0 lists all.", metavar="N")] = 20


class CategoryDiff(msgspec.Struct, frozen=True):
    """Counts of one category and its change in content bytes."""

    added: int
    removed: int
    changed: int
    bytes: int


class BundlesDiffed(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.mirror.diff@1"):
    """Result of mirror.diff. Advisories and packages are None when the bytes to read them are not in the two files."""

    old: Mark
    new: Mark
    same: bool
    categories: dict[str, CategoryDiff]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    content_bytes: tuple[int, int]
    new_advisories: tuple[str, ...] | None
    gone_advisories: tuple[str, ...] | None
    new_packages: tuple[str, ...] | None
    gone_packages: tuple[str, ...] | None
    notes: tuple[str, ...] = ()


class ChannelStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of mirror.status."""

    dir: Annotated[str, arg(DIR_HELP, "folder", metavar="M")]


class GenerationRow(msgspec.Struct, frozen=True):
    """A generation as it is listed."""

    generation: int
    root: str
    created: str
    files: int
    content_bytes: int


class RoleRow(msgspec.Struct, frozen=True):
    """A signing role: keys, threshold, version and expiry of its metadata where it has any."""

    role: str
    keyids: tuple[str, ...]
    threshold: int
    version: int | None
    expires: str | None


class ChannelShown(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.mirror.status@1"):
    """Result of mirror.status."""

    channel: str
    channel_id: str
    dir: str
    head: int | None
    generations: tuple[GenerationRow, ...]
    roles: tuple[RoleRow, ...]
    sites: tuple[str, ...]
    store_bytes: int
    signing: Literal["production", "development"]


class RotateKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of mirror.rotate."""

    dir: Annotated[str, arg(DIR_HELP, "folder", metavar="M")]
    role: Annotated[Role, arg("Whose keys to replace.", metavar="ROLE")]
    root_keys: Annotated[
        str | None, arg("Folder of the root keys when they are on another medium.", "folder", metavar="DIR")
    ] = None


class KeyRotated(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.mirror.rotate@1"):
    """Result of mirror.rotate."""

    role: Role
    old_keyids: tuple[str, ...]
    new_keyids: tuple[str, ...]
    root_version: int
    notes: tuple[str, ...] = ()


class ExportBundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of mirror.export."""

    dir: Annotated[str, arg(DIR_HELP, "folder", metavar="M")]
    out: Annotated[str, arg("Folder to write the files to; it is created.", "folder_out", metavar="OUT")]
    format: Annotated[Literal["thin-v1"], arg("Format to write.", metavar="FORMAT")] = "thin-v1"
    generation: Annotated[int | None, arg("Generation to export instead of the newest.", metavar="N")] = None


class Exported(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.mirror.export@1"):
    """Result of mirror.export; files with their sizes in bytes."""

    format: str
    generation: int
    out: str
    files: dict[str, int]


class IndexChannel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of mirror.index."""

    dir: Annotated[str, arg(DIR_HELP, "folder", positional=True, metavar="M")]
    anew: Annotated[bool, arg("Forget what the index has of this channel first.")] = False


class ChannelIndexed(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.mirror.index@1"):
    """Result of mirror.index; `entered` generations were missing, `rebuilt` says that older rows were thrown away."""

    channel: str
    channel_id: str
    dir: str
    generation: int
    entered: int
    rebuilt: bool


class ListChannels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of mirror.list."""

    channel: Annotated[
        str | None,
        arg("Generations of the channel of this name instead of all channels.", positional=True, metavar="CHANNEL"),
    ] = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000), arg("Rows of a page, at most 1000.", metavar="N")] = 50
    cursor: Annotated[str | None, arg("Where the page before ended: its `next`.", metavar="CURSOR")] = None


class IndexRow(msgspec.Struct, frozen=True):
    """A channel with its newest generation, or one generation; a channel without any has None in its place."""

    channel: str
    channel_id: str
    dir: str
    generation: int | None
    root: str | None
    created: str | None
    files: int | None
    content_bytes: int | None
    indexed: str


class ChannelsListed(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.mirror.list@1"):
    """Result of mirror.list; `next` is the cursor of the page behind, None on the last one."""

    rows: tuple[IndexRow, ...]
    next: str | None


class SearchIndex(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of mirror.search."""

    what: Annotated[
        str,
        msgspec.Meta(min_length=1, max_length=512),
        arg("SHA-256 or its first 8 digits, advisory, CVE, package, or package URL.", positional=True, metavar="WHAT"),
    ]
    kind: Annotated[Literal["any", "content", "package", "advisory"], arg("What kind of thing it is.")] = "any"
    channel: Annotated[str | None, arg("Only the channel of this name.", metavar="NAME")] = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000), arg("Rows of a page, at most 1000.", metavar="N")] = 50
    cursor: Annotated[str | None, arg("Where the page before ended: its `next`.", metavar="CURSOR")] = None


class FoundRow(msgspec.Struct, frozen=True):
    """Where something was first carried; `last` is None while the newest generation carries it."""

    channel: str
    channel_id: str
    kind: Literal["content", "package", "advisory"]
    name: str
    first: int
    last: int | None
    path: str
    places: int


class IndexSearched(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.mirror.search@1"):
    """Result of mirror.search."""

    what: str
    rows: tuple[FoundRow, ...]
    next: str | None
