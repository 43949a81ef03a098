"""What the migration operations take and give.

Rules:
- A module is named after the schema that it owns.
- The category of a file comes from its name alone.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from stella.operations import arg

State = Literal["applied", "pending", "begun", "paused", "changed", "unknown"]


class Category(StrEnum):
    """When a migration runs."""

    STARTUP = "startup"
    RELEASE = "release"
    SEED = "seed"
    DATA = "data"


class Choice(StrEnum):
    """What a person asks for: one category with what must come before it, what a start applies, or all."""

    AUTOMATIC = "automatic"
    STARTUP = "startup"
    RELEASE = "release"
    SEED = "seed"
    DATA = "data"
    ALL = "all"


class File(msgspec.Struct, frozen=True):
    """A migration as it is shipped; `checksum` is the SHA-256 of its text with CRLF read as LF."""

    module: str
    name: str
    category: Category
    checksum: str
    text: str

    @property
    def label(self) -> str:
        """How people see it."""
        return f"{self.module}/{self.name}"


class AskMigrations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of migrate.status and migrate.verify."""

    module: Annotated[tuple[str, ...], arg("Only this module; may be repeated.", metavar="NAME")] = ()


class PlanMigrations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of migrate.plan."""

    module: Annotated[tuple[str, ...], arg("Only this module; may be repeated.", metavar="NAME")] = ()
    category: Annotated[Choice, arg("What to apply; what must come before it is part of the plan.")] = Choice.AUTOMATIC


class RunMigrations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of migrate.run."""

    module: Annotated[tuple[str, ...], arg("Only this module; may be repeated.", metavar="NAME")] = ()
    category: Annotated[Choice, arg("What to apply; what must come before it is applied as well.")] = Choice.AUTOMATIC
    dry_run: Annotated[bool, arg("Make the plan and change nothing.")] = False
    plan: Annotated[str | None, arg("Run only if the plan still has this digest.", metavar="DIGEST")] = None


class PauseMigrations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of migrate.pause."""

    module: Annotated[tuple[str, ...], arg("Only this module; may be repeated.", metavar="NAME")] = ()


class FileRow(msgspec.Struct, frozen=True, kw_only=True):
    """A migration and where it stands; `touched` counts the rows that a data migration has done."""

    module: str
    name: str
    category: Category
    state: State
    checksum: str
    applied_at: str | None = None
    applied_by: str | None = None
    duration_ms: int | None = None
    touched: int | None = None


class StatusShown(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.migrate.status@1"):
    """Result of migrate.status. `ready` says whether this release may start."""

    ready: bool
    read_only: bool
    files: tuple[FileRow, ...]
    notes: tuple[str, ...] = ()


class Verified(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.migrate.verify@1"):
    """Result of migrate.verify: everything that was applied is what is shipped. Anything else is an error."""

    applied: int
    pending: int
    read_only: bool
    notes: tuple[str, ...] = ()


class Planned(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.migrate.plan@1"):
    """Result of migrate.plan, in the order of the run; `digest` names exactly this plan."""

    category: Choice
    digest: str
    files: tuple[FileRow, ...]
    notes: tuple[str, ...] = ()


class Ran(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.migrate.run@1"):
    """Result of migrate.run. A dry run applies nothing and shows the plan."""

    category: Choice
    digest: str
    dry_run: bool
    files: tuple[FileRow, ...]
    notes: tuple[str, ...] = ()


class Paused(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.migrate.pause@1"):
    """Result of migrate.pause: the data migrations that stop after their batch, or do not begin."""

    files: tuple[FileRow, ...]


class BundleMigrations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of migrate.bundle."""

    dir: Annotated[
        str,
        arg(
            "Folder or `s3://BUCKET/PREFIX` of the channel that signs: one for migrations alone.", "folder", metavar="M"
        ),
    ]
    out: Annotated[str, arg("Bundle file to write.", "file_out", metavar="B.stella")]
    module: Annotated[tuple[str, ...], arg("Only this module; may be repeated.", metavar="NAME")] = ()
    since: Annotated[
        int | None,
        arg("Generation of the channel that holds the release before; without it, from nothing.", metavar="N"),
    ] = None
    created: Annotated[str | None, arg("Time of creation instead of now; also SOURCE_DATE_EPOCH.", metavar="TIME")] = (
        None
    )


class ProvedStep(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a file, or of all of them, in one step of the trial; `result` is in words."""

    step: Literal["before", "lint", "apply", "gate", "rollback", "idempotency"]
    file: str
    result: str
    duration_ms: int | None = None


class MigrationsBundled(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.migrate.bundle@1"):
    """Result of migrate.bundle; `policies_before` and `policies_after` are counts, the manifest has them all."""

    bundle: str
    sha256: str
    channel: str
    generation: int
    root: str
    fresh: bool
    signing: Literal["production", "development"]
    release: str
    modules: tuple[str, ...]
    files: tuple[FileRow, ...]
    steps: tuple[ProvedStep, ...]
    policies_before: int
    policies_after: int
    schema_digest: str
    tables_protected: tuple[str, ...]


class ImportMigrations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of migrate.import."""

    bundle: Annotated[str, arg("Bundle file.", "file_in", positional=True, metavar="B.stella")]
    trust: Annotated[str, arg("Trust folder of the channel, got out of band.", "folder", metavar="T")]
    dry_run: Annotated[bool, arg("Check everything, and change nothing.")] = False


class ImportedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of an import: what became of it, what the gate said in it, and the digest that the database had after."""

    module: str
    name: str
    category: Category
    state: State
    checksum: str
    gate: str = ""
    digest: str = ""
    duration_ms: int | None = None


class Checked(msgspec.Struct, frozen=True):
    """One check that was made and what it found."""

    name: str
    detail: str


class MigrationsImported(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.migrate.import@1"):
    """Result of migrate.import. `complete` says whether the database is what the bundle ends with."""

    bundle: str
    channel: str
    generation: int
    root: str
    signing: Literal["production", "development"]
    release: str
    dry_run: bool
    complete: bool
    files: tuple[ImportedFile, ...]
    checks: tuple[Checked, ...]
    clock: str
    notes: tuple[str, ...] = ()
