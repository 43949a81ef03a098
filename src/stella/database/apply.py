"""Applies what is pending: the startup host, runs by hand, and data beside the work of a service.

Rules:
- Every module is read and judged, and every pending file parsed, before anything is applied; by the one that applies.
- A look costs no lock: when something is pending the lock of its schema is taken, and then the history is read again.
- A start applies what only adds; what breaks old code waits for a person, and data for a run of its own.
- A read-only database is compared, never changed.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from stella.database.errors import LintFailed, ReadOnlyPending
from stella.database.files import Source, load
from stella.database.model import Category, Choice, File, FileRow, State
from stella.database.rules import LIMITS, MAX_START_ROWS, ORDER, Judged, check_release, drift, judge, labels
from stella.runtime import batches
from stella.runtime.migrate import PATIENCE, Entry, Pause, Session
from stella.runtime.ports import Clock, Progress
from stella.runtime.postgres import Login
from stella.runtime.transaction import Seal
from stella.tenancy import gate, guard

if TYPE_CHECKING:
    from stella.database import syntax

Shipped = Mapping[str, tuple[File, ...]]
Inspect = Callable[[File], None]
ALONE = {  # the choice that a file is pending of when everything before it is applied
    Category.STARTUP: Choice.AUTOMATIC,
    Category.SEED: Choice.AUTOMATIC,
    Category.DATA: Choice.DATA,
    Category.RELEASE: Choice.RELEASE,
}


class Started(NamedTuple):
    """What a start did: the files it applied, the data migrations that wait, whether it could not write, notes."""

    applied: tuple[FileRow, ...]
    data_pending: tuple[str, ...]
    read_only: bool
    notes: tuple[str, ...]


def start(
    login: Login,
    modules: Mapping[str, Source],
    actor: str,
    clock: Clock,
    *,
    pause: Pause = time.sleep,
    patience: float = PATIENCE,
    waiting: Callable[[str], None] = lambda _: None,
    seal: Seal | None = None,
) -> Started:
    """Bring every schema to what this release needs, or refuse to start.

    `modules` maps each schema to the package that owns it. `pause` waits that many seconds; `patience` is how many
    seconds another starter may keep the lock; `waiting` hears in words what a long wait is for; `seal` is made known to
    the guard between tenants, whose gate must find nothing. Raises ReleasePending, ChecksumDrift, NewerDatabase,
    ReadOnlyPending, LintFailed, GateFailed, BadMigrationName, BadMigrationFile, LockTimeout, or what PostgreSQL
    refused.
    """
    shipped = load(modules)
    with Session(login, actor, clock, pause, patience, waiting) as session:
        judged = judge_all(session, shipped)
        check_release(judged)
        rows = apply_pending(session, shipped, judged, Choice.AUTOMATIC)
        if seal is not None and not session.read_only():
            guard.install(session.connection, seal)
        gate.require(session.connection)
        data = tuple(file.label for one in judged for file in one.pending[Category.DATA])
        return Started(tuple(rows), data, session.read_only(), notes_of(judged))


def fill(
    login: Login,
    modules: Mapping[str, Source],
    actor: str,
    clock: Clock,
    pause: Pause,
    progress: Progress,
    tell: Callable[[FileRow], None],
) -> None:
    """Run the data migrations that wait, module by module, but those that somebody paused.

    `tell` hears of each file that ended or is paused. An exception of `progress` or of `pause` ends it between two
    batches. Raises as `start`.
    """
    shipped = load(modules)
    with Session(login, actor, clock, pause) as session:
        for module, files in shipped.items():
            judged = [_judge(session, module, files)]
            for row in apply_pending(session, {module: files}, judged, Choice.DATA, progress, lift=False):
                tell(row)


def judge_all(session: Session, shipped: Shipped) -> list[Judged]:
    """Every module compared with its history; raises NewerDatabase or ChecksumDrift."""
    return [_judge(session, module, files) for module, files in shipped.items()]


def notes_of(judged: Sequence[Judged]) -> tuple[str, ...]:
    """What people should know."""
    return tuple(note for one in judged for note in one.notes)


def apply_pending(
    session: Session,
    shipped: Shipped,
    judged: Sequence[Judged],
    choice: Choice,
    progress: Progress | None = None,
    *,
    lift: bool = True,
    inspect: Inspect = lambda _: None,
) -> list[FileRow]:
    """Apply what is pending of a choice, module by module; a row for each file that this run applied or paused at.

    `lift` says whether data that was paused goes on. `inspect` sees the database as each file but data leaves it,
    before that counts, and may raise.
    """
    pending = [file for one in judged for file in one.of(choice)]
    if not pending:
        return []
    if session.read_only():
        raise ReadOnlyPending(names=labels(pending))
    run = _Run(session, shipped, pending, progress, lift=lift, inspect=inspect)
    if progress:
        progress.start("migrations", len(pending), "files")
    rows: list[FileRow] = []
    for one in judged:
        for category in ORDER[choice]:
            if one.pending[category]:
                rows += run.category(one.module, category)
            if rows and rows[-1].state == "paused":
                return rows  # what comes after it may need its data
    return rows


def apply_one(
    session: Session,
    there: Sequence[File],
    file: File,
    progress: Progress | None = None,
    inspect: Inspect = lambda _: None,
) -> FileRow | None:
    """Apply a file to a database in which `there` are applied and nothing else; None when another one just has."""
    shipped = {file.module: (*(one for one in there if one.module == file.module), file)}
    judged = judge_all(session, shipped)
    rows = apply_pending(session, shipped, judged, ALONE[file.category], progress, inspect=inspect)
    return rows[0] if rows else None


def _judge(session: Session, module: str, files: Sequence[File]) -> Judged:
    found = judge(module, files, session.history(module))
    data = found.pending[Category.DATA]
    begun = batches.checkpoints(session, module) if data else {}
    for file in data:
        if file.name in begun and begun[file.name].checksum != file.checksum:
            raise drift(file, begun[file.name].checksum)
    return found


class _Run:
    """One run over a session; all of its files are parsed before the first is applied."""

    def __init__(
        self,
        session: Session,
        shipped: Shipped,
        files: Sequence[File],
        progress: Progress | None,
        *,
        lift: bool,
        inspect: Inspect,
    ) -> None:
        self.session, self.shipped, self.files, self.progress, self.lift = session, shipped, files, progress, lift
        self.inspect = inspect

    def category(self, module: str, category: Category) -> list[FileRow]:
        """Apply what another starter has not applied meanwhile."""
        rows: list[FileRow] = []
        with self.session.locked(module):
            files = self._pending(module, category)
            if files:
                self.session.prepare(module)
            if category is not Category.DATA:
                for file in files:
                    rows.append(self._apply(file))
                    self._tell(1)
                return rows
        with self.session.locked(module, batches.PURPOSE):
            for file in self._pending(module, category):
                rows.append(self._batches(file))
                if rows[-1].state == "paused":
                    break
        return rows

    def _pending(self, module: str, category: Category) -> tuple[File, ...]:
        """What is pending now that the lock is held; a file that does not parse is found here."""
        files = _judge(self.session, module, self.shipped[module]).pending[category]
        return files if files and self.parsed else ()

    @functools.cached_property
    def parsed(self) -> Mapping[str, syntax.Parsed]:
        """The statements of each file, by its label."""
        from stella.database import syntax  # noqa: PLC0415  # the parser loads when there is something to apply

        return {file.label: syntax.parse(file) for file in self.files}

    def _apply(self, file: File) -> FileRow:
        parsed = self.parsed[file.label]

        def check(touched: int) -> None:
            if file.category is Category.STARTUP and touched > MAX_START_ROWS:
                problem = f"it changes {touched} rows"
                advice = f"make it a data migration, `DMNNN_{file.name.partition('_')[2]}`"
                raise LintFailed(file=file.label, line=1, problem=problem, category=file.category, advice=advice)
            if file.category is Category.RELEASE:
                gate.require(self.session.connection)
            self.inspect(file)

        took = self.session.apply(
            entry_of(file), parsed.pieces, LIMITS[file.category], transaction=parsed.transaction, check=check
        )
        return row_of(file, "applied", duration_ms=took)

    def _batches(self, file: File) -> FileRow:
        parsed, entry = self.parsed[file.label], entry_of(file)
        batches.mark(self.session, entry, parsed.batch, paused=False if self.lift else None)
        if self.progress:
            self.progress.start(file.label, None, "rows")
        ended = batches.run(self.session, entry, parsed.pieces[0], LIMITS[file.category], self._tell)
        state: State = "applied" if ended.done else "paused"
        return row_of(file, state, duration_ms=ended.duration_ms, touched=ended.touched)

    def _tell(self, amount: int) -> None:
        if self.progress:
            self.progress.advance(amount)


def entry_of(file: File) -> Entry:
    """What the history keeps of a file."""
    return Entry(file.module, file.name, file.category, file.checksum)


def row_of(file: File, state: State, *, duration_ms: int | None = None, touched: int | None = None) -> FileRow:
    """A file as a result shows it."""
    return FileRow(
        module=file.module,
        name=file.name,
        category=file.category,
        state=state,
        checksum=file.checksum,
        duration_ms=duration_ms,
        touched=touched,
    )
