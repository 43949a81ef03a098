"""A run: a version judges the findings of a stored snapshot, over frozen inputs, with all exceptions in force.

Rules:
- What is judged is an object of the tenant, named by its digest, and a part of the inputs that were frozen.
- The same version, inputs and findings give the same decisions and the same determinism hash, on any machine.
- A run is written down when it has ended, in one transaction with what follows from it: one that was killed has left
  nothing. Its decisions are an object of their own.
- A run in shadow is the evidence that there was one. When the same plan was run over the same findings before, what
  both gave is compared, and that is evidence too.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeVar

import msgspec

from stella.audit import tell as log
from stella.kernel.canonical import dump
from stella.kernel.digest import sha256
from stella.kernel.errors import StellaError
from stella.kernel.instant import Instant, format_time
from stella.language.groups import groups
from stella.language.interpret import Facts, Value, decide
from stella.language.model import ExceptionRule, Policy
from stella.operations import Context
from stella.policy import evidence, exceptions, inputs, metering, records, rules
from stella.policy.errors import BadSnapshot, RunMissing
from stella.policy.records import PACKAGE, Version
from stella.policy.rules import BAD, GOOD, Evidence
from stella.policy.run_model import NameRun, PolicyRan, RunFacts, RunPolicy, RunShown
from stella.runtime.errors import ObjectMissing

FINDINGS, DECISIONS = "policy-findings", "policy-decisions"  # kinds of objects
MAX_FINDINGS = 256 * 1024 * 1024  # bytes of a snapshot; larger ones are for the engine
STEP = 1000  # findings between two words about the progress


class Finding(msgspec.Struct, frozen=True):
    """A finding as it is stored: what is known of it, and the statements about it, oldest first."""

    id: str
    values: dict[str, bool | int | str | list[str]]
    statements: tuple[dict[str, bool | int | str | list[str]], ...] = ()


class Ended(NamedTuple):
    """How a run has ended; `plan` names what was evaluated."""

    name: str
    started: Instant
    plan: str
    status: Literal["succeeded", "failed"] = "succeeded"
    counts: Mapping[str, int] = MappingProxyType({})
    determinism: str = ""
    result: str = ""


class Judged(msgspec.Struct, frozen=True):
    """What was decided about a finding; the masks are hex numbers, bit i stands for group i."""

    id: str
    true: str
    unknown: str
    status: str
    severity: str | None
    undecided: bool


Shown = TypeVar("Shown", bound=RunFacts)


def run(ctx: Context, want: RunPolicy) -> PolicyRan:
    """Judge the findings of a snapshot."""
    now = records.now_of(ctx)
    with ctx.tenant() as t:
        found = records.version(t, want.policy, want.version)
        policy = found.checked()
        frozen = inputs.usable(t, want.inputs, now)
        excepted = exceptions.in_force(t, found.policy, frozen.as_of)
    plan = sha256(dump([found.digest, want.snapshot, excepted]))
    made = Ended(f"run:{found.policy}:{format_time(now)}:{ctx.entropy(4).hex()}", now, plan)
    try:
        if want.snapshot not in frozen.parts.values():
            raise BadSnapshot(digest=want.snapshot[: rules.MAX_SHOWN], problem="it is no part of the frozen inputs")
        judged = _judged(ctx, policy, excepted, want.snapshot, frozen.as_of)
    except StellaError:
        _end(ctx, found, want, made._replace(status="failed"))
        raise
    proof = [found.digest, frozen.digest, [[one.id, one.true, one.unknown] for one in judged]]
    counts = {**Counter(one.status for one in judged), "undecided": sum(one.undecided for one in judged)}
    result = ctx.blobs().put(DECISIONS, b"".join(msgspec.json.encode(one) + b"\n" for one in judged))
    _end(ctx, found, want, made._replace(counts=counts, determinism=sha256(dump(proof)), result=result))
    return _found(ctx, made.name, PolicyRan)


def show(ctx: Context, want: NameRun) -> RunShown:
    """One run."""
    return _found(ctx, want.run, RunShown)


def _judged(
    ctx: Context, policy: Policy, excepted: tuple[ExceptionRule, ...], snapshot: str, as_of: Instant
) -> list[Judged]:
    """What is decided about each finding, by id."""
    findings = list(_findings(ctx, snapshot))
    outcomes, begin, made = groups(policy, excepted), time.perf_counter(), []
    ctx.progress.start("judge", len(findings), "findings")
    for number, one in enumerate(findings, 1):
        said = decide(outcomes, policy.settings.default_status, Facts(_values(one.values), _statements(one), as_of))
        true, unknown = (f"{sum(1 << bit for bit in bits):x}" for bits in (said.true, said.unknown))
        made.append(Judged(one.id, true, unknown, said.status, said.severity, said.undecided))
        if number % STEP == 0:
            ctx.progress.advance(STEP)
    metering.evaluated(ctx, len(made), time.perf_counter() - begin, "interpreter", degraded=False)
    return sorted(made, key=lambda one: one.id)


def _findings(ctx: Context, snapshot: str) -> Iterator[Finding]:
    """The findings of a stored snapshot, one a line of JSON; raises BadSnapshot."""
    try:
        data = ctx.blobs().get(FINDINGS, snapshot, MAX_FINDINGS)
    except ObjectMissing:
        raise BadSnapshot(digest=snapshot, problem="there is no such object") from None
    for number, line in enumerate(data.splitlines(), 1):
        try:
            yield msgspec.json.decode(line, type=Finding)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            raise BadSnapshot(digest=snapshot, problem=f"line {number} is no finding") from None


def _values(values: dict[str, bool | int | str | list[str]]) -> dict[str, Value]:
    return {name: frozenset(value) if isinstance(value, list) else value for name, value in values.items()}


def _statements(one: Finding) -> tuple[dict[str, Value], ...]:
    return tuple(_values(statement) for statement in one.statements)


def _end(ctx: Context, found: Version, want: RunPolicy, made: Ended) -> None:
    """Write down how a run has ended, and what follows from it."""
    same = {"policy": found.policy, "version": found.number, "inputs": want.inputs, "plan": made.plan}
    now = records.now_of(ctx)
    with ctx.tenant() as t:
        records.name_of(t, found.policy, hold=True)
        before = {row[0] for row in t.all(PACKAGE, "same_runs", **same)}
        values = {"status": made.status, "counts": dump(dict(made.counts)).decode(), "result": made.result}
        more = {"id": made.name, "mode": want.mode, "determinism": made.determinism, "started": made.started}
        t.run(PACKAGE, "put_run", now=now, actor=ctx.actor, **same, **values, **more)
        good = made.status == "succeeded"
        if good and want.mode == "shadow":
            shadow = Evidence("shadow", made.result, GOOD, now, want.inputs, made.determinism)
            evidence.record_in(ctx, t, found, found.digest, shadow)
        if good and before:
            verdict = GOOD if before == {made.determinism} else BAD
            proof = Evidence("determinism", made.result, verdict, now, want.inputs, made.determinism)
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
