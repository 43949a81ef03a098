"""A run: a version judges the findings of a snapshot, with all exceptions in force.

Rules:
- The snapshot is a part of frozen inputs. Without any that are named it is frozen, and is of today.
- The same version, inputs and exceptions give the same decisions and the same determinism hash, on any machine.
- A run is written down when it has ended, in one transaction with what follows from it: one that was killed has left
  nothing. Its decisions are an object of their own.
- A run in shadow is the evidence that there was one. When the same plan was run over the same findings before, what
  both gave is compared, and that is evidence too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeVar

import msgspec

from stella.audit import tell as log
from stella.engine import decisions
from stella.engine.board import Board
from stella.engine.evaluate import Evaluation, determinism, evaluate
from stella.engine.plan import Plan
from stella.engine.plan import compile as plan_of
from stella.inventory.loading import load_star
from stella.inventory.snapshot import Snapshot
from stella.kernel.canonical import dump
from stella.kernel.errors import StellaError
from stella.kernel.instant import Instant, format_time
from stella.operations import Context
from stella.policy import evidence, exceptions, inputs, metering, records, rules
from stella.policy.errors import RunMissing
from stella.policy.inputs import Inputs
from stella.policy.records import PACKAGE, Version
from stella.policy.rules import BAD, DEGRADED, GOOD, Evidence
from stella.policy.run_model import NameRun, PolicyRan, RunFacts, RunPolicy, RunShown
from stella.runtime.tenant_blobs import collecting, rewind

DECISIONS = "policy-decisions"  # kind of object


class Ended(NamedTuple):
    """How a run has ended; `plan` names what was evaluated."""

    name: str
    started: Instant
    plan: str
    inputs: str
    status: Literal["succeeded", "failed"] = "succeeded"
    counts: Mapping[str, int] = MappingProxyType({})
    determinism: str = ""
    result: str = ""
    degraded: bool = False


Shown = TypeVar("Shown", bound=RunFacts)


def run(ctx: Context, want: RunPolicy) -> PolicyRan:
    """Judge the findings of a snapshot."""
    now = records.now_of(ctx)
    folder, head = inputs.snapshot_of(ctx, want.inventory, inputs.ANY if want.inputs else want.max_age)
    with ctx.tenant() as t:
        found = records.version(t, want.policy, want.version)
        policy = found.checked()
        excepted = exceptions.in_force(t, found.policy, head.core.as_of)
    frozen = _frozen(ctx, want, head)
    plan = plan_of(policy, excepted, found.digest)
    name = f"run:{found.policy}:{format_time(now)}:{ctx.entropy(4).hex()}"
    made = Ended(name, now, plan.view.digest, frozen.digest)
    try:
        done = _judged(ctx, plan, folder, head)
    except StellaError:
        _end(ctx, found, want, made._replace(status="failed"))
        raise
    undecided = int(done.counts.undecided)
    counts = {**{word: count for word, count in done.statuses.items() if count}, "undecided": undecided}
    ended = made._replace(
        counts=counts, determinism=determinism(done), result=_kept(ctx, done), degraded=bool(done.degraded or undecided)
    )
    _end(ctx, found, want, ended)
    return _found(ctx, made.name, PolicyRan)


def show(ctx: Context, want: NameRun) -> RunShown:
    """One run."""
    return _found(ctx, want.run, RunShown)


def _frozen(ctx: Context, want: RunPolicy, head: Snapshot) -> Inputs:
    """The inputs of a run; raises InputsUnfrozen, InputsStale, OtherInputs, or as `inputs.freeze_snapshot`."""
    if not want.inputs:
        return inputs.freeze_snapshot(ctx, head)
    with ctx.tenant() as t:
        found = inputs.usable(t, want.inputs, records.now_of(ctx))
    inputs.require_part(found, head)
    return found


def _judged(ctx: Context, plan: Plan, folder: Path, head: Snapshot) -> Evaluation:
    """Ask the plan about each finding; raises what is wrong with the snapshot, or as the engine."""
    ctx.progress.start("judge", 2, "steps")
    board = Board(load_star(folder), head.core.as_of)
    ctx.progress.advance(1)
    begin = time.perf_counter()
    done = evaluate(plan, board, board.as_of)
    ctx.progress.advance(1)
    spent = time.perf_counter() - begin
    metering.evaluated(ctx, board.star.findings, spent, done.backend, degraded=bool(done.degraded))
    return done


def _kept(ctx: Context, done: Evaluation) -> str:
    """Keep the decisions; their digest."""
    with collecting() as file:
        decisions.write(done, file)
        kept = ctx.blobs().put(DECISIONS, rewind(file))
    file.close()
    return kept


def _end(ctx: Context, found: Version, want: RunPolicy, made: Ended) -> None:
    """Write down how a run has ended, and what follows from it."""
    same = {"policy": found.policy, "version": found.number, "inputs": made.inputs, "plan": made.plan}
    now = records.now_of(ctx)
    with ctx.tenant() as t:
        records.name_of(t, found.policy, hold=True)
        before = {row[0] for row in t.all(PACKAGE, "same_runs", **same)}
        values = {"status": made.status, "counts": dump(dict(made.counts)).decode(), "result": made.result}
        more = {"id": made.name, "mode": want.mode, "determinism": made.determinism, "started": made.started}
        t.run(PACKAGE, "put_run", now=now, actor=ctx.actor, **same, **values, **more)
        good = made.status == "succeeded"
        if good and want.mode == "shadow":
            verdict = DEGRADED if made.degraded else GOOD
            shadow = Evidence("shadow", made.result, verdict, now, made.inputs, made.determinism)
            evidence.record_in(ctx, t, found, found.digest, shadow)
        if good and before:
            verdict = GOOD if before == {made.determinism} else BAD
            proof = Evidence("determinism", made.result, verdict, now, made.inputs, made.determinism)
            evidence.record_in(ctx, t, found, found.digest, proof)
        log.tell(ctx, t, "policy.run", made.name, outcome="success" if good else "failure")


def _found(ctx: Context, name: str, kind: type[Shown]) -> Shown:
    with ctx.tenant() as t:
        row = t.one(PACKAGE, "run", id=name)
    if row is None:
        raise RunMissing(id=ascii(name)[1:-1][: rules.MAX_SHOWN])
    return kind(
        run=row[0],
        policy=row[1],
        version=row[2],
        mode=row[3],
        status=row[4],
        inputs=row[5],
        counts=msgspec.json.decode(row[7], type=dict[str, int]),
        determinism=row[8],
        result=row[9],
        started=format_time(row[10]),
        finished=format_time(row[11]),
    )
