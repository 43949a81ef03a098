"""An SQL file as statements with their lines: a script such as a migration, or a catalogue of named statements.

Rules:
- What cannot be read is a spot, and the rest of the file is still looked at where that is possible.
- In a catalogue each block is read as it will be loaded: a name, a description, one statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from stella.lint.model import Spot
from stella.runtime.catalogue import TENANT, NotSql, numbered, parse, parse_template

_BLOCK = re.compile(r"^(?=-- name:)", re.MULTILINE)
_DUTY = re.compile(r"-- duty: [a-z][a-z_]*")
_HEAD = re.compile(r"-- name: [a-z][a-z0-9_]*")


class Statement(NamedTuple):
    """A statement: its tree, its text, the line that it begins at, and the number of `%(tenant)s` in a catalogue.

    `held` says whether it must stay in one tenant: it is one of a catalogue, and of no duty that spans tenants.
    """

    node: Any
    text: str
    line: int
    tenant: int | None = None
    held: bool = False

    @property
    def kind(self) -> str:
        return str(self.node.WhichOneof("node"))


class File(NamedTuple):
    """What a file holds."""

    statements: tuple[Statement, ...]
    spots: tuple[Spot, ...]


def read(data: bytes, *, catalogue: bool) -> File:
    """The statements of a file."""
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        return File((), (_unreadable(data.count(b"\n", 0, error.start) + 1, "it is not UTF-8"),))
    if catalogue:
        return _catalogue(text)
    try:
        return File(tuple(_statements(text, parse_template(text), 1)), ())
    except NotSql as error:
        return File((), (_unreadable(text.count("\n", 0, error.offset) + 1, str(error)),))


def _unreadable(line: int, problem: str) -> Spot:
    return Spot("STS000", line, 1, problem, line)


def _statements(text: str, tree: Any, first: int) -> Iterator[Statement]:  # noqa: ANN401  # the trees have no types
    data, line, counted = text.encode(), first, 0
    for raw in tree.stmts:
        end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(data)
        piece = data[raw.stmt_location : end].decode(errors="replace")
        skipped = _leading(piece)
        line, counted = line + data.count(b"\n", counted, raw.stmt_location), raw.stmt_location
        yield Statement(raw.stmt, piece[skipped:], line + piece.count("\n", 0, skipped))


def _leading(piece: str) -> int:
    """How many characters of blanks and comments stand before a statement."""
    found = re.match(r"(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*", piece, re.DOTALL)
    return found.end() if found else 0


def _catalogue(text: str) -> File:
    statements: list[Statement] = []
    spots: list[Spot] = []
    line, names = 1, set()
    for number, block in enumerate(_BLOCK.split(text)):
        lines = block.split("\n")
        first, line = line, line + block.count("\n")
        if number == 0 and not block.startswith("-- name:"):
            if any(part.strip() and not part.startswith("--") for part in lines):
                spots.append(_unreadable(first, "there is a statement without a name"))
            continue
        body = ["" if part.startswith("--") else part for part in lines]
        at = next((place for place, part in enumerate(body) if part.strip()), 0)
        described = any(part.startswith("--") for part in lines[1:])
        if not _HEAD.fullmatch(lines[0].rstrip()) or not described or not at or lines[0] in names:
            spots.append(_unreadable(first, "a block has a name of its own, a description and a statement"))
        names.add(lines[0])
        if at:
            duty = any(_DUTY.fullmatch(part) for part in lines)
            found = _one("\n".join(body[at:]), first + at, held=not duty)
            statements += found.statements
            spots += found.spots
    return File(tuple(statements), tuple(spots))


def _one(body: str, line: int, *, held: bool) -> File:
    text = numbered(body)
    try:
        tree = parse_template(text.sql)
    except NotSql as error:
        return File((), (_unreadable(line + text.sql.count("\n", 0, error.offset), str(error)),))
    tenant = text.numbers.get(TENANT)
    found = tuple(Statement(raw.stmt, body, line, tenant, held) for raw in tree.stmts)
    spots = () if len(found) == 1 else (_unreadable(line, f"a block holds one statement, not {len(found)}"),)
    return File(found, spots)


def parts_of(text: str) -> Iterator[Statement]:
    """The statements of a function's body; raises NotSql."""
    yield from _statements(text, parse(text), 1)
