"""A stored version is examined, and what was found is recorded as evidence for the gate.

Rules:
- What is examined is the text that is stored, never a file of whoever asks.
- Each kind is recorded whether it is good or bad, all of them in one transaction, each with an object that shows it.
- Whose signatures count is a setting of the installation. Whoever asks cannot choose it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from stella.attest import service as attest
from stella.attest.errors import NothingTrusted
from stella.kernel.errors import Exit, StellaError
from stella.kernel.instant import Instant, format_time
from stella.language.model import ExceptionRule, Policy
from stella.operations import Context
from stella.policy import evidence, exceptions, inputs, records, rules
from stella.policy.examination.errors import NobodyTrusted, NothingToExamine
from stella.policy.examination.model import Examined, ExaminePolicy, PolicyExamined
from stella.policy.model import State
from stella.policy.records import Version, held
from stella.policy.rules import BAD, GOOD, Evidence
from stella.policy.run_model import FreezeInputs
from stella.policy.signature import signing
from stella.policy.signature.errors import SignedFactDiffers
from stella.policy.text import linting
from stella.policy.text.model import LintPolicy
from stella.policy.trial import testing
from stella.policy.trial.fixtures import MAX_SOURCE
from stella.policy.trial.model import PolicyTrial, TestPolicy
from stella.runtime.files import read_file
from stella.runtime.scratch import scratch
from stella.runtime.transaction import Transaction
from stella.signing import sigstore_bundle

KIND = "policy-evidence"  # of the objects that show what was found; simulations have one of their own


class Found(NamedTuple):
    """What was found out, before it is recorded."""

    kind: str
    verdict: str
    shown: bytes
    what: str
    inputs: str = ""
    determinism: str = ""
    object: str = KIND


class Subject(NamedTuple):
    """The version, what decides today beside it, and the exceptions in force."""

    found: Version
    policy: Policy
    today: Version | None
    excepted: tuple[ExceptionRule, ...]


def examine(ctx: Context, want: ExaminePolicy) -> PolicyExamined:
    """Examine.

    Raises NothingToExamine, NobodyTrusted, NoSuchVersion, IrHashMismatch, or what the parts raise of their inputs.
    """
    if not (want.fixtures or want.inventory or want.attestation):
        raise NothingToExamine
    now = records.now_of(ctx)
    subject = _subject(ctx, want, now)
    made: list[Found] = []
    if want.fixtures is not None:
        made += _text(ctx, want, subject.found, want.fixtures)
    frozen = ""
    if want.inventory is not None:
        from stella.policy.examination.foretelling import foretold  # noqa: PLC0415  # numpy and the engine

        counted = foretold(ctx, want.inventory, want.limits, subject)
        frozen = inputs.freeze(ctx, FreezeInputs(inventory=counted.snapshot, as_of=format_time(counted.as_of))).digest
        made += [one._replace(inputs=frozen) for one in counted.found]
    if want.attestation is not None:
        made.append(_signature(ctx, subject.found, want.attestation))
    return _recorded(ctx, want, subject, made, frozen)


def _subject(ctx: Context, want: ExaminePolicy, now: Instant) -> Subject:
    with ctx.tenant() as t:
        found = records.version(t, want.policy, want.version)
        today = _today(t, found, want.env)
        before = None if today is None else records.version(t, want.policy, today)
        return Subject(found, found.checked(), before, exceptions.in_force(t, found.policy, now))


def _today(t: Transaction, found: Version, env: str | None) -> int | None:
    """The version that decides in an environment, or the newest active one beside this; None for none."""
    if env is not None:
        placed = records.placements(t, found.policy).get(rules.parse_env(env))
        return None if placed is None else placed.version
    others = [one for one in records.versions(t, found.policy) if one.state is State.ACTIVE]
    return next((one.number for one in others if one.number != found.number), None)


def _text(ctx: Context, want: ExaminePolicy, found: Version, fixtures: str) -> list[Found]:
    """Lint with proofs, fixtures and their coverage."""
    given = Path(fixtures)
    with scratch("examine") as folder:
        file = folder / f"{found.policy}.stella"
        file.write_text(found.source)
        (folder / f"{found.policy}.fixtures{given.suffix}").write_bytes(read_file(given, MAX_SOURCE))
        linted = linting.lint(ctx, LintPolicy((str(file),)))
        tested = testing.test(ctx, TestPolicy((str(file),)))
        shown = [msgspec.json.encode(one).replace(f"{folder}/".encode(), b"") for one in (linted, tested)]
    (trial,) = tested.policies
    covered = trial.coverage >= want.min_coverage
    return [
        Found(
            "lint",
            GOOD if linted.verdict == "passed" else BAD,
            shown[0],
            f"{linted.errors:,} errors, {linted.warnings:,} warnings",
        ),
        _fixtures(trial, shown[1]),
        Found(
            "coverage", GOOD if covered else BAD, shown[1], f"{trial.coverage} % of terms, {want.min_coverage} % asked"
        ),
    ]


def _fixtures(trial: PolicyTrial, shown: bytes) -> Found:
    good = bool(trial.fixtures) and not trial.failed
    told = f"{trial.failed:,} of {len(trial.fixtures):,} failed; mutation score {trial.score} %"
    return Found("fixtures", GOOD if good else BAD, shown, told)


def _signature(ctx: Context, found: Version, file: str) -> Found:
    """Whether a good signature says that it is this very version; one that is none is evidence too."""
    data = read_file(Path(file), sigstore_bundle.MAX_SIZE)
    try:
        trust = attest.trusted(ctx, None)
    except NothingTrusted:
        raise NobodyTrusted from None
    try:
        now, tenant = records.now_of(ctx), ctx.principal.tenant
        said = signing.verify_for(tenant, data, trust, found.digest, now=now, what=file)
        named = f"{said.predicate.policy_id}@{said.predicate.version}"
        if named != found.name:
            raise SignedFactDiffers(file=file, word="version", found=ascii(named)[1:-1], wanted=found.name)
    except StellaError as error:
        if error.exit is not Exit.NEGATIVE:
            raise
        return Found("signature", BAD, data, f"{error.code}: {error.message}")
    told = f"{said.predicate.reason}, {said.predicate.ticket}"
    return Found("signature", GOOD, data, told, object="policy-attestations")


def _recorded(ctx: Context, want: ExaminePolicy, subject: Subject, made: list[Found], frozen: str) -> PolicyExamined:
    now, rows = records.now_of(ctx), []
    for one in made:
        digest = ctx.blobs().put(one.object, one.shown)
        rows.append((one, Evidence(one.kind, digest, one.verdict, now, one.inputs, one.determinism)))
    with ctx.tenant() as t:
        version = held(t, want.policy, want.version)
        for _, row in rows:
            evidence.record_in(ctx, t, version, subject.found.digest, row)
        said = evidence.decided(ctx, t, version, "")
    return PolicyExamined(
        policy=version.policy,
        version=version.number,
        ir_sha256=version.digest,
        against="none" if subject.today is None else subject.today.name,
        inputs=frozen,
        evidence=tuple(Examined(row.kind, row.verdict, row.digest, one.what) for one, row in rows),
        missing=said.reason_codes,
    )
