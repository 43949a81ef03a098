"""The answers of `stella migrate`: how it stands, what would run, run it, verify it, let data wait.

Rules:
- Status judges nothing, so that it works when everything else refuses; all others judge before they act.
- A dry run and a plan are the same plan as the run's, by digest.
- The owner of the schemas does the work where the settings name one, else the role of the service.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stella.database.apply import Shipped, apply_pending, entry_of, judge_all, notes_of, row_of
from stella.database.errors import PlanChanged, UnknownModule
from stella.database.files import load
from stella.database.model import (
    AskMigrations,
    Category,
    File,
    FileRow,
    Paused,
    PauseMigrations,
    PlanMigrations,
    Planned,
    Ran,
    RunMigrations,
    State,
    StatusShown,
    Verified,
)
from stella.database.rules import SHORT, plan_digest
from stella.database.syntax import parse
from stella.kernel.instant import format_time
from stella.kernel.nearest import did_you_mean
from stella.operations import Context
from stella.runtime import batches
from stella.runtime.batches import Checkpoint
from stella.runtime.migrate import Applied, Session
from stella.runtime.postgres import owner_login
from stella.tenancy import gate


def status(ctx: Context, want: AskMigrations) -> StatusShown:
    """Every migration and where it stands."""
    shipped = shipped_of(ctx, want.module)
    with open_session(ctx) as session:
        rows = tuple(row for module, files in shipped.items() for row in _standing(session, module, files))
        read_only = session.read_only()
    return StatusShown(ready=not any(map(_stops, rows)), read_only=read_only, files=rows)


def verify(ctx: Context, want: AskMigrations) -> Verified:
    """Hold every shipped file against the rules, and what was applied against what is shipped."""
    shipped = shipped_of(ctx, want.module)
    for file in _every(shipped):
        parse(file)
    with open_session(ctx) as session:
        judged = judge_all(session, shipped)
        read_only = session.read_only()
    return Verified(
        applied=sum(len(one.applied) for one in judged),
        pending=sum(len(files) for one in judged for files in one.pending.values()),
        read_only=read_only,
        notes=notes_of(judged),
    )


def plan(ctx: Context, want: PlanMigrations) -> Planned:
    """What a run would apply, in its order."""
    shipped = shipped_of(ctx, want.module)
    with open_session(ctx) as session:
        judged = judge_all(session, shipped)
    files = [file for one in judged for file in one.of(want.category)]
    rows = tuple(_waiting(files))
    return Planned(category=want.category, digest=plan_digest(files), files=rows, notes=notes_of(judged))


def run(ctx: Context, want: RunMigrations) -> Ran:
    """Apply what is pending of a category, after what must come before it; with `dry_run` only say so."""
    shipped = shipped_of(ctx, want.module)
    with open_session(ctx) as session:
        judged = judge_all(session, shipped)
        files = [file for one in judged for file in one.of(want.category)]
        digest = plan_digest(files)
        if want.plan not in {None, digest}:
            command = f"stella migrate plan --category {want.category}"
            raise PlanChanged(wanted=str(want.plan)[:SHORT], found=digest[:SHORT], command=command)
        rows = _waiting(files) if want.dry_run else apply_pending(session, shipped, judged, want.category, ctx.progress)
        if not want.dry_run:
            gate.require(session.connection)
    return Ran(category=want.category, digest=digest, dry_run=want.dry_run, files=tuple(rows), notes=notes_of(judged))


def _waiting(files: Sequence[File]) -> list[FileRow]:
    """Rows of files that a run would apply, each held against the rules."""
    for file in files:
        parse(file)
    return [row_of(file, "pending") for file in files]


def pause(ctx: Context, want: PauseMigrations) -> Paused:
    """Let data migrations stop after their batch, or not begin; a run by hand lifts it."""
    shipped = shipped_of(ctx, want.module)
    rows: list[FileRow] = []
    with open_session(ctx) as session:
        for one in judge_all(session, shipped):
            files = one.pending[Category.DATA]
            if files:
                with session.locked(one.module):
                    session.prepare(one.module)
            rows += [
                row_of(file, "paused")
                for file in files
                if batches.mark(session, entry_of(file), parse(file).batch, paused=True)
            ]
    return Paused(files=tuple(rows))


def open_session(ctx: Context) -> Session:
    """A connection that migrates, as the owner where the settings name one."""

    def waiting(words: str) -> None:
        ctx.progress.start(words, None, "")

    return Session(owner_login(ctx.settings.database, ctx.secret), ctx.actor, ctx.clock, waiting=waiting)


def shipped_of(ctx: Context, wanted: Sequence[str]) -> Shipped:
    """The files of the modules that were asked for, of all without one; raises UnknownModule."""
    for module in wanted:
        if module not in ctx.schemas:
            known = ", ".join(sorted(ctx.schemas)) or "none"
            nearest = did_you_mean(module, ctx.schemas, "leave `--module` away for all of them")
            raise UnknownModule(module=module, known=known, nearest=nearest)
    return load({module: source for module, source in ctx.schemas.items() if not wanted or module in wanted})


def _every(shipped: Shipped) -> Iterator[File]:
    return (file for files in shipped.values() for file in files)


def _standing(session: Session, module: str, files: Sequence[File]) -> Iterator[FileRow]:
    """A row for each file that is shipped, then for each that was applied and is not."""
    history = {row.name: row for row in session.history(module)}
    begun = batches.checkpoints(session, module)
    for file in files:
        yield _row(file, history.get(file.name), begun.get(file.name))
    for row in history.values():
        if row.name not in {file.name for file in files}:
            yield _row(File(module, row.name, Category(row.category), row.checksum, ""), row, None, unknown=True)


def _row(file: File, applied: Applied | None, begun: Checkpoint | None, *, unknown: bool = False) -> FileRow:
    state: State = "unknown" if unknown else "pending"
    if applied is not None and not unknown:
        state = "applied" if applied.checksum == file.checksum else "changed"
    elif begun is not None:
        state = "changed" if begun.checksum != file.checksum else "paused" if begun.paused else "begun"
    return FileRow(
        module=file.module,
        name=file.name,
        category=file.category,
        state=state,
        checksum=file.checksum,
        applied_at=format_time(applied.at) if applied else None,
        applied_by=applied.by if applied else None,
        duration_ms=applied.duration_ms if applied else begun.duration_ms if begun else None,
        touched=begun.touched if begun else None,
    )


def _stops(row: FileRow) -> bool:
    """Whether a start would refuse because of this file."""
    if row.state == "changed":
        return row.category is not Category.SEED
    return row.state == "unknown" or (row.state == "pending" and row.category is Category.RELEASE)
