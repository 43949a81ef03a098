"""What is kept of an unexpected failure, for a report."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

import stella
from stella.kernel.instant import format_time
from stella.runtime.clock import SystemClock


def keep(error: BaseException, arguments: Sequence[str], env: Mapping[str, str]) -> str:
    """Write a crash file that only its owner can read; its path, or words when no folder takes it."""
    now = format_time(SystemClock().read().wall)
    report = "\n".join(
        [
            f"stella {stella.__version__}, Python {sys.version}",
            f"system {' '.join(os.uname())}",
            f"time {now}",
            f"command stella {shlex.join(arguments)}",
            "",
            *traceback.format_exception(error),
        ]
    )
    name = f"crash-{now.translate({ord('-'): None, ord(':'): None})}-{os.getpid()}.txt"
    for folder in (_state_folder(env), Path(tempfile.gettempdir())):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(report)
        except OSError:
            continue
        return str(folder / name)
    return "the output of `--debug` (no crash file could be written)"


def _state_folder(env: Mapping[str, str]) -> Path:
    given = Path(env.get("XDG_STATE_HOME", ""))
    return (given if given.is_absolute() else Path(env.get("HOME") or "/", ".local", "state")) / "stella"
