"""Environments of the peers: below the folder of work, never in the locks of the product."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]


def installed(place: Path, packages: Sequence[str]) -> Path | str:
    """The programs of an environment with these packages, or why there is none."""
    uv, index = TOP / ".tools/bin/uv", TOP / ".tools/index"
    environment = {**os.environ, "UV_SYSTEM_CERTS": "1"}
    if index.is_file() and index.read_text().strip():
        environment.setdefault("UV_DEFAULT_INDEX", index.read_text().strip())
    for command in (
        [str(uv), "venv", "--quiet", "--python", sys.executable, str(place)],
        [str(uv), "pip", "install", "--quiet", "--python", str(place / "bin/python"), *packages],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{', '.join(packages)} cannot be installed: {done.stderr.strip().splitlines()[-1:]}"
    return place / "bin"
