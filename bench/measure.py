"""Runs a command and says what it cost: CPU seconds, wall seconds, peak memory.

Rules:
- The command is started by a small process of its own: a child inherits the peak memory of whoever starts it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

MIB = 1024 * 1024
PLAIN = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class Cost(NamedTuple):
    """CPU seconds of the process and what it waited for, wall seconds, and peak memory of the process itself in MiB."""

    cpu: float
    wall: float
    peak_mib: float


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Cost:
    """Run a command that must succeed; its output is thrown away."""
    launcher = [sys.executable, "-I", "-S", __file__, *command]
    done = subprocess.run(launcher, cwd=folder, env=dict(environment), stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}")
    return Cost(*json.loads(done.stdout))


def shell(line: str, folder: Path) -> Cost:
    """Run a pipeline."""
    return run(["/bin/sh", "-c", line], folder, PLAIN)


def median(costs: Sequence[Cost]) -> Cost:
    """The median of each figure over several runs."""
    return Cost(*(statistics.median(column) for column in zip(*costs, strict=True)))


def launch(command: Sequence[str]) -> int:
    """Run the command in this small process and print its cost as JSON; the exit code."""
    begin = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    print(json.dumps([cpu, time.perf_counter() - begin, usage.ru_maxrss * 1024 / MIB]))
    return process.returncode


if __name__ == "__main__":
    sys.exit(launch(sys.argv[1:]))
