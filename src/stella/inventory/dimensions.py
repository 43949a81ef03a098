"""The tables of a snapshot: rows of each dimension in an order of their own, and findings that point into them.

Rules:
- Rows are ordered by what they say, so that neither the order of files nor that of records is left in the tables.
- Only rows that a finding points to are kept; of assets all, since one without findings is worth knowing.
- An advisory has a row for each package that it is about: whether a fix exists depends on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stella.inventory import tables
from stella.inventory.assets import ASSET_COLUMNS, Value
from stella.inventory.bom import Component
from stella.inventory.evidence import Evidence, Said
from stella.inventory.feeds import Epss
from stella.inventory.fleet import AdvisoryRow, Match
from stella.inventory.pairs import Findings, Pairs
from stella.inventory.snapshot import Stored, stored
from stella.inventory.star import Ints
from stella.inventory.tables import Columns
from stella.language.names import COLUMNS, MICRO, REACH, STATEMENT, Type

DAY = 86400
MAX_DAYS = 36525  # the domain of `age.days`


class Feeds(NamedTuple):
    """What is known of single CVEs; None when a feed was not given."""

    kev: Mapping[str, bool] | None
    epss: Mapping[str, Epss] | None


class Asset(NamedTuple):
    """An asset with its columns, and the digests of its SBOMs."""

    values: Mapping[str, Value]
    sboms: tuple[str, ...]


class Made(NamedTuple):
    """Everything that the tables are made of; assets are in the order of their ids."""

    assets: Sequence[Asset]
    components: Sequence[Component]
    matches: Sequence[Match]
    pairs: Pairs
    findings: Findings
    evidence: Evidence
    feeds: Feeds
    as_of: int


def write(folder: Path, made: Made) -> dict[str, Stored]:
    """Write every table; what was written, by the name of the table."""
    pairs = made.pairs
    components, component = _used(made.components, pairs.components, _component_order)
    rows, row = _used([one.row for one in made.matches], pairs.matches, _advisory_order)
    ages = [_days(made.matches[m].row.published, made.as_of) for m in pairs.matches.tolist()]
    days, day = _used(ages, np.arange(len(ages), dtype=np.int32), _age_order)
    findings = made.findings
    keys = {
        "asset": findings.assets,
        "component": component[findings.pairs],
        "advisory": row[findings.pairs],
        "evidence": made.evidence.of,
        "age": day[findings.pairs],
    }
    order = np.lexsort((keys["advisory"], keys["component"], keys["asset"]))
    written: dict[str, Columns] = {
        "findings": {name: (None, key[order]) for name, key in keys.items()},
        "asset": _asset_columns(made.assets),
        "component": _component_columns(components),
        "advisory": _advisory_columns(rows, made.feeds),
        "evidence": _evidence_columns(made.evidence),
        "statement": _statement_columns([said for one in made.evidence.rows for said in one.statements]),
        "age": {"age.days": ("decimal", days)},
    }
    found: dict[str, Stored] = {}
    for name, columns in written.items():
        path = folder / f"{name}.parquet"
        tables.write(path, columns)
        found[name] = stored(path, len(next(iter(columns.values()))[1]))
    return found


def _used(rows: Sequence[Any], of_pairs: Ints, order: Any) -> tuple[list[Any], Ints]:  # noqa: ANN401  # a key of a sort
    """The different rows that pairs point to, sorted, and the new row of each pair."""
    used = np.unique(of_pairs).tolist()
    distinct = sorted({rows[i] for i in used}, key=order)
    places = {one: place for place, one in enumerate(distinct)}
    new = np.zeros(len(rows) or 1, np.int32)
    new[used] = [places[rows[i]] for i in used]
    return distinct, new[of_pairs]


def _component_order(one: Component) -> tuple[Any, ...]:
    return one.purl, one.scope or "", -1 if one.direct is None else one.direct, one.licenses or ()


def _advisory_order(one: AdvisoryRow) -> tuple[Any, ...]:
    return one.id, one.package


def _age_order(one: int | None) -> int:
    return -1 if one is None else one


def _days(published: int | None, as_of: int) -> int | None:
    """Whole days in micros; what is published later than the run is about is of this day."""
    return None if published is None else min(max(0, (as_of - published) // DAY), MAX_DAYS) * MICRO


def _asset_columns(assets: Sequence[Asset]) -> Columns:
    columns: dict[str, tuple[Type | None, Any]] = {
        name: (column.type, [one.values.get(name) for one in assets]) for name, column in ASSET_COLUMNS.items()
    }
    return columns | {"sboms": ("texts", [one.sboms for one in assets])}


def _component_columns(rows: Sequence[Component]) -> Columns:
    fields = ("purl", "name", "version", "ecosystem", "scope", "direct", "licenses")
    return {
        f"component.{field}": (COLUMNS[f"component.{field}"].type, [getattr(one, field) for one in rows])
        for field in fields
    }


def _advisory_columns(rows: Sequence[AdvisoryRow], feeds: Feeds) -> Columns:
    kev = [_kev(one, feeds.kev) for one in rows]
    epss = [_epss(one, feeds.epss) for one in rows]
    told: dict[str, Sequence[Any]] = {
        "advisory.id": [one.id for one in rows],
        "advisory.source": [one.id.partition("-")[0] for one in rows],
        "advisory.aliases": [one.aliases for one in rows],
        "advisory.cwes": [one.cwes for one in rows],
        "severity.normalized": [one.severity for one in rows],
        "cvss": [one.cvss for one in rows],
        "epss": [one and one.score for one in epss],
        "epss.percentile": [one and one.percentile for one in epss],
        "kev": [one and one[0] for one in kev],
        "kev.ransomware": [one and one[1] for one in kev],
        "fix.available": [one.fixed for one in rows],
    }
    columns: dict[str, tuple[Type | None, Any]] = {name: (COLUMNS[name].type, values) for name, values in told.items()}
    return columns | {
        "package.ecosystem": ("text", [":".join(filter(None, one.package[:2])) for one in rows]),
        "package.name": ("text", [one.package.name for one in rows]),
        "published": ("instant", [one.published for one in rows]),
    }


def _kev(row: AdvisoryRow, kev: Mapping[str, bool] | None) -> tuple[bool, bool] | None:
    """Whether one of the advisory's ids is in the catalogue, and whether ransomware uses it."""
    if kev is None:
        return None
    listed = [kev[name] for name in row.names if name in kev]
    return bool(listed), any(listed)


def _epss(row: AdvisoryRow, epss: Mapping[str, Epss] | None) -> Epss | None:
    """The highest score of the advisory's ids."""
    return max((epss[name] for name in row.names if name in epss), default=None) if epss else None


def _evidence_columns(evidence: Evidence) -> Columns:
    return {
        "reach_state": ("word", [REACH.words[one.reach] if one.reach >= 0 else None for one in evidence.rows]),
        "statements": (None, np.array([len(one.statements) for one in evidence.rows], np.int32)),
    }


def _statement_columns(rows: Iterable[Said]) -> Columns:
    told = list(rows)
    return {name: (STATEMENT[name].type, [getattr(one, name) for one in told]) for name in Said._fields}
