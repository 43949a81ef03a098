"""The policies that are read: `*.stella` below the given paths, in the order in which they were given.

Rules:
- What is in a folder comes in the order of its names.
- Left out of folders are hidden ones, and files that are bundles, whose names end in the same way.
- A file that is given by name is read whatever it is called.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from stella.policy.text.errors import NoPolicies, TooManyPolicies
from stella.runtime.files import reading

SUFFIX = ".stella"
MAX_FILES = 10_000  # bounds the time that a mistyped folder costs
MAX_DEPTH = 64  # folders in folders
_MAGIC, _MAGIC_AT = b"ustar", 257  # of a bundle (POSIX pax, section "ustar Interchange Format")


def sources(paths: Iterable[str]) -> list[Path]:
    """The files, each once; raises ObjectMissing, Unreadable, NoPolicies or TooManyPolicies."""
    wanted = list(paths)
    found: dict[str, Path] = {}
    for text in wanted:
        top = Path(text)
        with reading(top):
            mode = top.stat().st_mode
        for path in _below(top, MAX_DEPTH) if stat.S_ISDIR(mode) else (top,):
            found.setdefault(os.path.normpath(path), path)
            if len(found) > MAX_FILES:
                raise TooManyPolicies(where=text, limit=MAX_FILES)
    if not found:
        raise NoPolicies(where=", ".join(wanted) or "the command")
    return [Path(shown) for shown in found]


def _below(folder: Path, depth: int) -> Iterator[Path]:
    with reading(folder), os.scandir(folder) as listing:
        entries = sorted(listing, key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if depth and not entry.name.startswith("."):
                yield from _below(Path(entry.path), depth - 1)
        elif _is_policy(entry):
            yield Path(entry.path)


def _is_policy(entry: os.DirEntry[str]) -> bool:
    if not entry.name.endswith(SUFFIX) or entry.name.startswith(".") or not entry.is_file():
        return False
    path = Path(entry.path)
    with reading(path), path.open("rb") as file:
        file.seek(_MAGIC_AT)
        return file.read(len(_MAGIC)) != _MAGIC
