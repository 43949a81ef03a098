"""All checks of policies in one process, as a pipeline asks for them: lint with proofs, test, simulate, verify.

Rules:
- One step that fails does not hide what the next would say, as long as the policies compile.
- A step whose own verdict is negative fails the whole; what is wrong with the request itself is an error at once.
- What was not asked for is not there, and never counts as passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from stella.kernel.errors import Exit, StellaError
from stella.operations import Context
from stella.policy.pipeline.model import CheckPolicies, PoliciesChecked, Step, StepName
from stella.policy.pipeline.reports import FORMATS
from stella.policy.signature import signing
from stella.policy.signature.model import PolicyVerified, VerifyPolicy
from stella.policy.simulation import simulating as simulation
from stella.policy.simulation.model import PolicySimulated, SimulatePolicy
from stella.policy.simulation.words import headline, sentence
from stella.policy.text import linting
from stella.policy.text.model import LintPolicy, PolicyLinted
from stella.policy.trial import testing
from stella.policy.trial.model import PolicyTested, TestPolicy
from stella.runtime.reports import read_reports, write_reports

Result = TypeVar("Result")
INVARIANT = "invariant "  # begins what a finding is about


def ci(ctx: Context, want: CheckPolicies) -> PoliciesChecked:
    """Check; raises what is wrong with the request, as the steps do, but never their negative verdicts."""
    reports = read_reports(want.report, FORMATS)
    asked = LintPolicy(want.paths, strict=want.strict, exceptions=want.exceptions)
    linted = linting.lint(ctx, asked)
    steps = [_linted(linted), *_proved(linted)]
    files = [one.file for one in linted.files if one.digest]
    tested: PolicyTested | None = None
    simulated: list[PolicySimulated] = []
    verified: list[PolicyVerified] = []
    if len(files) == len(linted.files):
        tested = testing.test(ctx, TestPolicy(want.paths, min_coverage=want.min_coverage, min_score=want.min_score))
        steps.append(_tested(tested))
        for file in files:
            steps += _simulated(ctx, want, file, simulated)
        for file in files:
            steps += _verified(ctx, want, file, verified)
    else:
        steps.append(Step("test", "", "skipped", "", "not every policy compiles"))
    failed = [step.reason for step in steps if step.verdict == "failed"]
    result = PoliciesChecked(
        verdict="failed" if failed else "passed",
        reason=failed[0] if failed else None,
        steps=tuple(steps),
        linted=linted,
        tested=tested,
        simulated=tuple(simulated),
        verified=tuple(verified),
    )
    return msgspec.structs.replace(result, reports=write_reports(reports, FORMATS, result))


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


def _simulated(ctx: Context, want: CheckPolicies, file: str, kept: list[PolicySimulated]) -> Iterator[Step]:
    if want.inventory is None:
        return
    asked = SimulatePolicy(
        file,
        want.inventory,
        before=today(want.before, file),
        exceptions=want.exceptions,
        limits=want.limits,
        max_age=want.max_age,
    )

    def told(result: PolicySimulated) -> Step:
        return Step("simulate", file, result.verdict, result.reason or "", f"{headline(result)}. {sentence(result)}")

    yield _step("simulate", file, lambda: simulation.simulate(ctx, asked), told, kept)


def _verified(ctx: Context, want: CheckPolicies, file: str, kept: list[PolicyVerified]) -> Iterator[Step]:
    if want.trust is None and not want.key:
        return
    asked = VerifyPolicy(file=file, trust=want.trust, key=want.key)

    def told(result: PolicyVerified) -> Step:
        return Step("verify", file, "passed", "", f"version {result.version} of {result.policy_id}, {result.ticket}")

    yield _step("verify", file, lambda: signing.verify(ctx, asked), told, kept)


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


def today(given: str, file: str) -> str:
    """The policy that decides today: of a folder the file of the same name, and `none` where it has none."""
    folder = Path(given)
    if given in {simulation.ACTIVE, simulation.NONE} or not folder.is_dir():
        return given
    same = folder / Path(file).name
    return str(same) if same.is_file() else simulation.NONE
