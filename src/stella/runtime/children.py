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

from stella.runtime import launch

LAUNCHER = str(Path(launch.__file__))


def start_child(
    command: Sequence[str],
    *,
    log: Path,
    stop: signal.Signals = signal.SIGTERM,
    env: Mapping[str, str] | None = None,
    other_uid: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a program (absolute path first); its output is appended to `log`, and `stop` comes when this thread ends.

    `other_uid` runs it as `nobody` of a user namespace; exit code `launch.NO_NAMESPACE` says that there is none.
    """
    uid = str(launch.NOBODY) if other_uid else "-"
    line = [sys.executable, "-I", "-S", LAUNCHER, str(os.getpid()), str(int(stop)), uid, *command]
    with log.open("ab") as output:
        return subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env)  # noqa: S603  # no shell


def stop_child(process: subprocess.Popen[bytes], number: signal.Signals, patience: float) -> int:
    """Ask a child to end, then end it; its exit code."""
    process.send_signal(number)
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
