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
