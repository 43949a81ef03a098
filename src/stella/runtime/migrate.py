"""The hand that migrates: one connection, its lock, the history of a schema, and files applied to it.

What may be applied, and in which order, is decided by `stella.database`.

Rules:
- The lock of a schema is polled with the form that never waits: a backend that waits for an advisory lock holds a
  snapshot, and CREATE INDEX CONCURRENTLY of another one waits for that snapshot. It dies with the connection.
- A file and its history row are one transaction. A file without a transaction is made of statements that can be
  repeated; what an interrupted one left is found and removed before it runs again.
- A lock on a table is waited for briefly and tried again, so that nobody queues behind a file that waits.
- A file sees its own schema first and leaves no setting and no role behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Self, TypeVar

import psycopg
from psycopg import sql

from stella.runtime import postgres
from stella.runtime.errors import DatabaseUnavailable, LockTimeout, StatementRefused
from stella.runtime.ports import Clock
from stella.runtime.postgres import Login
from stella.runtime.statements import statements

POLL = 0.05  # seconds between two looks at the lock of a schema
PATIENCE = 300.0  # seconds to wait for another starter; several files may each take a minute
SAY_AFTER = 3.0  # seconds of waiting after which people should know what for
ATTEMPTS = 8  # at a lock on a table; with the pauses between them about 20 s
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 3.0  # seconds between attempts, doubled each time
APPLICATION = "stella migrate"
AGAIN = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
NO_HISTORY = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)
CHANGES = ("INSERT", "UPDATE", "DELETE", "MERGE")

Pause = Callable[[float], None]
Result = TypeVar("Result")


class Index(NamedTuple):
    """An index that a statement makes without a transaction: the table as SQL spells it, the name of the index."""

    table: str
    name: str


class Piece(NamedTuple):
    """One statement of a file: its text, the line where it begins, and the index that it makes concurrently."""

    text: str
    line: int
    makes: Index | None = None


class Limits(NamedTuple):
    """Milliseconds that a file may wait for a lock on a table and that each of its statements may take; 0 is no end."""

    lock_ms: int
    statement_ms: int


class Entry(NamedTuple):
    """What goes into the history of a schema about a file."""

    schema: str
    name: str
    category: str
    checksum: str

    @property
    def label(self) -> str:
        """How people see it."""
        return f"{self.schema}/{self.name}"


class Applied(NamedTuple):
    """A row of the history; `at` in seconds since 1970."""

    name: str
    category: str
    checksum: str
    at: int
    by: str
    duration_ms: int


_watcher: Callable[[str], None] | None = None


def observe_statements(watcher: Callable[[str], None] | None) -> None:
    """Let tests see each statement just before it is sent; None ends that."""
    global _watcher  # noqa: PLW0603  # one watcher for the process, as for the steps of files
    _watcher = watcher


def lock_key(schema: str, purpose: str) -> int:
    """Advisory lock of a schema: 64 bits of SHA-256, signed as PostgreSQL wants them."""
    digest = hashlib.sha256(f"stella.migrate/{purpose}/{schema}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


class Session:
    """A connection that migrates, in the name of an actor. `waiting` hears in words what a long wait is for."""

    def __init__(
        self,
        login: Login,
        actor: str,
        clock: Clock,
        pause: Pause = time.sleep,
        patience: float = PATIENCE,
        waiting: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.login, self.actor, self.clock, self.pause, self.patience = login, actor, clock, pause, patience
        self.waiting = waiting
        self.connection = postgres.connect(login, APPLICATION)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def ask(
        self,
        statement: str,
        schema: str = "",
        /,
        **values: Any,  # noqa: ANN401  # values of a statement
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        """Execute a statement of `queries.sql`; raises the driver's errors."""
        text = sql.SQL(statements("stella.runtime")[statement].sql)
        identifiers = {"schema": sql.Identifier(schema)} if schema else {}
        identifiers |= {key: values.pop(key) for key in list(values) if isinstance(values[key], sql.Identifier)}
        return self.send(text.format(**identifiers), values or None)

    def send(self, text: Any, values: Any = None) -> psycopg.Cursor[tuple[Any, ...]]:  # noqa: ANN401  # the driver's own union
        """Send one statement, a raw one without values as it stands."""
        self.watch(text if isinstance(text, str) else text.as_string(self.connection))
        return self.connection.execute(text, values)

    @staticmethod
    def watch(text: str) -> None:
        """Tell the watcher what is sent next."""
        if _watcher:
            _watcher(text)

    def read_only(self) -> bool:
        """Whether nothing can be written: a standby or a database that is set so."""
        with self.speaking():
            return bool(self._one("read_only"))

    def history(self, schema: str) -> tuple[Applied, ...]:
        """What was applied; nothing when the schema or its history is not there."""
        with self.speaking():
            try:
                return tuple(Applied(*row) for row in self.ask("history", schema).fetchall())
            except NO_HISTORY:
                return ()

    def prepare(self, schema: str) -> None:
        """Make the schema, its history and its checkpoints where they are missing; needs the lock."""
        with self.speaking():
            if not self._one("schema_exists", named=schema):
                self.ask("create_schema", schema)
            self.ask("create_history", schema)
            self.ask("create_checkpoints", schema)

    @contextlib.contextmanager
    def locked(self, schema: str, purpose: str = "schema") -> Iterator[None]:
        """Hold the lock of a schema; raises LockTimeout when another one keeps it for longer than the patience."""
        key, begin, said = lock_key(schema, purpose), time.monotonic(), False
        with self.speaking():
            while not self._one("try_lock", key=key):
                waited = time.monotonic() - begin
                if waited >= self.patience:
                    what = f"The migration of schema `{schema}`"
                    seconds, holder = f"{self.patience:g}", self._holder(key)
                    raise LockTimeout(what=what, seconds=seconds, lock="its turn", holder=holder)
                if waited >= SAY_AFTER and not said:
                    said = True
                    self.waiting(f"waiting for the turn to migrate schema `{schema}`{self._holder(key)}")
                self.pause(POLL)
        try:
            yield
        finally:
            if not self.connection.closed:
                with contextlib.suppress(psycopg.Error):  # a lost connection has let go of it already
                    self.ask("unlock", key=key)

    def _holder(self, key: int) -> str:
        found = self.ask("lock_holder", key=key).fetchone()
        return f": process {found[0]} of the server has it ({found[1] or 'no name'})" if found else ""

    def apply(
        self,
        entry: Entry,
        pieces: Sequence[Piece],
        limits: Limits,
        *,
        transaction: bool = True,
        check: Callable[[int], None] = lambda _: None,
    ) -> int:
        """Apply a file and enter it into the history; the milliseconds that it took.

        `check` is told how many rows the file changed, before they are committed, and may raise. Raises
        StatementRefused with file and line, LockTimeout, DatabaseUnavailable or DatabaseDenied.
        """
        once = self._in_transaction if transaction else self._outside
        try:
            return self.patiently(entry.label, lambda: once(entry, pieces, limits, check))
        finally:
            self.clean()

    def patiently(self, label: str, once: Callable[[], Result]) -> Result:
        """Do it, and again with growing pauses while a lock on a table is in the way."""
        pause, begin = FIRST_PAUSE, time.monotonic()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return once()
            except AGAIN as error:
                if attempt == ATTEMPTS:
                    waited = f"{time.monotonic() - begin:.0f}"
                    lock = f"a lock ({error.diag.message_primary})"
                    raise LockTimeout(what=label, seconds=waited, lock=lock, holder="") from None
                self.pause(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
        raise AssertionError(label)

    def _in_transaction(
        self, entry: Entry, pieces: Sequence[Piece], limits: Limits, check: Callable[[int], None]
    ) -> int:
        begin, touched = time.monotonic(), 0
        with self.transaction(entry.schema, limits, entry.label):
            for piece in pieces:
                touched += self._piece(entry, piece)
            check(touched)
            return self.record(entry, _since(begin))

    @contextlib.contextmanager
    def transaction(self, schema: str, limits: Limits, where: str) -> Iterator[None]:
        """A transaction that sees the schema first."""
        with self.speaking(where, again=True), self.connection.transaction():
            self._settings(schema, limits, local=True)
            yield
            self.watch("COMMIT")

    def _outside(self, entry: Entry, pieces: Sequence[Piece], limits: Limits, check: Callable[[int], None]) -> int:
        begin = time.monotonic()
        with self.speaking(entry.label, again=True):
            self._settings(entry.schema, limits, local=False)
            for piece in pieces:
                self._repeatable(entry, piece)
            check(0)
            return self.record(entry, _since(begin))

    def _repeatable(self, entry: Entry, piece: Piece) -> None:
        if piece.makes is None:
            self._piece(entry, piece)
        elif not self._whole(piece.makes):
            try:
                self._piece(entry, piece)
            except (StatementRefused, DatabaseUnavailable):
                with contextlib.suppress(psycopg.Error):  # the connection may be lost
                    self._whole(piece.makes)  # what is left of a unique one would go on refusing rows
                raise

    def _whole(self, index: Index) -> bool:
        """Whether the index is there already; one that an interrupted run left half made is removed."""
        found = self.ask("index_state", index=index.name, table=index.table).fetchone()
        if found and not found[0]:
            self.ask("drop_invalid_index", index=sql.Identifier(*found[1]))
        return bool(found and found[0])

    def _piece(self, entry: Entry, piece: Piece) -> int:
        """Execute one statement of a file; the rows that it changed."""
        try:
            cursor = self.send(piece.text)
        except AGAIN:
            raise
        except psycopg.Error as error:
            at = int(error.diag.statement_position or 1) - 1
            line = piece.line + piece.text.count("\n", 0, at)
            raise postgres.named(error, f"{entry.label}, line {line}", self.login.where) from None
        return cursor.rowcount if (cursor.statusmessage or "").startswith(CHANGES) else 0

    def record(self, entry: Entry, duration_ms: int) -> int:
        """Enter a file into the history; the duration."""
        self.ask(
            "record",
            entry.schema,
            name=entry.name,
            category=entry.category,
            checksum=entry.checksum,
            at=self.clock.read().wall,
            by=self.actor,
            duration_ms=duration_ms,
        )
        return duration_ms

    def clean(self) -> None:
        """Undo what a file set for the session."""
        if not self.connection.closed:
            with self.speaking():
                self.ask("clean")

    def _settings(self, schema: str, limits: Limits, *, local: bool) -> None:
        lock, statement = str(limits.lock_ms), str(limits.statement_ms)
        self.ask("set_session", path=schema, lock_timeout=lock, statement_timeout=statement, local=local)

    def _one(self, statement: str, **values: object) -> object:
        row = self.ask(statement, **values).fetchone()
        return row[0] if row else None

    @contextlib.contextmanager
    def speaking(self, where: str = "", *, again: bool = False) -> Iterator[None]:
        """Errors of the driver as errors of Stella; with `again` not those after which a file is tried again."""
        try:
            yield
        except psycopg.Error as error:
            if again and isinstance(error, AGAIN):
                raise
            raise postgres.named(error, where or self.login.where, self.login.where) from None


def _since(begin: float) -> int:
    return round(1000 * (time.monotonic() - begin))


def quoted(*parts: str) -> str:
    """A name with its schema as SQL writes it."""
    return sql.Identifier(*parts).as_string(None)
