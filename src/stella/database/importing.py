"""Applies a bundle of migrations at a site: verify offline, hold against this release and this database, then apply.

Rules:
- Nothing is read of a bundle before its signatures, its age and its contents are verified; no network is used.
- Each file is one that the installed release ships with this content, so that what was migrated is what works on it.
- The database must stand where the bundle begins, or on the way that the bundle describes: history, policies, schema.
- What a file leads to is compared in its own transaction; if it is not what the manifest says, the file is undone.
- One import at a time; a start beside it may apply files of its own accord, and the import goes on behind those.
- After a kill the same command goes on, since every state on the way is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from stella import __version__
from stella.bundle.contents import Contents
from stella.bundle.errors import DevelopmentKey
from stella.bundle.reader import BundleFile
from stella.bundle.receive import Receiver, check_blobs
from stella.bundle.verify import Genuine, judge_time, trust_folder, verify_documents
from stella.database.apply import Shipped, apply_one
from stella.database.course import Course
from stella.database.errors import (
    NeedsPostgres,
    NeedsRelease,
    NewerDatabase,
    NotMigrations,
    ReadOnlyPending,
    ResultDiffers,
)
from stella.database.files import load
from stella.database.manifest import NAME, Manifest, check_entries, read, version
from stella.database.model import (
    Category,
    Checked,
    File,
    FileRow,
    ImportedFile,
    ImportMigrations,
    MigrationsImported,
)
from stella.database.rules import SHORT, labels
from stella.database.service import open_session
from stella.database.standing import compare, standing
from stella.database.trial import CLEAN
from stella.kernel.errors import StellaError
from stella.kernel.instant import TrustedTime, format_time, judge, parse_duration, raise_floor
from stella.operations import Context
from stella.runtime.files import DiskFolder
from stella.runtime.migrate import Session
from stella.runtime.scratch import scratch
from stella.tenancy import gate, snapshot

PURPOSE = "import"


class Carried(NamedTuple):
    """A verified bundle: its documents, the time at which it was judged, its manifest and files."""

    genuine: Genuine
    time: TrustedTime
    manifest: Manifest
    files: list[File]


def import_(ctx: Context, want: ImportMigrations) -> MigrationsImported:
    """Verify a bundle and apply what the database lacks of it; raises what is wrong with it. The audit log hears."""
    course = Course(ctx, want)
    try:
        done = _imported(ctx, want, course)
    except BaseException as problem:
        course.told(problem)
        raise
    return msgspec.structs.replace(done, notes=(*done.notes, *course.told()))


def _imported(ctx: Context, want: ImportMigrations, course: Course) -> MigrationsImported:
    carried = verified(ctx, want, course)
    check_shipped(carried.manifest, load(ctx.schemas))
    with open_session(ctx) as session:
        _check_server(session, carried.manifest)
        if want.dry_run:
            return Import(ctx, session, carried, want, course).plan()
        if session.read_only():
            return Import(ctx, session, carried, want, course).compared()
        with session.locked("", PURPOSE):
            return Import(ctx, session, carried, want, course).run()


def verified(ctx: Context, want: ImportMigrations, course: Course) -> Carried:
    """Verify a bundle from the first byte to the last; raises the classes of bundle errors and NotMigrations."""
    with BundleFile.open(Path(want.bundle)) as bundle, scratch("migrations") as place:
        course.genuine = genuine = verify_documents(bundle, trust_folder(ctx.folder(want.trust)))
        if ctx.settings.site.require_production and genuine.generation.signing != "production":
            raise DevelopmentKey
        reading = ctx.clock.read()
        floor = raise_floor(None, reading, [genuine.anchored])
        time = judge(floor, reading, parse_duration(ctx.settings.clock.max_gap))
        judge_time(genuine, time)
        if genuine.packer.base is not None:
            raise NotMigrations(problem=f"it is thin against generation {genuine.packer.base.generation}")
        check_entries(genuine.entries)
        folder, sizes = DiskFolder(place), genuine.sizes
        check_blobs(bundle, genuine.blobs, sizes, frozenset())
        contents = Contents(folder, Receiver(bundle, sizes, folder, None).run(genuine.blobs, ctx.progress), sizes)
        found = {entry.path: contents.read(entry.digest) for entry in genuine.entries}
    genuine.checks.append(("contents", f"{len(found)} contents, each with its signed digest"))
    manifest, files = read(found[NAME], genuine.entries, found)
    course.manifest = manifest
    return Carried(genuine, time, manifest, files)


def check_shipped(manifest: Manifest, every: Shipped) -> None:
    """Raise NeedsRelease unless the installed release ships each file of the bundle with its content."""
    shipped = {file.label: file for files in every.values() for file in files}
    for one in manifest.after:
        label, needed = f"{one.module}/{one.name}", manifest.needs
        file, problem = shipped.get(label), ""
        if one.module not in every:
            problem = f"which has no module `{one.module}`"
        elif file is None:
            problem = "which does not have it"
        elif file.checksum != one.sha256 and one.category is not Category.SEED:
            problem = f"{one.sha256[:SHORT]} in the bundle and {file.checksum[:SHORT]} here"
        if problem:
            raise NeedsRelease(file=label, found=__version__, needed=needed, problem=problem)
    if version(manifest.needs) > version(__version__):
        first = manifest.files[0].label
        raise NeedsRelease(file=first, found=__version__, needed=manifest.needs, problem="which is older")


def _check_server(session: Session, manifest: Manifest) -> None:
    needed = max(step.requires.pg_min for step in manifest.files)
    found = session.connection.info.server_version // 10_000
    if found < needed:
        raise NeedsPostgres(needed=needed, found=found)


class Import:
    """One run of an import over a session."""

    def __init__(
        self, ctx: Context, session: Session, carried: Carried, want: ImportMigrations, course: Course
    ) -> None:
        self.ctx, self.session, self.want, self.course = ctx, session, want, course
        self.carried, self.manifest, self.files = carried, carried.manifest, carried.files
        self.before = _before(self.manifest, load(ctx.schemas))
        course.position = self.began = standing(session, self.manifest, self.files)
        self.checks = [Checked(name, detail) for name, detail in carried.genuine.checks]
        self.checks.append(Checked("release", f"{__version__} ships every file with this content"))
        self.checks.append(Checked("database", f"stands at file {self.position} of {len(self.files)} of the bundle"))

    @property
    def position(self) -> int:
        """How many files of the bundle are applied."""
        return self.course.position

    def plan(self) -> MigrationsImported:
        """What a run would apply."""
        return self._done([_row(file, "pending") for file in self.files[self.position :]])

    def compared(self) -> MigrationsImported:
        """For a database that cannot be written: nothing to do, or ReadOnlyPending."""
        if self.position < len(self.files):
            raise ReadOnlyPending(names=labels(self.files[self.position :]))
        return self._done([])

    def run(self) -> MigrationsImported:
        """Apply what is left, file by file."""
        rows = self.course.rows
        while self.position < len(self.files):
            try:
                rows.append(self._file(self.position + 1, self.files[self.position]))
            except (NewerDatabase, ResultDiffers):
                taken = self._overtaken()
                if not taken:
                    raise
                rows += taken
                self.course.position += len(taken)
                continue
            if rows[-1].state == "paused":
                return self._done(rows)
            self.course.position += 1
        gate.require(self.session.connection)
        self._compare(len(self.files), self.files[-1], "everything is applied")
        return self._done(rows)

    def _overtaken(self) -> list[ImportedFile]:
        """The files from here on that a start has applied meanwhile, since the lock of an import keeps none back."""
        try:
            there = standing(self.session, self.manifest, self.files)
        except StellaError:  # what was met first says more
            return []
        return [_row(file, "applied") for file in self.files[self.position : there]]

    def _file(self, number: int, file: File) -> ImportedFile:
        """Apply a file, or see that another one just has; raises ResultDiffers or GateFailed."""
        seen: list[str] = []

        def inspect(_: File) -> None:
            if number == len(self.files):
                gate.require(self.session.connection)
            seen.append(self._compare(number, file, self._left(number)))

        there = [*self.before, *self.files[: number - 1]]
        row = apply_one(self.session, there, file, self.ctx.progress, inspect)
        if row is not None and row.state == "paused":
            return _row(file, "paused")
        if not seen:
            seen.append(self._compare(number, file, "it stays applied, nothing after it is"))
        gated = row is not None and (file.category is Category.RELEASE or number == len(self.files))
        return _row(file, "applied", row, CLEAN if gated else "", seen[0])

    def _left(self, number: int) -> str:
        """What stays when a file is refused before it is entered into the history."""
        within = self.manifest.files[number - 1].transaction
        it = "it was undone" if within else "it does not count as applied, but what it did stays"
        return f"{it}, the {number - 1} files before it stay applied"

    def _compare(self, number: int, file: File, left: str) -> str:
        """The digest of the schema; raises ResultDiffers unless it and the policies are those of the manifest."""
        found = snapshot.take(self.session.connection, self.manifest.modules)
        problem = compare(self.manifest, number, found)
        if problem:
            raise ResultDiffers(file=file.label, problem=problem, left=left)
        return found.schema_digest

    def _done(self, rows: Sequence[ImportedFile]) -> MigrationsImported:
        generation = self.carried.genuine.generation
        ahead = self.began + len(rows)  # what waits behind a file that was paused
        already = [_row(file, "applied") for file in self.files[: self.began]]
        waiting = [_row(file, "pending") for file in self.files[ahead:]]
        notes = ("everything was applied before; nothing was changed",) if not rows else ()
        notes = ("dry run; nothing was changed",) if self.want.dry_run else notes
        return MigrationsImported(
            bundle=self.want.bundle,
            channel=generation.channel,
            generation=generation.generation,
            root=generation.root,
            signing=generation.signing,
            release=self.manifest.release,
            dry_run=self.want.dry_run,
            complete=self.position == len(self.files),
            files=(*already, *rows, *waiting),
            checks=tuple(self.checks),
            clock=f"{self.carried.time.state}, {format_time(self.carried.time.now)}",
            notes=notes,
        )


def _before(manifest: Manifest, every: Shipped) -> list[File]:
    """The files that were applied before the bundle, as this release ships them."""
    old = {(one.module, one.name) for one in manifest.history}
    return [file for files in every.values() for file in files if (file.module, file.name) in old]


def _row(file: File, state: str, row: FileRow | None = None, gated: str = "", digest: str = "") -> ImportedFile:
    return ImportedFile(
        module=file.module,
        name=file.name,
        category=file.category,
        state=state,  # type: ignore[arg-type]  # one of its words
        checksum=file.checksum,
        gate=gated,
        digest=digest,
        duration_ms=row.duration_ms if row else None,
    )
