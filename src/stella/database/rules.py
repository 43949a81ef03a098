"""Decisions about migrations, pure: what a name means, what is pending, in which order files run.

Rules:
- A name that is not exactly of the form is refused with the nearest one that is; nothing is guessed.
- What was applied must be shipped, with the same content; a seed may change, since it only ever inserts.
- Expand, fill, contract: startup comes first, then seed and data, then release.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from stella.database.errors import BadMigrationName, ChecksumDrift, NewerDatabase, ReleasePending
from stella.database.model import Category, Choice, File
from stella.kernel.canonical import dump
from stella.kernel.digest import sha256
from stella.runtime.migrate import Applied, Limits

MAX_NAME = 120  # characters; a name is shown whole in messages and tables
FIRST_RELEASE = 100
MAX_START_ROWS = 10_000  # changed by one file at start; more keeps the old release waiting
FEW = 5  # files that a message names
SHORT = 12  # characters of a digest that tell two apart by eye

ORDER: Mapping[Choice, tuple[Category, ...]] = {
    Choice.AUTOMATIC: (Category.STARTUP, Category.SEED),
    Choice.STARTUP: (Category.STARTUP,),
    Choice.SEED: (Category.STARTUP, Category.SEED),
    Choice.DATA: (Category.STARTUP, Category.DATA),
    Choice.RELEASE: (Category.STARTUP, Category.RELEASE),
    Choice.ALL: (Category.STARTUP, Category.SEED, Category.DATA, Category.RELEASE),
}
LIMITS: Mapping[Category, Limits] = {
    Category.STARTUP: Limits(1_000, 60_000),
    Category.SEED: Limits(1_000, 60_000),
    Category.DATA: Limits(1_000, 60_000),
    Category.RELEASE: Limits(1_000, 0),  # applied by hand while nothing else runs; it may take its time
}

_FORM = re.compile(r"(?P<prefix>S|DM|)(?P<number>[0-9]{3})_(?P<what>[a-z0-9_]*[a-z0-9][a-z0-9_]*)\.sql")
_PARTS = re.compile(r"(?P<prefix>dm|s|v|)(?P<number>[0-9]*)(?P<what>.*?)(?:\.[a-z]*)*", re.IGNORECASE | re.DOTALL)
_TIMESTAMP = 8  # digits of a date; that many are no number of a file


def category_of(name: str | None, folder: str = "migrations", taken: Collection[str] = ()) -> Category:
    """The category that a file name says. Raises BadMigrationName, which is a ValueError too.

    `taken` are the names beside it, so that the name that is proposed is free.
    """
    found = _FORM.fullmatch(name) if isinstance(name, str) else None
    problem = _problem(name) if found is None else ""
    if found and int(found["number"]) == 0:
        problem = "numbers begin with 001"
    if isinstance(name, str) and len(name) > MAX_NAME:
        problem = f"it has {len(name)} characters, the limit is {MAX_NAME}"
    if found is None or problem:
        shown = "" if name is None else str(name)[:MAX_NAME]
        raise BadMigrationName(name=shown, folder=folder, problem=problem, nearest=_nearest(str(name or ""), taken))
    if found["prefix"]:
        return Category.SEED if found["prefix"] == "S" else Category.DATA
    return Category.RELEASE if int(found["number"]) >= FIRST_RELEASE else Category.STARTUP


def _problem(name: str | None) -> str:
    """Why a name is not of the form, by what people usually mean."""
    if name is None or not str(name).strip():
        return "it is empty"
    parts = _PARTS.fullmatch(name)
    digits = len(parts["number"]) if parts else 0
    if parts and parts["prefix"] in {"V", "v"}:
        return "`V` belongs to another tool"
    if digits != 3:  # noqa: PLR2004  # the form
        stamp = "that is a time stamp" if digits >= _TIMESTAMP else "three are expected"
        return f"it begins with {digits} digits, {stamp}"
    if name.lower() != name.replace("S", "s", 1).replace("DM", "dm", 1):
        return "it has upper case letters"
    if not name.endswith(".sql"):
        return "it does not end in `.sql`"
    return "after the number come an underscore and lower case letters, digits and underscores"


def _nearest(name: str, taken: Collection[str]) -> str:
    """The legal name that comes closest; a number that means nothing here is replaced by the next free one."""
    parts = _PARTS.fullmatch(name.strip())
    prefix, number, rest = (parts["prefix"], parts["number"], parts["what"]) if parts else ("", "", name)
    prefix = {"s": "S", "dm": "DM"}.get(prefix.lower(), "")
    what = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", rest).lower()).strip("_") or "what"
    value = int(number) if number and len(number) < _TIMESTAMP else 0
    if not 0 < value < 1000:  # noqa: PLR2004  # three digits
        value = 1 + max((int(found["number"]) for found in _alike(prefix, taken)), default=0)
    tail = len(prefix) + len("000_.sql")
    return f"{prefix}{min(value, 999):03}_{what[: MAX_NAME - tail]}.sql"


def _alike(prefix: str, taken: Collection[str]) -> Iterable[re.Match[str]]:
    found = (_FORM.fullmatch(name) for name in taken)
    return (one for one in found if one and one["prefix"] == prefix and int(one["number"]) < FIRST_RELEASE)


def checksum_of(data: bytes) -> str:
    """SHA-256 of a file in which CRLF counts as LF."""
    return hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest()


def run_order(files: Iterable[File]) -> list[File]:
    """Files of one category in the order of their numbers."""
    return sorted(files, key=lambda file: file.name)


class Judged(NamedTuple):
    """A module compared with its history: what is pending by category, and what people should know."""

    module: str
    pending: Mapping[Category, tuple[File, ...]]
    applied: tuple[Applied, ...]
    notes: tuple[str, ...]

    def of(self, choice: Choice) -> list[File]:
        """What is pending of a choice, in the order of a run."""
        return [file for category in ORDER[choice] for file in self.pending[category]]


def judge(module: str, files: Sequence[File], history: Sequence[Applied]) -> Judged:
    """Compare what is shipped with what was applied; raises NewerDatabase or ChecksumDrift."""
    shipped, applied = {file.name: file for file in files}, {row.name: row for row in history}
    unknown = sorted(applied.keys() - shipped.keys())
    if unknown:
        raise NewerDatabase(schema=module, names=", ".join(unknown), renamed=_renamed(unknown, applied, files))
    notes: list[str] = []
    for row in history:
        file = shipped[row.name]
        if row.checksum == file.checksum:
            continue
        if file.category is not Category.SEED:
            raise drift(file, row.checksum)
        notes.append(f"seed {file.label} has changed since it was applied; it is not applied again")
    pending = {
        category: tuple(run_order(file for file in files if file.category is category and file.name not in applied))
        for category in Category
    }
    return Judged(module, pending, tuple(history), tuple(notes))


def drift(file: File, recorded: str) -> ChecksumDrift:
    """The error for a file that is not what was applied."""
    return ChecksumDrift(file=file.label, recorded=recorded[:SHORT], found=file.checksum[:SHORT])


def _renamed(unknown: Sequence[str], applied: Mapping[str, Applied], files: Sequence[File]) -> str:
    """Says so where a file that is pending has the content of one that is missing."""
    new = {file.checksum: file.name for file in files if file.name not in applied}
    same = [f"{name} is {new[applied[name].checksum]} now" for name in unknown if applied[name].checksum in new]
    return f"; renamed after it was applied: {', '.join(same)}" if same else ""


def check_release(judged: Iterable[Judged]) -> None:
    """Raise ReleasePending when a release migration of any module is pending."""
    waiting = [file for one in judged for file in one.pending[Category.RELEASE]]
    if waiting:
        modules = dict.fromkeys(file.module for file in waiting)
        words = " ".join(f"--module {module}" for module in modules)
        command = f"stella migrate run --category release {words}"
        raise ReleasePending(names=labels(waiting), command=command)


def labels(files: Iterable[File]) -> str:
    """Files as people see them; the first few of many."""
    shown = [file.label for file in files]
    more = f" and {len(shown) - FEW} more" if len(shown) > FEW else ""
    return ", ".join(shown[:FEW]) + more


def plan_digest(files: Iterable[File]) -> str:
    """Names a plan: which files, in which order, with which content."""
    return sha256(dump([[file.module, file.name, file.checksum] for file in files]))
