"""One side of the gap: a folder, an environment, and the commands that are run in them.

Rules:
- Every command is a process of its own and answers in JSON; what it took and what came of it is noted as a step.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stella.demo.errors import DemoFailed
from stella.demo.model import Step
from stella.formats.view import human_bytes
from stella.runtime.files import make_directory

SECONDS = 120  # a step that takes longer hangs


class Side:
    """One side of the gap: its folder, its environment, and the steps it took."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str], steps: list[Step]) -> None:
        self.name = name
        self.folder = folder
        self.environment = dict(environment)
        self.steps = steps
        make_directory(folder)

    def quietly(self, *arguments: str) -> None:
        """Run a command of which nothing is noted, whatever comes of it."""
        command = [sys.executable, "-m", "stella", *arguments]
        subprocess.run(  # noqa: S603  # this interpreter, and words of this package
            command, cwd=self.folder, env=self.environment, capture_output=True, timeout=SECONDS, check=False
        )

    def try_(
        self, *arguments: str, module: str = "stella", shown: str = "", **extra: str
    ) -> tuple[int, dict[str, Any], float]:
        """Run a command in this side's folder; returns exit code, JSON and seconds."""
        begin = time.perf_counter()
        command = [sys.executable, "-m", module, *arguments, *(["--json"] if module == "stella" else [])]
        done = subprocess.run(  # noqa: S603  # this interpreter, and words of this module
            command, cwd=self.folder, env=self.environment | extra, capture_output=True, timeout=SECONDS, check=False
        )
        seconds = time.perf_counter() - begin
        try:
            found: dict[str, Any] = json.loads(done.stdout or b"{}")
        except ValueError:
            found = {}
        outcome = _outcome(done.returncode, found)
        self.steps.append(Step(self.name, shown or " ".join(("stella", *arguments)), outcome, round(seconds, 3)))
        return done.returncode, found, seconds

    def run(self, *arguments: str, **extra: str) -> tuple[dict[str, Any], float]:
        """Run a command that must succeed."""
        code, found, seconds = self.try_(*arguments, **extra)
        if code:
            raise DemoFailed(problem=f"`stella {' '.join(arguments[:2])}` ended with {code}: {found.get('detail', '')}")
        return found, seconds


def _outcome(code: int, found: Mapping[str, Any]) -> str:
    if code:
        return f"rejected: {found.get('reason', code)}"
    if "bundle_bytes" in found:
        kind = "thin" if found["thin"] else "full"
        return f"generation {found['generation']}, {human_bytes(found['bundle_bytes'])} {kind}"
    if "active" in found:
        return f"runs generation {found['active']}"
    return "ok"
