"""The list of assets: which SBOMs are of which asset, and what is known of it.

Rules:
- TOML, JSON or CSV. Keys are the names of the asset's columns in the language, and `sbom`; nothing else is read.
- A list that is wrong in one place is refused whole.
- `sbom` names an SBOM by a pattern over its file name (`web-*.json`, `images/*`), by the SHA-256 of its file
  (`sha256:...`), or by the name or package URL of what it is about. One SBOM may be of many assets, and one asset may
  have many.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

import msgspec

from stella.inventory.errors import BadAssets
from stella.inventory.feeds import micros
from stella.inventory.instants import parse_instant
from stella.inventory.reading import Document
from stella.kernel.nearest import nearest
from stella.language.names import COLUMNS, Column

Value: TypeAlias = "bool | int | str | tuple[str, ...] | None"

ASSET_COLUMNS: dict[str, Column] = {name: one for name, one in COLUMNS.items() if one.dimension == "asset"}
SBOM = "sbom"
ID = "asset.id"
MAX_NESTED = 4  # tables within a table; no name of a column has more dots


class Entry(NamedTuple):
    """An asset of the list: what selects its SBOMs, and its columns; what is not there is missing."""

    selectors: tuple[str, ...]
    values: Mapping[str, Value]


def read(document: Document) -> list[Entry]:
    """The assets of a list, in the order of their ids; raises BadAssets."""
    entries: dict[str, Entry] = {}
    try:
        for number, told in enumerate(_told(document), 1):
            entry = _entry(told, number)
            name = str(entry.values[ID])
            if name in entries:
                raise ValueError(f"two assets have the id {name!r}")
            entries[name] = entry
    except (ValueError, csv.Error, msgspec.MsgspecError, RecursionError) as error:
        raise BadAssets(file=document.shown, problem=error) from None
    if not entries:
        raise BadAssets(file=document.shown, problem="it has no asset")
    return [entries[name] for name in sorted(entries)]


def _told(document: Document) -> Iterator[dict[str, Any]]:
    """The assets as the file has them, each with dotted names; raises ValueError or csv.Error."""
    text = document.data.decode()
    name = document.shown.lower().removesuffix(".gz")
    if name.endswith(".csv"):
        for row in csv.DictReader(io.StringIO(text, newline=""), strict=True):
            if None in row or None in row.values():
                raise ValueError("a row has more or fewer fields than the head")
            yield {key: value for key, value in row.items() if value != ""}
        return
    if name.endswith(".toml"):
        whole = tomllib.loads(text, parse_float=Decimal)
        rows = whole.get("asset") if whole.keys() <= {"asset"} else None
    else:
        rows = msgspec.json.decode(document.data, type=list[dict[str, Any]])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("it is no list of `[[asset]]`")
    yield from (dict(_dotted(row, "")) for row in rows)


def _dotted(told: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    """Nested tables as names with dots."""
    if before.count(".") > MAX_NESTED:
        raise ValueError("tables are nested too deeply")
    for key, value in told.items():
        if isinstance(value, dict):
            yield from _dotted(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _entry(told: Mapping[str, Any], number: int) -> Entry:
    if not isinstance(told.get(ID), str):
        raise ValueError(f"asset {number} has no `{ID}`")  # noqa: TRY004  # of a file, not of a caller
    for key in told:
        if key not in ASSET_COLUMNS and key != SBOM:
            close = nearest(key, [*ASSET_COLUMNS, SBOM])
            raise ValueError(
                f"asset {told[ID]!r} has an unknown column `{key}`" + (f"; is it `{close}`?" if close else "")
            )
    values = {key: _value(ASSET_COLUMNS[key], value, told[ID]) for key, value in told.items() if key != SBOM}
    return Entry(_texts(told.get(SBOM, told[ID])), values)


def _value(column: Column, told: object, asset: str) -> Value:
    try:
        match column.type:
            case "texts":
                return _texts(told)
            case "flag":
                return told if isinstance(told, bool) else {"true": True, "false": False}[str(told).lower()]
            case "decimal" if not isinstance(told, bool):
                return micros(str(told), column.low, column.high)
            case "instant":
                text = told.isoformat() if isinstance(told, dt.date) else str(told)
                return parse_instant(text)
        if not isinstance(told, str) or not told or (column.words and told not in column.words.words):
            raise ValueError
    except (ValueError, KeyError):
        words = f"; the words are {', '.join(column.words.words)}" if column.words else ""
        raise ValueError(f"`{column.name}` of asset {asset!r} cannot be {told!r:.60}{words}") from None
    return told


def _texts(told: object) -> tuple[str, ...]:
    """A list of texts; in CSV they stand in one field with semicolons between them."""
    found = [one.strip() for one in told.split(";")] if isinstance(told, str) else told
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ValueError("not a list of texts")
    return tuple(sorted({one for one in found if one}))
