"""Files of inputs: which there are, their bytes unpacked and checked, and their digests.

Rules:
- A file is shown by its name, with the folders below the one that was given; never by where it is on this machine.
- Files come in the order of their names, then of their digests, whatever the order in which they were given.
- Nothing is parsed before its size, its compression and its encoding are right.
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from stella.inventory.errors import BadGzip, FileTooLarge, NothingToLoad, NotParsed, NotText, TooDeep, WrongFormat
from stella.kernel.digest import sha256
from stella.runtime.errors import ObjectMissing, TooLarge
from stella.runtime.files import read_file

MAX_FILE = 256 << 20  # bytes, unpacked too; the largest public feeds have half of it
MAX_VALUES = 10_000_000  # commas; each may stand for a record of a hundred bytes in memory
MAX_NAMES = 1_000_000  # files below what was given; more is a mistyped folder
MAX_DEPTH = 500  # levels of JSON or YAML; real documents have some twenty
_GZIP = b"\x1f\x8b"
_YAML = (".yaml", ".yml")

T = TypeVar("T")


class Input(NamedTuple):
    """A file that was given: how it is shown, and where it is."""

    shown: str
    path: Path


class Document(NamedTuple):
    """What is in a file, unpacked. `sha256` and `size` are of the file as it is stored, `content` is of the data."""

    shown: str
    data: bytes
    sha256: str
    size: int
    content: str


def inputs(kind: str, given: Iterable[str], endings: Sequence[str]) -> list[Input]:
    """The files that were given and those below folders that were; raises NothingToLoad or ObjectMissing."""
    found: dict[str, Input] = {}
    for text in given:
        path = Path(text)
        if path.is_dir():
            below = [Input(file.relative_to(path).as_posix(), file) for file in _below(path, endings)]
        elif os.path.lexists(path):  # a link that leads nowhere is there, and cannot be read
            below = [Input(path.name, path)]
        else:
            raise ObjectMissing(path=text)
        if not below:
            raise NothingToLoad(where=text, kind=kind)
        for one in below:
            found.setdefault(os.path.realpath(one.path), one)
    return sorted(found.values())


def _below(folder: Path, endings: Sequence[str]) -> Iterator[Path]:
    for count, file in enumerate(sorted(folder.rglob("*"))):
        if count >= MAX_NAMES:
            raise NothingToLoad(where=f"{folder}, with more than {MAX_NAMES} files,", kind="inventory")
        if file.name.lower().removesuffix(".gz").endswith(tuple(endings)) and file.is_file():
            yield file


def read(given: Input) -> Document:
    """The bytes of a file; raises FileTooLarge, BadGzip, NotText, or as `read_file`."""
    try:
        stored = read_file(given.path, MAX_FILE)
    except TooLarge:
        raise FileTooLarge(file=given.shown, limit=MAX_FILE, what="bytes") from None
    data = _unpacked(given.shown, stored) if stored.startswith(_GZIP) else stored
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise NotText(file=given.shown, place=error.start) from None
    if data.count(b",") > MAX_VALUES:
        raise FileTooLarge(file=given.shown, limit=MAX_VALUES, what="values")
    digest = sha256(stored)
    return Document(given.shown, data, digest, len(stored), digest if data is stored else sha256(data))


def _unpacked(shown: str, stored: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(stored)) as file:
            data = file.read(MAX_FILE + 1)
    except EOFError:
        raise BadGzip(file=shown, problem="it ends too early") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise BadGzip(file=shown, problem=error) from None
    if len(data) > MAX_FILE:
        raise FileTooLarge(file=shown, limit=MAX_FILE, what="bytes when it is unpacked")
    return data


def decode(document: Document, kind: type[T], expected: str) -> T:
    """Parse JSON into `kind`; raises NotParsed, TooDeep, or WrongFormat when it is JSON of another kind."""
    try:
        return msgspec.json.decode(document.data, type=kind)
    except RecursionError:
        raise TooDeep(file=document.shown, limit=MAX_DEPTH) from None
    except msgspec.ValidationError as error:
        raise WrongFormat(file=document.shown, expected=expected, problem=error) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotParsed(file=document.shown, form="JSON", problem=error) from None


def is_yaml(document: Document) -> bool:
    """Whether the name of a file says that it is YAML."""
    return document.shown.lower().removesuffix(".gz").endswith(_YAML)


def decode_yaml(document: Document) -> Any:  # noqa: ANN401  # whatever the file says
    """Parse YAML; every scalar is a text. Aliases are refused: a small file could stand for an endless one.

    Raises NotParsed or TooDeep.
    """
    import yaml  # type: ignore[import-untyped]  # noqa: PLC0415  # advisories in YAML alone need it

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    depth = 0
    try:
        for event in yaml.parse(document.data, Loader=loader) if _is_suspicious(document.data) else ():
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent):
                raise NotParsed(file=document.shown, form="YAML", problem="aliases are not read")
            if depth > MAX_DEPTH:
                raise TooDeep(file=document.shown, limit=MAX_DEPTH)
        return yaml.load(document.data, Loader=loader)  # noqa: S506  # the base loader makes texts, lists and maps alone
    except RecursionError:
        raise TooDeep(file=document.shown, limit=MAX_DEPTH) from None
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise NotParsed(file=document.shown, form="YAML", problem=problem) from None


def _is_suspicious(data: bytes) -> bool:
    """Whether YAML could have an alias, or enough brackets, dashes or indentation to be nested too deeply."""
    brackets = data.count(b"[") + data.count(b"{") + data.count(b"- -")
    return b"*" in data or brackets > MAX_DEPTH or b" " * MAX_DEPTH in data
