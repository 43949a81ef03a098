"""A proposed policy is held against the one that decides today, over a whole snapshot.

Rules:
- Every finding is counted, on both sides with the same exceptions and about the same instant: that of the snapshot.
- Only what exceeds a limit makes the verdict negative. What nobody can decide is counted and said.
- The findings that are shown are the gravest: known to be exploited first, then those whose status changes, then by
  severity, then by their number.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np

from stella.engine.board import Board
from stella.engine.evaluate import RECHECKED
from stella.engine.facts import facts
from stella.engine.moves import Shift
from stella.engine.plan import compile as plan_of
from stella.engine.simulate import Change, Comparison, Kind, Simulation, summed
from stella.inventory import snapshot as snapshots
from stella.inventory.loading import load_star
from stella.inventory.star import Coded, Flags
from stella.kernel.instant import format_time, parse_duration
from stella.language.ir import digest
from stella.language.model import SYNTAX, Metadata, Options, Policy
from stella.language.names import SEVERITY, STATUS
from stella.operations import Context
from stella.policy.simulation.errors import NoActivePolicy
from stella.policy.simulation.limits import ALL, DEFAULT, MAX_SOURCE, Counts, LimitJudged, Limits, judge, read_limits
from stella.policy.simulation.model import (
    FindingChanged,
    Level,
    LimitResult,
    PolicySimulated,
    Side,
    SimulatePolicy,
)
from stella.policy.simulation.reports import FORMATS
from stella.policy.text.compiling import compiled_file
from stella.policy.text.evaluation import read_exceptions
from stella.runtime.files import read_file
from stella.runtime.reports import read_reports, write_reports

TOP = 10  # findings and assets that are shown
SCANNED = 100_000  # findings of a kind among which the gravest are looked for; bounds the time that showing ten takes
BLOCKED = "blocked"
RANKS = {word: rank for rank, word in enumerate(SEVERITY.words)}
ACTIVE, NONE, ANY = "active", "none", "any"
KINDS: Mapping[str, Kind] = {
    "max_newly_blocked": "newly_blocked",
    "max_unblocked": "unblocked",
    "max_unblocked_kev": "unblocked_kev",
    "max_changed_percent": "changed",
    "max_per_asset": "changed",
}


def simulate(ctx: Context, want: SimulatePolicy) -> PolicySimulated:
    """Simulate.

    Raises BrokenSource, NoActivePolicy, the errors of limits, of snapshots and of the engine, or what reading raises.
    """
    reports = read_reports(want.report, FORMATS)
    limits = DEFAULT if want.limits is None else read_limits(read_file(Path(want.limits), MAX_SOURCE), want.limits)
    _, after = compiled_file(want.after)
    before = before_of(ctx, want.before, after)
    exempted = read_exceptions(want.exceptions)
    folder = snapshots.find(want.inventory)
    head = snapshots.read(folder)
    if want.max_age != ANY:
        snapshots.require_fresh(head, ctx.clock.read().wall, parse_duration(want.max_age))
    ctx.progress.start("simulate", 3, "steps")
    board = Board(load_star(folder), head.core.as_of)
    ctx.progress.advance(1)
    plans = [plan_of(one, exempted, digest(one)) for one in (before, after)]
    comparison = Comparison(plans[0], plans[1], board, want.backend)
    counted = summed(comparison, comparison.counted())
    comparison.recheck(RECHECKED)
    ctx.progress.advance(1)
    made = result(want, (before, after), len(exempted), head.digest, judged(limits, comparison, counted), counted)
    ctx.progress.advance(1)
    return msgspec.structs.replace(made, reports=write_reports(reports, FORMATS, made))


def before_of(ctx: Context, given: str, after: Policy) -> Policy:
    """The policy that decides today; `none` decides nothing, and leaves all findings as the other one's default.

    `active` is the newest active version of the tenant whose text has the same name; raises NoActivePolicy.
    """
    if given == ACTIVE:
        return _active(ctx, after.policy_id)
    if given != NONE:
        return compiled_file(given)[1]
    return Policy(NONE, SYNTAX, Metadata(), Options(default_status=after.settings.default_status), (), (), ())


def _active(ctx: Context, name: str) -> Policy:
    if ctx.database is None:
        raise NoActivePolicy(name=name, problem="there is no database of versions here")
    from stella.policy import records  # noqa: PLC0415  # the database, which files do not need

    with ctx.tenant() as t:
        rows = t.all(records.PACKAGE, "active_by_title", title=name)
        if not rows:
            raise NoActivePolicy(name=name, problem="no version of it is active")
        if len({policy for policy, _ in rows}) > 1:
            both = ", ".join(sorted({policy for policy, _ in rows}))
            raise NoActivePolicy(name=name, problem=f"more than one policy has a text of that name: {both}")
        return records.version(t, *rows[0]).checked()


def result(
    want: SimulatePolicy,
    policies: tuple[Policy, Policy],
    exceptions: int,
    snapshot: str,
    limits: tuple[LimitResult, ...],
    counted: Simulation,
) -> PolicySimulated:
    """The counts as they are shown."""
    exceeded = any(one.exceeded for one in limits)
    return PolicySimulated(
        verdict="failed" if exceeded else "passed",
        reason="threshold_exceeded" if exceeded else None,
        before=Side(want.before, policies[0].policy_id, counted.before_digest, counted.undecided_before),
        after=Side(want.after, policies[1].policy_id, counted.after_digest, counted.undecided_after),
        snapshot=snapshot,
        star=counted.star_digest,
        as_of=format_time(counted.as_of),
        exceptions=exceptions,
        findings=counted.findings,
        degraded=counted.degraded,
        total=counted.total,
        limits=limits,
        statuses=levels(counted.statuses, STATUS.words),
        severities=levels(counted.severities, (*SEVERITY.words, "unknown")),
        status_shifts=counted.statuses,
        severity_shifts=counted.severities,
        transitions=counted.rules(),
        environments=counted.environments,
        assets_changed=len(counted.assets),
        movers=counted.movers(TOP),
        slow=counted.slow,
    )


def levels(shifts: Iterable[Shift], words: Iterable[str]) -> tuple[Level, ...]:
    """How many have each word before and after, the gravest last; words of none are left out."""
    before: dict[str, int] = {}
    after: dict[str, int] = {}
    for shift in shifts:
        before[shift.before] = before.get(shift.before, 0) + shift.findings
        after[shift.after] = after.get(shift.after, 0) + shift.findings
    return tuple(Level(word, before.get(word, 0), after.get(word, 0)) for word in words if word in before | after)


def judged(limits: Limits, comparison: Comparison, counted: Simulation) -> tuple[LimitResult, ...]:
    """Each limit with the gravest findings that count for it."""
    places = _environments(comparison.board)
    found = judge(limits, Counts(counted.total, counted.environments, counted.assets, places))
    show = _Show(comparison, counted)
    return tuple(
        LimitResult(one.name, one.scope, one.value, one.limit, one.exceeded, one.asset, show.top(one)) for one in found
    )


def _environments(board: Board) -> dict[str, str]:
    """The environment of each asset, by name."""
    names, places = _texts(board, "asset.id"), _texts(board, "env.name")
    return {name: place for name, place in zip(names, places, strict=True) if name is not None and place is not None}


def _texts(board: Board, column: str) -> list[str | None]:
    """A column of the assets."""
    table = board.star.dimensions["asset"]
    held = table.columns.get(column)
    if not isinstance(held, Coded):
        return [None] * table.rows
    return [held.words[code] if code >= 0 else None for code in held.codes.tolist()]


class _Show:
    """Findings that changed, as people read them. Those of a kind are looked through once, and only ten are read."""

    def __init__(self, comparison: Comparison, counted: Simulation) -> None:
        self._comparison = comparison
        self._counted = counted
        self._star = comparison.board.star
        self._kinds: dict[Kind, list[Change]] = {}
        exploited = self._star.dimensions["advisory"].columns.get("kev")
        self._kev = set(np.flatnonzero(exploited.values == 1).tolist() if isinstance(exploited, Flags) else ())

    def top(self, limit: LimitJudged) -> tuple[FindingChanged, ...]:
        """The gravest findings that count for a limit."""
        if limit.value in {"0", "0 %"}:
            return ()
        mine = self._of(KINDS[limit.name])
        if limit.asset or limit.scope != ALL:
            column, wanted = ("asset.id", limit.asset) if limit.asset else ("env.name", limit.scope)
            rows = {row for row, text in enumerate(_texts(self._comparison.board, column)) if text == wanted}
            asset = self._star.keys["asset"]
            mine = [change for change in mine if int(asset[change.finding]) in rows]
        return tuple(map(self._finding, heapq.nsmallest(TOP, mine, key=self._gravity)))

    def _of(self, kind: Kind) -> list[Change]:
        """Changes of a kind: picked from all changes where these are few, for each pass asks every finding again."""
        if kind not in self._kinds:
            every = self._of("changed") if kind != "changed" else []
            if kind == "changed" or len(every) == SCANNED:
                self._kinds[kind] = list(islice(self._comparison.changes(kind), SCANNED))
            else:
                self._kinds[kind] = [change for change in every if self._is(kind, change)]
        return self._kinds[kind]

    def _is(self, kind: Kind, change: Change) -> bool:
        before, after = change.status_before == BLOCKED, change.status_after == BLOCKED
        if kind == "unblocked_kev" and not self._is_exploited(change):
            return False
        return after and not before if kind == "newly_blocked" else before and not after

    def _is_exploited(self, change: Change) -> bool:
        return int(self._star.keys["advisory"][change.finding]) in self._kev

    def _gravity(self, change: Change) -> tuple[bool, bool, int, int]:
        rank = RANKS.get(change.severity_after, -1)
        return not self._is_exploited(change), change.status_before == change.status_after, -rank, change.finding

    def _finding(self, change: Change) -> FindingChanged:
        values = facts(self._star, change.finding, self._comparison.board.as_of).values
        return FindingChanged(
            finding=change.finding,
            asset=str(values.get("asset.id", "unknown")),
            environment=str(values.get("env.name", "unknown")),
            component=str(values.get("component.purl", "unknown")),
            advisory=str(values.get("advisory.id", "unknown")),
            kev=values.get("kev") is True,
            severity_before=change.severity_before,
            severity_after=change.severity_after,
            status_before=change.status_before,
            status_after=change.status_after,
            rule_before=self._counted.before[change.before].rule,
            rule_after=self._counted.after[change.after].rule,
        )
