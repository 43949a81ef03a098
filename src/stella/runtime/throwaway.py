"""A PostgreSQL that lives as long as a block: for a proof, which needs the right to break things.

Rules:
- It is the embedded server in a folder of its own, on a socket that nobody else reaches, without a sync; nothing of it
  is left.
- Statements that a program made up are sent by a `Line`, and only this module makes one: such text never reaches a
  database that somebody uses.
- A line judges nothing: what was refused is an answer like every other.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from psycopg import sql
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult

from stella.runtime import postgres_server, roles
from stella.runtime.children import stop_child
from stella.runtime.errors import ThrowawayFailed
from stella.runtime.postgres import Connection, Login, connect, speaking
from stella.runtime.postgres_server import Postgres
from stella.runtime.scratch import scratch
from stella.runtime.statements import statements
from stella.runtime.transaction import Seal, enter

LONGEST_SOCKET = 103  # bytes; the shortest limit among systems, its name included
# One client at a time works here, so workers only cost; autovacuum would change plans in the middle.
SETTINGS = {"autovacuum": "off", "max_parallel_workers_per_gather": "0", "max_connections": "20", "jit": "off"}
# No notices: the driver hands them to a function that is called from C, and an interrupt that meets it there is lost.
SILENT = {"client_min_messages": "error"}

_TOLD = (
    DiagnosticField.MESSAGE_PRIMARY,
    DiagnosticField.MESSAGE_DETAIL,
    DiagnosticField.MESSAGE_HINT,
    DiagnosticField.CONTEXT,
)


class Answer(NamedTuple):
    """What came back for one statement: its rows, the rows it changed, and what was told when it was refused.

    `state` is the SQLSTATE of a refusal, else empty; `about` the constraint or the column that it names.
    """

    rows: tuple[tuple[bytes | None, ...], ...]
    tag: bytes = b""
    state: str = ""
    told: bytes = b""
    about: str = ""

    @property
    def changed(self) -> int:
        """Rows that an insert, update, delete or merge changed."""
        words = self.tag.split()
        writes = words and words[0] in {b"INSERT", b"UPDATE", b"DELETE", b"MERGE"}
        return int(words[-1]) if writes else 0

    def text(self) -> bytes:
        """Every byte that the client saw."""
        return b"\n".join([self.tag, self.told, *(cell for row in self.rows for cell in row if cell is not None)])


class Line:
    """A connection to a throwaway server that sends whatever it is given."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        connection.prepare_threshold = None  # what is sent here may forget every prepared statement

    def ask(self, text: str) -> Answer:
        """Send a statement; the answer of the last one when they are several."""
        return self.ask_all(text)[-1]

    def ask_all(self, text: str) -> list[Answer]:
        """Send statements in one message; an answer for each, up to the first that was refused."""
        self.send(text)
        return self.gather()

    def send(self, text: str) -> None:
        """Send, and do not wait."""
        self.connection.pgconn.send_query(text.encode())

    def gather(self) -> list[Answer]:
        """The answers to what was sent."""
        pgconn, found = self.connection.pgconn, []
        copied: tuple[tuple[bytes | None, ...], ...] = ()
        while (result := pgconn.get_result()) is not None:
            if result.status == ExecStatus.COPY_IN:
                pgconn.put_copy_end()
            elif result.status == ExecStatus.COPY_OUT:
                copied = self._copied()  # how it ended comes as a result of its own
            else:
                found.append(_answer(result, copied or _rows(result)))
                copied = ()
        return found

    def enter(self, seal: Seal, tenant: str, *, begin: bool = True) -> str:
        """Begin a transaction of a tenant, or make the open one a tenant's; its context."""
        return enter(self.connection, seal, tenant, begin=begin)

    def notified(self) -> bytes:
        """What somebody sent with NOTIFY until now."""
        pgconn, found = self.connection.pgconn, []
        pgconn.consume_input()
        while (notice := pgconn.notifies()) is not None:
            found.append(notice.relname + b" " + notice.extra)
        return b"\n".join(found)

    def close(self) -> None:
        self.connection.close()

    def _copied(self) -> tuple[tuple[bytes | None, ...], ...]:
        rows: list[tuple[bytes | None, ...]] = []
        while True:
            size, data = self.connection.pgconn.get_copy_data(0)
            if size <= 0:
                return tuple(rows)
            rows.append((bytes(data),))


def _rows(result: PGresult) -> tuple[tuple[bytes | None, ...], ...]:
    if not result.ntuples:
        return ()
    columns = range(result.nfields)
    return tuple(tuple(result.get_value(row, column) for column in columns) for row in range(result.ntuples))


def _answer(result: PGresult, rows: tuple[tuple[bytes | None, ...], ...]) -> Answer:
    if result.status not in {ExecStatus.FATAL_ERROR, ExecStatus.NONFATAL_ERROR, ExecStatus.BAD_RESPONSE}:
        return Answer(rows, result.command_status or b"")
    told = b"\n".join(filter(None, (result.error_field(field) for field in _TOLD)))
    named = result.error_field(DiagnosticField.CONSTRAINT_NAME) or result.error_field(DiagnosticField.COLUMN_NAME)
    return Answer(
        rows, b"", (result.error_field(DiagnosticField.SQLSTATE) or b"").decode(), told, (named or b"").decode()
    )


class Throwaway:
    """A running throwaway server with the roles of Stella; `password` is that of every role."""

    def __init__(self, server: Postgres, password: str) -> None:
        self._server = server
        self._password = password

    def create(self, name: str) -> None:
        """An empty database that is closed as a stack closes its own."""
        with self.connect() as connection:
            roles.make_database(connection, name)
        with self.connect(name) as connection:
            roles.harden(connection)

    def duplicate(self, source: str, name: str) -> None:
        """A copy of a database that nobody is connected to, byte for byte."""
        names = {"database": sql.Identifier(name), "template": sql.Identifier(source)}
        with self.connect() as connection:
            connection.execute(sql.SQL(statements("stella.runtime")["copy_database"].sql).format(**names))
            roles.make_database(connection, name)  # the rights to a database are not copied with it

    def login(self, database: str, role: str) -> Login:
        """How a role gets in."""
        return Login(self._server.dsn(database, role), self._password)

    def connect(self, database: str = "postgres", role: str = postgres_server.SUPERUSER) -> Connection:
        """A connection of a role, the superuser's without one."""
        return connect(self.login(database, role))

    @contextlib.contextmanager
    def line(self, database: str, role: str = postgres_server.SUPERUSER) -> Iterator[Line]:
        """A line of a role for the length of the block."""
        connection = connect(self.login(database, role), **SILENT)
        with contextlib.closing(Line(connection)) as line, speaking("the throwaway server"):
            yield line


@contextlib.contextmanager
def database(name: str, secret: str) -> Iterator[Login]:
    """The owner's way into an empty database with the roles of Stella; raises as `throwaway`."""
    with throwaway(secret, name) as server:
        server.create(roles.DATABASE)
        yield server.login(roles.DATABASE, roles.OWNER)


@contextlib.contextmanager
def socket_folder(top: Path) -> Iterator[Path]:
    """A folder for sockets, of mode 0700: in `top`, or elsewhere where their paths would be too long."""
    near = top / "run"
    if len(os.fsencode(near / f".s.PGSQL.{postgres_server.PORT}")) <= LONGEST_SOCKET:
        near.mkdir(mode=0o700)
        yield near
    else:
        with scratch("run", Path("/tmp")) as far:  # noqa: S108  # the shortest name that there is
            yield far


@contextlib.contextmanager
def throwaway(secret: str, name: str = "proof") -> Iterator[Throwaway]:
    """A server for the length of the block; `secret` is the password of every role.

    Raises ThrowawayFailed, DiskFull or Unwritable.
    """
    with contextlib.ExitStack() as stack:
        top = stack.enter_context(scratch(name))
        sockets = stack.enter_context(socket_folder(top))
        (top / "password").touch(mode=0o600)
        (top / "password").write_text(secret)
        server, log = Postgres(top / "data", sockets, top / "password"), top / "log"
        try:
            postgres_server.make_cluster(server, log, durable=False)
            process = postgres_server.start(server, log, durable=False, **SETTINGS)
            stack.callback(stop_child, process, signal.SIGQUIT, postgres_server.PATIENCE)  # at once, unclean
            postgres_server.wait(server, process)
        except (OSError, subprocess.SubprocessError, ImportError, TimeoutError) as error:
            raise ThrowawayFailed(problem=_why(error, log)) from None
        made = Throwaway(server, secret)
        with made.connect() as connection:
            roles.make(connection, dict.fromkeys(roles.LOGINS, secret))
        yield made


def _why(error: Exception, log: Path) -> str:
    """What the server said was fatal, else its last line, or the error itself."""
    with contextlib.suppress(OSError):
        said = list(filter(None, map(str.strip, log.read_text(errors="replace").split("\n"))))
        if said:
            return next((line for line in said if " FATAL: " in line), said[-1])
    return f"{type(error).__name__}: {error}"


def failed(answers: Sequence[Answer]) -> Answer | None:
    """The refusal among answers; it is the last of them."""
    return answers[-1] if answers and answers[-1].state else None
