"""A drill in a network namespace of its own, so that real packets can be lost.

Rules:
- The drill runs in a child process, because a namespace is entered by a process without threads. The child ends with
  the thread that waits for it, and the namespace, its addresses and its packet filter end with the child.
- Whoever waits is asked again and again whether it still should: a job that is cancelled ends by its progress.
- Request and result are files in a folder of temporary files, where the child stands too. It loads nothing from where
  it stands, nor from where its parent does: at a service that is the folder of a tenant.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec

import stella
from stella.drill.errors import NamespaceEnded, NoNamespace
from stella.drill.model import Outcome
from stella.kernel.instant import Reading
from stella.runtime.children import bare_environment, start_child, stop_child
from stella.runtime.files import read_file
from stella.runtime.ports import Progress
from stella.runtime.scratch import scratch

STOP_PATIENCE = 5.0
LOOK = 0.2  # seconds between questions whether to go on
LAST_WORDS = 300  # characters of a log that are shown
MAX_REPORT = 16_000_000  # bytes; events are a few for each issuer


class Errand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the child is to do: the name of the drill, its request as JSON, its seed, and when it begins."""

    name: str
    want: msgspec.Raw
    seed: int
    begin: Reading


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the child did, or why the machine grants it no namespace."""

    outcome: Outcome | None = None
    refused: str = ""


def drill(errand: Errand, progress: Progress) -> Outcome:
    """Run a drill in a namespace; raises NoNamespace or NamespaceEnded, or what the progress raises."""
    with scratch("netns") as folder:
        asked, told, log = folder / "errand", folder / "report", folder / "log"
        asked.write_bytes(msgspec.json.encode(errand))
        command = [sys.executable, "-P", "-m", "stella.drill.inside", str(os.getpid()), str(asked), str(told)]
        home = str(Path(stella.__file__).parents[1])
        process = start_child(command, log=log, env={**bare_environment(), "PYTHONPATH": home}, folder=folder)
        try:
            code = _wait(process, progress)
        finally:
            _end(process)
        report = Report()
        if told.exists():
            report = msgspec.json.decode(read_file(told, MAX_REPORT), type=Report)
        if report.refused:
            raise NoNamespace(problem=report.refused)
        if report.outcome is None:
            raise NamespaceEnded(problem=f"exit code {code}{_last_words(log)}")
        return report.outcome


def _wait(process: subprocess.Popen[bytes], progress: Progress) -> int:
    while True:
        try:
            return process.wait(LOOK)
        except subprocess.TimeoutExpired:
            progress.advance(0)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            stop_child(process, signal.SIGTERM, STOP_PATIENCE)


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return f"; {lines[-1][:LAST_WORDS]}" if lines else ""
