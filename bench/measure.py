"""Runs a command and says what it cost: CPU seconds, wall seconds, peak memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

MIB = 1024 * 1024


class Cost(NamedTuple):
    """CPU seconds of the process and what it waited for, wall seconds, and peak memory of the process itself in MiB."""

    cpu: float
    wall: float
    peak_mib: float


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Cost:
    """Run a command that must succeed; its output is thrown away."""
    begin = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, env=dict(environment), stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Cost(usage.ru_utime + usage.ru_stime, time.perf_counter() - begin, usage.ru_maxrss * 1024 / MIB)


def shell(line: str, folder: Path) -> Cost:
    """Run a pipeline."""
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return run(["/bin/sh", "-c", line], folder, plain)


def median(runs: int, once: Callable[[], Cost]) -> Cost:
    """The median of each figure over several runs."""
    costs = [once() for _ in range(runs)]
    return Cost(*(statistics.median(column) for column in zip(*costs, strict=True)))
