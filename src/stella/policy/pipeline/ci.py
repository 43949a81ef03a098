"""All checks of policies in one process, as a pipeline asks for them: lint with proofs, test, simulate, verify.

Rules:
- One step that fails does not hide what the next would say, as long as the policies compile.
- A step whose own verdict is negative fails the whole; what is wrong with the request itself is an error at once.
- What was not asked for is not there. What was and cannot be done is skipped by name, and never counts as passed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import msgspec

from stella.attest import service as attest
from stella.kernel.errors import Exit, StellaError
from stella.key.model import SUFFIX
from stella.operations import Context
from stella.policy import results
from stella.policy.pipeline import recording
from stella.policy.pipeline.model import CheckPolicies, PoliciesChecked, Recorded, Step, StepName
from stella.policy.pipeline.reports import FORMATS
from stella.policy.pipeline.today import Pair, pairs
from stella.policy.records import Version
from stella.policy.signature import signing
from stella.policy.signature.model import PolicyVerified, VerifyPolicy
from stella.policy.simulation import simulating as simulation
from stella.policy.simulation.model import PolicySimulated, SimulatePolicy
from stella.policy.simulation.words import headline, lines
from stella.policy.text import linting
from stella.policy.text.model import LintPolicy, PolicyLinted
from stella.policy.trial import testing
from stella.policy.trial.model import PolicyTested, TestPolicy
from stella.runtime.reports import read_reports, write_reports

Result = TypeVar("Result")
UNSIGNED = "policy_unsigned"
INVARIANT = "invariant "  # begins what a finding is about


class _Found(NamedTuple):
    """What the steps have found so far."""

    steps: list[Step]
    simulated: list[PolicySimulated]
    verified: list[PolicyVerified]
    recorded: list[Recorded]


Subject = tuple[Version, str] | None  # the version that evidence is about, and its file


def ci(ctx: Context, want: CheckPolicies) -> PoliciesChecked:
    """Check; raises what is wrong with the request, as the steps do, but never their negative verdicts.

    Raises as `recording.version_of` when evidence is to be recorded about another policy.
    """
    reports = read_reports(want.report, FORMATS)
    asked = LintPolicy(want.paths, strict=want.strict, exceptions=want.exceptions)
    linted = linting.lint(ctx, asked)
    subject = recording.version_of(ctx, want.record, linted) if want.record is not None else None
    found = _Found([_linted(linted), *_proved(linted)], [], [], [])
    if subject is not None:
        found.recorded.append(recording.lint(ctx, subject[0], linted))
    tested: PolicyTested | None = None
    if all(one.digest for one in linted.files):
        tested = testing.test(ctx, TestPolicy(want.paths, min_coverage=want.min_coverage, min_score=want.min_score))
        found.steps.append(_tested(tested))
        if subject is not None:
            found.recorded.extend(recording.tests(ctx, subject[0], tested, subject[1], want.min_coverage))
        if want.inventory is not None:
            held = pairs(want.before, want.paths, linted.files)
            found.steps.extend(_simulated(ctx, want, want.inventory, pair, found, subject) for pair in held)
        if _signed(want):
            attest.trusted(ctx, want.trust, want.key)  # trust that cannot be read is no verdict about a policy
            found.steps.extend(_verified(ctx, want, one.file, found, subject) for one in linted.files)
    else:
        found.steps.extend(_skipped(want))
    failed = [step.reason for step in found.steps if step.verdict == "failed"]
    result = PoliciesChecked(
        verdict="failed" if failed else "passed",
        reason=failed[0] if failed else None,
        steps=tuple(found.steps),
        linted=linted,
        tested=tested,
        simulated=tuple(found.simulated),
        verified=tuple(found.verified),
        recorded=tuple(found.recorded),
    )
    result = results.keep(ctx, result)
    return msgspec.structs.replace(result, reports=write_reports(reports, FORMATS, result))


def _skipped(want: CheckPolicies) -> Iterator[Step]:
    asked_for: list[tuple[StepName, bool]] = [
        ("test", True),
        ("simulate", want.inventory is not None),
        ("verify", _signed(want)),
    ]
    for name, is_asked in asked_for:
        if is_asked:
            yield Step(name, "", "skipped", "", "not every policy compiles")


def _linted(result: PolicyLinted) -> Step:
    proved = sum(one.proved for one in result.files)
    told = f"{result.errors:,} errors, {result.warnings:,} warnings in {len(result.files):,} files, {proved:,} proved"
    return Step("lint", "", result.verdict, result.reason or "", told)


def _proved(result: PolicyLinted) -> Iterator[Step]:
    """What the solver gave up on is unknown, and where an invariant may be among it that does not pass."""
    for file in result.files:
        if not file.digest or not any(subject.startswith(INVARIANT) for subject in file.subjects):
            continue
        unknown = [
            one
            for one in result.findings
            if (one.file, one.code) == (file.file, "POL3009") and (one.subject + " ").startswith((INVARIANT, "policy "))
        ]
        if unknown:
            yield Step("prove", file.file, "failed", "not_proved", unknown[0].message)


def _tested(result: PolicyTested) -> Step:
    fixtures = sum(len(one.fixtures) for one in result.policies)
    failed = sum(one.failed for one in result.policies)
    coverage = min((one.coverage for one in result.policies), default=0)
    score = min((one.score for one in result.policies), default=0)
    told = f"{failed:,} of {fixtures:,} fixtures failed; coverage at least {coverage} %, mutation score {score} %"
    return Step("test", "", result.verdict, result.reason or "", told)


def _signed(want: CheckPolicies) -> bool:
    return want.trust is not None or bool(want.key)


def _simulated(  # what a step is about, and where it goes
    ctx: Context, want: CheckPolicies, inventory: str, pair: Pair, found: _Found, subject: Subject
) -> Step:
    mine = subject[0] if subject is not None and subject[1] == pair.after else None
    asked = SimulatePolicy(
        pair.after,
        inventory,
        before=pair.before,
        policy=mine.policy if mine is not None else want.policy,
        env=want.env,
        exceptions=want.exceptions,
        limits=want.limits,
        max_age=want.max_age,
    )

    def work() -> PolicySimulated:
        made = simulation.compare(ctx, asked)
        if mine is not None:
            found.recorded.extend(recording.simulation(ctx, mine, made))
        return made.result

    def told(result: PolicySimulated) -> Step:
        said = " ".join((f"{headline(result)}.", *lines(result)))
        return Step("simulate", pair.file, result.verdict, result.reason or "", said)

    return _step("simulate", pair.file, work, told, found.simulated)


def _verified(ctx: Context, want: CheckPolicies, file: str, found: _Found, subject: Subject) -> Step:
    asked = VerifyPolicy(file=file, trust=want.trust, key=want.key)
    if not os.path.lexists(f"{file}{SUFFIX}"):
        return Step("verify", file, "failed", UNSIGNED, f"there is no {file}{SUFFIX}")

    def work() -> PolicyVerified:
        result = signing.verify(ctx, asked)
        if subject is not None and subject[1] == file:
            found.recorded.append(recording.signature(ctx, subject[0], result.attestation))
        return result

    def told(result: PolicyVerified) -> Step:
        return Step("verify", file, "passed", "", f"version {result.version} of {result.policy_id}, {result.ticket}")

    return _step("verify", file, work, told, found.verified)


def _step(
    name: StepName, file: str, work: Callable[[], Result], told: Callable[[Result], Step], kept: list[Result]
) -> Step:
    """Do one step; a check that fails as an error, such as a wrong signature or a stale snapshot, is its verdict."""
    try:
        result = work()
    except StellaError as error:
        if error.exit is not Exit.NEGATIVE:
            raise
        return Step(name, file, "failed", error.reason, f"{error.code}: {error.message}")
    kept.append(result)
    return told(result)
