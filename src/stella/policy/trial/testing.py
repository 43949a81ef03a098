"""Policies are tested: fixtures judged, terms covered, mutants noticed, and what is left proposed.

Rules:
- Every policy that is there is tested. One without fixtures fails: nothing was shown of it.
- Proofs only ever take something away from what is counted; without them the figures are the lower ones.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from stella.kernel.nearest import nearest
from stella.language.model import Policy
from stella.operations import Context
from stella.policy.text.beside import fixtures_of
from stella.policy.text.compiling import compiled_file
from stella.policy.text.sources import sources
from stella.policy.trial.doubts import Doubts
from stella.policy.trial.errors import (
    BadPercentage,
    FixtureBadValue,
    FixturesUnreadable,
    FixtureTwice,
    FixtureUnknownName,
)
from stella.policy.trial.fixtures import DEFAULT, MAX_SOURCE, SUFFIXES, Fixture, read_fixtures
from stella.policy.trial.model import PolicyTested, PolicyTrial, Reason, Survivor, TestPolicy, UncoveredTerm
from stella.policy.trial.mutants import Mutant
from stella.policy.trial.proposals import Proposal, proposed
from stella.policy.trial.reports import FORMATS
from stella.policy.trial.trial import Place, Trial, asks_for_the_instant
from stella.runtime.files import make_directory, read_file, replacing
from stella.runtime.reports import read_reports, write_reports

ALL = 100  # percent


def test(ctx: Context, want: TestPolicy) -> PolicyTested:
    """Test policies; raises BadPercentage, BrokenSource, the errors of fixtures, or what reading and writing raise."""
    reports = read_reports(want.report, FORMATS)
    for name, value in (("min-coverage", want.min_coverage), ("min-score", want.min_score)):
        if not 0 <= value <= ALL:
            raise BadPercentage(name=name, found=value)
    paths = sources(want.paths)
    ctx.progress.start("test", len(paths), "policies")
    made = []
    for path in paths:
        made.append(_policy(path, want))
        ctx.progress.advance(1)
    reasons = [reason for one in made for reason in one.reasons]
    result = PolicyTested(
        verdict="failed" if reasons else "passed",
        reason=reasons[0] if reasons else None,
        min_coverage=want.min_coverage,
        min_score=want.min_score,
        policies=tuple(made),
    )
    return msgspec.structs.replace(result, reports=write_reports(reports, FORMATS, result))


def _policy(path: Path, want: TestPolicy) -> PolicyTrial:
    _, policy = compiled_file(str(path))
    trial = Trial(policy, fixtures_beside(path, policy))
    results = trial.results()
    tried = tuple(trial.mutants())
    survivors = trial.survivors(tried)
    uncovered, impossible, proposals = _reached(trial, prove=want.prove)
    same = _same(trial, survivors, prove=want.prove)
    survivors = tuple(one for one in survivors if one not in same)
    terms, mutants = len(trial.terms()) - impossible, len(tried) - len(same)
    covered, killed = terms - len(uncovered), mutants - len(survivors)
    failed = sum(not one.passed for one in results)
    return PolicyTrial(
        file=str(path),
        policy=policy.policy_id,
        fixtures=results,
        failed=failed,
        terms=terms,
        covered=covered,
        impossible=impossible,
        coverage=_percent(covered, terms),
        uncovered=tuple(UncoveredTerm(place.group.rule, place.group.branch, place.text) for place in uncovered),
        mutants=mutants,
        killed=killed,
        equivalent=len(same),
        score=_percent(killed, mutants),
        survivors=tuple(Survivor(one.rule.name, one.what) for one in survivors),
        reasons=_reasons(want, failed, len(results), (covered, terms), (killed, mutants)),
        proposed=_write(want.write, path, proposals),
    )


def _reasons(
    want: TestPolicy, failed: int, fixtures: int, coverage: tuple[int, int], score: tuple[int, int]
) -> tuple[Reason, ...]:
    found: list[tuple[bool, Reason]] = [
        (fixtures == 0, "fixtures_missing"),
        (failed > 0, "fixture_failed"),
        (_percent(*coverage) < want.min_coverage, "coverage_low"),
        (_percent(*score) < want.min_score, "score_low"),
    ]
    return tuple(reason for wrong, reason in found if wrong)


def _percent(part: int, whole: int) -> int:
    return part * ALL // whole if whole else ALL


def fixtures_beside(path: Path, policy: Policy) -> tuple[Fixture, ...]:
    """The fixtures of a policy, which speak of its rules; raises the errors of fixtures."""
    found: dict[str, Fixture] = {}
    dated = asks_for_the_instant(policy)
    known = [rule.name for rule in policy.rules]
    for file in fixtures_of(path):
        if not file.name.endswith(SUFFIXES):
            raise FixturesUnreadable(file=file, problem=f"its name ends neither in {' nor in '.join(SUFFIXES)}")
        for one in read_fixtures(read_file(file, MAX_SOURCE), str(file)):
            where = f"{file}: fixture `{one.name}`"
            if one.name in found:
                raise FixtureTwice(file=file, name=one.name)
            if one.expected.rule not in {None, DEFAULT, *known}:
                guess = nearest(one.expected.rule or "", known)
                said = f"; did you mean `{guess}`?" if guess else ""
                raise FixtureUnknownName(where=where, name=f"rule {one.expected.rule}", guess=said)
            if dated and not one.dated:
                problem = "is missing, and what the policy decides hangs on it"
                raise FixtureBadValue(where=where, name="as_of", problem=problem)
            found[one.name] = one
    return tuple(found.values())


def _reached(trial: Trial, *, prove: bool) -> tuple[list[Place], int, list[Proposal]]:
    """The terms that no fixture reaches, how many of them nothing can reach, and a proposal for each other one."""
    missed = trial.uncovered()
    if not missed or not prove:
        return list(missed), 0, []
    doubts = Doubts(trial.policy, ())
    left, proposals = [], []
    for place in missed:
        example = doubts.reached(place.condition)
        if example is False:
            continue
        left.append(place)
        if not isinstance(example, bool):
            proposals.append(proposed(trial, place, example))
    return left, len(missed) - len(left), proposals


def _same(trial: Trial, survivors: tuple[Mutant, ...], *, prove: bool) -> list[Mutant]:
    if not survivors or not prove:
        return []
    return Doubts(trial.policy, [one.facts for one in trial.fixtures]).same(survivors)


def _write(folder: str | None, path: Path, proposals: list[Proposal]) -> str | None:
    """Write the proposals for a policy; where they are."""
    if folder is None or not proposals:
        return None
    make_directory(Path(folder).absolute())
    out = Path(folder, f"{path.stem}{SUFFIXES[0]}")
    with replacing(out) as file:
        file.write("\n".join(one.text for one in proposals).encode())
    return str(out)
