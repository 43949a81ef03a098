"""The files that are read: Python and SQL below the given paths, in the order of their names.

Rules:
- Left out are hidden folders, virtual environments, `node_modules`, `site-packages` and `__pycache__`, unless they are
  given themselves. A link is not followed.
- A file that is given by name is read whatever it is called, as long as its suffix says what it is.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from stella.lint.errors import NothingToLint, TooManyFiles
from stella.runtime.files import reading

SKIPPED = frozenset({"node_modules", "site-packages", "__pycache__"})
SUFFIXES: dict[str, Literal["python", "sql"]] = {".py": "python", ".pyw": "python", ".sql": "sql"}
MAX_FILES = 100_000  # bounds the time that a mistyped folder costs
CATALOGUE = "queries.sql"


class Source(NamedTuple):
    """A file: `shown` is how people see it, `package` the folder that it belongs to."""

    path: Path
    shown: str
    kind: Literal["python", "sql"]

    @property
    def is_catalogue(self) -> bool:
        return self.path.name == CATALOGUE

    @property
    def package(self) -> Path:
        """The folder that owns it: that of the module, or the one around `migrations`."""
        folder = self.path.parent
        return folder.parent if folder.name == "migrations" else folder


def sources(paths: Iterable[str]) -> list[Source]:
    """The files, each once; raises ObjectMissing, Unreadable, NothingToLint or TooManyFiles."""
    wanted = list(paths)
    found: dict[str, Source] = {}
    for text in wanted:
        top = Path(text)
        with reading(top):
            mode = top.stat().st_mode
        for path in _files(top) if stat.S_ISDIR(mode) else [top]:
            kind = SUFFIXES.get(path.suffix)
            if kind is not None:
                shown = os.path.normpath(path)
                found.setdefault(shown, Source(path, shown, kind))
            if len(found) > MAX_FILES:
                raise TooManyFiles(where=text, limit=MAX_FILES)
    if not found:
        raise NothingToLint(where=", ".join(wanted) or "the command")
    return [found[shown] for shown in sorted(found)]


def _files(folder: Path) -> Iterator[Path]:
    with reading(folder), os.scandir(folder) as listing:
        entries = sorted(listing, key=lambda entry: entry.name)
    if any(entry.name == "pyvenv.cfg" for entry in entries):
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if not entry.name.startswith(".") and entry.name not in SKIPPED:
                yield from _files(Path(entry.path))
        elif entry.is_file(follow_symlinks=False):
            yield Path(entry.path)


class Packages:
    """Which package a file is of; what a folder is, is asked of the disk once."""

    def __init__(self, room: str) -> None:
        self._room = tuple(room.split("/"))
        self._known: dict[Path, bool] = {}

    def place(self, path: Path) -> tuple[str, tuple[str, ...]]:
        """The top package of a file and the folders from it to the file; an empty name for a file outside of any."""
        folder = path.parent if path.is_absolute() else Path.cwd() / path.parent
        inside: list[str] = []
        while self._is_package(folder):
            inside.append(folder.name)
            folder = folder.parent
        return (inside[-1], tuple(reversed(inside[:-1]))) if inside else ("", ())

    def in_room(self, path: Path) -> bool:
        """Whether the file is in the folder of its package that may speak to the driver."""
        name, inside = self.place(path)
        return bool(name) and inside[: len(self._room)] == self._room

    def _is_package(self, folder: Path) -> bool:
        if folder not in self._known:
            self._known[folder] = (folder / "__init__.py").is_file()
        return self._known[folder]
