"""The files that are read: Python and SQL below the given paths, in the order of their names.

Rules:
- What a program can import is read: a script without a suffix by its first line, and what a link leads to, once.
- Left out are hidden folders, virtual environments, `node_modules`, `site-packages` and `__pycache__`, unless they are
  given themselves. Within a package such a name is a folder like any other, since its modules can be imported.
- A file that is given by name is read whatever it is called, as long as it can be told what it is.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from stella.lint.errors import NothingToLint, TooManyFiles
from stella.runtime.files import reading

Kind = Literal["python", "sql"]

SKIPPED = frozenset({"node_modules", "site-packages", "__pycache__"})
SUFFIXES: dict[str, Kind] = {".py": "python", ".pyw": "python", ".sql": "sql"}
MAX_FILES = 100_000  # bounds the time that a mistyped folder costs
CATALOGUE = "queries.sql"
FIRST_LINE = 128  # bytes; the kernel takes as many of a script


class Source(NamedTuple):
    """A file: `shown` is how people see it, `package` the folder that it belongs to."""

    path: Path
    shown: str
    kind: Kind

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
    walk = _Walk()
    for text in wanted:
        top = Path(text)
        with reading(top):
            mode = top.stat().st_mode
        if stat.S_ISDIR(mode):
            walk.below(top)
        else:
            walk.add(top)
    walk.follow()
    if not walk.found:
        raise NothingToLint(where=", ".join(wanted) or "the command")
    return [walk.found[shown] for shown in sorted(walk.found)]


class _Walk:
    """One reading of the given paths. Links wait until all else is known: what has a place of its own is read there."""

    def __init__(self) -> None:
        self.found: dict[str, Source] = {}
        self._folders: set[tuple[int, int]] = set()
        self._links: list[Path] = []

    def below(self, top: Path) -> None:
        """Everything below a folder, whatever the folder itself is called."""
        pending = [top]
        while pending:
            folder = pending.pop()
            with reading(folder), os.scandir(folder) as listing:
                entries = list(listing)
                place = os.stat(folder)  # noqa: PTH116  # of what a link leads to
            if (place.st_dev, place.st_ino) in self._folders or (folder != top and _is_environment(folder, entries)):
                continue
            self._folders.add((place.st_dev, place.st_ino))
            package = any(entry.name == "__init__.py" for entry in entries)
            for entry in entries:
                if entry.is_symlink():
                    self._links.append(Path(entry.path))
                elif entry.is_dir():
                    if not entry.name.startswith(".") and (package or entry.name not in SKIPPED):
                        pending.append(Path(entry.path))
                elif entry.is_file():
                    self.add(Path(entry.path))

    def add(self, path: Path) -> None:
        """A file, where it is Python or SQL."""
        kind = SUFFIXES.get(path.suffix.lower()) or _script(path)
        if kind is not None:
            shown = os.path.normpath(path)
            self.found.setdefault(shown, Source(path, shown, kind))
        if len(self.found) > MAX_FILES:
            raise TooManyFiles(where=path.parent, limit=MAX_FILES)

    def follow(self) -> None:
        """What links lead to, where nothing else did."""
        known = {_identity(source.path) for source in self.found.values()} if self._links else set()
        while self._links:
            link = self._links.pop(0)
            if link.is_dir():
                self.below(link)
            elif link.is_file() and (identity := _identity(link)) not in known:
                known.add(identity)
                self.add(link)


def _identity(path: Path) -> tuple[int, int]:
    with reading(path):
        status = path.stat()
    return status.st_dev, status.st_ino


def _is_environment(folder: Path, entries: Sequence[os.DirEntry[str]]) -> bool:
    """Whether it is a virtual environment, which holds no modules itself and is in no package."""
    names = {entry.name for entry in entries}
    modules = any(Path(name).suffix in SUFFIXES for name in names)
    made = "pyvenv.cfg" in names and bool(names & {"bin", "Scripts"})
    return made and not modules and not (folder.parent / "__init__.py").exists()


def _script(path: Path) -> Kind | None:
    """What a file without a suffix is by the line that names its interpreter."""
    if path.suffix or not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            line = file.read(FIRST_LINE).partition(b"\n")[0]
    except OSError:  # what nobody reads, nobody runs by this line
        return None
    return "python" if line.startswith(b"#!") and b"python" in line else None


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
