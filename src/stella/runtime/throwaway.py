"""A PostgreSQL of our own for the length of a block: laid in a scratch folder, ended and removed with it.

Rules:
- Nobody else reaches it: its socket is in a folder of mode 0700, and its passwords never leave this process.
- It syncs nothing, since nothing of it is kept.
- It dies with the thread that started it, whatever ends that.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stella.runtime import postgres_server, roles
from stella.runtime.errors import NoThrowaway
from stella.runtime.postgres import Login, connect
from stella.runtime.postgres_server import Postgres
from stella.runtime.scratch import scratch

MAX_SOCKET_PATH = 107  # bytes, sun_path of unix(7) without its final zero
SHORT = "/tmp"  # noqa: S108  # a folder of mode 0700 with a name of its own is made in it
FAILURES = (OSError, ImportError, TimeoutError, subprocess.SubprocessError)


@contextlib.contextmanager
def database(name: str, secret: str) -> Iterator[Login]:
    """The owner's way into an empty database with the roles of Stella; `secret` is the password of all of them.

    Raises NoThrowaway when the server does not start, DiskFull or Unwritable.
    """
    with scratch(name) as place, _sockets(place) as sockets:
        password = place / "password"
        password.touch(mode=0o600)
        password.write_text(secret)
        server = Postgres(place / "data", sockets, password)
        with _running(server, place / "log"):
            with contextlib.closing(connect(Login(server.dsn(), secret))) as first:
                roles.make(first, dict.fromkeys(roles.LOGINS, secret))
                roles.make_database(first)
            with contextlib.closing(connect(Login(server.dsn(roles.DATABASE), secret))) as inside:
                roles.harden(inside)
            yield Login(server.dsn(roles.DATABASE, roles.OWNER), secret)


@contextlib.contextmanager
def _sockets(place: Path) -> Iterator[Path]:
    """A folder whose path a socket can have: beside the data, or elsewhere where that is too long."""
    beside = place / "run"
    if len(os.fsencode(beside)) + len("/.s.PGSQL.00000.lock") <= MAX_SOCKET_PATH:
        beside.mkdir(mode=0o700)
        yield beside
        return
    with tempfile.TemporaryDirectory(prefix="stella-", dir=SHORT) as short:
        yield Path(short)


@contextlib.contextmanager
def _running(server: Postgres, log: Path) -> Iterator[None]:
    try:
        postgres_server.make_cluster(server, log, durable=False)
        process = postgres_server.start(server, log, durable=False)
    except FAILURES as problem:
        raise NoThrowaway(problem=_said(log, problem)) from None
    try:
        try:
            postgres_server.wait(server, process)
        except FAILURES as problem:
            raise NoThrowaway(problem=_said(log, problem)) from None
        yield
    finally:
        postgres_server.stop(process)


def _said(log: Path, problem: Exception) -> str:
    """The last line of the server's log, else the problem itself."""
    with contextlib.suppress(OSError):
        lines = log.read_text(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), str(problem))
    return f"{type(problem).__name__}: {problem}"
