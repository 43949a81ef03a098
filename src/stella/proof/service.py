"""The answers of `stella tenancy`: the gate as it is, the roles as they are made, and the proof."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

import stella
from stella.attest import statement
from stella.attest.model import TENANCY, Verdict
from stella.attest.service import signing_key
from stella.kernel.instant import format_time
from stella.operations import Context
from stella.proof import interference, live, matrix, mutations, report
from stella.proof.model import (
    DifferenceShown,
    FindingShown,
    GateRead,
    InterferenceShown,
    LeakShown,
    LiveShown,
    MatrixShown,
    MutationsShown,
    Predicate,
    PrintRoles,
    Prove,
    Proved,
    ReadGate,
    RolesPrinted,
)
from stella.proof.stage import NAMES, Stage, lay
from stella.runtime import roles as making
from stella.runtime.files import replacing
from stella.runtime.reports import read_reports, write_reports
from stella.runtime.throwaway import throwaway
from stella.signing.keys import PrivateKey
from stella.tenancy.gate import WHY, Finding


def gate(ctx: Context, want: ReadGate) -> GateRead:
    """What is wrong in the configured database; also raises BadReport."""
    reports = read_reports(want.report, report.FORMATS)
    into, tables, found = live.findings_of(ctx)
    read = GateRead(
        database=into.where,
        verdict="failed" if found else "passed",
        tables=tables,
        checks=len(WHY),
        findings=_findings(found),
    )
    return msgspec.structs.replace(read, reports=write_reports(reports, report.FORMATS, read))


def roles(_: Context, want: PrintRoles) -> RolesPrinted:
    """What an administrator runs once."""
    return RolesPrinted(database=want.database, roles=making.LOGINS, sql=making.script(want.database))


def prove(ctx: Context, want: Prove) -> Proved:
    """Prove this release, and carry the proof over to the live database."""
    key = signing_key(ctx, want.key) if want.key else None
    used = live.examine(ctx, want.dsn)
    with throwaway(ctx.entropy(16).hex()) as server:
        stage = lay(server, ctx, ctx.schemas, want.seed)
        tried = matrix.run(server, NAMES.both, stage.seal, stage.schema, stage.pair, ctx.progress)
        began = time.monotonic()
        asked = interference.run(
            server, NAMES, stage.seal, stage.schema, stage.pair, stage.packages,
            seed=want.seed, queries=want.queries, progress=ctx.progress,
        )  # fmt: skip
        rate = round(asked.queries / max(time.monotonic() - began, 1e-3))
        broken = mutations.run(server, NAMES.both, stage.seal, stage.schema, stage.pair, ctx.progress)
    proof = _predicate(ctx, want, stage, (tried, asked, broken), used)
    schema_digest = stage.snapshot.digests()[1]
    if want.out:
        _write(want.out, schema_digest, proof, key)
    return Proved(
        verdict=proof.verdict,
        reasons=proof.reasons,
        schema_digest=schema_digest,
        proof=proof,
        rate=rate,
        out=want.out,
        signed_by=key.public.to_base64() if key and want.out else None,
    )


Parts = tuple[matrix.Matrix, interference.Interference, mutations.Mutated]


def _predicate(ctx: Context, want: Prove, stage: Stage, parts: Parts, used: live.Live | None) -> Predicate:
    tried, asked, broken = parts
    shown = _live(stage, used)
    reasons = tuple(_reasons(stage, parts, shown))
    verdict: Verdict = "failed" if reasons else "passed"
    return Predicate(
        release=stella.__version__,
        made=format_time(ctx.clock.read().wall),
        verdict=verdict,
        reasons=reasons,
        seed=want.seed,
        tables=len(stage.schema.tables),
        rows=stage.rows,
        policies=stage.snapshot.digests()[0],
        gate=_findings(stage.findings),
        matrix=MatrixShown(tried.probes, tried.refused, tried.empty, tuple(LeakShown(*leak) for leak in tried.leaks)),
        interference=InterferenceShown(
            asked.queries,
            asked.texts,
            asked.statements,
            asked.refused,
            asked.answers,
            tuple(DifferenceShown(*one) for one in asked.differences),
            asked.unstable,
            asked.unasked,
        ),
        mutations=MutationsShown(broken.made, broken.by_gate, broken.by_matrix, broken.survivors, broken.barred),
        live=shown,
    )


def _reasons(stage: Stage, parts: Parts, used: LiveShown | None) -> Iterable[str]:
    """Why the proof fails, a line for each part that does."""
    tried, asked, broken = parts
    counts = (
        (len(stage.findings), "findings of the gate in what this release lays"),
        (len(tried.leaks), "probes of the bypass matrix"),
        (len(asked.differences), "queries whose answers another tenant's rows change"),
        (len(asked.unasked), "statements that could not be asked"),
        (len(broken.survivors), "mutations that nobody noticed"),
        (len(used.findings) if used else 0, "findings of the gate in the live database"),
        (len(used.differences) if used else 0, "differences between the live database and what was proved"),
    )
    return (f"{count} {what}" for count, what in counts if count)


def _live(stage: Stage, used: live.Live | None) -> LiveShown | None:
    if used is None:
        return None
    differences = live.differences(stage.snapshot, used.snapshot)
    return LiveShown(used.login, used.identity, *used.snapshot.digests(), _findings(used.findings), differences)


def _findings(found: Iterable[Finding]) -> tuple[FindingShown, ...]:
    return tuple(FindingShown(*finding, *WHY[finding.kind]) for finding in found)


def _write(out: str, schema_digest: str, proof: Predicate, key: PrivateKey | None) -> None:
    data = statement.write(TENANCY, {"schema": schema_digest}, proof, [key] if key else [])
    with replacing(Path(out)) as file:
        file.write(data)
