"""What is known of each finding beside its advisory: statements of vendors, and whether the weak code is reached.

Rules:
- Findings with the same evidence share one row; a fleet has few different ones.
- Of one vendor the latest statement about a finding counts, or several of one moment: minds are changed.
- Statements of a row are oldest first, then in the order of their values.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from stella.inventory.fleet import Match
from stella.inventory.packages import parse
from stella.inventory.pairs import Findings, Pairs
from stella.inventory.reach import Reached
from stella.inventory.star import Ints
from stella.inventory.statements import NEVER, Statement, is_about
from stella.inventory.vex import Trust


class Said(NamedTuple):
    """A statement as policies see it; None is missing. The fields are the names of `language.names.STATEMENT`."""

    status: str
    justification: str | None
    vendor: str
    trust: int | None
    accuracy: int | None
    verified: bool | None
    fresh: bool | None


class Row(NamedTuple):
    """A row of the evidence dimension: a rank of REACH or -1, and statements, oldest first."""

    reach: int
    statements: tuple[Said, ...]


class Names(NamedTuple):
    """What may stand for an asset in a statement: its id, and the names and package URLs of its SBOMs."""

    id: str
    texts: frozenset[str]


class Evidence(NamedTuple):
    """Every row, and the row of each finding."""

    rows: tuple[Row, ...]
    of: Ints


class _Known:
    """Evidence by pair, and by pair and asset where it is about single assets."""

    def __init__(self) -> None:
        self.statements: defaultdict[int, list[Statement]] = defaultdict(list)
        self.inside: defaultdict[tuple[int, int], list[Statement]] = defaultdict(list)
        self.reach: dict[int, int] = {}
        self.reach_inside: dict[tuple[int, int], int] = {}


class _Assets:
    """Which assets a name of a product stands for."""

    def __init__(self, names: Sequence[Names]) -> None:
        self._exact: defaultdict[str, set[int]] = defaultdict(set)
        self._purls: defaultdict[tuple[str, str], set[tuple[int, str]]] = defaultdict(set)
        for number, one in enumerate(names):
            for text in one.texts:
                self._exact[text].add(number)
                if key := _key(text):
                    self._purls[key].add((number, text))
        self._found: dict[str, frozenset[int]] = {}

    def of(self, product: str) -> frozenset[int]:
        """The numbers of the assets that are this product."""
        found = self._found.get(product)
        if found is None:
            key = _key(product)
            like = self._purls.get(key, ()) if key else ()
            found = frozenset(self._exact.get(product, ())) | {n for n, text in like if is_about(product, text)}
            self._found[product] = found
        return found


def _key(text: str) -> tuple[str, str] | None:
    try:
        purl = parse(text) if text.startswith("pkg:") else None
    except ValueError:
        return None
    return (purl.type, purl.name.lower()) if purl else None


def wanted(matches: Iterable[Match]) -> frozenset[str]:
    """The ids of vulnerabilities that some finding has: statements about others need not be kept."""
    return frozenset().union(*(match.row.names for match in matches))


class Told(NamedTuple):
    """What others say of the fleet: statements, how far vendors are trusted at an instant, and reachability."""

    statements: Iterable[Statement]
    trust: Trust
    reached: Iterable[Reached]
    as_of: int


def evidence_of(
    findings: Findings, pairs: Pairs, matches: Sequence[Match], purls: Sequence[str], names: Sequence[Names], told: Told
) -> Evidence:
    """Join statements and reachability to findings; `purls` are those of the components."""
    known = _Known()
    places = _pairs_of_names(pairs, matches)
    assets = _Assets(names)
    ids = {one.id: number for number, one in enumerate(names)}
    for statement in sorted(set(told.statements)):
        _take(statement, known, assets, _about(statement.vulnerabilities, places), pairs, purls)
    for one in sorted(set(told.reached)):
        _reach(one, known, ids, places.get(one.advisory, ()), pairs, purls)
    return _rows(findings, len(pairs.components), known, told.trust, told.as_of)


def _pairs_of_names(pairs: Pairs, matches: Sequence[Match]) -> dict[str, list[int]]:
    """The pairs of each id of a vulnerability."""
    by_match: defaultdict[int, list[int]] = defaultdict(list)
    for pair, match in enumerate(pairs.matches.tolist()):
        by_match[match].append(pair)
    found: defaultdict[str, list[int]] = defaultdict(list)
    for number, match in enumerate(matches):
        for name in match.row.names:
            found[name] += by_match[number]
    return found


def _about(names: Iterable[str], places: Mapping[str, Sequence[int]]) -> list[int]:
    return sorted({pair for name in names for pair in places.get(name, ())})


def _take(
    statement: Statement, known: _Known, assets: _Assets, about: list[int], pairs: Pairs, purls: Sequence[str]
) -> None:
    inside = assets.of(statement.product)
    for pair in about:
        purl = purls[pairs.components[pair]]
        if not statement.component and is_about(statement.product, purl):
            known.statements[pair].append(statement)
        elif inside and (not statement.component or is_about(statement.component, purl)):
            for asset in inside:
                known.inside[pair, asset].append(statement)


def _reach(
    one: Reached, known: _Known, ids: Mapping[str, int], about: Iterable[int], pairs: Pairs, purls: Sequence[str]
) -> None:
    for pair in about:
        if not is_about(one.component, purls[pairs.components[pair]]):
            continue
        if not one.asset:
            known.reach[pair] = max(one.rank, known.reach.get(pair, -1))
        elif one.asset in ids:
            place = pair, ids[one.asset]
            known.reach_inside[place] = max(one.rank, known.reach_inside.get(place, -1))


def _rows(findings: Findings, pairs: int, known: _Known, trust: Trust, as_of: int) -> Evidence:
    numbers: dict[Row, int] = {Row(-1, ()): 0}
    of_pair = np.zeros(pairs, np.int32)
    for pair in known.statements.keys() | known.reach.keys():
        row = Row(known.reach.get(pair, -1), _said(known.statements.get(pair, ()), trust, as_of))
        of_pair[pair] = numbers.setdefault(row, len(numbers))
    of = of_pair[findings.pairs]
    for pair, asset in known.inside.keys() | known.reach_inside.keys():
        place = findings.place(asset, pair)
        if place is None:
            continue
        told = [*known.statements.get(pair, ()), *known.inside.get((pair, asset), ())]
        rank = max(known.reach.get(pair, -1), known.reach_inside.get((pair, asset), -1))
        row = Row(rank, _said(told, trust, as_of))
        of[place] = numbers.setdefault(row, len(numbers))
    return _sorted(tuple(numbers), of)


def _sorted(rows: tuple[Row, ...], of: Ints) -> Evidence:
    """Rows that some finding has, in an order that depends on what they say alone."""
    used = np.unique(of).tolist()
    order = sorted(used, key=lambda i: (rows[i].reach, [_comparable(one) for one in rows[i].statements]))
    new = np.zeros(len(rows), np.int32)
    new[order] = np.arange(len(order), dtype=np.int32)
    return Evidence(tuple(rows[i] for i in order), new[of])


def _comparable(said: Said) -> tuple[tuple[bool, object], ...]:
    return tuple((value is not None, value if value is not None else 0) for value in said)


def _said(statements: Iterable[Statement], trust: Trust, as_of: int) -> tuple[Said, ...]:
    """The statements that count, each once; of the same ones the latest place is kept."""
    latest: dict[str, int] = {}
    for one in statements:
        latest[one.vendor] = max(one.at, latest.get(one.vendor, NEVER))
    told = [(one.at, _one(one, trust, as_of)) for one in statements if one.at == latest[one.vendor]]
    told.sort(key=lambda pair: (pair[0], _comparable(pair[1])))
    return tuple(_each_once(said for _, said in told))


def _each_once(told: Iterable[Said]) -> Iterator[Said]:
    rows = list(told)
    places = {said: place for place, said in enumerate(rows)}
    yield from (said for place, said in enumerate(rows) if places[said] == place)


def _one(statement: Statement, trust: Trust, as_of: int) -> Said:
    vendor = trust.of(statement.vendor)
    fresh = None if statement.at == NEVER else 0 <= as_of - statement.at <= vendor.fresh
    return Said(
        statement.status,
        statement.justification or None,
        vendor.name,
        vendor.trust,
        vendor.accuracy,
        vendor.verified,
        fresh,
    )
