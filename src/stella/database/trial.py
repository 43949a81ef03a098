"""Tries migrations out in a database that is thrown away, and writes down what they do.

Rules:
- What an earlier release brought is there first; then each file goes the way that it will go at a site, through the
  same runner and as the same role.
- A file in a transaction is applied, undone and applied again: undone it leaves nothing, and both times it leads to the
  same. A file outside of one is cut off before it is entered, and applied again.
- The gate must find nothing in the transaction of each release file, and after the last file.
- In the end everything is asked for once more, and must do nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from stella import __version__
from stella.database import syntax
from stella.database.apply import apply_one, entry_of
from stella.database.errors import NotIdempotent, RollbackFailed
from stella.database.manifest import CHECKS, Manifest, Requires, Shipped, Step, in_order
from stella.database.model import Category, File, FileRow, ProvedStep
from stella.database.rules import LIMITS, SHORT
from stella.runtime.migrate import Session
from stella.runtime.ports import Progress
from stella.tenancy import gate, snapshot
from stella.tenancy.snapshot import Snapshot

CLEAN = "0 findings"


class Proof(NamedTuple):
    """What a trial found: the manifest, every step with its result, and a row for each file."""

    manifest: Manifest
    steps: tuple[ProvedStep, ...]
    files: tuple[FileRow, ...]


class _Undone(Exception):  # it is no error
    """Ends a transaction that was only tried."""


def run(
    session: Session,
    modules: Sequence[str],
    before: Sequence[File],
    files: Sequence[File],
    progress: Progress,
) -> Proof:
    """Try `files` in an empty database after `before`; both in any order.

    Raises LintFailed, BadMigrationFile, GateFailed, RollbackFailed, NotIdempotent, or what PostgreSQL refused.
    """
    trial = _Trial(session, modules, {file.label: syntax.parse(file) for file in files})
    progress.start("try migrations", len(files), "files")
    for file in in_order(before):
        apply_one(session, trial.there, file)
        trial.there.append(file)
    begin = trial.look()
    if before:
        trial.tell("before", f"{len(before)} files", "applied")
    ordered = in_order(files)
    steps = []
    for file in ordered:
        steps.append(trial.step(file, last=file is ordered[-1]))
        progress.advance(1)
    trial.again(ordered)
    end = trial.look()
    manifest = Manifest(
        release=__version__,
        modules=tuple(modules),
        history=tuple(sorted(Shipped(file.module, file.name, file.category, file.checksum) for file in before)),
        policies_before=begin.policies,
        schema_digest_before=begin.schema_digest,
        files=tuple(steps),
        policies_after=end.policies,
        schema_digest=end.schema_digest,
        tables_protected=end.protected,
    )
    return Proof(manifest, tuple(trial.steps), tuple(trial.rows))


class _Trial:
    def __init__(self, session: Session, modules: Sequence[str], parsed: Mapping[str, syntax.Parsed]) -> None:
        self.session, self.modules, self.parsed = session, modules, parsed
        self.there: list[File] = []
        self.steps: list[ProvedStep] = []
        self.rows: list[FileRow] = []

    def look(self) -> Snapshot:
        return snapshot.take(self.session.connection, self.modules)

    def tell(self, step: str, file: str, result: str, took: int | None = None) -> None:
        self.steps.append(ProvedStep(step=step, file=file, result=result, duration_ms=took))  # type: ignore[arg-type]  # one of its words

    def step(self, file: File, *, last: bool) -> Step:
        """Take a file all the way; what the manifest says of it."""
        checks = {"lint", "apply", "idempotency"}
        self.tell("lint", file.label, "keeps the rules of its category")
        before = self.look()
        tried = self._tried(file, before)
        found: list[Snapshot] = []

        def inspect(_: File) -> None:
            found.append(self.look())

        row = apply_one(self.session, self.there, file, inspect=inspect)
        if row is None:
            raise AssertionError(file.label)
        self.there.append(file)
        self.rows.append(row)
        after = found[0] if found else self.look()
        self.tell("apply", file.label, f"schema {after.schema_digest[:SHORT]}", row.duration_ms)
        if file.category is Category.RELEASE or last:
            gate.require(self.session.connection)
            checks.add("gate")
            self.tell("gate", file.label, CLEAN)
        if tried is not None:
            self._compare(file, tried, after)
            checks.add("rollback")
        if file.category is Category.SEED:
            self._seed_again(file)
        return self._described(file, after, checks)

    def _tried(self, file: File, before: Snapshot) -> Snapshot | None:
        """Apply a file and undo it, or cut it off before it is entered; what it led to. Data has its own way back."""
        if file.category is Category.DATA:
            return None
        found: list[Snapshot] = []

        def inspect(_: File) -> None:
            found.append(self.look())
            raise _Undone

        with contextlib.suppress(_Undone):
            apply_one(self.session, self.there, file, inspect=inspect)
        if self.parsed[file.label].transaction and self.look() != before:
            raise RollbackFailed(file=file.label, problem="undone, it leaves something behind")
        return found[0]

    def _compare(self, file: File, tried: Snapshot, after: Snapshot) -> None:
        within = self.parsed[file.label].transaction
        if tried != after:
            kind = RollbackFailed if within else NotIdempotent
            raise kind(file=file.label, problem="applied again, it leads to something else")
        self.tell("rollback", file.label, "undone, then applied again" if within else "cut off, then applied again")

    def _described(self, file: File, after: Snapshot, checks: set[str]) -> Step:
        return Step(
            module=file.module,
            name=file.name,
            category=file.category,
            sha256=file.checksum,
            transaction=self.parsed[file.label].transaction,
            requires=Requires(self.session.connection.info.server_version // 10_000, __version__),
            checks=tuple(check for check in CHECKS if check in checks),
            policies_digest=after.policies_digest,
            schema_digest=after.schema_digest,
        )

    def again(self, files: Sequence[File]) -> None:
        """Ask for everything once more; raises NotIdempotent."""
        before = self.look()
        for file in files:
            others = [one for one in self.there if one is not file]
            if apply_one(self.session, others, file) is not None:
                raise NotIdempotent(file=file.label, problem="it was applied a second time")
        if self.look() != before:
            raise NotIdempotent(file=files[-1].label, problem="running everything again changes the schema")
        self.tell("idempotency", f"{len(files)} files", "run again, they do nothing")

    def _seed_again(self, file: File) -> None:
        """Run a seed again while its tables are still what it was written for."""

        def check(touched: int) -> None:
            if touched:
                raise NotIdempotent(file=file.label, problem=f"run again, it inserts {touched} rows again")
            raise _Undone

        with contextlib.suppress(_Undone):
            self.session.apply(entry_of(file), self.parsed[file.label].pieces, LIMITS[file.category], check=check)
