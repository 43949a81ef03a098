"""Processes that live no longer than this one.

Rules:
- A child is started through `runtime.launch`: its own session, a death signal, no shell.
- The death signal is tied to the thread that starts the child: start children from a thread that lives as long as they.
- Output goes to a log file of the child's own; nothing is inherited but what is asked for.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from stella.runtime import launch

LAUNCHER = str(Path(launch.__file__))


def start_child(
    command: Sequence[str],
    *,
    log: Path,
    stop: signal.Signals = signal.SIGTERM,
    env: Mapping[str, str] | None = None,
    not_root: Path | None = None,
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program (absolute path first); its output is appended to `log`, and `stop` comes when this thread ends.

    It works in `folder`. `not_root` is the data of a program that refuses to be root: where this process is root, the
    program becomes `nobody` as `launch` says; exit code `launch.NO_WAY` says that the machine has no way to.
    """
    own = str(not_root) if not_root is not None and os.geteuid() == 0 else "-"
    line = [sys.executable, "-I", "-S", LAUNCHER, str(os.getpid()), str(int(stop)), own, *command]
    with log.open("ab") as output:
        return subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, cwd=folder)  # noqa: S603  # no shell


def bare_environment() -> dict[str, str]:
    """Variables of a server: none of the caller's, which hold secrets and change what servers do, such as PGDATA."""
    return {"PATH": "/usr/bin:/bin", "TZ": "UTC", "LC_ALL": "C"}


def way_out_of_root() -> Literal["namespace", "account", "none"]:
    """How a program that refuses to be root can be run by root here; a short process tries."""
    code = subprocess.call([sys.executable, "-I", "-S", LAUNCHER], stdin=subprocess.DEVNULL)  # noqa: S603  # no shell
    ways: dict[int, Literal["namespace", "account"]] = {0: "namespace", launch.OTHER_ACCOUNT: "account"}
    return ways.get(code, "none")


def stop_child(process: subprocess.Popen[bytes], number: signal.Signals, patience: float) -> int:
    """Ask a child to end, then end it; its exit code."""
    process.send_signal(number)
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
