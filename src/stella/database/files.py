"""Reads the migrations that a package ships.

Rules:
- They are the files of the folder `migrations` of the package, as it is installed: nothing is read from elsewhere.
- Every entry there is a migration, apart from what Python itself puts into a package and hidden files of editors.
- A file is UTF-8 without a byte order mark and without NUL; CRLF counts as LF.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files as resources
from importlib.resources.abc import Traversable
from itertools import pairwise

from stella.database.errors import BadMigrationFile, BadMigrationName
from stella.database.model import File
from stella.database.rules import category_of, checksum_of, run_order

Source = str | Traversable  # a package, or the folder of the files itself
FOLDER = "migrations"
OF_PYTHON = frozenset({"__init__.py", "__pycache__"})
MAX_SIZE = 4 << 20  # a file is read by people; more is data in the wrong place
SIGNS = {"\0": "NUL", "\ufeff": "byte order mark"}  # nobody sees them, and not every tool reads on behind them

_MODULE = re.compile(r"(?!pg_)[a-z][a-z0-9_]{0,62}")


def load(modules: Mapping[str, Source]) -> dict[str, tuple[File, ...]]:
    """The migrations of each module; raises BadMigrationName or BadMigrationFile."""
    return {module: load_module(module, source) for module, source in modules.items()}


def load_module(module: str, source: Source) -> tuple[File, ...]:
    """The migrations of one module in order; raises ValueError for a module that is no name of a schema."""
    if not _MODULE.fullmatch(module):
        raise ValueError(f"{module!r} is no name of a schema")
    folder = resources(source).joinpath(FOLDER) if isinstance(source, str) else source
    found = [entry for entry in folder.iterdir() if _counts(entry.name)] if folder.is_dir() else []
    names = sorted(entry.name for entry in found)
    read = [_read(module, entry, names) for entry in sorted(found, key=lambda entry: entry.name)]
    for before, after in pairwise(read):
        if before.name.partition("_")[0] == after.name.partition("_")[0]:
            problem = f"`{before.name}` has the same number"
            nearest = _free(after.name, names)
            raise BadMigrationName(name=after.name, folder=f"{module}/{FOLDER}", problem=problem, nearest=nearest)
    return tuple(run_order(read))


def _counts(name: str) -> bool:
    return name not in OF_PYTHON and not name.startswith(".")


def _free(name: str, names: list[str]) -> str:
    """The name with the first number after its own that nobody has."""
    head, _, what = name.partition("_")
    prefix, number = head.rstrip("0123456789"), int(head.lstrip("SDM"))
    taken = {other.partition("_")[0] for other in names}
    free = next((n for n in range(number, 1000) if f"{prefix}{n:03}" not in taken), number)
    return f"{prefix}{free:03}_{what}"


def _read(module: str, entry: Traversable, names: list[str]) -> File:
    category = category_of(entry.name, f"{module}/{FOLDER}", names)
    label = f"{module}/{entry.name}"
    if not entry.is_file():
        raise _bad(label, 1, "it is no file")
    try:
        with entry.open("rb") as file:
            data = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise _bad(label, 1, f"it cannot be read: {error.strerror}") from None
    if len(data) > MAX_SIZE:
        raise _bad(label, 1, f"the limit is {MAX_SIZE} bytes, it has more")
    try:
        text = data.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise _bad(label, data.count(b"\n", 0, error.start) + 1, "it is not UTF-8") from None
    for sign, problem in SIGNS.items():
        if sign in text:
            at = text.index(sign)
            how = "begins with" if at == 0 else "contains"
            raise _bad(label, text.count("\n", 0, at) + 1, f"it {how} a {problem}")
    return File(module, entry.name, category, checksum_of(data), text)


def _bad(file: str, line: int, problem: str) -> BadMigrationFile:
    return BadMigrationFile(file=file, line=line, problem=problem, advice="write it again as plain UTF-8 text")
