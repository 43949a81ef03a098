"""What goes into a generation: named sources are walked into files with an entry path, a category and a media type.

Rules:
- The entry path is the category and the path below the source, so it says nothing of the machine it came from.
- Links, devices and pipes are refused, never followed. Names that a bundle cannot carry are refused here, by name.
- Category and media type follow from the name alone, never from a table of the operating system.
"""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from stella.bundle.assemble import SourceFile
from stella.bundle.errors import DuplicatePath, OverLimit
from stella.bundle.limits import MAX_MEMBER
from stella.bundle.model import CATEGORIES, Category, check_paths
from stella.mirror.errors import BadCategory, ForbiddenSource, NothingToMirror
from stella.runtime.files import reading

_MEDIA_TYPES = {
    ".json": "application/json",
    ".ndjson": "application/x-ndjson",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".toml": "application/toml",
    ".xml": "application/xml",
    ".html": "text/html",
    ".css": "text/css",
    ".csv": "text/csv",
    ".md": "text/markdown",
    ".txt": "text/plain",
    ".py": "text/x-python",
    ".stella": "text/vnd.stella.policy",
    ".gz": "application/gzip",
    ".tgz": "application/gzip",
    ".zst": "application/zstd",
    ".tar": "application/x-tar",
    ".zip": "application/zip",
    ".whl": "application/zip",
    ".jar": "application/java-archive",
    ".pdf": "application/pdf",
    ".pem": "application/x-pem-file",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".so": "application/x-sharedlib",
}
_SBOM = (".cdx.json", ".spdx.json", "bom.json", "sbom.json", ".cdx.xml", ".spdx")
_VEX = (".vex.json", "vex.json", ".openvex.json", ".csaf.json")


def media_type_of(path: str) -> str:
    """Media type by file name; `application/octet-stream` when the suffix says nothing."""
    name = path.rpartition("/")[2].lower()
    if name.endswith((".cdx.json", "bom.json")):
        return "application/vnd.cyclonedx+json"
    if name.endswith(".spdx.json"):
        return "application/spdx+json"
    return _MEDIA_TYPES.get(f".{name.rpartition('.')[2]}", "application/octet-stream")


def category_of(path: str) -> Category:
    """Category by file name and folder, for sources that name none."""
    name = path.rpartition("/")[2].lower()
    parts = {part.lower() for part in path.split("/")[:-1]}
    if name.endswith(_VEX) or "vex" in parts:
        return "vex"
    if name.endswith(_SBOM) or "sbom" in parts:
        return "sbom"
    if parts & {"advisories", "osv", "vulns"}:
        return "advisories"
    if name.endswith(".stella") or "policies" in parts:
        return "policies"
    return "artifacts"


def split_source(source: str) -> tuple[Category | None, Path]:
    """`CATEGORY=PATH` or `PATH`; raises BadCategory."""
    head, equals, tail = source.partition("=")
    if not equals or "/" in head or os.path.lexists(source):
        return None, Path(source)
    if head not in CATEGORIES:
        raise BadCategory(source=source, category=head)
    return next(name for name in CATEGORIES if name == head), Path(tail)


def _files(top: Path, below: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    with reading(top), os.scandir(top) as found:
        listing = sorted(found, key=lambda entry: entry.name)
    for entry in listing:
        path = f"{below}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path), f"{path}/")
        else:
            yield path, entry


def _kind(mode: int) -> str:
    names = ((stat.S_ISLNK, "link"), (stat.S_ISFIFO, "pipe"), (stat.S_ISSOCK, "socket"), (stat.S_ISBLK, "device"))
    return next((name for test, name in names if test(mode)), "device")


def _source_file(below: str, file: str, found: os.stat_result, category: Category | None) -> SourceFile:
    if not stat.S_ISREG(found.st_mode):
        raise ForbiddenSource(path=file, kind=_kind(found.st_mode))
    chosen = category or category_of(below)
    path = f"{chosen}/{below}"
    if found.st_size > MAX_MEMBER:
        raise OverLimit(what=f"size of `{file}`", found=found.st_size, limit=MAX_MEMBER)
    stamp = (found.st_size, found.st_mtime_ns, found.st_ino)
    return SourceFile(path, file, chosen, media_type_of(path), found.st_size, stamp)


def walk(sources: Iterable[str]) -> list[SourceFile]:
    """Every file of the sources, sorted by entry path.

    Raises BadCategory, ForbiddenSource, NothingToMirror, DuplicatePath, BadPath, OverLimit, ObjectMissing or
    Unreadable.
    """
    files: list[SourceFile] = []
    for source in sources:
        category, top = split_source(source)
        with reading(top):
            found = top.lstat()
        if stat.S_ISDIR(found.st_mode):
            for below, entry in _files(top, ""):
                files.append(_source_file(below, entry.path, entry.stat(follow_symlinks=False), category))
        else:
            files.append(_source_file(top.name, str(top), found, category))
    if not files:
        raise NothingToMirror(problem="the sources have no files")
    check_paths([file.path for file in files])
    files.sort(key=lambda file: file.path.encode())
    for one, other in itertools.pairwise(files):
        if one.path == other.path:
            raise DuplicatePath(path=one.path)
    return files
