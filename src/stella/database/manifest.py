"""The manifest of a bundle of migrations: which files, in which order, from which state of a database to which.

Rules:
- It is a pure function of the files and of what they do: no time, no name of a machine, nothing of the run.
- The order is that of a release: startup and seed of every module as a start applies them, then data, then what breaks
  old code. So whatever a start or an interrupted import has applied already is the beginning of the list.
- Each file says what the database looks like after it, so that every state on the way is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal

import msgspec

from stella.bundle.limits import MAX_DOCUMENT
from stella.bundle.model import Entry
from stella.database.errors import NotMigrations
from stella.database.files import MAX_SIZE
from stella.database.model import Category, File
from stella.database.rules import category_of, checksum_of, run_order
from stella.kernel.canonical import parse
from stella.tenancy.snapshot import Policy, Snapshot

TOP: Literal["migrations"] = "migrations"  # the category in a bundle, and so the folder of its paths
NAME = f"{TOP}/manifest.json"
MAX_FILES = 10_000  # bounds the work on a bundle; a module has at most 999 files of a kind
PHASES = ((Category.STARTUP, Category.SEED), (Category.DATA,), (Category.RELEASE,))
CHECKS = ("lint", "apply", "gate", "rollback", "idempotency")  # what every file went through, or had no need of


Release = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}(\.[0-9a-z+]{1,20}){0,5}\Z")]


class Requires(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file needs: the major version of PostgreSQL that it was tried on, and the release that ships it."""

    pg_min: int
    release: Release


class Shipped(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """A file that an earlier release has brought."""

    module: str
    name: str
    category: Category
    sha256: str


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file of the bundle, and digests of what the database looks like after it."""

    module: str
    name: str
    category: Category
    sha256: str
    transaction: bool
    requires: Requires
    checks: tuple[str, ...]
    policies_digest: str
    schema_digest: str

    @property
    def label(self) -> str:
        """How people see it."""
        return f"{self.module}/{self.name}"

    @property
    def path(self) -> str:
        """Where it is in the bundle."""
        return f"{TOP}/{self.label}"

    @property
    def brought(self) -> Shipped:
        """The same file once it is there."""
        return Shipped(self.module, self.name, self.category, self.sha256)


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`manifest.json`: from `history` and `policies_before`, through `files`, to `policies_after`."""

    schema: Literal["stella.migrations@1"] = "stella.migrations@1"
    release: Release
    modules: tuple[str, ...]
    history: tuple[Shipped, ...]
    policies_before: tuple[Policy, ...]
    schema_digest_before: str
    files: tuple[Step, ...]
    policies_after: tuple[Policy, ...]
    schema_digest: str
    tables_protected: tuple[str, ...]

    @property
    def needs(self) -> str:
        """The newest release that a file needs."""
        return max((step.requires.release for step in self.files), key=version, default=self.release)

    @property
    def after(self) -> tuple[Shipped, ...]:
        """Every file that is there in the end."""
        return (*self.history, *(step.brought for step in self.files))

    def state(self, position: int) -> tuple[str, str]:
        """Digests of the policies and of the schema when that many files are applied."""
        if position:
            step = self.files[position - 1]
            return step.policies_digest, step.schema_digest
        return Snapshot(self.policies_before, (), "").policies_digest, self.schema_digest_before


def version(text: str) -> tuple[int, ...]:
    """A release as numbers, to be compared."""
    parts = text.split(".")
    return tuple(int("".join(char for char in part if char.isdecimal()) or 0) for part in parts)


def in_order(files: Iterable[File]) -> list[File]:
    """Files in the order of a release; modules come as they come first in `files`."""
    found = list(files)
    modules = list(dict.fromkeys(file.module for file in found))
    return [
        file
        for phase in PHASES
        for module in modules
        for category in phase
        for file in run_order(one for one in found if one.module == module and one.category is category)
    ]


def read(data: bytes, entries: Sequence[Entry], contents: Mapping[str, bytes]) -> tuple[Manifest, list[File]]:
    """The manifest and its files, in its order; raises NotMigrations, NotJson or BadMigrationName.

    `entries` are those of the bundle, `contents` its verified bytes by path.
    """
    manifest = parse(data, Manifest, NAME)
    if {step.path for step in manifest.files} | {NAME} != {entry.path for entry in entries}:
        raise NotMigrations(problem="the manifest does not name exactly its files")
    if len({step.path for step in manifest.files}) != len(manifest.files):
        raise NotMigrations(problem="the manifest names a file twice")
    files = [_file(step, contents[step.path]) for step in manifest.files]
    if files != in_order(_by_module(files, manifest.modules)):
        raise NotMigrations(problem="its files are not in the order of a release")
    if not files or manifest.state(len(files)) != _after(manifest):
        raise NotMigrations(problem="its last file does not lead to the state that it names")
    return manifest, files


def check_entries(entries: Sequence[Entry]) -> None:
    """Raise NotMigrations unless a bundle with these entries can be one of migrations."""
    other = next((entry for entry in entries if entry.category != TOP), None)
    if other is not None:
        raise NotMigrations(problem=f"it holds `{other.path}` of the category {other.category}")
    if len(entries) > MAX_FILES or all(entry.path != NAME for entry in entries):
        raise NotMigrations(problem="it has no manifest" if len(entries) <= MAX_FILES else "it has too many files")
    for entry in entries:
        if entry.size > (MAX_DOCUMENT if entry.path == NAME else MAX_SIZE):
            raise NotMigrations(problem=f"`{entry.path}` is too large to be read")


def _by_module(files: Sequence[File], modules: Sequence[str]) -> list[File]:
    """Files, modules in the order of the manifest; one of another module is left out, which makes the list differ."""
    return [file for module in modules for file in files if file.module == module]


def _after(manifest: Manifest) -> tuple[str, str]:
    return Snapshot(manifest.policies_after, (), "").policies_digest, manifest.schema_digest


def _file(step: Step, data: bytes) -> File:
    category = category_of(step.name, f"{step.module}/migrations")
    if checksum_of(data) != step.sha256 or category is not step.category:
        raise NotMigrations(problem=f"{step.label} is not the file that the manifest describes")
    return File(step.module, step.name, category, step.sha256, data.decode("utf-8", "replace").replace("\r\n", "\n"))
