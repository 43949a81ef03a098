"""Data migrations: one statement, run again and again until it finds no row, with a checkpoint in each transaction.

The statement takes `$1`, the last key as text or NULL, and `$2`, how many rows; it answers with one row, how many rows
it took and the last key as text, NULL when there was none.

Rules:
- A batch and its checkpoint are one transaction, so a kill loses one batch and repeats none.
- The size of a batch follows its time; a migration never holds a row for much longer than TARGET_MS. One that takes
  longer than a statement may is tried again with half of its rows.
- A pause is asked for in the database and obeyed between two batches, whoever runs them.
- The lock is one of its own: what runs for hours keeps nobody from starting.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import psycopg

from stella.runtime.errors import StatementRefused
from stella.runtime.migrate import NO_HISTORY, Entry, Limits, Piece, Session

TARGET_MS = 200  # a row that a batch holds is free again after about that long
GROWTH = 2.0  # the most that a batch grows or shrinks at once; one slow batch proves little
MAX_SIZE = 100_000  # rows in one transaction, however fast they are
PURPOSE = "data"
CANCELLED = "57014"  # a statement that took too long, or that somebody ended


class Checkpoint(NamedTuple):
    """How far a data migration is."""

    name: str
    checksum: str
    last_key: str | None
    size: int
    touched: int
    batches: int
    duration_ms: int
    paused: bool


class Progressed(NamedTuple):
    """How a run of batches ended: done, or paused; with what was touched and how long it took in all runs."""

    done: bool
    touched: int
    duration_ms: int


def checkpoints(session: Session, schema: str) -> dict[str, Checkpoint]:
    """The data migrations of a schema that were begun or paused."""
    with session.speaking():
        try:
            rows = session.ask("checkpoints", schema).fetchall()
        except NO_HISTORY:
            return {}
    return {row[0]: Checkpoint(*row) for row in rows}


def mark(session: Session, entry: Entry, size: int, *, paused: bool | None) -> bool:
    """Begin a data migration where it is not begun, and set or lift its pause; None leaves that as it is.

    False when it has ended meanwhile.
    """
    values = {"checksum": entry.checksum, "size": size, "paused": bool(paused), "keep": paused is None}
    with session.speaking(entry.label), session.connection.transaction():
        session.ask("hold_checkpoint", entry.schema, name=entry.name)  # a batch that runs may be the last one
        return session.ask("begin_checkpoint", entry.schema, name=entry.name, **values).rowcount > 0


def run(
    session: Session, entry: Entry, piece: Piece, limits: Limits, tell: Callable[[int], None] = lambda _: None
) -> Progressed:
    """Run batches until no row is left or somebody pauses it; needs the lock and a checkpoint.

    `tell` hears how many rows a batch took. Raises StatementRefused, LockTimeout or DatabaseUnavailable.
    """
    try:
        while True:
            begin = time.monotonic()
            try:
                found = session.patiently(entry.label, lambda: _batch(session, entry, piece, limits))
            except StatementRefused as error:
                took = 1000 * (time.monotonic() - begin)
                if (
                    error.facts["state"] != CANCELLED
                    or not 0 < limits.statement_ms <= took
                    or not _halve(session, entry)
                ):
                    raise
                continue
            if isinstance(found, Progressed):
                return found
            tell(found)
    finally:
        session.clean()


def _halve(session: Session, entry: Entry) -> bool:
    """Make the next batch half as large; False when it is one row already."""
    with session.speaking(entry.label):
        return session.ask("halve_checkpoint", entry.schema, name=entry.name).rowcount > 0


def _batch(session: Session, entry: Entry, piece: Piece, limits: Limits) -> int | Progressed:
    """One transaction: a batch and the rows that it took, or how it ended."""
    begin = time.monotonic()
    with session.transaction(entry.schema, limits, f"{entry.label}, line {piece.line}"):
        row = session.ask("hold_checkpoint", entry.schema, name=entry.name).fetchone()
        if row is None:  # another run has ended it
            return Progressed(done=True, touched=0, duration_ms=0)
        at = Checkpoint(*row)
        if at.paused:
            return Progressed(done=False, touched=at.touched, duration_ms=at.duration_ms)
        touched, key = _execute(session, entry, piece, at)
        took = round(1000 * (time.monotonic() - begin))
        if key is None:
            session.record(entry, at.duration_ms + took)
            session.ask("end_checkpoint", entry.schema, name=entry.name)
            return Progressed(done=True, touched=at.touched, duration_ms=at.duration_ms + took)
        values = {"last_key": key, "touched": touched, "duration_ms": took, "size": next_size(at.size, took)}
        session.ask("advance_checkpoint", entry.schema, name=entry.name, **values)
        return touched


def _execute(session: Session, entry: Entry, piece: Piece, at: Checkpoint) -> tuple[int, str | None]:
    cursor = psycopg.RawCursor(session.connection)
    session.watch(piece.text)
    row = cursor.execute(piece.text, (at.last_key, at.size)).fetchone()
    match row:
        case (int() as touched, str() | None as key) if key != at.last_key or key is None:
            return touched, key
        case (int(), str()):
            problem = "it ended on the key that it began after, so it would never end"
        case _:
            problem = "it must answer with one row: a count, and the last key as text"
    raise StatementRefused(where=f"{entry.label}, line {piece.line}", problem=problem, state="none")


def next_size(size: int, took_ms: int) -> int:
    """Rows of the next batch, so that it takes about TARGET_MS."""
    factor = min(max(TARGET_MS / max(took_ms, 1), 1 / GROWTH), GROWTH)
    return min(max(int(size * factor), 1), MAX_SIZE)
