"""What squawk says of migrations: locks, rewrites, and what breaks old code. It says nothing of tenants.

Rules:
- It is a program beside this one and may be absent; that is noted, and is no finding.
- Its configuration is its own: `.squawk.toml` in the folder that the command runs in.
- Its answer is data of another program: what is not of the known form is a note.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from stella.lint.model import Spot
from stella.lint.rules import PREFIX

PROGRAM = "squawk"
PATIENCE = 120  # seconds; it takes milliseconds
AT_ONCE = 500  # files in one command line, far below what the system takes
GOOD = frozenset({0, 1})  # 1: there are findings


class Said(msgspec.Struct, frozen=True):
    """One finding in its JSON; lines and columns count from 0."""

    file: str
    line: int
    column: int
    level: str
    message: str
    rule_name: str
    help: str | None = None


class Heard(NamedTuple):
    """The spots by file, and what a person should know about the run. `answered` says whether there was an answer."""

    spots: Mapping[str, tuple[Spot, ...]]
    notes: tuple[str, ...]
    answered: bool = False


def program() -> str | None:
    """Where squawk is: beside this Python, else on PATH."""
    return shutil.which(PROGRAM, path=str(Path(sys.executable).parent)) or shutil.which(PROGRAM)


def ask(files: Sequence[str], found: str | None) -> Heard:
    """What squawk says of the files."""
    if not files:
        return Heard({}, ())
    if found is None:
        return Heard({}, ("squawk is not installed: locks and rewrites were not looked at (pip install squawk-cli)",))
    spots: dict[str, list[Spot]] = {}
    for start in range(0, len(files), AT_ONCE):
        said = _run(found, files[start : start + AT_ONCE])
        if isinstance(said, str):
            return Heard({}, (f"squawk was not heard: {said}",))
        for one in said:
            line = one.line + 1
            message = one.message if one.help is None else f"{one.message} {one.help}"
            spot = Spot(f"{PREFIX}{one.rule_name}", line, one.column + 1, message, line, "warning")
            spots.setdefault(os.path.normpath(one.file), []).append(spot)
    return Heard({name: tuple(sorted(rows)) for name, rows in spots.items()}, (), answered=True)


def _run(found: str, files: Sequence[str]) -> list[Said] | str:
    line = [found, "--reporter", "json", "--", *files]
    try:
        done = subprocess.run(line, capture_output=True, timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL)  # noqa: S603  # no shell
    except (OSError, subprocess.TimeoutExpired) as error:
        return " ".join(str(error).split())
    if done.returncode not in GOOD or not done.stdout.strip():  # it says `[]` when there is nothing to say
        return (done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
    try:
        return msgspec.json.decode(done.stdout, type=list[Said])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"its answer is not of the known form ({error})"
