"""A test of policies for other programs: JUnit, and a comment on a pull request."""

from __future__ import annotations

from collections.abc import Callable

from stella.formats import junit, markdown
from stella.formats.junit import Case, Suite
from stella.formats.markdown import Rows
from stella.policy.trial.model import FixtureResult, PolicyTested, PolicyTrial, Reason

TOOL = "stella policy test"
GATES: tuple[tuple[Reason, str], ...] = (
    ("fixtures_missing", "fixtures are there"),
    ("coverage_low", "coverage"),
    ("score_low", "mutation score"),
)


def suites(result: PolicyTested) -> list[Suite]:
    """A suite for each policy: a check for each fixture, and one for each figure that is asked for."""
    return [Suite(one.file, _cases(one)) for one in result.policies]


def as_junit(result: PolicyTested) -> bytes:
    """The suites of all policies."""
    return junit.document(TOOL, suites(result))


def _cases(one: PolicyTrial) -> list[Case]:
    cases = [_case(one.file, fixture) for fixture in one.fixtures]
    for reason, name in GATES:
        if reason in one.reasons:
            cases.append(Case(name, one.file, "failed", reason, _figure(one, reason), _left(one, reason)))
        else:
            cases.append(Case(name, one.file))
    return cases


def _case(file: str, fixture: FixtureResult) -> Case:
    if fixture.passed:
        return Case(fixture.name, file)
    said = "; ".join(f"{wrong.what}: expected {wrong.expected}, found {wrong.found}" for wrong in fixture.mismatches)
    return Case(fixture.name, file, "failed", "fixture_failed", said, "\n".join(fixture.explanation))


def _figure(one: PolicyTrial, reason: Reason) -> str:
    if reason == "coverage_low":
        return f"{one.coverage} % of {one.terms:,} terms are covered"
    if reason == "score_low":
        return f"{one.score} % of {one.mutants:,} mutants are killed"
    return "no fixture is beside the policy"


def _left(one: PolicyTrial, reason: Reason) -> str:
    if reason == "coverage_low":
        return "\n".join(f"{term.rule} ({term.branch}): {term.text}" for term in one.uncovered)
    if reason == "score_low":
        return "\n".join(f"{mutant.rule}: {mutant.what}" for mutant in one.survivors)
    return ""


def tables(result: PolicyTested) -> list[Rows]:
    """The figures first, then failures, then what no fixture reaches or notices."""
    figures = [
        (
            f"`{one.file}`",
            f"{len(one.fixtures) - one.failed:,} of {len(one.fixtures):,}",
            f"{one.coverage} % of {one.terms:,}",
            f"{one.score} % of {one.mutants:,}",
            ", ".join(one.reasons) or "passed",
        )
        for one in result.policies
    ]
    failures = [
        (fixture.name, wrong.what, wrong.expected, wrong.found)
        for one in result.policies
        for fixture in one.fixtures
        for wrong in fixture.mismatches
    ]
    uncovered = [(term.rule, f"`{term.text}`") for one in result.policies for term in one.uncovered]
    survivors = [(mutant.rule, mutant.what) for one in result.policies for mutant in one.survivors]
    found = [Rows("Policies", ("policy", "fixtures passed", "coverage", "mutants killed", "verdict"), figures)]
    if failures:
        found.append(Rows("Failures", ("fixture", "what", "expected", "found"), failures))
    if uncovered:
        found.append(Rows("Terms that no fixture reaches", ("rule", "term"), uncovered, folded=True))
    if survivors:
        found.append(Rows("Changes that no fixture notices", ("rule", "change"), survivors, folded=True))
    return found


def as_markdown(result: PolicyTested) -> bytes:
    """A comment on a pull request."""
    fixtures = sum(len(one.fixtures) for one in result.policies)
    failed = sum(one.failed for one in result.policies)
    lines = [f"{failed:,} of {fixtures:,} fixtures failed in {len(result.policies):,} policies."]
    return markdown.comment(TOOL, f"Policy test: {result.verdict}", lines, tables(result))


FORMATS: dict[str, Callable[[PolicyTested], bytes]] = {"junit": as_junit, "markdown": as_markdown}
