"""Running a drill: where, with which seed, and what is told of it.

Rules:
- A drill that finds something is a result with the exit code of a negative verdict; an error means that it did not run.
- Reports are named before the drill begins, so that a wrong name costs no minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from stella.drill import (
    clock_skew,
    jwks_outage,
    key_rotation,
    kid_flood,
    namespace,
    pool_leak,
    report,
    token_expiry,
)
from stella.drill.faults import Kind, by_endpoint, by_packets, dropping, hanging
from stella.drill.model import (
    Drilled,
    DrillExpiry,
    DrillFlood,
    DrillOutage,
    DrillPool,
    DrillRotation,
    DrillSkew,
    Outcome,
)
from stella.drill.rules import outage_of
from stella.drill.stage import Plan
from stella.kernel.instant import Reading
from stella.operations import Context
from stella.runtime.ports import Progress
from stella.runtime.reports import Report, read_reports, write_reports
from stella.runtime.silent import Silent

Timed = DrillOutage | DrillExpiry | DrillSkew | DrillFlood | DrillRotation
SEED_BYTES = 4

# What each drill that can lose packets does with a plan, its request and the way in which issuers fail.
DRILLS: Mapping[str, tuple[type[Timed], Callable[[Plan, Any, Kind], Outcome]]] = {
    "jwks-outage": (DrillOutage, lambda plan, want, kind: jwks_outage.drill(plan, outage_of(want.outage), kind)),
    "token-expiry": (DrillExpiry, lambda plan, _, __: token_expiry.drill(plan)),
    "clock-skew": (DrillSkew, lambda plan, _, __: clock_skew.drill(plan)),
    "kid-flood": (DrillFlood, lambda plan, want, _: kid_flood.drill(plan, want.kids, want.seconds)),
    "key-rotation": (DrillRotation, lambda plan, _, __: key_rotation.drill(plan)),
}


def drill(ctx: Context, name: str, want: Timed) -> Drilled:
    """Run one of DRILLS; raises BadOutage, BadReport, NoNamespace or NamespaceEnded."""
    reports = read_reports(want.report, report.FORMATS)
    if isinstance(want, DrillOutage):
        outage_of(want.outage)
    seed, begin, began = _seed(ctx, want.seed), ctx.clock.read(), time.monotonic()
    ctx.progress.start(name, None, "seconds of the drill")
    if want.netns:
        errand = namespace.Errand(name, msgspec.Raw(msgspec.json.encode(want)), seed, begin)
        found = namespace.drill(errand, ctx.progress)
    else:
        found = _conduct(name, want, seed, begin, ctx.progress, "endpoint")
    mode: Literal["endpoint", "packets"] = "packets" if want.netns else "endpoint"
    return _told(name, mode, seed, want.tenants, found, began, reports)


def pool(ctx: Context, want: DrillPool) -> Drilled:
    """Run the drill of the pool; raises BadReport, NoServerToDrill or the errors of a database."""
    reports = read_reports(want.report, report.FORMATS)
    seed, began = _seed(ctx, want.seed), time.monotonic()
    plan = Plan(seed, want.tenants, 1, ctx.clock.read(), ctx.progress, by_endpoint, hanging)
    found = pool_leak.drill(plan, want.rounds, ctx.entropy)
    return _told("pool-leak", "database", seed, want.tenants, found, began, reports)


def in_namespace(errand: namespace.Errand) -> Outcome:
    """Run a drill here, where packets can be lost: the work of the child of `namespace`."""
    kind, _ = DRILLS[errand.name]
    want = msgspec.json.decode(errand.want, type=kind)
    return _conduct(errand.name, want, errand.seed, errand.begin, Silent(), "packets")


def _conduct(name: str, want: Timed, seed: int, begin: Reading, progress: Progress, kind: Kind) -> Outcome:
    cut, hang = (by_endpoint, hanging) if kind == "endpoint" else (by_packets, dropping)
    plan = Plan(seed, want.tenants, want.speed, begin, progress, cut, hang)
    return DRILLS[name][1](plan, want, kind)


def _seed(ctx: Context, seed: int) -> int:
    return seed or int.from_bytes(ctx.entropy(SEED_BYTES)) or 1


def _told(
    name: str,
    mode: Literal["endpoint", "packets", "database"],
    seed: int,
    tenants: int,
    found: Outcome,
    began: float,
    reports: Sequence[Report],
) -> Drilled:
    """The result, and the reports of it."""
    drilled = Drilled(
        name=name,
        passed=all(measure.passed for measure in found.measures),
        mode=mode,
        seed=seed,
        tenants=tenants,
        requests=found.requests,
        errors=found.errors,
        seconds=found.seconds,
        took_ms=round((time.monotonic() - began) * 1000),
        measures=found.measures,
        events=found.events,
        notes=found.notes,
        reports=tuple(path for _, path in reports),
    )
    write_reports(reports, report.FORMATS, drilled)
    return drilled
