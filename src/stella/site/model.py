"""What the site operations take and give, and what a site folder keeps.

Rules:
- A site is immutable objects by digest and one small pointer, `state.json`: the active generation, the trust that was
  reached, the trusted-time floor and the history are flipped together, or not at all.
- An import moves received -> verifying -> staged -> active -> superseded, or to quarantined; no other way.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from stella.bundle.model import Mark, Tally
from stella.kernel.instant import Floor
from stella.kernel.machine import Machine
from stella.operations import Reason, Ticket, arg

DIR_HELP = "Site folder or `s3://BUCKET/PREFIX`, made by `stella site init`."


class ImportState(StrEnum):
    """Where an import is."""

    RECEIVED = "received"
    VERIFYING = "verifying"
    STAGED = "staged"
    ACTIVE = "active"
    SUPERSEDED = "superseded"
    QUARANTINED = "quarantined"


class ImportEvent(StrEnum):
    """What moves an import."""

    VERIFY = "verify"
    STAGE = "stage"
    ACTIVATE = "activate"
    SUPERSEDE = "supersede"
    REJECT = "reject"


IMPORT = Machine(
    "import",
    ImportState.RECEIVED,
    {
        (ImportState.RECEIVED, ImportEvent.VERIFY): ImportState.VERIFYING,
        (ImportState.VERIFYING, ImportEvent.VERIFY): ImportState.VERIFYING,  # a run after a kill
        (ImportState.VERIFYING, ImportEvent.STAGE): ImportState.STAGED,
        (ImportState.VERIFYING, ImportEvent.REJECT): ImportState.QUARANTINED,
        (ImportState.STAGED, ImportEvent.VERIFY): ImportState.VERIFYING,  # a run after a kill
        (ImportState.STAGED, ImportEvent.ACTIVATE): ImportState.ACTIVE,
        (ImportState.ACTIVE, ImportEvent.SUPERSEDE): ImportState.SUPERSEDED,
        (ImportState.SUPERSEDED, ImportEvent.ACTIVATE): ImportState.ACTIVE,  # a rollback
    },
)


class ImportRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One line of a site's history; `id` is the first part of the digest of the bundle's manifest."""

    id: str
    state: ImportState
    time: str
    actor: str
    generation: int | None = None
    root: str | None = None
    reason: str = ""
    code: str = ""
    detail: str = ""
    fix: str = ""
    why: str = ""
    approver: str = ""
    case: str = ""


class SiteState(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`state.json`, the one pointer of a site. `trust` maps TUF file names to digests of objects.

    `cleared` counts what was cleared away without a change of the rest: it makes the file another one.
    """

    schema: Literal["stella.site@1"] = "stella.site@1"
    site: str
    site_id: str
    channel: str
    channel_id: str
    active: Mark | None
    held: tuple[Mark, ...]
    trust: dict[str, str]
    root_version: int
    floor: Floor
    anchor: int
    history: tuple[ImportRecord, ...]
    cleared: int = 0


class HeldGeneration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`generations/NNNNNNNN.json`: what a site keeps of a generation.

    `entries`, `stored` and `extra` are digests of objects.

    `extra` maps contents that kept packs yield besides this generation's own to their sizes.
    """

    schema: Literal["stella.held@1"] = "stella.held@1"
    generation: int
    root: str
    created: str
    anchored: str
    valid_for_s: int
    files: int
    content_bytes: int
    categories: dict[str, Tally]
    signing: Literal["production", "development"]
    entries: str
    stored: str
    extra: str
    milestone: dict[str, object]


class InitSite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of site.init."""

    dir: Annotated[
        str, arg("Folder to lay the site in; it is created. Or `s3://BUCKET/PREFIX`.", "folder", metavar="D")
    ]
    trust: Annotated[str, arg("Trust folder of the channel, got out of band.", "folder", metavar="T")]
    name: Annotated[str, arg("Name of the site.", metavar="NAME")] = "site"


class SiteLaid(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.site.init@1"):
    """Result of site.init; compare `root_sha256` with the vendor's by another way than the medium."""

    site: str
    site_id: str
    dir: str
    channel: str
    channel_id: str
    root_sha256: str
    public_key: str


class ImportBundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of site.import."""

    bundle: Annotated[str, arg("Bundle file.", "file_in", positional=True, metavar="B.stella")]
    dir: Annotated[str, arg(DIR_HELP, "folder", metavar="D")]
    force: Annotated[bool, arg("Accept an older generation; needs a reason and an approver.")] = False
    reason: Annotated[str, arg("Why; kept in the history.", metavar="TEXT")] = ""
    approver: Annotated[str, arg("Second person, for a change of root keys or with `--force`.", metavar="NAME")] = ""
    confirm_clock: Annotated[bool, arg("Vouch for a clock far ahead of the last proof of time; needs an approver.")] = (
        False
    )
    dry_run: Annotated[bool, arg("Make every check and change nothing.")] = False


class Imported(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.site.import@1"):
    """Result of site.import. A refused bundle is an error; `stella site quarantine` keeps why."""

    id: str
    state: ImportState
    site: str
    channel: str
    generation: int
    root: str
    thin: bool
    base: int | None
    previous: int | None
    files: int
    content_bytes: int
    bundle_bytes: int
    signing: Literal["production", "development"]
    anchored: str
    clock: str
    trusted_time: str
    new_roots: tuple[int, ...]
    checks: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()


class OfSite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of site.status and site.list."""

    dir: Annotated[str, arg(DIR_HELP, "folder", metavar="D")]


class CategoryAge(msgspec.Struct, frozen=True):
    """Age of a category in seconds at trusted time, and what the budget says of it."""

    age_s: int
    verdict: Literal["fresh", "warn", "breach"]


class SiteShown(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.site.status@1"):
    """Result of site.status."""

    site: str
    site_id: str
    dir: str
    channel: str
    active: int | None
    root: str | None
    previous: int | None
    created: str | None
    files: int
    content_bytes: int
    clock: str
    local_time: str
    trusted_time: str
    floor: str
    root_version: int
    budgets: dict[str, CategoryAge]
    quarantined: int
    last: ImportRecord | None
    store_bytes: int


class HeldRow(msgspec.Struct, frozen=True):
    """A generation as it is listed."""

    generation: int
    root: str
    state: Literal["active", "previous", "kept"]
    created: str
    files: int
    content_bytes: int
    signing: str


class SiteListed(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.site.list@1"):
    """Result of site.list: what is held, and the history, newest first."""

    site: str
    generations: tuple[HeldRow, ...]
    history: tuple[ImportRecord, ...]


class ShowHeld(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of site.show."""

    dir: Annotated[str, arg(DIR_HELP, "folder", metavar="D")]
    generation: Annotated[int | None, arg("Generation instead of the active one.", metavar="N")] = None
    files: Annotated[bool, arg("List every file.")] = False
    out: Annotated[
        str | None,
        arg("Write the files, or the one that `--path` names, below this folder.", "folder_out", metavar="OUT"),
    ] = None
    path: Annotated[str | None, arg("One file or folder of the generation.", metavar="PATH")] = None


class HeldFile(msgspec.Struct, frozen=True):
    """A file of a held generation."""

    path: str
    size: int
    sha256: str
    media_type: str


class HeldShown(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.site.show@1"):
    """Result of site.show; `written` counts the files that `--out` wrote."""

    site: str
    generation: int
    root: str
    state: Literal["active", "previous", "kept"]
    created: str
    anchored: str
    signing: str
    files: int
    content_bytes: int
    categories: dict[str, Tally]
    milestone: dict[str, object]
    entries: tuple[HeldFile, ...] = ()
    written: int = 0


class RollBack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of site.rollback."""

    dir: Annotated[str, arg(DIR_HELP, "folder", metavar="D")]
    to: Annotated[int | None, arg("Kept generation to run instead of the previous one.", metavar="N")] = None
    reason: Annotated[str, arg("Why; kept in the history.", metavar="TEXT")] = ""


class RolledBack(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.site.rollback@1"):
    """Result of site.rollback."""

    site: str
    active: int
    root: str
    was: int
    notes: tuple[str, ...] = ()


class SeeQuarantine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of site.quarantine."""

    dir: Annotated[str, arg(DIR_HELP, "folder", metavar="D")]
    id: Annotated[str | None, arg("Show this one alone.", positional=True, metavar="ID")] = None


class ReleaseCase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of site.release."""

    dir: Annotated[str, arg(DIR_HELP, "folder", metavar="D")]
    id: Annotated[
        str,
        msgspec.Meta(min_length=1),
        arg("The case, by the first part of its id if that is enough.", positional=True, metavar="ID"),
    ]
    reason: Reason
    ticket: Ticket


class QuarantineCase(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`quarantine/ID/case.json`: a refused bundle. `copy` is the file kept beside it, if it was not too large."""

    schema: Literal["stella.case@1"] = "stella.case@1"
    id: str
    time: str
    file: str
    bytes: int
    code: str
    reason: str
    detail: str
    offending: str
    fix: str
    actor: str
    copy: bool


class QuarantineShown(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.site.quarantine@1"):
    """Result of site.quarantine."""

    site: str
    cases: tuple[QuarantineCase, ...]


class CaseReleased(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.site.release@1"):
    """Result of site.release: the case as it was."""

    site: str
    case: QuarantineCase
    notes: tuple[str, ...] = ()


class MakeReceipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of site.receipt."""

    dir: Annotated[str, arg(DIR_HELP, "folder", metavar="D")]
    out: Annotated[str, arg("Receipt file to write; it goes back to the connected side.", "file_out", metavar="FILE")]


class ReceiptMade(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.site.receipt@1"):
    """Result of site.receipt."""

    site: str
    receipt: str
    sha256: str
    generation: int
    root: str
    time: str


class IndexSite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of site.index."""

    dir: Annotated[str, arg(DIR_HELP, "folder", metavar="D")]


class SiteIndexed(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.site.index@1"):
    """Result of site.index: of `events` lines in the site's history `entered` were new."""

    site: str
    site_id: str
    dir: str
    events: int
    entered: int


class SeeEvents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of site.events."""

    site: Annotated[str | None, arg("Only the site of this name.", positional=True, metavar="SITE")] = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000), arg("Rows of a page, at most 1000.", metavar="N")] = 50
    cursor: Annotated[str | None, arg("Where the page before ended: its `next`.", metavar="CURSOR")] = None


class CustodyEvent(msgspec.Struct, frozen=True):
    """A state that a bundle reached at a site, and who brought it there."""

    site: str
    site_id: str
    channel: str
    bundle: str
    state: str
    time: str
    actor: str
    approver: str
    generation: int | None
    root: str | None
    reason: str
    code: str
    why: str


class EventsShown(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.site.events@1"):
    """Result of site.events, newest first; `next` is the cursor of the page behind, None on the last one."""

    rows: tuple[CustodyEvent, ...]
    next: str | None
