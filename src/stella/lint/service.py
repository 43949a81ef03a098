"""The tenancy lint: read a tree, hold it against the rules and the waivers, say what is left.

Rules:
- Every file that is there is read. One that cannot be is a finding, never skipped.
- Findings come in the order of files and lines; the same tree gives the same answer on the same day.
- Nothing of the tree is imported or run.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from stella.kernel.errors import StellaError
from stella.lint import python, squawk, waivers
from stella.lint.errors import BadRoom
from stella.lint.keys import keys
from stella.lint.model import Finding, LintTenancy, Spot, TenancyLinted, Waived
from stella.lint.report import FORMATS
from stella.lint.rules import PREFIX, fix_of
from stella.lint.sql_files import File, read
from stella.lint.statements import hazards
from stella.lint.tables import Known
from stella.lint.tree import Packages, Source, sources
from stella.lint.waivers import BESIDE, Waiver
from stella.operations import Context
from stella.runtime.files import read_file
from stella.runtime.reports import read_reports, write_reports

MAX_FILE = 4 << 20  # bytes; more is data, or hostile
SECONDS_A_DAY = 86400


class Looked(NamedTuple):
    """A file with its waivers and what was found in it."""

    source: Source
    spots: list[Spot]
    waivers: list[Waiver]
    sql: File | None = None


def tenancy(ctx: Context, want: LintTenancy) -> TenancyLinted:
    """Lint a tree."""
    reports = read_reports(want.report, FORMATS)
    room = want.room.strip("/")
    if not room or any(not part.isidentifier() for part in room.split("/")):
        raise BadRoom(room=want.room)
    found = sources(want.paths)
    ctx.progress.start("lint", len(found), "files")
    packages = Packages(room)
    looked = []
    for source in found:
        looked.append(_look(source, packages, room))
        ctx.progress.advance(1)
    known = _across(looked)
    heard = _squawk(looked) if want.squawk else squawk.Heard({}, ())
    result = _result(looked, known, _today(ctx), heard)
    return msgspec.structs.replace(result, reports=write_reports(reports, FORMATS, result))


def _today(ctx: Context) -> dt.date:
    """The day in UTC, by this machine's clock."""
    return dt.date(1970, 1, 1) + dt.timedelta(days=ctx.clock.read().wall // SECONDS_A_DAY)


def _look(source: Source, packages: Packages, room: str) -> Looked:
    try:
        data = read_file(source.path, MAX_FILE)
    except StellaError as error:
        rule = "STL000" if source.kind == "python" else "STS000"
        return Looked(source, [Spot(rule, 1, 1, error.message, 1)], [])
    if source.kind == "python":
        name, _ = packages.place(source.path)
        spots = list(python.lint(data, name, room))
        if packages.in_room(source.path):
            spots = [spot for spot in spots if spot.rule == "STL000"]
        return Looked(source, spots, waivers.in_python(data))
    sql = read(data, catalogue=source.is_catalogue)
    spots = [*sql.spots, *(spot for statement in sql.statements for spot in hazards(statement))]
    return Looked(source, spots, waivers.in_sql(data.decode(errors="replace")), sql)


def _across(looked: Iterable[Looked]) -> Known:
    """Add what needs to know the tables of the whole tree."""
    scripts = [one for one in looked if one.sql is not None]
    known = Known(
        (one.source.package, statement)
        for one in scripts
        if one.sql is not None and not one.source.is_catalogue
        for statement in one.sql.statements
    )
    for one in scripts:
        if one.sql is not None:
            one.spots.extend(keys(one.sql.statements, known.of(one.source.package)))
    return known


def _squawk(looked: Sequence[Looked]) -> squawk.Heard:
    scripts = {one.source.shown: one for one in looked if one.sql is not None and not one.source.is_catalogue}
    heard = squawk.ask(sorted(scripts), squawk.program())
    for shown, spots in heard.spots.items():
        if shown in scripts:
            scripts[shown].spots.extend(spots)
    return heard


def _result(looked: Sequence[Looked], known: Known, today: dt.date, heard: squawk.Heard) -> TenancyLinted:
    findings: list[Finding] = []
    waived: list[Waived] = []
    beside = _beside(looked)
    for one in looked:
        shown, folder = one.source.shown, one.source.path.parent
        spots = sorted(set(one.spots), key=lambda spot: (spot.line, spot.column, spot.rule, spot.message))
        outside = beside.get(folder, {}).pop(one.source.path.name, [])
        judged = waivers.judge(spots, [*one.waivers, *outside], today, unasked="" if heard.answered else PREFIX)
        findings += [_finding(shown, spot) for spot in judged.left]
        findings += [
            _finding(
                os.path.normpath(folder / BESIDE), spot._replace(message=f"{one.source.path.name}: {spot.message}")
            )
            if waiver.beside
            else _finding(shown, spot)
            for spot, waiver in judged.wrong
        ]
        waived += [
            Waived(spot.rule, shown, spot.line, spot.message, waiver.until.isoformat(), waiver.reason)
            for spot, waiver in judged.allowed
        ]
    findings += _orphans(beside, today)
    findings.sort(key=lambda found: (found.file, found.line, found.column, found.rule, found.message))
    kinds = [one.source.kind for one in looked]
    return TenancyLinted(
        verdict="failed" if findings else "passed",
        reason="lint_failed" if findings else None,
        python_files=kinds.count("python"),
        sql_files=kinds.count("sql"),
        statements=sum(len(one.sql.statements) for one in looked if one.sql is not None),
        tenant_tables=known.all(),
        findings=tuple(findings),
        waived=tuple(waived),
        notes=heard.notes,
    )


def _beside(looked: Iterable[Looked]) -> dict[Path, dict[str, list[Waiver]]]:
    """The waivers of the folders that hold files which must not change."""
    found: dict[Path, dict[str, list[Waiver]]] = {}
    for folder in sorted({one.source.path.parent for one in looked}):
        path = folder / BESIDE
        if path.is_file() and not path.is_symlink():
            found[folder] = waivers.beside(read_file(path, MAX_FILE).decode(errors="replace"))
    return found


def _orphans(beside: Mapping[Path, Mapping[str, Sequence[Waiver]]], today: dt.date) -> Iterator[Finding]:
    """Waivers of files that are not there; a file that is there and was not asked about is another matter."""
    for folder, left in beside.items():
        for name, rows in left.items():
            if not name or not (folder / name).exists():
                for spot, _ in waivers.judge([], rows, today).wrong:
                    said = f"{name}: {spot.message}" if name else spot.message
                    yield _finding(os.path.normpath(folder / BESIDE), spot._replace(message=said))


def _finding(shown: str, spot: Spot) -> Finding:
    return Finding(spot.rule, spot.level, shown, spot.line, spot.column, spot.message, fix_of(spot.rule))
