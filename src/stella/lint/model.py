"""What the tenancy lint takes and gives."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import msgspec

from stella.operations import arg

Level = Literal["error", "warning"]


class Spot(NamedTuple):
    """Something found in a file, before waivers: `line` where it is, `start` where its statement begins, from 1."""

    rule: str
    line: int
    column: int
    message: str
    start: int = 0
    level: Level = "error"


class LintTenancy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of lint.tenancy."""

    paths: Annotated[tuple[str, ...], arg("Files and folders to read.", "source", positional=True, metavar="PATH...")]
    room: Annotated[str, arg("The folder of a package that may speak to a database driver.", metavar="FOLDER")] = (
        "runtime"
    )
    squawk: Annotated[bool, arg("Add the findings of squawk on migrations, where it is installed.")] = True
    report: Annotated[
        tuple[str, ...], arg("Write a report; the formats are sarif and github.", "report", metavar="FORMAT=FILE")
    ] = ()


class Finding(msgspec.Struct, frozen=True):
    """Something to mend; lines and columns count from 1."""

    rule: str
    level: Level
    file: str
    line: int
    column: int
    message: str
    fix: str


class Waived(msgspec.Struct, frozen=True):
    """A finding that somebody allowed for a time."""

    rule: str
    file: str
    line: int
    message: str
    until: str
    reason: str


class TenancyLinted(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.lint.tenancy@1"):
    """Result of lint.tenancy; `reason` is `lint_failed` when there are findings. Files are in the order of names."""

    verdict: Literal["passed", "failed"]
    reason: Literal["lint_failed"] | None
    python_files: int
    sql_files: int
    statements: int
    tenant_tables: tuple[str, ...]
    findings: tuple[Finding, ...]
    waived: tuple[Waived, ...]
    notes: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()
